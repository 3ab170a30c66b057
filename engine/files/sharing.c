// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/files/flying.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/precedence.h"

/*
 * Sharing of mirrors' connections among flights, by the rules of engine/mirrors/precedence.h. An
 * ask that finds no connection waits here (struct flying, asking); it is asked again whenever a
 * transfer has ended and four times a second, all that wait in their order. Then, for what waits
 * still, one transfer a mirror that has had its turn is stopped; what it gives back is handed out
 * when it has ended.
 */
enum { UNREAD_MS = 5000 }; /* who has read nothing for so long does not read */

struct asking {
    struct flying *flying; /* a reference */
    unsigned slot;
    struct precedence turn;
    unsigned mirror_count; /* of its origin; their numbers: */
    size_t mirrors[FLIGHT_MIRRORS];
};

bool flying_is_unread(const struct flying *fl, int64_t now_ms)
{
    struct flight_view view;
    if (!fl->board || fl->board->state == BOARD_OPENING || !fl->flight)
        return false;
    flight_view(fl->flight, &view);
    return !view.readers ||
           (now_ms - fl->board->read_ms >= UNREAD_MS && !waitlist_has_any(&fl->board->waiters));
}

static bool is_waiting(const struct flying *fl, unsigned slot)
{
    return !fl->over && fl->flight && fl->asking[slot];
}

bool flights_somebody_waits(const struct engine *e)
{
    for (const struct flying *fl = e->files->flying; fl; fl = fl->next)
        for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
            if (is_waiting(fl, i))
                return true;
    return false;
}

static int by_turn(const void *a, const void *b)
{
    return precedence_compare(&((const struct asking *)a)->turn, &((const struct asking *)b)->turn);
}

/* All that wait, in order; NULL: none. */
static struct asking *list_asking(struct engine *e, size_t *ret_count)
{
    size_t count = 0, n = 0;
    int64_t now_ms = clock_monotonic_ms();
    for (const struct flying *fl = e->files->flying; fl; fl = fl->next)
        for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
            count += is_waiting(fl, i);
    struct asking *list = count ? calloc(count, sizeof(*list)) : NULL;
    for (struct flying *fl = e->files->flying; fl && list; fl = fl->next) {
        bool unread = flying_is_unread(fl, now_ms);
        for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
            if (!is_waiting(fl, i))
                continue;
            struct asking *a = &list[n++];
            *a = (struct asking){
                .flying = fl,
                .slot = i,
                .turn = {fl->rank[i], fl->brief[i], unread, fl->asking_ms[i], false},
            };
            a->mirror_count = core_origin_mirrors(e, fl->origin, a->mirrors);
            flying_ref(fl);
        }
    }
    if (list)
        qsort(list, n, sizeof(*list), by_turn);
    *ret_count = n;
    return list;
}

/* --------------------------------------------------------------------- asking */

void flying_ask_again(struct flying *fl, unsigned slot, bool may)
{
    size_t numbers[FLIGHT_MIRRORS];
    unsigned count = core_origin_mirrors(fl->engine, fl->origin, numbers), mirror;
    unsigned excluded = fl->excluded[slot];
    enum budget_need need = !flying_is_counted(fl) ? BUDGET_FREE
                            : fl->brief[slot]      ? BUDGET_BRIEF
                                                   : BUDGET_BULK;
    int r = may ? budget_pick(fl->engine->budget, numbers, count, excluded, need, fl->rank[slot],
                              clock_monotonic_ms(), &mirror)
                : BUDGET_BUSY;
    fl->asking[slot] = r == BUDGET_BUSY;
    if (r == BUDGET_BUSY)
        return;
    if (r == 0) {
        flight_on_mirror(fl->flight, slot, mirror, 0, "");
        return;
    }
    char detail[FLIGHT_DETAIL] = "";
    for (unsigned m = 0; m < count; m++) {
        struct budget_view view;
        if (excluded & (1u << m))
            continue;
        budget_view(fl->engine->budget, numbers[m], clock_monotonic_ms(), &view);
        size_t len = strlen(detail);
        (void)snprintf(detail + len, sizeof(detail) - len, "%s%s: backing off after %s",
                       len ? "; " : "", fl->origin->mirrors[m].name, view.last_error);
    }
    flight_on_mirror(fl->flight, slot, FLIGHT_NO_MIRROR, detail[0] ? ERROR_UPSTREAM_BROKEN : 0,
                     detail);
}

/* Whoever waits already is before it, but not of what takes no connection. */
void flying_ask(struct flying *fl, const struct flight_command *c)
{
    fl->engine->files->asks++;
    bool queue = flying_is_counted(fl) && flights_somebody_waits(fl->engine);
    if (!fl->asking[c->slot])
        fl->asking_ms[c->slot] = clock_monotonic_ms();
    fl->asking[c->slot] = true;
    fl->excluded[c->slot] = c->excluded;
    fl->rank[c->slot] = c->rank;
    fl->brief[c->slot] = c->brief;
    if (!queue)
        flying_ask_again(fl, c->slot, true);
    if (fl->asking[c->slot])
        flights_retry_soon(fl->engine);
}

/* ------------------------------------------------------------------ giving way */

/* Whether the ask may be served by that mirror. */
static bool wants_mirror(const struct asking *a, size_t mirror)
{
    unsigned excluded = a->flying->excluded[a->slot];
    for (unsigned i = 0; i < a->mirror_count; i++)
        if (a->mirrors[i] == mirror && !(excluded & (1u << i)))
            return true;
    return false;
}

static struct precedence turn_of(const struct feed *t, bool unread)
{
    return (struct precedence){t->rank, t->need == BUDGET_BRIEF, unread, t->started_ms,
                               t->had_turn};
}

/* The transfer that is to give way, or NULL; *ret_busy: one that was stopped has not ended yet. */
static struct feed *find_victim(struct engine *e, const struct asking *a, int64_t now_ms,
                                bool *ret_busy)
{
    struct feed *best = NULL;
    struct precedence best_turn;
    for (struct flying *fl = e->files->flying; fl; fl = fl->next) {
        bool unread = flying_is_unread(fl, now_ms);
        for (struct feed *t = fl->feeds; t; t = t->next) {
            if (t->need == BUDGET_FREE || !wants_mirror(a, t->counted_mirror))
                continue;
            struct precedence turn = turn_of(t, unread);
            *ret_busy |= t->stopped;
            if (!t->stopped && !t->holds_on && precedence_gives_way(&turn, &a->turn, now_ms) &&
                (!best || precedence_yields_before(&turn, &best_turn))) {
                best = t;
                best_turn = turn;
            }
        }
    }
    return *ret_busy ? NULL : best;
}

/* One at a time: what was stopped gives its connection back when it has ended. */
static void make_way(struct engine *e, const struct asking *a, int64_t now_ms)
{
    bool busy = false;
    struct feed *t;
    while ((t = find_victim(e, a, now_ms, &busy))) {
        struct flying *fl = t->flying;
        t->yielded = flight_on_yield(fl->flight, t->number);
        t->holds_on = !t->yielded; /* not now: it is asked again at the next tick */
        if (!t->yielded)
            continue;
        flying_drain(fl);
        return;
    }
}

static bool is_large(const struct feed *t)
{
    struct flight_view view;
    flight_view(t->flying->flight, &view);
    bool is_range = t->to >= 0 && (view.size < 0 || t->to < view.size);
    int64_t end = is_range ? t->to : view.size;
    return precedence_is_large(t->bytes, end < 0 ? -1 : end - t->from - t->bytes);
}

/* Whether what came as brief, and is large, has had its share of a second, as many as wait for its
 * mirror: they are the first of the list, the oldest before the others. */
static bool has_had_turn(struct engine *e, const struct feed *t, const struct asking *list,
                         size_t count, int64_t now_ms)
{
    size_t waiting = 0;
    int64_t since_ms = now_ms;
    if (!is_large(t))
        return false;
    for (size_t i = 0; i < count && list[i].turn.brief; i++)
        if (flying_is_counted(list[i].flying) && wants_mirror(&list[i], t->counted_mirror)) {
            since_ms = waiting ? since_ms : list[i].turn.since_ms;
            waiting++;
        }
    unsigned connections = (unsigned)e->options.connections_per_mirror;
    return now_ms - t->started_ms >= precedence_brief_ms(connections, waiting, now_ms - since_ms);
}

static void end_turns(struct engine *e, const struct asking *list, size_t count, int64_t now_ms)
{
    for (struct flying *fl = e->files->flying; fl; fl = fl->next)
        for (struct feed *t = fl->feeds; t; t = t->next) {
            t->holds_on = t->had_turn = false;
            if (t->need != BUDGET_BRIEF)
                continue;
            if (now_ms - t->started_ms >= PRECEDENCE_BRIEF_MS) {
                budget_lengthen(e->budget, t->counted_mirror);
                t->need = BUDGET_BULK;
            } else {
                t->had_turn = has_had_turn(e, t, list, count, now_ms);
            }
        }
}

/* --------------------------------------------------------------------- turns */

/* Else it was served, or asks for something else now, and has its turn in the next round. */
static bool is_as_listed(const struct asking *a)
{
    const struct flying *fl = a->flying;
    return is_waiting(fl, a->slot) && fl->rank[a->slot] == a->turn.rank &&
           fl->brief[a->slot] == a->turn.brief;
}

void flights_retry_asks(struct engine *e)
{
    size_t count;
    int64_t now_ms = clock_monotonic_ms();
    struct asking *list = list_asking(e, &count);
    end_turns(e, list, count, now_ms);
    bool waits = false;             /* somebody whom others have to let pass */
    uint64_t asks = e->files->asks; /* who has come since may be before those that are left */
    for (size_t i = 0; i < count && e->files->asks == asks; i++) {
        struct asking *a = &list[i];
        bool may = !waits || (a->turn.rank != FLIGHT_RANK_AHEAD && !a->turn.unread);
        if (!is_as_listed(a))
            continue;
        flying_ask_again(a->flying, a->slot, may);
        flying_drain(a->flying);
        waits |= is_waiting(a->flying, a->slot) && flying_is_counted(a->flying);
    }
    if (e->files->asks != asks)
        flights_retry_soon(e);
    for (size_t i = 0; i < count; i++)
        if (is_as_listed(&list[i]))
            make_way(e, &list[i], now_ms);
    for (size_t i = 0; i < count; i++)
        flying_unref(list[i].flying);
    free(list);
}

static void retry_run(struct job *job)
{
    struct files *files = container_of(job, struct files, retry);
    files->retry_posted = false;
    flights_retry_asks(files->engine);
}

void flights_retry_soon(struct engine *e)
{
    if (e->files->retry_posted)
        return;
    e->files->retry_posted = true;
    e->files->retry.run = retry_run;
    core_post(e, &e->files->retry);
}
