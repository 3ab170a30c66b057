// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whose turn it is at a mirror's connections: what waits is served in this order, and what has had
 * a connection for a while gives it to one that waits. Pure rules; downloads_retry_asks and the
 * simulator go by them.
 *
 * Order: what is brief first (engine/mirrors/budget.h), then what a reader waits for, then what
 * somebody may want, then segments ahead; last, whatever of these is of a file that nobody reads
 * just now. Among equals, who has waited longest. Who is served and goes on asks anew, and stands
 * behind the others: so connections go round.
 */
#include <stddef.h>

#include "engine/flight/flight.h"

enum { PRECEDENCE_BRIEF_MS = 1000 }; /* what runs longer was not brief, and bulk may be stopped */

struct precedence {
    enum flight_rank rank;
    bool brief;       /* over in a moment */
    bool unread;      /* its readers do not read, or there are none */
    int64_t since_ms; /* it waits, or has its connection, since then */
    bool had_turn;    /* it came as brief, is large, and has had precedence_brief_ms */
};

/* < 0: a before b. */
int precedence_compare(const struct precedence *a, const struct precedence *b);
/* Whether what has a connection gives it to what waits, if its flight can go on later. */
bool precedence_gives_way(const struct precedence *holder, const struct precedence *waiting,
                          int64_t now_ms);
/* Whether something that came as brief is large: so many bytes have come, so many are left (-1: no
 * length was told). */
bool precedence_is_large(int64_t came, int64_t left);
/* For how long something has its connection that came as brief and turns out to be large, while so
 * many that are brief wait for its mirror, of so many connections, the first of them since
 * `waited_ms`: a second, or so much less that each of them begins within about a second of its
 * coming. */
int64_t precedence_brief_ms(unsigned connections, size_t waiting, int64_t waited_ms);
/* Whether this holder is the one to give way rather than that one. */
bool precedence_yields_before(const struct precedence *holder, const struct precedence *other);
