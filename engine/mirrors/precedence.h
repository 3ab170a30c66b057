// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The order at a mirror's connections: which waiting request is served first, and which transfer
 * gives its connection to one that waits. Pure rules; downloads_retry_asks and the simulator go by
 * them.
 *
 * Order: brief transfers first (engine/mirrors/budget.h), then what a reader waits for, then what a
 * client may want, then segments ahead. Last comes whatever belongs to a file that nobody reads
 * just now. Among equals the longest wait wins. A transfer that was served and goes on asks anew,
 * after the others: so connections go round.
 */
#include <stddef.h>

#include "engine/flight/flight.h"

/* a longer transfer was not brief, and bulk may be stopped after it */
enum { PRECEDENCE_BRIEF_MS = 1000 };

struct precedence {
    enum flight_rank rank;
    bool brief;       /* over in a moment */
    bool unread;      /* its readers do not read, or it has none */
    int64_t since_ms; /* since when it waits, or has its connection */
    bool had_turn;    /* it came as brief, is large, and has had precedence_brief_ms */
};

/* < 0: `a` before `b`. */
int precedence_compare(const struct precedence *a, const struct precedence *b);
/* Whether a holder gives its connection to a request that waits. The holder's flight must be
 * able to go on later. */
bool precedence_gives_way(const struct precedence *holder, const struct precedence *waiting,
                          int64_t now_ms);
/* Whether a transfer that came as brief is large. came: bytes so far; left: bytes to come, -1
 * when no length was told. */
bool precedence_is_large(int64_t came, int64_t left);
/*
 * How long a transfer keeps its connection that came as brief and turns out to be large. `waiting`
 * brief requests wait for its mirror, which has `connections`, the first of them for `waited_ms`.
 * One second, or so much less that each of them begins within about a second.
 */
int64_t precedence_brief_ms(unsigned connections, size_t waiting, int64_t waited_ms);
/* Whether `holder` is to give way rather than `other`. */
bool precedence_yields_before(const struct precedence *holder, const struct precedence *other);
