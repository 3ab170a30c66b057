// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A passthrough: one reader's own transfer, for a file that cannot be stored because the disk is
 * full or min_free is reached. Its bytes are in memory only until the reader takes them, in order.
 * The transfer pauses while the reader is slow.
 *
 *     passthrough_open(files, &options, &p)      begins at once
 *     passthrough_begin(p, waiter, ...)           optional: waits for the first byte
 *     passthrough_read(p, offset, ...)            offsets follow each other
 *     passthrough_close(p)
 *
 * What a client may rely on holds here also. A web page in the place of the file is refused by its
 * first bytes, and a captive portal is named (passthrough_page.h). The last 64 KiB of a whole file
 * wait for length and digest. Another mirror takes over in mid-file where the digest is known.
 * Where no digest is claimed, the last 2 MiB are judged (engine/files/soundness.h): for a wheel
 * they usually hold the list of members and METADATA. What these bytes cannot tell is believed, for
 * example a longer sdist.
 */
#include "engine/files/progress.h"
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

struct files;
struct passthrough;

struct passthrough_options {
    const struct origin *origin;
    const char *path;
    const char *via; /* or NULL */
    /* the claims of the file, or NULL; and services->claims_version when they were read: */
    struct claim_set *claims;
    uint64_t claims_version;
    int64_t size;           /* -1: unknown, as much as comes */
    int64_t from, to;       /* the wanted range, half open */
    struct partial *prefix; /* holds bytes [0, from), or NULL */
    unsigned blamed;        /* mirrors not to be asked */
    bool whole;             /* a 200 or `N-`: the end is held back */
};

/* Any thread. ERROR_NO_MEMORY. */
int passthrough_open(struct files *files, const struct passthrough_options *options,
                     struct passthrough **ret);
/* As file_begin: 0, ENGINE_WAIT, or an error that `ret_detail` explains. */
int passthrough_begin(struct passthrough *passthrough, struct waiter *waiter, char *ret_detail,
                      size_t size);
/* As file_read. Offsets must follow each other. */
int64_t passthrough_read(struct passthrough *passthrough, int64_t offset, void *data, size_t size,
                         struct waiter *waiter);
void passthrough_close(struct passthrough *passthrough); /* NULL is legal */
/* Wakes suspended readers whose clients have left, or whose time is over. Flight thread, four times
 * a second. */
void passthrough_sweep(struct files *files);
