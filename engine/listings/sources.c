// SPDX-License-Identifier: Apache-2.0
/*
 * The table of sources: making them, what is wanted of them, and when they go.
 *
 *     made by the first sources_get -> used (used_ms) -> its listing leaves memory -> dropped
 *
 * source_fetch.c loads and fetches. Listings that nobody uses leave memory after KEEP_LISTING_MS,
 * or after KEEP_CROWDED_MS when memory is short; the catalogue has them. A source that has no
 * listing goes soon, because clients may ask for any name. Flight thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/source_state.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

enum {
    KEEP_LISTING_MS = 120 * 1000, /* unused in memory; the catalogue has it */
    KEEP_SOURCE_MS = 3600 * 1000,
    KEEP_MISSING_MS = 60 * 1000, /* clients may ask for any name */
    /* beyond page_memory; a waiting page uses its sources on every tick */
    KEEP_CROWDED_MS = 2000,
    SOURCES_MANY = 8192, /* beyond so many, names that mirrors do not have go as soon */
    SWEEP_MS = 5000,
    SWEEP_CROWDED_MS = 1000,
    /* files that are refused do not make their page be read more often */
    LINKS_AGAIN_MS = 30 * 1000,
    PROBE_EVERY_MS = 1000,
    KEEP_PROBING_MS = 600 * 1000,
};

struct listing_ref *listing_ref_new(struct listing *listing)
{
    struct listing_ref *ref = calloc(1, sizeof(*ref));
    if (ref)
        *ref = (struct listing_ref){.refs = 1, .listing = listing};
    else
        listing_free(listing);
    return ref;
}

struct listing_ref *listing_ref_get(struct listing_ref *ref)
{
    ref->refs++;
    return ref;
}

/* On any thread: builds give their listings back on their lanes. */
void listing_ref_put(struct listing_ref *ref)
{
    if (!ref || --ref->refs > 0)
        return;
    listing_free(ref->listing);
    free(ref);
}

const struct mirror *source_mirror(const struct source *s)
{
    return &s->origin->mirrors[s->mirror];
}

/* -------------------------------------------------------------------- table */

int sources_new(struct sources **ret)
{
    struct sources *all = calloc(1, sizeof(*all));
    if (!all || !(all->loads = turns_new())) {
        free(all);
        return ERROR_NO_MEMORY;
    }
    *ret = all;
    return 0;
}

/* Also leaves the turn that it may wait for. */
static void source_free(struct source *s)
{
    if (s->turns)
        turns_end(s->turns, &s->turn);
    listing_ref_put(s->listing);
    free(s->page);
    free(s->key);
    free(s->etag);
    free(s->date);
    free(s->url);
    free(s->via);
    free(s);
}

/* No fetch is under way: the transfer thread has ended. */
void sources_free(struct sources *sources)
{
    struct source *s, *next;
    if (!sources)
        return;
    HASH_ITER(hh, sources->table, s, next)
    {
        HASH_DEL(sources->table, s);
        source_free(s);
    }
    for (size_t i = 0; i < sources->mirror_count; i++)
        turns_free(sources->mirrors[i].turns);
    free(sources->mirrors);
    turns_free(sources->loads);
    free(sources);
}

/* By number: mirrors keep it through reloads, and so do the turns. */
struct listed_mirror *source_listed_mirror(const struct source *s)
{
    struct sources *all = s->listings->sources;
    size_t number = mirrors_number(s->listings->s->mirrors, s->origin, s->mirror);
    if (number >= all->mirror_count) {
        struct listed_mirror *more = realloc(all->mirrors, (number + 1) * sizeof(*more));
        if (!more)
            return NULL;
        while (all->mirror_count <= number)
            more[all->mirror_count++] = (struct listed_mirror){0};
        all->mirrors = more;
    }
    struct listed_mirror *mirror = &all->mirrors[number];
    if (!mirror->turns)
        mirror->turns = turns_new();
    return mirror->turns ? mirror : NULL;
}

/* The page of a mirror's project list: the page of an empty project, one level up. What follows
 * the project in the template (".../{project}/index.html") stays. */
static char *page_url(const struct mirror *mirror, const char *channel, const char *project)
{
    static const char any[] = "any-project";
    char *url = mirror_page_url(mirror, channel, project ? project : any);
    char *at = url && !project ? strstr(url, any) : NULL;
    if (!at)
        return url;
    const char *rest = at + strlen(any);
    if (*rest == '/')
        memmove(at, rest + 1, strlen(rest)); /* with its NUL */
    else
        *at = '\0';
    return url;
}

/* The URL up to the segment that begins with the channel. NULL: the template has none. */
static char *root_url(const struct mirror *mirror)
{
    static const char any[] = "any-channel";
    char *url = strstr(mirror->index, "/{channel}") ? mirror_page_url(mirror, any, "any") : NULL;
    char *at = url ? strstr(url, any) : NULL;
    if (at)
        *at = '\0';
    return url;
}

/* The source of a URL, or NULL. *ret_key: its key, free() it; NULL when out of memory. */
static struct source *look_up(struct listings *listings, const struct origin *origin,
                              unsigned mirror, const char *url, char **ret_key)
{
    struct source *s = NULL;
    *ret_key = url ? str_printf("%p %u %s", (const void *)origin, mirror, url) : NULL;
    if (*ret_key)
        HASH_FIND_STR(listings->sources->table, *ret_key, s);
    return s;
}

struct source *sources_find(struct listings *listings, const struct origin *origin, unsigned mirror,
                            const char *channel, const char *project)
{
    auto_free char *url = page_url(&origin->mirrors[mirror], channel, project);
    auto_free char *key = NULL;
    return look_up(listings, origin, mirror, url, &key);
}

struct listing_ref *source_listing(struct source *s)
{
    return s && s->listing ? listing_ref_get(s->listing) : NULL;
}

const char *source_lost_links(const struct source *s)
{
    return s->has_lost_links ? s->failure + strlen(source_mirror(s)->name) + 2 : NULL;
}

/* Takes over the URL. */
static struct source *get(struct listings *listings, const struct origin *origin, unsigned mirror,
                          char *taken)
{
    auto_free char *url = taken;
    auto_free char *key = NULL;
    struct source *s = look_up(listings, origin, mirror, url, &key);
    if (s || !key)
        return s;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->listings = listings;
    s->origin = origin;
    s->mirror = mirror;
    s->page = url;
    s->key = key;
    url = key = NULL;
    s->confirmed_ms = INT64_MIN / 2;
    s->retry_after_s = -1;
    HASH_ADD_KEYPTR(hh, listings->sources->table, s->key, strlen(s->key), s);
    return s;
}

/* A flat mirror's one page lists projects by their files, so it is no project list. */
struct source *sources_get(struct listings *listings, const struct origin *origin, unsigned mirror,
                           const char *channel, const char *project)
{
    char *url = page_url(&origin->mirrors[mirror], channel, project);
    struct source *s = get(listings, origin, mirror, url);
    if (s)
        s->is_list = !project && origin->mirrors[mirror].layout == LAYOUT_SIMPLE;
    return s;
}

struct source *sources_get_root(struct listings *listings, const struct origin *origin,
                                unsigned mirror)
{
    struct source *s = get(listings, origin, mirror, root_url(&origin->mirrors[mirror]));
    if (s)
        s->is_list = s->is_root = true;
    return s;
}

/* A folder has no fetches: its directory answers in the same form. */
void source_view(struct source *s, struct source_view *ret)
{
    s->used_ms = clock_monotonic_ms();
    if (s->origin->directory) {
        s->listings->s->events->folder_view(s->listings->s, s->origin, ret);
        return;
    }
    *ret = (struct source_view){.state = s->state,
                                .is_silent = s->is_silent,
                                .status = s->status,
                                .listing = s->listing,
                                .confirmed_ms = s->confirmed_ms,
                                .is_provisional = s->life_ms > 0,
                                .version = s->version,
                                .error = s->error,
                                .retry_after_s = s->retry_after_s,
                                .failure = s->failure};
}

/* A source that is busy takes note of the wish; one that is idle loads first, then fetches when
 * what it has is old. */
bool source_want(struct source *s, bool force, bool alone, const struct asker *by)
{
    struct listings *listings = s->listings;
    int64_t now_ms = clock_monotonic_ms();
    s->used_ms = now_ms;
    if (s->origin->directory) {
        struct source_view view;
        if (force)
            listings->s->events->folder_look(listings->s, s->origin);
        listings->s->events->folder_view(listings->s, s->origin, &view);
        return view.state != SOURCE_IDLE;
    }
    if (s->state == SOURCE_IDLE) { /* the Via and the client of the request that makes it fetch */
        free(s->via);
        s->via = str_dup(by ? by->via : NULL);
        s->client = by ? by->client : 0;
        s->is_forced = force;
    }
    if (s->state != SOURCE_IDLE) {
        s->fetch_next |= force && s->state == SOURCE_LOADING;
        s->is_forced |= force;
        s->fetch_alone |= alone;
        s->is_probe = false;
        if (s->turn.waits && by)
            turns_join(s->turns, &s->turn, by->client);
        return true;
    }
    if (!s->asked_catalogue || (s->status == 200 && !s->listing)) {
        s->fetch_next = force;
        s->fetch_alone = alone;
        source_load(s);
        return s->state != SOURCE_IDLE;
    }
    int64_t refresh_ms = s->life_ms ? s->life_ms : listings->s->options.page_refresh_ms;
    bool old = now_ms - s->confirmed_ms >= refresh_ms;
    /* a suspected page has been asked for in vain: again after a minute at most, so that the mirror
     * can confirm it */
    if (s->shrink_guard.times)
        old = now_ms - s->shrink_guard.last_ms >=
              (refresh_ms < SHRINK_GUARD_RETRY_MS ? refresh_ms : SHRINK_GUARD_RETRY_MS);
    if (!old && !force)
        return false;
    source_try_fetch(s, alone);
    return s->state != SOURCE_IDLE;
}

/* A fetch that runs brings the links also. */
bool source_want_links(struct source *s)
{
    int64_t now_ms = clock_monotonic_ms();
    if (s->state == SOURCE_FETCHING)
        return true;
    if (s->links_ms && now_ms - s->links_ms < LINKS_AGAIN_MS)
        return s->state != SOURCE_IDLE;
    s->links_ms = now_ms;
    return source_want(s, true, false, NULL);
}

/* --------------------------------------------------------------------- time */

/* Listings and pages share page_memory; the process as a whole has max_memory. */
static bool is_crowded(const struct listings *listings)
{
    return listings->sources->bytes > (size_t)listings->s->options.page_memory ||
           listings->s->memory_used > listings->s->options.max_memory / 2;
}

/* The listing goes first, the source itself much later: it knows validators and failures. */
static void sweep(struct listings *listings, int64_t now_ms, bool crowded)
{
    struct source *s, *next;
    int64_t keep_ms = crowded ? KEEP_CROWDED_MS : KEEP_LISTING_MS;
    bool many = HASH_COUNT(listings->sources->table) > SOURCES_MANY;
    /* what mirrors do not have is kept only to answer the next few requests */
    int64_t missing_ms = many ? KEEP_CROWDED_MS : KEEP_MISSING_MS;
    HASH_ITER(hh, listings->sources->table, s, next)
    {
        int64_t idle_ms = now_ms - s->used_ms;
        bool is_good = s->status == 200;
        if (s->state != SOURCE_IDLE || idle_ms < (is_good ? keep_ms : missing_ms))
            continue;
        source_set_listing(s, NULL, 0);
        if (is_good && idle_ms < KEEP_SOURCE_MS)
            continue;
        HASH_DEL(listings->sources->table, s);
        source_free(s);
    }
}

/* Asks mirrors again for a page after they have failed: no client must find out that they are
 * back. */
static void probe(struct listings *listings, int64_t now_ms)
{
    struct source *s, *next;
    HASH_ITER(hh, listings->sources->table, s, next)
    {
        if (s->is_probe)
            (void)source_check_late(s);
        size_t number = mirrors_number(listings->s->mirrors, s->origin, s->mirror);
        /* only sources that somebody has used of late, and that have loaded what is stored */
        if (s->state != SOURCE_IDLE || !s->asked_catalogue ||
            now_ms - s->used_ms >= KEEP_PROBING_MS || !mirrors_has(listings->s->mirrors, number) ||
            !budget_wants_probe(listings->s->budget, number, now_ms))
            continue;
        s->is_forced = false;
        source_fetch(s);
        s->is_probe = true;
    }
}

/* Sweeps more often when memory is short or the table is large. */
void sources_tick(struct listings *listings, int64_t now_ms)
{
    if (now_ms - listings->sources->probed_ms >= PROBE_EVERY_MS) {
        listings->sources->probed_ms = now_ms;
        probe(listings, now_ms);
    }
    if (now_ms - listings->sources->swept_ms >=
        (is_crowded(listings) || HASH_COUNT(listings->sources->table) > SOURCES_MANY
             ? SWEEP_CROWDED_MS
             : SWEEP_MS)) {
        listings->sources->swept_ms = now_ms;
        sweep(listings, now_ms, is_crowded(listings));
    }
}

void sources_shrink(struct listings *listings)
{
    listings->sources->swept_ms = clock_monotonic_ms();
    sweep(listings, listings->sources->swept_ms, true);
}

size_t sources_bytes(const struct listings *listings)
{
    return listings->sources->bytes;
}
