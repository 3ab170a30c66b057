// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of the reader share. */
#include <sys/types.h>

#include "bundle/reader.h"

enum { READER_BLOCK = 1 << 20 };

/* What comes before a payload. */
struct reader_head {
    int64_t payload_at; /* where it ends */
    int64_t modified_s; /* the date in its headers */
    bool is_odd;        /* two dates, or no zeros where zeros must be */
};

struct reader_source {
    char *path;
    bool is_folder; /* an unpacked tree; all else is a part */
    int64_t size;
    dev_t device;
    ino_t inode;
    /* Of a part: its head, if that can be read. */
    bool has_head, has_signature;
    enum reader_trust trust; /* by the signature in it */
    struct reader_head head;
    char sha256[SHA256_HEX]; /* of the manifest in it */
    int64_t payload_at;      /* where the payload begins */
    const char *head_damage; /* what is wrong with manifest or signature in it; or NULL */
};

/* Keeps a sentence. ERROR_NO_MEMORY. */
int reader_problem(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Opens a source again; ERROR_IO when it is another file than it was. */
int reader_source_open(const struct reader_source *source, int *ret_fd);

/* Reads the head of a part. READER_NO_HEAD (> 0): there is none that can be read. */
enum { READER_NO_HEAD = 1 };
int reader_head_read(int fd, int64_t size, struct buf *text, struct buf *signature,
                     struct reader_head *ret);

/* Takes note of a manifest and its signature (len 0: none): judges it, and parses it when it is
 * believed. */
int reader_judge(struct reader *reader, const char *path, const struct buf *text,
                 const struct buf *signature, enum reader_trust *ret);

/* Finds for each part that was given its bundle and its number. */
int reader_attach(struct reader *reader);

/* Appends the header that must stand before a piece. */
void reader_header_write(const struct reader_bundle *bundle, const struct layout_piece *piece,
                         struct buf *to);
