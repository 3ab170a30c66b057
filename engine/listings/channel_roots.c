// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/listings/channels.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/sources.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

enum {
    WAIT_MS = 1000,         /* how long a request waits for root pages */
    GIVE_UP_MS = 30 * 1000, /* root pages that have not come by then say nothing this time */
    NAMES_MOST = 256,       /* of one root page */
};

/*
 * Reads the root pages of mirrors, which name channels:
 *
 *     idle --channel_roots_ask--> is_running: every root page is made ready, as any page
 *          --all have settled, or GIVE_UP_MS--> names noted, waiters resumed --page_refresh--> idle
 *
 * Any thread starts it, by compare-and-swap; the flight thread does the rest, whenever a source has
 * settled and on the tick. A waiter whose time is over gets the names that have come so far.
 */
struct channel_roots {
    struct waitlist waiters;
    _Atomic bool is_running;
    _Atomic int64_t done_ms;
    int64_t began_ms; /* flight thread */
};

int channel_roots_new(struct channel_roots **ret)
{
    struct channel_roots *all = calloc(1, sizeof(*all));
    if (!all)
        return ERROR_NO_MEMORY;
    waitlist_init(&all->waiters);
    all->done_ms = INT64_MIN / 2;
    *ret = all;
    return 0;
}

void channel_roots_free(struct channel_roots *all)
{
    if (!all)
        return;
    waitlist_release(&all->waiters);
    free(all);
}

void channel_roots_stop(struct listings *listings)
{
    waitlist_close(&listings->channel_roots->waiters);
}

/* --------------------------------------------------------------- root pages */

/* Calls `visit` with the root page of every mirror whose origin has channels. A parent's root is
 * left out: its names come from others. */
static void each_root(struct listings *listings,
                      void (*visit)(struct listings *listings, const struct origin *origin,
                                    unsigned mirror, struct source *s, void *to),
                      void *to)
{
    const struct origins *origins = mirrors_origins(listings->s->mirrors);
    for (size_t o = 0; o < origins->count; o++) {
        const struct origin *origin = &origins->list[o];
        for (unsigned m = 0; *origin->channels && m < origin->mirror_count; m++) {
            struct source *s =
                origin->mirrors[m].parent ? NULL : sources_get_root(listings, origin, m);
            if (s)
                visit(listings, origin, m, s, to);
        }
    }
}

static void want(struct listings *listings, const struct origin *origin, unsigned mirror,
                 struct source *s, void *to)
{
    (void)listings, (void)origin, (void)mirror, (void)to;
    (void)source_want(s, false, false, NULL);
}

static void count_running(struct listings *listings, const struct origin *origin, unsigned mirror,
                          struct source *s, void *to)
{
    struct source_view v;
    (void)listings, (void)origin, (void)mirror;
    source_view(s, &v);
    *(unsigned *)to += v.state != SOURCE_IDLE;
}

/* Where a root page also lists projects, a name with a dash is taken for a project. A name must
 * be usable as an index, and the origin's patterns must allow it. */
static bool is_channel(const struct origin *origin, unsigned mirror, const char *name)
{
    bool may_be_project = origin->mirrors[mirror].layout == LAYOUT_SIMPLE;
    return origins_is_index_name(name) && origin_has_channel(origin, name) &&
           !(may_be_project && (strchr(name, '-') || origin_owns(origin, NULL, name)));
}

/* At most NAMES_MOST names of one page, because a mirror decides what stands on it. */
static void take_names(struct listings *listings, const struct origin *origin, unsigned mirror,
                       struct source *s, void *to)
{
    struct source_view v;
    unsigned count = 0;
    (void)to;
    source_view(s, &v);
    if (v.status != 200 || !v.listing)
        return;
    const struct listing *l = v.listing->listing;
    for (size_t i = 0; i < l->project_count && count < NAMES_MOST; i++)
        if (is_channel(origin, mirror, l->projects[i])) {
            channels_named(listings, origin, l->projects[i]);
            count++;
        }
}

/* Settles only once all root pages have ended, or GIVE_UP_MS is over. */
void channel_roots_check(struct listings *listings, int64_t now_ms)
{
    struct channel_roots *all = listings->channel_roots;
    unsigned running = 0;
    if (waitlist_is_due(&all->waiters, now_ms)) { /* with the names that have come so far */
        each_root(listings, take_names, NULL);
        waitlist_expire(&all->waiters, now_ms);
    }
    if (!all->is_running || !all->began_ms)
        return;
    each_root(listings, count_running, &running);
    if (running && now_ms - all->began_ms < GIVE_UP_MS)
        return;
    each_root(listings, take_names, NULL);
    all->began_ms = 0;
    all->done_ms = now_ms;
    all->is_running = false;
    waitlist_wake(&all->waiters, 0, INT64_MAX);
}

static void begin(void *room)
{
    struct listings *listings = room;
    if (listings->s->stopping)
        return;
    listings->channel_roots->began_ms = clock_monotonic_ms();
    each_root(listings, want, NULL);
    channel_roots_check(listings, listings->channel_roots->began_ms);
}

static bool has_ended(void *arg)
{
    return !((struct channel_roots *)arg)->is_running;
}

/* Root pages that were read a moment ago are not read again. */
int channel_roots_ask(struct listings *listings, struct waiter *waiter)
{
    struct channel_roots *all = listings->channel_roots;
    int64_t now_ms = clock_monotonic_ms();
    bool idle = false;
    if (listings->s->stopping || now_ms - all->done_ms < listings->s->options.page_refresh_ms)
        return 0;
    if (atomic_compare_exchange_strong(&all->is_running, &idle, true) &&
        !loop_run(listings->s, begin, listings)) {
        all->is_running = false;
        return 0;
    }
    waiter->want = 0;
    waiter->until_ms = now_ms + WAIT_MS;
    return waitlist_join(&all->waiters, waiter, has_ended, all) == WAIT_SUSPENDED ? ENGINE_WAIT : 0;
}
