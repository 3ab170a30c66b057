// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Writes a bundle: parts, manifest and signature in a folder.
 *
 *     writer_new(&options, &w);
 *     writer_add(w, &row) ...                  each file, in any order
 *     writer_add_lock(w, &lock) ...
 *     r = writer_run(w, &source, &summary);    what went wrong: writer_why(w)
 *     writer_free(w);
 *
 * Equal rows, options and date make equal bytes. Sizes and digests are known before a byte is read,
 * so the manifest is made first, and lies first in each part: whoever receives a part by a medium
 * that only goes one way knows from its first megabyte what must follow. Each file is read once,
 * hashed on the way, and compared with its row; only a file that is larger than a part is read
 * twice, for the digests of its pieces. Memory: the rows, the manifest (some 700 bytes for a file),
 * one page of the index, and a buffer of 1 MiB.
 *
 * Crashes: a part is NAME.partNNN.tar.tmp until it is on the disk, and manifest.json comes last. A
 * folder with `.wheelyard-unfinished` holds what a run has left that did not end; the next run
 * takes it away and starts anew. A run that fails takes away what it has written. A folder that
 * has another bundle is refused.
 *
 * Errors: ERROR_BAD_REQUEST (a row that no manifest may have, a name that is none), ERROR_TOO_BIG
 * (parts too small for the manifest, too many parts), ERROR_DIGEST_MISMATCH (a file is not as its
 * row says), ERROR_IN_USE (the folder has a bundle, or another run), and those of the disk. After
 * each, writer_why is a sentence for people. Blocks; one thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bundle/manifest.h"
#include "bundle/minisign.h"

struct writer_options {
    const char *folder;                   /* made when it is not there */
    const char *name;                     /* of the bundle: "lab" makes lab.part001.tar */
    int64_t date_s;                       /* of the bundle and of all files in it */
    int64_t part_bytes;                   /* most that a part may have; 0: all in one */
    const struct minisign_secret *secret; /* or NULL: not signed */
    const struct manifest *since;         /* the predecessor, or NULL */
    const char *since_sha256;             /* of its text */
    /* How far the run is, in bytes; or NULL. Called after each megabyte. */
    void (*progress)(void *context, int64_t done, int64_t total);
    void *context;
};

/* Opens a file, or its METADATA, for reading; the writer closes it. Errors are passed up. */
struct writer_source {
    int (*open)(void *context, const struct manifest_file *file, bool is_metadata, int *ret_fd);
    void *context;
};

struct writer_summary {
    size_t parts, files, carried; /* carried: files that are not in an earlier bundle */
    int64_t bytes;                /* of the parts */
};

struct writer;

/* The options outlive the writer. */
int writer_new(const struct writer_options *options, struct writer **ret);
void writer_free(struct writer *w); /* NULL is legal */

/* Copies the row; `pieces` of its members are not looked at, metadata.size -1 is none. */
int writer_add(struct writer *w, const struct manifest_file *row);
int writer_add_lock(struct writer *w, const struct manifest_lock *lock);

/* Once. */
int writer_run(struct writer *w, const struct writer_source *source, struct writer_summary *ret);
const char *writer_why(const struct writer *w); /* "" while nothing is wrong */
