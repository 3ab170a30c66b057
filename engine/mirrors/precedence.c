// SPDX-License-Identifier: Apache-2.0
/*
 * The order among requests that wait for a mirror's connections, and which holder gives way. Pure
 * functions over two entries: downloads_retry_asks and the simulator call them. The groups, first
 * served first: brief, then by rank, then what nobody reads.
 */
#include "engine/mirrors/precedence.h"

enum {
    BRIEF_BYTES = 1 << 20, /* larger files are not brief */
    /* how long bulk keeps its connection against other bulk: a transfer that begins anew costs a
     * round trip */
    HELD_BULK_MS = 2000,
};

/* Unread files come last, whatever their rank: nobody waits for them. */
static int group(const struct precedence *t)
{
    if (t->brief)
        return -1;
    return t->unread ? FLIGHT_RANK_AHEAD + 1 : (int)t->rank;
}

int precedence_compare(const struct precedence *a, const struct precedence *b)
{
    if (group(a) != group(b))
        return group(a) < group(b) ? -1 : 1;
    return a->since_ms < b->since_ms ? -1 : a->since_ms > b->since_ms;
}

/* A holder that nobody waits for gives way at once. Others keep the connection for a while, so
 * that none changes hands all the time. */
bool precedence_gives_way(const struct precedence *holder, const struct precedence *waiting,
                          int64_t now_ms)
{
    if (holder->had_turn && waiting->brief)
        return true;
    if (holder->brief || group(waiting) >= FLIGHT_RANK_AHEAD)
        return false;
    if (group(holder) >= FLIGHT_RANK_AHEAD)
        return true;
    int64_t held_ms = now_ms - holder->since_ms;
    return held_ms >= (waiting->brief ? PRECEDENCE_BRIEF_MS : HELD_BULK_MS);
}

bool precedence_is_large(int64_t came, int64_t left)
{
    return left < 0 ? came > BRIEF_BYTES : came > 0 && left > BRIEF_BYTES;
}

/* Shares the rest of the first waiter's second among all that wait. */
int64_t precedence_brief_ms(unsigned connections, size_t waiting, int64_t waited_ms)
{
    if (waiting == 0)
        return PRECEDENCE_BRIEF_MS;
    int64_t left_ms = waited_ms < PRECEDENCE_BRIEF_MS ? PRECEDENCE_BRIEF_MS - waited_ms : 0;
    return waiting > connections ? left_ms * connections / (int64_t)waiting : left_ms;
}

/* The longest holder of the last group yields first. */
bool precedence_yields_before(const struct precedence *holder, const struct precedence *other)
{
    if (group(holder) != group(other))
        return group(holder) > group(other);
    return holder->since_ms < other->since_ms;
}
