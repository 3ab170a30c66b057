// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the bytes of a file say of themselves: whether they are a wheel, or an sdist, whole and
 * of the project that the file's name says. This is evidence against accidents (a login page, half
 * a file, another file), not against a forger, who can make all of it agree.
 *
 *     struct archive_source source = {read_some, it, size};
 *     int r = archive_structure(&source, "demo-1.0-py3-none-any.whl", &verdict);
 *
 * archive_structure looks at the end of a zip archive: end record and directory agree and are all
 * there, every member lies between the archive's beginning and its directory, none lies over
 * another. Of a wheel METADATA is unpacked and its Name compared with the file name. Bytes before
 * the archive are legal. Of a `.tar.gz` it unpacks all of the stream, whose trailer has its CRC and
 * length, and looks whether a tar archive begins there; where that has PKG-INFO one folder deep,
 * its Name is compared with the file name. Of `.tar.xz` and `.tar.bz2` it unpacks nothing: it finds
 * the end mark, so a part of one is told from a whole one, and no more; nor is PKG-INFO of a plain
 * `.tar` or a `.zip` looked at.
 *
 * archive_record reads all of a wheel and compares every member with its CRC and with the wheel's
 * own RECORD. It takes a few megabytes of memory, by the length of RECORD, whatever the wheel's.
 *
 * The bytes come from strangers: all bounds are below. Pure but for `read`; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARCHIVE_WHY_BYTES = 200,
    ARCHIVE_RECORD_MAX = 16 << 20, /* of a RECORD; a longer one proves nothing */
    ARCHIVE_RECORD_ROWS = 400000,
};
#define ARCHIVE_UNPACKED_MAX ((int64_t)32 << 30) /* of all members that RECORD is compared with */
#define ARCHIVE_STREAM_MAX ((int64_t)4 << 30)    /* of a stream */

struct archive_source {
    /* All of [from, from + len), which lies in the file: 0, or an error that ends the reading. */
    int (*read)(void *userdata, int64_t from, void *to, size_t len);
    void *userdata;
    int64_t size;
};

enum archive_level {
    ARCHIVE_NONE,      /* not sound */
    ARCHIVE_STRUCTURE, /* whole by its structure */
    ARCHIVE_RECORD,    /* and every member agrees with RECORD */
};

struct archive_verdict {
    enum archive_level level;
    bool other_version; /* METADATA names another version than the file: for the client to judge */
    /* Whole by structure and CRC, but RECORD says otherwise of a member: damage has another face,
     * so the same bytes are likely to be published that way. */
    bool contradicted;
    char why[ARCHIVE_WHY_BYTES]; /* for people: why it is no more than this; "" nothing */
};

/* Whether a file of this name can be judged: .whl, .zip, .egg, .tar, .tar.gz and the like. */
bool archive_is_known(const char *file);

/* 0 and a verdict of ARCHIVE_NONE or ARCHIVE_STRUCTURE. `read`'s error, or ERROR_NO_MEMORY. A file
 * that archive_is_known does not know is ARCHIVE_NONE. */
int archive_structure(const struct archive_source *source, const char *file,
                      struct archive_verdict *ret);
/* Likewise, of a wheel: ARCHIVE_RECORD where all agrees; ARCHIVE_STRUCTURE where RECORD cannot tell
 * (no digests, members that it does not name, another packing), ARCHIVE_NONE where a member
 * is damaged or is not what RECORD says. Other files are judged by archive_structure. */
int archive_record(const struct archive_source *source, const char *file,
                   struct archive_verdict *ret);

/* What bytes look like, by the first few: "a web page", "a Git LFS pointer" ... */
const char *archive_describe(const char *data, size_t len);
