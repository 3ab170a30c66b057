// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Claims: what mirrors' pages say of one file's digest, and which of it is believed.
 *
 * A claim is *current* for CLAIM_CURRENT_S after its page was last read. It is *remembered* when it
 * is older, when its mirror's newest page no longer makes it, or when the origin no longer has that
 * mirror. Of all claims of a file these *count*:
 *
 *   1. the current ones of the canonical site, whatever mirrors say: a mirror cannot vouch for its
 *      own bytes against the site;
 *   2. without those, the current ones of the mirrors;
 *   3. without those, the remembered ones: of the site, else of the mirrors.
 *
 * Claims that count either agree, and their digests are published; or they are in dispute. Then no
 * digest is published, and bytes that match one of them are taken. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/digests.h"

enum {
    CLAIM_CURRENT_S = 7 * 24 * 3600,
    CLAIMS_MOST = 32, /* of one file; further ones are left out */
};

struct claim {
    const char *digests; /* as in index/digests.h; NULL or "": it claims nothing */
    const char *mirror;  /* its name; NULL: no mirror claims it today */
    int64_t said_s;      /* when its page was last read */
    bool is_site;        /* the mirror is the canonical site: origin_is_site */
    bool is_remembered;  /* however young it is */
};

enum claim_rank { CLAIM_NONE, CLAIM_REMEMBERED, CLAIM_MIRRORS, CLAIM_SITE };

struct claims_choice {
    enum claim_rank rank;
    uint32_t counting; /* bit i: claims[i] counts */
    /* claims that count contradict each other, or one contradicts itself */
    bool is_disputed;
    bool is_opposed; /* a current claim that does not count contradicts those that do */
    /* the digests on which the claims that count agree, or NULL; points into a claim or to
     * `text` */
    const char *agreed;
    char text[DIGESTS_TEXT]; /* what several claims say together */
};

/* Whether its page was read in the last CLAIM_CURRENT_S and still says so. */
bool claim_is_current(const struct claim *claim, int64_t now_s);

/* Chooses which claims count. The choice may point into itself: do not copy it. */
void claims_choose(const struct claim *claims, size_t count, int64_t now_s,
                   struct claims_choice *ret);

/* Whether two texts name different values by the same algorithm. */
bool claims_contradict(const char *a, const char *b);
/* Whether bytes with these digests are what a claim names: one of its values for each algorithm
 * that it names. An algorithm that `found` lacks is no match. */
bool claim_matches(const struct claim *claim, const struct digests *found);
/* Whether the bytes match a claim that counts; true when none counts. */
bool claims_accept(const struct claim *claims, size_t count, const struct claims_choice *choice,
                   const struct digests *found);
/* The algorithms that the claims that count name: bit i is enum digest_algorithm i. */
uint32_t claims_algorithms(const struct claim *claims, size_t count,
                           const struct claims_choice *choice);
/* For people: "official: sha256=1111... said 2026-01-02T03:04:05Z; nju: ...". Shows claims that
 * count, and current ones that contradict them. */
void claims_describe(const struct claim *claims, size_t count, const struct claims_choice *choice,
                     int64_t now_s, char *ret, size_t size);
