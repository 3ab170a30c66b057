// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Claims: what mirrors' pages say of one file's digest, and which of it is believed.
 *
 * A claim is *current* for CLAIM_CURRENT_S after its page was last read. It is *remembered* when it
 * is older, when the newest page of its mirror does not make it any more, and when its mirror is no
 * mirror of the origin any more. Of all claims of a file those *count*:
 *
 *   1. the current ones of the canonical site, whatever other mirrors say: a mirror cannot vouch
 *      for its own bytes against the site;
 *   2. where there are none, the current ones of the mirrors;
 *   3. where there are none, what is remembered: of the site, else of the mirrors.
 *
 * Those that count either agree, and their digests are published, or they are in dispute: nothing
 * is published, and bytes that match one of them are taken. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/digests.h"

enum {
    CLAIM_CURRENT_S = 7 * 24 * 3600,
    CLAIMS_MOST = 32, /* of one file; further ones are not looked at */
};

struct claim {
    const char *digests; /* as index/digests.h has them; NULL or "": it says nothing */
    const char *mirror;  /* name; NULL: nobody's word of today */
    int64_t said_s;      /* when its page was last read */
    bool is_site;        /* the mirror is the canonical site: origin_is_site */
    bool is_remembered;  /* however young it is */
};

enum claim_rank { CLAIM_NONE, CLAIM_REMEMBERED, CLAIM_MIRRORS, CLAIM_SITE };

struct claims_choice {
    enum claim_rank rank;
    uint32_t counting;       /* bit i: claims[i] does */
    bool is_disputed;        /* those that count contradict each other, or one contradicts itself */
    bool is_opposed;         /* a current claim that does not count contradicts them */
    const char *agreed;      /* the digests on which those that count agree, or NULL; points into
                                a claim, or to: */
    char text[DIGESTS_TEXT]; /* what several say together */
};

/* Whether its page was read in the last CLAIM_CURRENT_S and says so still. */
bool claim_is_current(const struct claim *claim, int64_t now_s);

/* The choice lives where it was made: do not copy it. */
void claims_choose(const struct claim *claims, size_t count, int64_t now_s,
                   struct claims_choice *ret);

/* Whether two texts name different values by the same algorithm. */
bool claims_contradict(const char *a, const char *b);
/* Whether bytes of these digests are what a claim names: of each algorithm that the claim names one
 * of its values. An algorithm that is missing in `found` is no match. */
bool claim_matches(const struct claim *claim, const struct digests *found);
/* Whether the bytes match one of those that count; true when none does count. */
bool claims_accept(const struct claim *claims, size_t count, const struct claims_choice *choice,
                   const struct digests *found);
/* The algorithms that those that count name: bit i is enum digest_algorithm i. */
uint32_t claims_algorithms(const struct claim *claims, size_t count,
                           const struct claims_choice *choice);
/* For people: "official: sha256=1111... said 2026-01-02T03:04:05Z; nju: ...", of those that count
 * and of current ones that contradict them. */
void claims_describe(const struct claim *claims, size_t count, const struct claims_choice *choice,
                     int64_t now_s, char *ret, size_t size);
