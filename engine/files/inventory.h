// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is kept, for whoever looks after it: a picture of all files, and what can be done to one.
 *
 *     engine_inventory(engine, &inventory);
 *     r = inventory_find(inventory, "torch-2.9.0+cu126-...whl", &row);
 *     r = engine_remove(engine, row);
 *     inventory_free(inventory);
 *
 * The engine_ functions block until the flight thread, and for some the disk, have answered: they
 * are for threads that may wait, not for HTTP workers. The picture is the caller's own; what it
 * shows may be gone by the time something is done to it, and then that says ENGINE_ABSENT.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct engine;

struct inventory_row {
    char *name;              /* origin/path */
    size_t origin_len;       /* of the origin in it */
    char *etag, *mirrors;    /* or NULL */
    char sha256[SHA256_HEX]; /* "" while it is fetched */
    int64_t size;            /* -1 unknown */
    int64_t present;         /* bytes that are there */
    int64_t used_s;          /* last use, real time; 0 unknown */
    int64_t verified_s;      /* last comparison with its digest; 0 none since it was kept */
    bool pinned;
    bool authoritative; /* an authority names the digest */
    const char *level;  /* engine/files/evidence.h; "" not looked at yet */
    char *level_why;    /* or "" */
    unsigned readers;   /* of a file being fetched */
};

struct inventory {
    struct inventory_row *rows; /* by name */
    size_t count;
};

int engine_inventory(struct engine *engine, struct inventory **ret);
/* Where the blobs are (cache/store.h); lives as long as the engine. */
const char *engine_cache_dir(const struct engine *engine);
void inventory_free(struct inventory *inventory); /* NULL is legal */

/* Whether somebody who says `name` may mean this row: its file name, or at least four digits of its
 * digest, with or without `sha256:`, or origin/path. Pure. */
bool inventory_matches(const struct inventory_row *row, const char *name);
/* The row that is meant; whole origin/path goes before all else, and several paths of the same
 * bytes are one blob. INVENTORY_NONE, INVENTORY_SEVERAL. Pure. */
enum { INVENTORY_NONE = 1, INVENTORY_SEVERAL = 2 };
int inventory_find(const struct inventory *inventory, const char *name,
                   const struct inventory_row **ret);

enum {
    ENGINE_ABSENT = 1, /* not there, or not whole */
    ENGINE_PINNED = 2,
    ENGINE_BUSY = 3, /* being fetched for somebody, or being opened just now */
};
/* A pin holds off eviction and removal, of all paths with these bytes. ENGINE_ABSENT. */
int engine_pin(struct engine *engine, const char *sha256, bool pinned);
/* Unlinks a blob, under every path, or forgets what was fetched of a file nobody reads. Whoever
 * reads a blob reads on. ENGINE_ABSENT, ENGINE_PINNED, ENGINE_BUSY. */
int engine_remove(struct engine *engine, const struct inventory_row *row);

struct collection {
    unsigned evicted;      /* files that went for max_size or min_free */
    int64_t evicted_bytes; /* of them */
    unsigned orphans;      /* blobs that neither catalogue nor table named */
    bool fits;             /* below max_size and above min_free now; pins may prevent it */
};
/* Evicts down to max_size and min_free now, removes orphans and what is in quarantine. */
int engine_collect(struct engine *engine, struct collection *ret);

/* Compares a blob with its digest, reading at most rate_bytes_s (0: as fast as it comes) on the
 * caller's thread. What is not right is taken away and its bytes go to quarantine. Ends early, with
 * ERROR_STOPPING, when *stop is set. ENGINE_ABSENT; ENGINE_BUSY: not right, and just being kept for
 * another path. */
enum verdict_of_blob { BLOB_GOOD, BLOB_CORRUPT, BLOB_MISSING };
int engine_verify(struct engine *engine, const char *sha256, int64_t rate_bytes_s,
                  const _Atomic bool *stop, enum verdict_of_blob *ret);
/* Has a blob of which no authority names the digest say what it can of itself
 * (engine/files/evidence.h), likewise; sound: nothing is wrong with it, else it has been taken
 * away. free() ret_why. */
int engine_check_evidence(struct engine *engine, const struct inventory_row *row,
                          int64_t rate_bytes_s, const _Atomic bool *stop, bool *ret_sound,
                          char **ret_why);
/* Fetches a file as a client would, and waits until it is kept or passed. `name` is origin/path as
 * in a row. */
int engine_refetch(struct engine *engine, const struct inventory_row *row,
                   const _Atomic bool *stop);
