// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a mirror's new answer for a page may replace its last good listing. A page that was cut
 * on the way, or that suddenly lists less than half of its files, is more likely an accident than
 * news. So the last good listing stays until the mirror has said the same three times and for half
 * an hour. Pure. The owner of a source keeps a shrink guard beside the facts of its last good
 * listing.
 *
 *     if (shrink_guard_holds(&s->shrink_guard, &s->facts, &fresh, now_ms))
 *         ... keep the last good one, ask again in SHRINK_GUARD_RETRY_MS ...
 *     else
 *         s->facts = fresh;
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/listing.h"

enum {
    SHRINK_GUARD_FILES = 20, /* a listing of fewer files may shrink freely */
    SHRINK_GUARD_TIMES = 3,
    SHRINK_GUARD_MS = 30 * 60 * 1000,
    SHRINK_GUARD_RETRY_MS = 60 * 1000,
};

/* What matters of an answer; all zero when the mirror says that there is no such page. */
struct shrink_guard_facts {
    size_t count; /* links to files; in a project list, names */
    uint64_t set; /* equal for equal sets of links and digests, in any order */
    bool is_cut;
};

struct shrink_guard {
    struct shrink_guard_facts facts; /* what the mirror says instead of the good listing */
    unsigned times;                  /* how often it said so; 0: nothing is suspected */
    int64_t since_ms, last_ms;
};

/* Reads the facts: looks at every link. Compute lane. */
void shrink_guard_look(const struct listing *listing, struct shrink_guard_facts *ret);

/* Whether the good listing stays; notes that the mirror has said `fresh`. `good` NULL: there is
 * none. Then only a cut page is suspected: it may be shown, but not believed. False forgets
 * every suspicion. */
bool shrink_guard_holds(struct shrink_guard *shrink_guard, const struct shrink_guard_facts *good,
                        const struct shrink_guard_facts *fresh, int64_t now_ms);
