// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The claims of one file as the catalogue has them, with the choice among them
 * (engine/claims/claims.h).
 *
 *     set = claim_set_load(catalogue, origin, path);     // catalogue lane
 *     if (set->choice.agreed) ...
 *     claim_set_unref(set);
 *
 * The claims of a `.metadata` path are those that its wheel's page makes about it. A set never
 * changes, so any thread may read it. It is counted by reference.
 */
#include <stdlib.h>

#include "cache/catalogue.h"
#include "engine/claims/claims.h"
#include "engine/mirrors/origins.h"

struct claim_set {
    _Atomic int refs;
    struct claim list[CLAIMS_MOST]; /* the set owns the strings */
    size_t count;
    struct claims_choice choice; /* as of the time when it was loaded */
};

/* NULL when out of memory. */
struct claim_set *claim_set_load(struct catalogue *catalogue, const struct origin *origin,
                                 const char *path);
/* NULL is legal in each of these functions: nothing is claimed. */
static inline struct claim_set *claim_set_ref(struct claim_set *set)
{
    if (set)
        set->refs++;
    return set;
}

static inline void claim_set_unref(struct claim_set *set)
{
    if (!set || --set->refs > 0)
        return;
    for (size_t i = 0; i < set->count; i++) {
        free((void *)(uintptr_t)set->list[i].digests);
        free((void *)(uintptr_t)set->list[i].mirror);
    }
    free(set);
}

/* Whether any claim counts; whether the claims that count agree. */
bool claim_set_counts(const struct claim_set *set);
bool claim_set_agrees(const struct claim_set *set);
/* The algorithms that a comparison needs: bit i is enum digest_algorithm i. */
uint32_t claim_set_algorithms(const struct claim_set *set);
/* Writes for people what is claimed, by which mirror, since when. */
void claim_set_describe(const struct claim_set *set, char *ret, size_t size);

enum claims_verdict {
    CLAIMS_NONE,     /* nothing is claimed */
    CLAIMS_AGREE,    /* the bytes are what is claimed */
    CLAIMS_DISPUTED, /* they are what one of several claims names that contradict each other */
    CLAIMS_UNKNOWN,  /* `found` lacks an algorithm */
    CLAIMS_REFUSE,   /* they are not what is claimed */
};
/* What the claims say of bytes with these digests. */
enum claims_verdict claim_set_judge(const struct claim_set *set, const struct digests *found);
