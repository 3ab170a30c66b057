// SPDX-License-Identifier: Apache-2.0
/*
 * The rule of claims.h: which claims of a file count, whether they agree, and what bytes match
 * them. Pure functions over arrays; nothing is allocated. A claim that counts is a bit in
 * choice->counting.
 */
#include "engine/claims/claims.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static bool says(const struct claim *c)
{
    return c->digests && *c->digests;
}

/* A clock that was set back makes a claim current: that is harmless. */
bool claim_is_current(const struct claim *c, int64_t now_s)
{
    return !c->is_remembered && now_s - c->said_s <= CLAIM_CURRENT_S;
}

/* Finer than the ranks outside: what the site said goes before what mirrors said. */
enum { SAYS_NOTHING, MIRROR_SAID, SITE_SAID, MIRROR_SAYS, SITE_SAYS };

/* The heaviest weight wins; only claims of that weight count. */
static int weigh(const struct claim *c, int64_t now_s)
{
    if (!says(c))
        return SAYS_NOTHING;
    if (claim_is_current(c, now_s))
        return c->is_site ? SITE_SAYS : MIRROR_SAYS;
    return c->is_site ? SITE_SAID : MIRROR_SAID;
}

/* Callers need not know whose remembered claim counts. */
static enum claim_rank rank_of(int weight)
{
    switch (weight) {
    case SITE_SAYS:
        return CLAIM_SITE;
    case MIRROR_SAYS:
        return CLAIM_MIRRORS;
    case SITE_SAID:
    case MIRROR_SAID:
        return CLAIM_REMEMBERED;
    default:
        return CLAIM_NONE;
    }
}

/* The texts come from pages and rows that were checked when they were read: what cannot be read
 * is left out. */
static struct digests parse(const char *text)
{
    struct digests d = {.count = 0};
    digests_add_text(&d, text, ' ');
    return d;
}

/* Whether the algorithm is named with that value; *ret_named: whether it is named at all. */
static bool names(const struct digests *d, enum digest_algorithm algorithm, const char *hex,
                  bool *ret_named)
{
    *ret_named = false;
    for (size_t i = 0; i < d->count; i++) {
        if (d->list[i].algorithm != algorithm)
            continue;
        *ret_named = true;
        if (strcmp(d->list[i].hex, hex) == 0)
            return true;
    }
    return false;
}

/* Only a common algorithm can contradict: sha256 and md5 of one file never do. */
bool claims_contradict(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return false;
    const struct digests x = parse(a), y = parse(b);
    bool named;
    for (size_t i = 0; i < x.count; i++)
        if (!names(&y, x.list[i].algorithm, x.list[i].hex, &named) && named)
            return true;
    for (size_t i = 0; i < y.count; i++)
        if (!names(&x, y.list[i].algorithm, y.list[i].hex, &named) && named)
            return true;
    return false;
}

/* All digests of the claims that count together, where these use different words. */
static const char *join(const struct claim *claims, size_t count, uint32_t counting,
                        char ret[DIGESTS_TEXT])
{
    struct digests all = {.count = 0};
    for (size_t i = 0; i < count; i++)
        if (counting & (1u << i))
            digests_add_text(&all, claims[i].digests, ' ');
    digests_write(&all, ret);
    return ret;
}

/* Looks whether the claims that count agree: each is compared with those before it. */
static void compare(const struct claim *claims, size_t count, struct claims_choice *choice)
{
    const char *first = NULL;
    bool is_same = true;
    for (size_t i = 0; i < count; i++) {
        if (!(choice->counting & (1u << i)))
            continue;
        const char *text = claims[i].digests;
        /* one page may claim two digests of one algorithm */
        choice->is_disputed |= digests_are_ambiguous(text);
        if (!first) {
            first = text;
            continue;
        }
        /* equal texts cannot contradict each other: only others are compared in detail */
        is_same &= strcmp(first, text) == 0;
        for (size_t k = 0; k < i && !is_same; k++)
            if (choice->counting & (1u << k))
                choice->is_disputed |= claims_contradict(claims[k].digests, text);
    }
    if (first && !choice->is_disputed)
        choice->agreed = is_same ? first : join(claims, count, choice->counting, choice->text);
}

/* Against each claim that counts, because they may name different algorithms. */
static bool is_opposed(const struct claim *claims, size_t count, const struct claims_choice *choice,
                       const struct claim *other)
{
    for (size_t i = 0; i < count; i++)
        if ((choice->counting & (1u << i)) && claims_contradict(claims[i].digests, other->digests))
            return true;
    return false;
}

/* One pass finds the heaviest claims. Lighter current ones that contradict the site are noted as
 * opposed, for the administrator. */
void claims_choose(const struct claim *claims, size_t count, int64_t now_s,
                   struct claims_choice *ret)
{
    int best = SAYS_NOTHING;
    if (count > CLAIMS_MOST)
        count = CLAIMS_MOST;
    ret->counting = 0;
    ret->is_disputed = ret->is_opposed = false;
    ret->agreed = NULL;
    for (size_t i = 0; i < count; i++) {
        int weight = weigh(&claims[i], now_s);
        /* a heavier claim: all lighter ones before it no longer count */
        if (weight > best)
            ret->counting = 0;
        if (weight > best)
            best = weight;
        if (weight == best && weight)
            ret->counting |= 1u << i;
    }
    ret->rank = rank_of(best);
    compare(claims, count, ret);
    for (size_t i = 0; i < count && best == SITE_SAYS; i++)
        if (weigh(&claims[i], now_s) == MIRROR_SAYS)
            ret->is_opposed |= is_opposed(claims, count, ret, &claims[i]);
}

/* A claim may name several values of an algorithm; one of them must match. */
bool claim_matches(const struct claim *claim, const struct digests *found)
{
    const struct digests named = parse(claim->digests);
    for (size_t i = 0; i < named.count; i++) {
        bool hit = false;
        for (size_t k = 0; k < named.count && !hit; k++) {
            bool is_known;
            hit = named.list[k].algorithm == named.list[i].algorithm &&
                  names(found, named.list[k].algorithm, named.list[k].hex, &is_known);
        }
        if (!hit)
            return false;
    }
    return true;
}

/* In a dispute any side's bytes are taken: refusing both would leave the file out of reach. */
bool claims_accept(const struct claim *claims, size_t count, const struct claims_choice *choice,
                   const struct digests *found)
{
    for (size_t i = 0; i < count && i < CLAIMS_MOST; i++)
        if ((choice->counting & (1u << i)) && claim_matches(&claims[i], found))
            return true;
    return !choice->counting;
}

/* The files' readers hash by these alone: each further algorithm costs time. */
uint32_t claims_algorithms(const struct claim *claims, size_t count,
                           const struct claims_choice *choice)
{
    uint32_t set = 0;
    for (size_t i = 0; i < count && i < CLAIMS_MOST; i++) {
        if (!(choice->counting & (1u << i)))
            continue;
        const struct digests named = parse(claims[i].digests);
        for (size_t k = 0; k < named.count; k++)
            set |= 1u << named.list[k].algorithm;
    }
    return set;
}

/* Also shows current claims that do not count but contradict. */
void claims_describe(const struct claim *claims, size_t count, const struct claims_choice *choice,
                     int64_t now_s, char *ret, size_t size)
{
    size_t len = 0;
    str_copy(ret, size, "");
    for (size_t i = 0; i < count && i < CLAIMS_MOST; i++) {
        const struct claim *c = &claims[i];
        bool counts = choice->counting & (1u << i);
        if (!counts &&
            !(says(c) && claim_is_current(c, now_s) && is_opposed(claims, count, choice, c)))
            continue;
        char when[CLOCK_TEXT] = "before";
        if (c->said_s > 0)
            clock_rfc3339(c->said_s, when);
        (void)snprintf(ret + len, size - len, "%s%s: %s said %s", len ? "; " : "",
                       c->mirror ? c->mirror : "kept", c->digests, when);
        len = strlen(ret);
    }
}
