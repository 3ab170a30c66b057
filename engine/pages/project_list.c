// SPDX-License-Identifier: Apache-2.0
#include "engine/pages/project_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/built.h"
#include "engine/pages/delisted.h"
#include "engine/pages/pages.h"
#include "engine/pages/pages_state.h"

enum {
    PROJECT_LISTS_MOST = 512, /* clients may ask for any channel that a pattern allows */
    IDLE_MS = 600 * 1000,
    RETRY_MS = 1000,  /* how soon mirrors are asked again after all of them have failed */
    LATEST_MS = 8000, /* a page that waits for the list still needs time for its own mirrors */
    SWEEP_MS = 5000,
    FAILURES_BYTES = 512,
};

/*
 * IDLE --project_list_want--> LOADING --the mirrors have answered--> BUILDING --> IDLE
 *                          +--none has, in time: has_failed--> (late ones may still answer)
 *
 * The flight thread moves a list on, whenever a source has settled. Names are swapped in under the
 * lock, because any thread looks them up. A list that nobody uses for IDLE_MS is dropped; a reload
 * drops all. A list that is dropped in the middle of a build is freed when the build comes back.
 */
struct project_list {
    char *key;
    struct pages *pages;
    const struct origin *origin;
    char *channel; /* or NULL */
    char **names;  /* ascending; `names`, `count` and `known` are read and written under the lock */
    size_t count;
    bool known;
    _Atomic int64_t used_ms;
    bool loading, building, forced, has_failed;
    bool orphaned;    /* dropped in the middle of a build, which frees it */
    uint64_t version; /* of the listings that the names are from */
    int64_t began_ms, due_ms;
    char failures[FAILURES_BYTES];
    UT_hash_handle hh;
};

struct project_lists {
    pthread_rwlock_t lock; /* only the flight thread writes */
    struct project_list *table;
    uint64_t version;
    int64_t swept_ms;
};

/* ------------------------------------------------------------------ table */

int project_lists_new(struct project_lists **ret)
{
    struct project_lists *all = calloc(1, sizeof(*all));
    if (!all)
        return ERROR_NO_MEMORY;
    pthread_rwlock_init(&all->lock, NULL);
    *ret = all;
    return 0;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static void project_list_free(struct project_list *r)
{
    free_names(r->names, r->count);
    free(r->key);
    free(r->channel);
    free(r);
}

void project_lists_free(struct project_lists *all)
{
    struct project_list *r, *next;
    if (!all)
        return;
    HASH_ITER(hh, all->table, r, next)
    {
        HASH_DEL(all->table, r);
        project_list_free(r);
    }
    pthread_rwlock_destroy(&all->lock);
    free(all);
}

/* The key has the address of the origin, which belongs to one generation: so each generation has
 * its own lists. Any thread, under the lock; the flight thread also without it. */
static struct project_list *find(struct project_lists *all, const struct origin *origin,
                                 const char *channel)
{
    char key[256];
    struct project_list *r = NULL;
    int len = snprintf(key, sizeof(key), "%p %s", (const void *)origin, channel ? channel : "");
    if (len > 0 && (size_t)len < sizeof(key))
        HASH_FIND(hh, all->table, key, (size_t)len, r);
    return r;
}

/* Bounded, because clients may name any channel that a pattern allows. */
static struct project_list *add(struct pages *pages, const struct origin *origin,
                                const char *channel)
{
    struct project_lists *all = pages->project_lists;
    struct project_list *r =
        HASH_COUNT(all->table) < PROJECT_LISTS_MOST ? calloc(1, sizeof(*r)) : NULL;
    if (!r)
        return NULL;
    r->pages = pages;
    r->origin = origin;
    r->channel = str_dup(channel);
    r->key = str_printf("%p %s", (const void *)origin, channel ? channel : "");
    if (!r->key || (channel && !r->channel)) {
        project_list_free(r);
        return NULL;
    }
    pthread_rwlock_wrlock(&all->lock);
    HASH_ADD_KEYPTR(hh, all->table, r->key, strlen(r->key), r);
    pthread_rwlock_unlock(&all->lock);
    return r;
}

/* Takes a list out. If a build of it runs, that comes back first. */
static void drop(struct project_lists *all, struct project_list *r)
{
    pthread_rwlock_wrlock(&all->lock);
    HASH_DEL(all->table, r);
    pthread_rwlock_unlock(&all->lock);
    r->orphaned = true;
    if (!r->building)
        project_list_free(r);
}

uint64_t project_lists_version(const struct pages *pages)
{
    return pages->project_lists->version;
}

/* -------------------------------------------------------------------- names */

static int by_name(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

/* Counts as a use of the list. used_ms is atomic: the lock is held for reading only. */
static enum listed is_listed(void *context, const struct origin *origin, const char *channel,
                             const char *project)
{
    struct project_lists *all = context;
    enum listed listed = LISTED_UNKNOWN;
    pthread_rwlock_rdlock(&all->lock);
    struct project_list *r = find(all, origin, channel);
    if (r && r->known) {
        r->used_ms = clock_monotonic_ms();
        bool has = r->count && bsearch(project, r->names, r->count, sizeof(r->names[0]), by_name);
        listed = has ? LISTED_YES : LISTED_NO;
    }
    pthread_rwlock_unlock(&all->lock);
    return listed;
}

/* The rule is in origins_owner; this only knows the lists. */
int project_list_owner(struct pages *pages, const struct index_view *view, const char *project,
                       const struct origin **ret)
{
    const struct lister lister = {is_listed, pages->project_lists};
    return origins_owner(view, project, &lister, ret);
}

int project_list_names(struct pages *pages, const struct origin *origin, const char *channel,
                       char ***list, size_t *count)
{
    struct project_list *r = find(pages->project_lists, origin, channel);
    if (!r || !r->count)
        return 0;
    char **longer = realloc(*list, (*count + r->count) * sizeof(*longer));
    if (!longer)
        return ERROR_NO_MEMORY;
    *list = longer;
    for (size_t i = 0; i < r->count; i++) {
        longer[*count] = strdup(r->names[i]);
        if (!longer[*count])
            return ERROR_NO_MEMORY;
        (*count)++;
    }
    return 0;
}

/* A known list that is being refreshed is waited for only if that was forced. */
bool project_list_is_pending(struct pages *pages, const struct origin *origin, const char *channel)
{
    const struct project_list *r = find(pages->project_lists, origin, channel);
    return r && (r->loading || r->building) && (!r->known || r->forced) && !r->has_failed;
}

const char *project_list_failure(struct pages *pages, const struct origin *origin,
                                 const char *channel)
{
    const struct project_list *r = find(pages->project_lists, origin, channel);
    return r ? r->failures : "too many channels are being asked for";
}

/* -------------------------------------------------------------------- loads */

/* Equal names change nothing: no page has another owner then. */
static void set_names(struct project_list *r, char **names, size_t count)
{
    struct project_lists *all = r->pages->project_lists;
    bool same = r->known && r->count == count;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(r->names[i], names[i]) == 0;
    if (same) {
        free_names(names, count);
        return;
    }
    pthread_rwlock_wrlock(&all->lock);
    char **old = r->names;
    size_t old_count = r->count;
    r->names = names;
    r->count = count;
    r->known = true;
    pthread_rwlock_unlock(&all->lock);
    free_names(old, old_count);
    all->version++;
    log_info("names listed origin=%s channel=%s count=%zu", r->origin->name,
             r->channel ? r->channel : "", count);
    pages_reowned(r->pages, r->origin);
}

/* The list has ended its load, with or without names. */
static void settle(struct project_list *r, bool pending)
{
    struct pages *pages = r->pages;
    int64_t wait_ms = r->known ? pages->s->options.page_refresh_ms : RETRY_MS;
    r->has_failed = !r->known;
    r->forced = false;
    r->loading = pending; /* a late mirror may still answer */
    r->due_ms = clock_monotonic_ms() + wait_ms;
}

/* What the mirrors' pages say together. */
struct tally {
    unsigned pending, late, answered; /* late: fetches that are no longer waited for */
    unsigned moving;                  /* late ones that send bytes */
    uint64_t version;
};

static void note_failure(struct project_list *r, const char *name, const char *what)
{
    size_t len = strlen(r->failures);
    (void)snprintf(r->failures + len, sizeof(r->failures) - len, "%s%s: %s", len ? "; " : "", name,
                   what);
}

/* With `b`, the listing also becomes part of the build. */
static void tally_source(struct project_list *r, unsigned m, struct build *b, struct tally *t)
{
    struct source *source = sources_get(r->pages->listings, r->origin, m, r->channel, NULL);
    struct source_view v = {.state = SOURCE_IDLE};
    if (!source)
        return;
    bool late = source_check_late(source);
    source_view(source, &v);
    bool lists = v.status == 200 && v.listing;
    t->pending += v.state != SOURCE_IDLE && !late;
    t->late += late;
    t->moving += late && !v.is_silent;
    t->answered += lists || (v.status == 404 && r->channel);
    t->version = t->version * 31 + v.version + 1;
    source_write_trouble(source, &v, r->failures, sizeof(r->failures));
    if (v.state == SOURCE_IDLE && !v.error && v.status == 404)
        note_failure(r, r->origin->mirrors[m].name, "has no list of projects");
    if (!lists || !b || b->count == MERGE_SOURCES)
        return;
    b->mirrors[b->count] = m;
    b->listings[b->count++] = listing_ref_get(v.listing);
}

/* The names move from the build into the list. */
static void built(struct build *b)
{
    struct project_list *r = b->owner;
    struct pages *pages = r->pages;
    r->building = false;
    if (r->orphaned) {
        build_free(b);
        project_list_free(r);
        return;
    }
    if (b->page && b->page->outcome == OUTCOME_OK) {
        set_names(r, b->names, b->name_count);
        b->names = NULL;
        b->name_count = 0;
        r->loading = true; /* check looks once more, and settles it if there is nothing newer */
    } else {
        r->failures[0] = '\0';
        note_failure(r, r->origin->name, b->page ? b->page->detail : "no memory");
        settle(r, false);
    }
    build_free(b);
    pages_source_settled(pages);
}

static struct build *build_new(const struct project_list *r)
{
    struct build *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->kind = BUILD_NAMES;
    b->pages = r->pages;
    b->origin = r->origin;
    b->channel = str_dup(r->channel);
    b->index = strdup("");
    b->done = built;
    return b;
}

DEFINE_CLEANUP(struct build, build_free)

/* Decides whether the answers so far are enough, and builds when they say something new. */
static void check(struct project_list *r)
{
    AUTO(build_free) struct build *b = r->building ? NULL : build_new(r);
    struct tally t = {0};
    if (!b)
        return;
    r->failures[0] = '\0';
    for (unsigned m = 0; m < r->origin->mirror_count; m++)
        tally_source(r, m, b, &t);
    int64_t waited_ms = clock_monotonic_ms() - r->began_ms;
    /* with an answer, others are waited for only as long as pages wait for further mirrors */
    if (t.pending && waited_ms < (t.answered ? r->pages->s->options.listing_timeout_ms : LATEST_MS))
        return;
    if (!t.answered && !r->known && t.moving)
        return; /* its page comes slowly, and no other mirror has answered */
    if (!t.answered || (r->known && r->version == t.version)) {
        settle(r, t.pending + t.late > 0);
        return;
    }
    /* news that come during the build are seen by the next look */
    r->version = t.version;
    r->loading = t.pending + t.late > 0;
    r->building = true;
    b->owner = r;
    delisted_add_names(b, b->origin); /* names of held files stay the origin's own */
    build_start(b);
    b = NULL;
}

void project_lists_check(struct pages *pages)
{
    for (struct project_list *r = pages->project_lists->table; r; r = r->hh.next)
        if (r->loading && !r->building)
            check(r);
}

/* Without any names, one try is worth the wait even if all mirrors are backing off. */
static void want_sources(struct project_list *r, bool force, const struct asker *by)
{
    bool alone = !r->known && mirrors_is_backing_off(r->pages->s->mirrors, r->origin);
    for (unsigned m = 0; m < r->origin->mirror_count; m++) {
        struct source *source = sources_get(r->pages->listings, r->origin, m, r->channel, NULL);
        if (source)
            (void)source_want(source, force, alone, by);
    }
}

/* A list that is fresh enough, or that is being loaded, is not asked for twice. */
bool project_list_want(struct pages *pages, const struct origin *origin, const char *channel,
                       bool force, const struct asker *by)
{
    struct project_list *r = find(pages->project_lists, origin, channel);
    if (!r)
        r = add(pages, origin, channel);
    if (!r)
        return false;
    int64_t now_ms = clock_monotonic_ms();
    r->used_ms = now_ms;
    /* a list that has failed may be asked for again although late mirrors are still coming */
    bool busy = r->loading || r->building;
    if (!force && (now_ms < r->due_ms || (busy && !r->has_failed)))
        return project_list_is_pending(pages, origin, channel);
    r->forced = force && r->known;
    r->has_failed = false;
    r->loading = true;
    r->began_ms = now_ms;
    want_sources(r, force, by);
    if (!r->building)
        check(r);
    return project_list_is_pending(pages, origin, channel);
}

/* The listing changed without a fetch, so the mirrors are not asked. */
void project_list_renew(struct pages *pages, const struct origin *origin)
{
    for (struct project_list *r = pages->project_lists->table; r; r = r->hh.next) {
        if (r->origin != origin)
            continue;
        r->loading = true;
        r->began_ms = clock_monotonic_ms();
        if (!r->building)
            check(r);
    }
}

/* --------------------------------------------------------------------- time */

/* Lists belong to a generation of origins. */
void project_lists_reload(struct pages *pages)
{
    struct project_list *r, *next;
    HASH_ITER(hh, pages->project_lists->table, r, next)
    {
        drop(pages->project_lists, r);
    }
}

/* Drops lists that nobody uses. */
void project_lists_tick(struct pages *pages, int64_t now_ms)
{
    struct project_list *r, *next;
    if (now_ms - pages->project_lists->swept_ms < SWEEP_MS)
        return;
    pages->project_lists->swept_ms = now_ms;
    HASH_ITER(hh, pages->project_lists->table, r, next)
    {
        if (!r->loading && !r->building && now_ms - r->used_ms > IDLE_MS)
            drop(pages->project_lists, r);
    }
}
