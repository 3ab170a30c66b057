// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of archive.h, shared by archive.c (zip and the verdict), archive_stream.c (tar and its
 * compression), archive_pkg_info.c and archive_record.c (RECORD). No other file includes it. */
#include "index/archive.h"
#include "index/wheel_private.h"

/* Writes the reason and returns ARCHIVE_REFUSED, which ends a check. */
enum { ARCHIVE_REFUSED = 1 };
int archive_refuse(struct archive_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- archive.c: the directory, entry by entry, read in blocks */
struct archive_walk {
    const struct archive_source *source;
    struct zip_directory directory;
    int64_t at; /* offset of the next entry */
    char *block;
    int64_t block_from;
    size_t block_len;
};
/* 0, or a refusal for a damaged end of the archive. */
int archive_walk_begin(const struct archive_source *source, struct archive_walk *ret,
                       struct archive_verdict *verdict);
/* The next member; its name is valid until the next call. ARCHIVE_WALK_END after the last. */
enum { ARCHIVE_WALK_END = 2 };
int archive_walk_next(struct archive_walk *walk, struct zip_member *ret,
                      struct archive_verdict *verdict);
void archive_walk_release(struct archive_walk *walk);

/* ---- archive_stream.c: 0 or ARCHIVE_REFUSED, or an error */
int archive_tar(const struct archive_source *source, const char *file,
                struct archive_verdict *verdict);
int archive_gzip(const struct archive_source *source, const char *file,
                 struct archive_verdict *verdict);
int archive_xz(const struct archive_source *source, struct archive_verdict *verdict);
int archive_bzip2(const struct archive_source *source, struct archive_verdict *verdict);
/* Whether 512 bytes are the header of a member of a tar archive, by their checksum. */
bool archive_is_tar_header(const char *block);

/* ---- archive_record.c: a member of a zip archive, unpacked and compared with its CRC. 0,
 * ARCHIVE_REFUSED or an error; ARCHIVE_CANNOT_TELL: it is encrypted, or packed in another way. */
enum { ARCHIVE_CANNOT_TELL = 3 };
int archive_member_text(const struct archive_source *source, const struct zip_directory *directory,
                        const struct zip_member *member, struct archive_verdict *verdict,
                        struct buf *text);

/* ---- archive_pkg_info.c: PKG-INFO of an sdist; the bytes of its tar archive are added in order */
enum { PKG_INFO_MOST = 1 << 20 }; /* a longer one in a zip archive is not looked at */
struct pkg_info;
int pkg_info_new(struct pkg_info **ret); /* ERROR_NO_MEMORY */
void pkg_info_free(struct pkg_info *info);
void pkg_info_add(struct pkg_info *info, const char *data, size_t len);
/* So many bytes follow that are of no interest, and need not be added. */
int64_t pkg_info_skip(struct pkg_info *info);
bool pkg_info_is_done(const struct pkg_info *info);
/* Whether a path is that of an sdist's PKG-INFO. */
bool pkg_info_is_at(const char *path, size_t len);
/* The same as pkg_info_judge, of the text itself. */
int pkg_info_compare(const char *text, size_t len, const char *file,
                     struct archive_verdict *verdict);
/* Whether its Name fits the file name; a missing PKG-INFO proves nothing. 0, ARCHIVE_REFUSED or an
 * error. */
int pkg_info_judge(const struct pkg_info *info, const char *file, struct archive_verdict *verdict);
