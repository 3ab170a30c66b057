// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/precedence.h"

/*
 * Shares the mirrors' connections among downloads, by the rules of engine/mirrors/precedence.h.
 *
 * An ask that finds no free connection waits: download->asking[slot]. All waiting asks are tried
 * again in their order whenever a transfer has ended, and four times a second. If one still waits,
 * a transfer of each wanted mirror that has had its turn is stopped. Its connection is handed out
 * when it has ended.
 *
 *     download_ask -> asking -> download_ask_again: a mirror, or none -> flight_on_mirror
 *     asking -> make_way: flight_on_yield of another transfer -> downloads_retry_asks
 *
 * Flight thread.
 */
enum { UNREAD_MS = 5000 }; /* a client that has read nothing for so long does not read */

/* One waiting ask in the list of a round, with everything that its order depends on. */
struct asking {
    struct download *download; /* a reference */
    unsigned slot;
    struct precedence turn;
    unsigned mirror_count; /* of its origin; and their numbers in the budget: */
    size_t mirrors[FLIGHT_MIRRORS];
};

/* A client that does not read, or is gone, must not keep a connection from one that waits. */
bool download_is_unread(const struct download *dl, int64_t now_ms)
{
    struct flight_view view;
    if (!dl->progress || dl->progress->state == PROGRESS_OPENING || !dl->flight)
        return false;
    flight_view(dl->flight, &view);
    return !view.readers || (now_ms - dl->progress->read_ms >= UNREAD_MS &&
                             !waitlist_has_any(&dl->progress->waiters));
}

/* The download may have ended while the list was worked through. */
static bool is_waiting(const struct download *dl, unsigned slot)
{
    return !dl->over && dl->flight && dl->asking[slot];
}

bool downloads_somebody_waits(const struct files *files)
{
    for (const struct download *dl = files->download; dl; dl = dl->next)
        for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
            if (is_waiting(dl, i))
                return true;
    return false;
}

/* precedence.h holds the rules; here they only order the list. */
static int by_turn(const void *a, const void *b)
{
    return precedence_compare(&((const struct asking *)a)->turn, &((const struct asking *)b)->turn);
}

/* All waiting asks, in order. NULL: there are none. */
static struct asking *list_asking(struct files *files, size_t *ret_count)
{
    size_t count = 0, n = 0;
    int64_t now_ms = clock_monotonic_ms();
    for (const struct download *dl = files->download; dl; dl = dl->next)
        for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
            count += is_waiting(dl, i);
    struct asking *list = count ? calloc(count, sizeof(*list)) : NULL;
    for (struct download *dl = files->download; dl && list; dl = dl->next) {
        bool unread = download_is_unread(dl, now_ms);
        for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
            if (!is_waiting(dl, i))
                continue;
            struct asking *a = &list[n++];
            *a = (struct asking){
                .download = dl,
                .slot = i,
                .turn = {dl->rank[i], dl->brief[i], unread, dl->asking_ms[i], false},
            };
            a->mirror_count = mirrors_of_origin(files->s->mirrors, dl->origin, a->mirrors);
            download_ref(dl);
        }
    }
    if (list)
        qsort(list, n, sizeof(*list), by_turn);
    *ret_count = n;
    return list;
}

/* ----------------------------------------------------------------- asking */

/* When every mirror is backing off, the flight is told which, and why. */
void download_ask_again(struct download *dl, unsigned slot, bool may)
{
    if (dl->files->s->options.offline) { /* what was kept is damaged, and cannot be fetched again */
        dl->asking[slot] = false;
        flight_on_mirror(dl->flight, slot, FLIGHT_NO_MIRROR, ERROR_UNREACHABLE, "offline");
        return;
    }
    size_t numbers[FLIGHT_MIRRORS];
    unsigned count = mirrors_of_origin(dl->files->s->mirrors, dl->origin, numbers), mirror;
    unsigned excluded = dl->excluded[slot];
    enum budget_need need = !download_is_counted(dl) ? BUDGET_FREE
                            : dl->brief[slot]        ? BUDGET_BRIEF
                                                     : BUDGET_BULK;
    int r = may ? budget_pick(dl->files->s->budget, numbers, count, excluded, need, dl->rank[slot],
                              clock_monotonic_ms(), &mirror)
                : BUDGET_BUSY;
    dl->asking[slot] = r == BUDGET_BUSY;
    if (r == BUDGET_BUSY)
        return;
    if (r == 0) {
        flight_on_mirror(dl->flight, slot, mirror, 0, "");
        return;
    }
    char detail[FLIGHT_DETAIL] = "";
    for (unsigned m = 0; m < count; m++) {
        struct budget_view view;
        if (excluded & (1u << m))
            continue;
        budget_view(dl->files->s->budget, numbers[m], clock_monotonic_ms(), &view);
        size_t len = strlen(detail);
        (void)snprintf(detail + len, sizeof(detail) - len, "%s%s: backing off after %s",
                       len ? "; " : "", dl->origin->mirrors[m].name, view.last_error);
    }
    flight_on_mirror(dl->flight, slot, FLIGHT_NO_MIRROR, detail[0] ? ERROR_UPSTREAM_BROKEN : 0,
                     detail);
}

/* Older asks go first, except before small files, which take no connection. */
void download_ask(struct download *dl, const struct flight_command *c)
{
    dl->files->asks++;
    bool queue = download_is_counted(dl) && downloads_somebody_waits(dl->files);
    if (!dl->asking[c->slot])
        dl->asking_ms[c->slot] = clock_monotonic_ms();
    dl->asking[c->slot] = true;
    dl->excluded[c->slot] = c->excluded;
    dl->rank[c->slot] = c->rank;
    dl->brief[c->slot] = c->brief;
    if (!queue)
        download_ask_again(dl, c->slot, true);
    if (dl->asking[c->slot])
        downloads_retry_soon(dl->files);
}

/* ------------------------------------------------------------- giving way */

/* Whether that mirror may serve the ask. */
static bool wants_mirror(const struct asking *a, size_t mirror)
{
    unsigned excluded = a->download->excluded[a->slot];
    for (unsigned i = 0; i < a->mirror_count; i++)
        if (a->mirrors[i] == mirror && !(excluded & (1u << i)))
            return true;
    return false;
}

/* A running transfer is compared with waiting asks by the same rules. */
static struct precedence turn_of(const struct receiver *t, bool unread)
{
    return (struct precedence){t->rank, t->need == BUDGET_BRIEF, unread, t->started_ms,
                               t->had_turn};
}

/* The transfer that is to give way, or NULL. *ret_busy: a stopped one has not ended yet. */
static struct receiver *find_victim(struct files *files, const struct asking *a, int64_t now_ms,
                                    bool *ret_busy)
{
    struct receiver *best = NULL;
    struct precedence best_turn;
    for (struct download *dl = files->download; dl; dl = dl->next) {
        bool unread = download_is_unread(dl, now_ms);
        for (struct receiver *t = dl->receivers; t; t = t->next) {
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

/* One at a time: a stopped transfer gives its connection back when it has ended. */
static void make_way(struct files *files, const struct asking *a, int64_t now_ms)
{
    bool busy = false;
    struct receiver *t;
    while ((t = find_victim(files, a, now_ms, &busy))) {
        struct download *dl = t->download;
        t->yielded = flight_on_yield(dl->flight, t->number);
        t->holds_on = !t->yielded; /* the flight refused; it is asked again at the next tick */
        if (!t->yielded)
            continue;
        download_drain(dl);
        return;
    }
}

/* Whether the transfer is large, by what it has brought and by what is left of its run. */
static bool is_large(const struct receiver *t)
{
    struct flight_view view;
    flight_view(t->download->flight, &view);
    bool is_range = t->to >= 0 && (view.size < 0 || t->to < view.size);
    int64_t end = is_range ? t->to : view.size;
    return precedence_is_large(t->bytes, end < 0 ? -1 : end - t->from - t->bytes);
}

/* Whether a large transfer that began as brief has had its share of time. The share depends on how
 * many brief asks wait for its mirror. They are the first in the list, oldest first. */
static bool has_had_turn(struct files *files, const struct receiver *t, const struct asking *list,
                         size_t count, int64_t now_ms)
{
    size_t waiting = 0;
    int64_t since_ms = now_ms;
    if (!is_large(t))
        return false;
    for (size_t i = 0; i < count && list[i].turn.brief; i++)
        if (download_is_counted(list[i].download) && wants_mirror(&list[i], t->counted_mirror)) {
            since_ms = waiting ? since_ms : list[i].turn.since_ms;
            waiting++;
        }
    unsigned connections = (unsigned)files->s->options.connections_per_mirror;
    return now_ms - t->started_ms >= precedence_brief_ms(connections, waiting, now_ms - since_ms);
}

/* A brief transfer that takes too long counts as bulk from now on. */
static void end_turns(struct files *files, const struct asking *list, size_t count, int64_t now_ms)
{
    for (struct download *dl = files->download; dl; dl = dl->next)
        for (struct receiver *t = dl->receivers; t; t = t->next) {
            t->holds_on = t->had_turn = false;
            if (t->need != BUDGET_BRIEF)
                continue;
            if (now_ms - t->started_ms >= PRECEDENCE_BRIEF_MS) {
                budget_lengthen(files->s->budget, t->counted_mirror);
                t->need = BUDGET_BULK;
            } else {
                t->had_turn = has_had_turn(files, t, list, count, now_ms);
            }
        }
}

/* ------------------------------------------------------------------ turns */

/* Otherwise the ask was served, or is another one now, and has its turn in the next round. */
static bool is_as_listed(const struct asking *a)
{
    const struct download *dl = a->download;
    return is_waiting(dl, a->slot) && dl->rank[a->slot] == a->turn.rank &&
           dl->brief[a->slot] == a->turn.brief;
}

/* The list is made once. Serving one ask may add others: then the round ends, and another is
 * posted. */
void downloads_retry_asks(struct files *files)
{
    size_t count;
    int64_t now_ms = clock_monotonic_ms();
    struct asking *list = list_asking(files, &count);
    end_turns(files, list, count, now_ms);
    bool waits = false;          /* an ask waits that others must let pass */
    uint64_t asks = files->asks; /* an ask that came since may go before those that are left */
    for (size_t i = 0; i < count && files->asks == asks; i++) {
        struct asking *a = &list[i];
        bool may = !waits || (a->turn.rank != FLIGHT_RANK_AHEAD && !a->turn.unread);
        if (!is_as_listed(a))
            continue;
        download_ask_again(a->download, a->slot, may);
        download_drain(a->download);
        waits |= is_waiting(a->download, a->slot) && download_is_counted(a->download);
    }
    if (files->asks != asks)
        downloads_retry_soon(files);
    for (size_t i = 0; i < count; i++)
        if (is_as_listed(&list[i]))
            make_way(files, &list[i], now_ms);
    for (size_t i = 0; i < count; i++)
        download_unref(list[i].download);
    free(list);
}

static void retry_run(struct job *job)
{
    struct files *files = container_of(job, struct files, retry);
    files->retry_posted = false;
    downloads_retry_asks(files);
}

/* One job is enough, however many ask for it. */
void downloads_retry_soon(struct files *files)
{
    if (files->retry_posted)
        return;
    files->retry_posted = true;
    files->retry.run = retry_run;
    loop_post(files->s, &files->retry);
}
