// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Copies that were judged bad: which mirror sent which bytes for which file, and when that file is
 * asked for again. Pure like engine/mirrors/budget.h, in memory alone: a restart forgets it, which
 * is right, for what was bad may be good by then. Mirrors are places in the origin's order.
 *
 *     refusals_note(...)       a mirror's copy was judged bad (FLIGHT_REFUSE)
 *     refusals_failed(...)     and no other mirror had a good one: the file waits, 2 s at first,
 *                              twice as long each time, a minute at most
 *     refusals_settle(...)     a claim confirms the bytes of another copy: whose were different?
 *     refusals_forget(...)     what was claimed is another thing now, or somebody wants it asked
 *
 * Until somebody knows what is right, nobody is blamed: the claim may be wrong as well as the
 * mirror. Two mirrors that sent the same bytes against a claim speak against the claim. While a
 * file waits, a mirror is still asked, and its answer looked at: bytes under another validator than
 * the bad ones are taken at once.
 *
 * Remembers REFUSALS_MOST files, the newest, for an hour. Not thread-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/flight/flight.h"

enum { REFUSALS_MOST = 1024, REFUSALS_DETAIL = FLIGHT_DETAIL };

struct refusals;

/* What is known of a file; strings live until the next call. */
struct refused_file {
    unsigned mirrors;                      /* bit set: their last copies were bad; a web page is
                                              one only while the file waits */
    unsigned agreeing;                     /* of these, those that sent the same, if several did */
    bool waits;                            /* it is too early to fetch the same again */
    int64_t until_ms;                      /* until then, on the clock of now_ms */
    const char *validator[FLIGHT_MIRRORS]; /* of each bad copy, or NULL */
    const char *detail;                    /* why the last one was bad */
};

int refusals_new(struct refusals **ret);
void refusals_free(struct refusals *refusals);
void refusals_clear(struct refusals *refusals);

/* sha256: of the bytes; "" unknown. validator: what the mirror calls them, or NULL. What is a web
 * page is no copy that anybody could be blamed for. */
void refusals_note(struct refusals *refusals, const char *origin, const char *path, unsigned mirror,
                   const char *sha256, bool is_web_page, const char *validator, const char *detail,
                   int64_t now_ms);
/* Nothing when no copy was noted. */
void refusals_failed(struct refusals *refusals, const char *origin, const char *path,
                     int64_t now_ms);
/* false: nothing is known. */
bool refusals_find(struct refusals *refusals, const char *origin, const char *path, int64_t now_ms,
                   struct refused_file *ret);
/* These bytes are right. The bit set of mirrors that sent others: they differ from what is
 * confirmed. The file is forgotten afterwards, so ask for validators before. */
unsigned refusals_settle(struct refusals *refusals, const char *origin, const char *path,
                         const char *sha256);
void refusals_forget(struct refusals *refusals, const char *origin, const char *path);
/* These bytes were no mirror's: whatever was noted of them is void. */
void refusals_forget_bytes(struct refusals *refusals, const char *sha256);
