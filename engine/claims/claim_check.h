// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether bytes are what is claimed of a file, by the newest claims that can be had. Bytes that are
 * not are no reason to blame a mirror before the page was asked for again (pages_recheck): the
 * claim may have been corrected.
 *
 *     check->found has the digests of the bytes, by some algorithms
 *     claim_check_start(check)
 *       compare --agree, none, unknown---------------------------------------------> done
 *          |      (unknown: the caller adds to `found`, and starts it again)
 *          +-- refuse: the page is asked for again, once -> compare ---------------> done
 *
 * `done` runs on the flight thread, never from within claim_check_start. Then the caller releases
 * the check with claim_check_release. Flight thread.
 */
#include "base/lane.h"
#include "engine/claims/claim_set.h"
#include "engine/mirrors/origins.h"

struct services;

struct claim_check {
    struct job job;
    struct services *s;
    const struct origin *origin;
    char *path;
    struct digests found;  /* of the bytes */
    struct claim_set *set; /* a reference; NULL: nothing is claimed, or nothing was loaded yet */
    uint64_t version;      /* services->claims_version when the set was loaded; 0: it was not */
    bool has_asked;        /* whether the page was asked for again */
    enum claims_verdict verdict;
    void (*done)(struct claim_check *check);
    void *context; /* the caller's own */
};

/* `set` and `version`: what the caller knows; it keeps its reference. False: out of memory. */
bool claim_check_init(struct claim_check *check, struct services *services,
                      const struct origin *origin, const char *path, struct claim_set *set,
                      uint64_t version);
/* `done` follows. */
void claim_check_start(struct claim_check *check);
/* Frees what the check owns, not the struct. */
void claim_check_release(struct claim_check *check);
/* Writes for people what was found, and which mirror claims what since when. */
void claim_check_describe(const struct claim_check *check, const char *senders, char *ret,
                          size_t size);
