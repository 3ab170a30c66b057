// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of the writer share. */
#include "bundle/layout.h"
#include "bundle/site.h"
#include "bundle/writer.h"

enum { WRITER_BLOCK = 1 << 20 };

struct writer {
    const struct writer_options *options;
    const struct writer_source *source;
    struct manifest *manifest;
    size_t file_capacity, lock_capacity;
    struct static_site *site; /* one for each of manifest->others, in their order */
    struct buf text;          /* the manifest's */
    struct buf signature;
    struct buf page;      /* the one that is being written */
    char *block;          /* WRITER_BLOCK bytes */
    int folder;           /* descriptor */
    int marker;           /* `.wheelyard-unfinished`, locked */
    int part;             /* descriptor of the part that is being written */
    int64_t part_at;      /* where its next byte goes */
    struct sha256 *whole; /* of a file whose pieces are being hashed; or NULL */
    int64_t done, total;
    char *why;
};

/* Keeps what went wrong, and gives `error` back. */
int writer_fail(struct writer *w, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sorts the rows, decides what is carried, measures pages, lays out the parts, and writes and signs
 * the manifest, in which the digests of pieces are still zeros. */
int writer_plan(struct writer *w);
/* The manifest's text, anew; then its signature. Neither changes its length any more. */
int writer_manifest_write(struct writer *w);
int writer_manifest_sign(struct writer *w);
/* Bytes before the payload of each part. */
int64_t writer_head_bytes(const struct writer *w);

/* Opens the folder, takes away what is left of a run that did not end, and marks it. */
int writer_folder_open(struct writer *w);
/* Takes away parts and manifest of this run, or of the one that is named. */
void writer_folder_clear(struct writer *w, const char *name);
/* A new file of that name with `.tmp` behind it, for writing. */
int writer_folder_create(struct writer *w, const char *name, int *ret_fd);
/* Syncs and closes the file, and gives it its name. */
int writer_folder_keep(struct writer *w, const char *name, int fd);
/* What has its name by now keeps it through a power cut. */
int writer_folder_sync(struct writer *w);
/* The bundle is whole, or nothing of it is left: takes the mark away. */
int writer_folder_finish(struct writer *w);
