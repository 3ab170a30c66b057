// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A pass: one reader's own transfer, kept in memory for the moment only, for files that cannot be
 * stored: the disk is full, or min_free is reached. Bytes go by in order; the transfer is paused
 * while the reader is slow. What a client may rely on holds here too: the last 64 KiB of a whole
 * file wait for length and digest, and another mirror takes over in mid-file where the digest is
 * known. Where nobody names one, the last 2 MiB are kept to be judged (engine/files/soundness.h):
 * of a wheel they have its list of members and METADATA as a rule. What these bytes do not tell, an
 * sdist longer than that for one, is believed.
 */
#include "engine/files/progress.h"
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

struct passthrough;

struct passthrough_options {
    const struct origin *origin;
    const char *path;
    const char *via;          /* or NULL */
    struct claim_set *claims; /* of the file, or NULL; and when they were looked up: */
    uint64_t claims_version;
    int64_t size;           /* -1 unknown: as much as comes */
    int64_t from, to;       /* what is wanted, half open */
    struct partial *prefix; /* holds bytes [0, from), or NULL */
    unsigned blamed;        /* mirrors not to be asked */
    bool whole;             /* a 200 or `N-`: held back */
};

/* Begins at once. Any thread. */
int passthrough_open(struct engine *engine, const struct passthrough_options *options,
                     struct passthrough **ret);
/* As file_begin: 0, ENGINE_WAIT, or an error that `ret_detail` explains. */
int passthrough_begin(struct passthrough *passthrough, struct waiter *waiter, char *ret_detail,
                      size_t size);
/* As file_read; offsets must follow each other. */
int64_t passthrough_read(struct passthrough *passthrough, int64_t offset, void *data, size_t size,
                         struct waiter *waiter);
void passthrough_close(struct passthrough *passthrough); /* NULL is legal */
/* Resumes suspended readers whose clients have left or whose time is over. Flight thread, four
 * times a second. */
void passthrough_sweep(struct engine *engine);
