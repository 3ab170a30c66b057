// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Copies that were judged bad: which mirror sent which bytes for which file, and when that file is
 * asked for again. Pure, as engine/mirrors/budget.h is, and only in memory: a restart forgets it,
 * because a bad copy may be corrected by then. Mirrors are numbers in the origin's order.
 *
 *     refusals_note(...)       a mirror's copy was judged bad (FLIGHT_REFUSE)
 *     refusals_failed(...)     and no other mirror had a good one: the file waits, first 2 s, then
 *                              twice as long each time, at most a minute
 *     refusals_settle(...)     a claim confirms another copy: which mirrors sent different bytes?
 *     refusals_forget(...)     the claim has changed, or a client wants the file asked for again
 *
 * Until the right bytes are known no mirror is blamed: the claim may be wrong as well as the
 * mirror. Two mirrors that sent the same bytes against a claim speak against the claim. While a
 * file waits, its mirrors are still asked, and bytes under another validator than the bad ones are
 * taken at once.
 *
 * Remembers the newest REFUSALS_MOST files, for an hour each. Not thread-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/flight/flight.h"

enum { REFUSALS_MOST = 1024, REFUSALS_DETAIL = FLIGHT_DETAIL };

struct refusals;

/* What is known of a file. The strings live until the next call. */
struct refused_file {
    /* bit set: their last copies were bad. A web page counts only while the file waits */
    unsigned mirrors;
    /* of these: mirrors that sent the same bytes, if several did */
    unsigned agreeing;
    bool waits;                            /* it is too early to fetch the same again */
    int64_t until_ms;                      /* the end of that wait, on the clock of now_ms */
    const char *validator[FLIGHT_MIRRORS]; /* of each bad copy, or NULL */
    const char *detail;                    /* why the last one was bad */
};

int refusals_new(struct refusals **ret);
void refusals_free(struct refusals *refusals);
void refusals_clear(struct refusals *refusals);

/* sha256: of the bytes; "" unknown. validator: the mirror's name for them, or NULL. No mirror can
 * be blamed for a web page. */
void refusals_note(struct refusals *refusals, const char *origin, const char *path, unsigned mirror,
                   const char *sha256, bool is_web_page, const char *validator, const char *detail,
                   int64_t now_ms);
/* Does nothing when no copy was noted. */
void refusals_failed(struct refusals *refusals, const char *origin, const char *path,
                     int64_t now_ms);
/* False: nothing is known. */
bool refusals_find(struct refusals *refusals, const char *origin, const char *path, int64_t now_ms,
                   struct refused_file *ret);
/* These bytes are right. Returns the bit set of mirrors that sent others. The file is forgotten, so
 * ask for validators before. */
unsigned refusals_settle(struct refusals *refusals, const char *origin, const char *path,
                         const char *sha256);
void refusals_forget(struct refusals *refusals, const char *origin, const char *path);
/* These bytes came from no mirror: what was noted of them is void. */
void refusals_forget_bytes(struct refusals *refusals, const char *sha256);
