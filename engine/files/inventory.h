// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is kept, for people who look after it: a picture of all files, and what can be done with
 * one.
 *
 *     inventory_new(files, &inventory);
 *     r = inventory_find(inventory, "torch-2.9.0+cu126-...whl", &row);
 *     r = inventory_remove(files, row);
 *     inventory_free(inventory);
 *
 * The functions that take files block until the flight thread has answered, some also until the disk has.
 * They are for threads that may block, never for HTTP workers. The picture belongs to the caller.
 * What it shows may be gone when something is done with it; that is answered by ENGINE_ABSENT.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct files;

struct inventory_row {
    char *name;              /* origin/path */
    size_t origin_len;       /* length of the origin in it */
    char *etag, *mirrors;    /* or NULL */
    char sha256[SHA256_HEX]; /* "" while the file is fetched */
    int64_t size;            /* -1 unknown */
    int64_t present;         /* bytes that are present */
    int64_t used_s;          /* last use, real time; 0 unknown */
    int64_t verified_s;      /* last comparison with its digest; 0: none since it was kept */
    bool pinned;             /* by a person or a set */
    char *sets;              /* the sets that have it: "lab, office"; or NULL */
    bool authoritative;      /* a digest is agreed */
    const char *level;       /* engine/files/evidence.h; "" when it was not checked yet */
    char *level_why;         /* or "" */
    unsigned readers;        /* of a file being fetched */
};

struct inventory {
    struct inventory_row *rows; /* by name */
    size_t count;
};

int inventory_new(struct files *files, struct inventory **ret);
/* Where the blobs are (cache/store.h); lives as long as the files. */
const char *inventory_cache_dir(const struct files *files);
void inventory_free(struct inventory *inventory); /* NULL is legal */

/* Whether `name` may mean this row: its file name, at least four digits of its digest with or
 * without `sha256:`, or origin/path. Pure. */
bool inventory_matches(const struct inventory_row *row, const char *name);
/* The row that `name` means. A whole origin/path goes before everything else. Several paths of the
 * same bytes are one blob. INVENTORY_NONE, INVENTORY_SEVERAL. Pure. */
enum { INVENTORY_NONE = 1, INVENTORY_SEVERAL = 2 };
int inventory_find(const struct inventory *inventory, const char *name,
                   const struct inventory_row **ret);

/* What is known of the bytes that a file has in the cache. sha256 "": it has none. level:
 * engine/files/evidence.h. */
struct file_standing {
    char sha256[SHA256_HEX];
    const char *level;
};
void inventory_standing(struct files *files, const char *origin, const char *path,
                        struct file_standing *ret);

enum {
    ENGINE_ABSENT = 1, /* not there, or not complete */
    ENGINE_PINNED = 2,
    ENGINE_BUSY = 3, /* a client has it fetched, or has just come for it */
};
/* A pin holds off eviction and removal of these bytes, under all paths. ENGINE_ABSENT. */
int inventory_pin(struct files *files, const char *sha256, bool pinned);
/* Unlinks a blob, under every path; or forgets the partial of a file that nobody reads. A client
 * that reads a blob reads on. ENGINE_ABSENT, ENGINE_PINNED, ENGINE_BUSY. */
int inventory_remove(struct files *files, const struct inventory_row *row);

struct collection {
    unsigned evicted;      /* files that went for max_size or min_free */
    int64_t evicted_bytes; /* of them */
    unsigned orphans;      /* blobs that neither the catalogue nor the table named */
    bool fits;             /* below max_size and above min_free now; pins may prevent it */
};
/* Evicts down to max_size and min_free now, removes orphans, and empties the quarantine. */
int inventory_collect(struct files *files, struct collection *ret);

/* Compares a blob with its digest, on the caller's thread. rate_bytes_s: the most that it reads; 0:
 * no limit. A blob that does not agree is taken away and goes to quarantine. ERROR_STOPPING: *stop
 * was set. ENGINE_ABSENT. ENGINE_BUSY: it does not agree, and is just being kept for another path.
 */
enum verdict_of_blob { BLOB_GOOD, BLOB_CORRUPT, BLOB_MISSING };
int inventory_verify(struct files *files, const char *sha256, int64_t rate_bytes_s,
                     const _Atomic bool *stop, enum verdict_of_blob *ret);
/* Checks a blob of which no page names a digest by itself (engine/files/evidence.h), on the
 * caller's thread. *ret_sound: false when it was taken away. free() *ret_why. */
int inventory_check_evidence(struct files *files, const struct inventory_row *row,
                             int64_t rate_bytes_s, const _Atomic bool *stop, bool *ret_sound,
                             char **ret_why);
/* Fetches a file as a client would, and waits until it is kept or passed through. ret_why: what its
 * mirrors did, where it cannot be had; "" where nobody says. ERROR_GONE: no mirror has it. */
int inventory_fetch(struct files *files, const char *origin, const char *path,
                    const _Atomic bool *stop, char *ret_why, size_t size);
/* Fetches a file as a client would, and waits until it is kept or passed through. */
int inventory_refetch(struct files *files, const struct inventory_row *row,
                      const _Atomic bool *stop);
