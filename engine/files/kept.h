// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Kept blobs, by their digest: the paths that have these bytes, what the blob takes of the disk,
 * its pin, and when its bytes were last compared with the digest.
 *
 *     kept_hold(files, entry, bytes)        a path of the table has these bytes now
 *     kept_drop(files, entry)               and no longer
 *     kept_discard(files, sha256, how)      after the last path: the blob goes
 *
 * A blob is *pinned* by a person (kept_pin), or because a set has one of its paths (sets.h).
 *
 * Memory of the flight thread. A person's pin and the comparison are written through to the
 * catalogue, the pin also to the blob's sidecar, from which a lost catalogue learns it again. That
 * pin is of bytes, whatever paths name them, and outlives the blob. A *stray* blob belongs to no
 * configured origin: it stays for the day when its origin is configured, but counts, and is evicted
 * like all others.
 *
 * Flight thread, all functions; also at start, before there is one.
 */
#include <uthash.h>

#include "base/digest.h"

struct files;
struct entry;

struct kept {
    char sha256[SHA256_HEX];
    struct entry *paths; /* by next_path; NULL: a stray, or no blob is held */
    int64_t bytes;       /* allocated */
    bool is_counted;     /* a blob is held: by its paths, or as a stray */
    int64_t used_s;      /* of a stray: last use, real time */
    bool is_set_stray;   /* a stray, and a set had it at start; until the next start */
    bool is_pinned;      /* by a person; this and verified_s are its mark in the catalogue */
    int64_t verified_s;  /* real time; 0: never compared since it was kept */
    UT_hash_handle hh;
};

struct kept_table {
    struct sets *sets;
    struct kept *blobs; /* also marks of blobs that are not held */
    int64_t bytes;      /* of the held ones */
    unsigned count;
};

int kept_new(struct kept_table **ret);
void kept_free(struct kept_table *table); /* NULL is legal */
/* At start, after strays and paths: reads marks and sets from the catalogue. */
int kept_load(struct files *files);

/* The entry, whose sha256 says which bytes, is one of the blob's paths. A blob counts once, however
 * many paths it has. ERROR_NO_MEMORY: it is not counted. */
int kept_hold(struct files *files, struct entry *entry, int64_t allocated_bytes);
/* The entry is none of its paths any more; also after its sha256 has changed. */
void kept_drop(struct files *files, struct entry *entry);
int kept_add_stray(struct files *files, const char *sha256, int64_t allocated_bytes,
                   int64_t used_s);

/* The first path with these bytes, the others by next_path; NULL: there is none. */
struct entry *kept_paths(const struct files *files, const char *sha256);
/* In any way; by a person. */
bool kept_is_pinned(const struct files *files, const char *sha256);
bool kept_has_own_pin(const struct files *files, const char *sha256);
int64_t kept_verified_s(const struct files *files, const char *sha256);
int kept_pin(struct files *files, const char *sha256, bool pinned);
/* The bytes were compared with the digest, and agree. */
int kept_verified(struct files *files, const char *sha256, int64_t now_s);

/* KEPT_REMOVE unlinks the blob. KEPT_QUARANTINE moves it aside, because its bytes are not what
 * their name says; people can look at them until `cache gc`. Both drop the blob's rows. They
 * forget what is known of the bytes, except a pin and what evidence.h refuted. A job does it. */
enum kept_end { KEPT_REMOVE, KEPT_QUARANTINE };
void kept_discard(struct files *files, const char *sha256, enum kept_end how);
