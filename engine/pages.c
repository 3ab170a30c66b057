// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/built.h"
#include "engine/core.h"
#include "index/name.h"

/*
 * A slot holds what an index says of a project. A request finds a page there, or waits on the slot
 * while the flight thread loads it:
 *
 *     engine_page --no page, or old--> load: sources are made ready --> build --> publish, wake
 *
 * A load publishes when every mirror has answered or was given up; after listing_timeout with what
 * there is, and then once more when the late ones have come.
 */
enum {
    FORCE_EVERY_MS = 30000, /* no-cache: at most so often per page */
    MISSING_MS = 60000,     /* how long "no such project" stands */
    RETRY_MS = 5000,        /* how soon mirrors are asked again after all have failed */
    UNAVAILABLE_MS = 1000,
    LATEST_MS = 9000, /* a status line within ten seconds, always */
    INCOMPLETE_AGE_S = 10,
    SLOTS_MOST = 20000,
    SLOT_IDLE_MS = 600 * 1000,
    SWEEP_MS = 1000,
};

struct slot {
    char *key;             /* index, a line feed, project */
    char *index, *project; /* project NULL: the list */
    _Atomic int refs;
    struct waitlist waiters; /* its lock guards `page` as well */
    struct page *page;
    _Atomic int64_t expires_ms, used_ms, forced_ms;
    _Atomic uint64_t answers; /* how often a load has come to an end */
    _Atomic bool wanted;      /* a load is posted or running */
    bool stale;               /* under the lock */
    /* flight thread: */
    struct source *sources[MERGE_SOURCES];
    unsigned source_count;
    const struct origin *origin;
    uint64_t built_version;
    int64_t began_ms;
    bool loading, building, published;
    struct slot *next_loading;
    UT_hash_handle hh;
};

struct pages {
    pthread_rwlock_t lock;
    struct slot *table;
    struct slot *loading; /* flight thread */
    int64_t swept_ms;
    size_t bytes; /* flight thread */
};

int pages_new(struct engine *e, struct pages **ret)
{
    (void)e;
    struct pages *p = calloc(1, sizeof(*p));
    if (!p)
        return ERROR_NO_MEMORY;
    pthread_rwlock_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

/* ------------------------------------------------------------------ slots */

static void slot_unref(struct slot *s)
{
    if (--s->refs > 0)
        return;
    page_unref(s->page);
    waitlist_release(&s->waiters);
    free(s->key);
    free(s->index);
    free(s->project);
    free(s);
}

void pages_free(struct pages *p)
{
    struct slot *s, *next;
    if (!p)
        return;
    HASH_ITER(hh, p->table, s, next)
    {
        HASH_DEL(p->table, s);
        slot_unref(s);
    }
    while ((s = p->loading)) {
        p->loading = s->next_loading;
        slot_unref(s);
    }
    pthread_rwlock_destroy(&p->lock);
    free(p);
}

static struct slot *slot_new(const char *key, const char *index, const char *project)
{
    struct slot *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->refs = 1;
    waitlist_init(&s->waiters);
    s->forced_ms = INT64_MIN / 2;
    s->key = strdup(key);
    s->index = strdup(index);
    s->project = project ? strdup(project) : NULL;
    if (!s->key || !s->index || (project && !s->project)) {
        slot_unref(s);
        return NULL;
    }
    return s;
}

/* The slot of a page, made when it is asked for the first time; a reference. NULL when out of
 * memory or when strangers have asked for too many names. */
static struct slot *find_slot(struct pages *p, const char *index, const char *project)
{
    char key[512];
    struct slot *s = NULL;
    int len = snprintf(key, sizeof(key), "%s\n%s", index, project ? project : "");
    if (len < 0 || (size_t)len >= sizeof(key))
        return NULL;
    pthread_rwlock_rdlock(&p->lock);
    HASH_FIND(hh, p->table, key, (size_t)len, s);
    if (s)
        s->refs++;
    pthread_rwlock_unlock(&p->lock);
    if (s)
        return s;
    pthread_rwlock_wrlock(&p->lock);
    HASH_FIND(hh, p->table, key, (size_t)len, s);
    if (!s && HASH_COUNT(p->table) < SLOTS_MOST && (s = slot_new(key, index, project)))
        HASH_ADD_KEYPTR(hh, p->table, s->key, (size_t)len, s);
    if (s)
        s->refs++;
    pthread_rwlock_unlock(&p->lock);
    return s;
}

static struct page *slot_page(struct slot *s, bool *ret_stale)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *page = s->page ? built_ref(s->page) : NULL;
    *ret_stale = s->stale;
    pthread_mutex_unlock(&s->waiters.lock);
    return page;
}

/* ------------------------------------------------------------------ loading */

static void check(struct engine *e, struct slot *s);

static void set_life(struct slot *s, bool stale, int64_t expires_ms)
{
    s->stale = stale;
    s->expires_ms = expires_ms;
}

/* Answers whoever waits; page NULL: with what is there. */
static void publish(struct engine *e, struct slot *s, struct page *page, bool stale,
                    int64_t expires_ms)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *old = s->page;
    if (old && page && built_is_same(old, page)) { /* equal bytes keep their replies */
        old = page;
    } else if (page) {
        e->pages->bytes += built_bytes(page);
        s->page = page;
    } else {
        old = NULL;
    }
    if (old && old != page)
        e->pages->bytes -= built_bytes(old);
    set_life(s, stale, expires_ms);
    s->answers++;
    pthread_mutex_unlock(&s->waiters.lock);
    s->published = true;
    page_unref(old);
    waitlist_wake(&s->waiters, 0, INT64_MAX);
}

/* Nothing has changed. A load answers once: who has come since then waits for the next one. */
static void confirm(struct engine *e, struct slot *s, bool stale, int64_t expires_ms)
{
    if (!s->published) {
        publish(e, s, NULL, stale, expires_ms);
        return;
    }
    pthread_mutex_lock(&s->waiters.lock);
    set_life(s, stale, expires_ms);
    pthread_mutex_unlock(&s->waiters.lock);
}

static void finish_load(struct engine *e, struct slot *s)
{
    struct slot **p = &e->pages->loading;
    while (*p && *p != s)
        p = &(*p)->next_loading;
    if (*p)
        *p = s->next_loading;
    s->loading = false;
    s->wanted = false;
    slot_unref(s);
}

/* What the sources of a slot say together. */
struct tally {
    unsigned pending, answered, confirmed, missing_digests;
    int64_t confirmed_ms;
    uint64_t version;
    char failures[512];
};

static struct tally tally_sources(struct engine *e, struct slot *s)
{
    struct tally t = {.confirmed_ms = INT64_MIN / 2};
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < s->source_count; i++) {
        struct source_view v;
        source_view(s->sources[i], &v);
        bool pending = v.state != SOURCE_IDLE;
        t.pending += pending;
        t.answered += v.status == 404 || (v.status == 200 && v.listing);
        t.confirmed += now_ms - v.confirmed_ms < e->options.page_refresh_ms;
        t.version = t.version * 31 + v.version;
        if (pending && s->origin->mirrors[i].layout == LAYOUT_SIMPLE)
            t.missing_digests++;
        if (v.confirmed_ms > t.confirmed_ms)
            t.confirmed_ms = v.confirmed_ms;
        size_t len = strlen(t.failures);
        if (pending || v.error)
            (void)snprintf(t.failures + len, sizeof(t.failures) - len, "%s%s%s", len ? "; " : "",
                           pending ? s->origin->mirrors[i].name : v.failure,
                           pending ? ": no answer yet" : "");
    }
    return t;
}

static void built(struct build *b)
{
    struct engine *e = b->engine;
    struct slot *s = b->owner;
    if (b->origin != s->origin) { /* a reload came between: another page is wanted */
        s->building = false;
        s->built_version = 0;
        check(e, s);
        slot_unref(s);
        return;
    }
    struct tally t = tally_sources(e, s);
    int64_t now_ms = clock_monotonic_ms();
    bool stale = s->source_count && !t.confirmed;
    int64_t expires_ms =
        t.confirmed ? t.confirmed_ms + e->options.page_refresh_ms : now_ms + RETRY_MS;
    struct page *page = b->page;
    b->page = NULL;
    if (page && page->outcome == OUTCOME_NO_PROJECT && expires_ms > now_ms + MISSING_MS)
        expires_ms = now_ms + MISSING_MS;
    if (page && page->incomplete)
        expires_ms = now_ms + INCOMPLETE_AGE_S * 1000;
    if (b->merge.dropped)
        log_info("links elsewhere dropped origin=%s project=%s count=%zu", b->origin->name,
                 b->project, b->merge.dropped);
    build_remember(b); /* before the page is seen: whoever asks for a file finds its digest */
    publish(e, s, page, stale, expires_ms);
    s->building = false;
    check(e, s);
    slot_unref(s);
}

/* Names that the index can answer for without asking anybody: pages of the last origin we have. */
static void add_known(struct engine *e, struct slot *s, struct build *b)
{
    struct slot *other;
    struct index_view view;
    if (origins_index(core_origins(e), s->index, &view))
        return;
    pthread_rwlock_rdlock(&e->pages->lock);
    b->known = calloc(HASH_COUNT(e->pages->table) + 1, sizeof(*b->known));
    for (other = b->known ? e->pages->table : NULL; other; other = other->hh.next) {
        if (!other->project || !other->page || other->page->outcome != OUTCOME_OK ||
            other->origin != view.origins[view.count - 1])
            continue;
        b->known[b->known_count] = strdup(other->project);
        b->known_count += b->known[b->known_count] != NULL;
    }
    pthread_rwlock_unlock(&e->pages->lock);
}

static void build(struct engine *e, struct slot *s, const struct tally *t)
{
    struct build *b = calloc(1, sizeof(*b));
    struct index_view view;
    if (!b || origins_index(core_origins(e), s->index, &view)) {
        free(b);
        return;
    }
    b->engine = e;
    b->owner = s;
    b->done = built;
    b->origin = s->origin;
    b->index = strdup(s->index);
    b->channel = view.channel ? strdup(s->index) : NULL;
    b->project = s->project ? strdup(s->project) : NULL;
    b->incomplete = t->missing_digests > 0;
    b->max_age_s = e->options.page_refresh_ms / 1000;
    if (b->incomplete || !t->confirmed)
        b->max_age_s = INCOMPLETE_AGE_S;
    (void)snprintf(b->missing_detail, sizeof(b->missing_detail), "%s has no project %s%s%.300s%s",
                   s->origin->name, s->project ? s->project : "",
                   t->failures[0] ? " (no answer from: " : "", t->failures,
                   t->failures[0] ? ")" : "");
    for (unsigned i = 0; i < s->source_count; i++) {
        struct source_view v;
        source_view(s->sources[i], &v);
        if (v.status != 200 || !v.listing)
            continue;
        b->mirrors[b->count] = i;
        b->listings[b->count++] = listing_ref_get(v.listing);
    }
    if (!s->project)
        add_known(e, s, b);
    s->building = true;
    s->built_version = t->version + 1;
    s->refs++;
    build_start(b);
}

static bool is_time(const struct engine *e, const struct slot *s, const struct tally *t)
{
    int64_t waited_ms = clock_monotonic_ms() - s->began_ms;
    if (!t->pending)
        return true;
    return waited_ms >= (t->answered ? e->options.listing_timeout_ms : LATEST_MS);
}

/* No mirror has ever answered, now or before. */
static void refuse_all(struct engine *e, struct slot *s, const struct tally *t)
{
    int64_t now_ms = clock_monotonic_ms();
    if (s->page) /* what is there stays */
        confirm(e, s, true, now_ms + RETRY_MS);
    else
        publish(e, s, built_refusal(e, OUTCOME_UNAVAILABLE, t->failures), true,
                now_ms + UNAVAILABLE_MS);
}

static bool needs_build(const struct slot *s, const struct tally *t)
{
    if (!s->page || s->built_version != t->version + 1)
        return true;
    if (!s->project) /* a list also shows what became known by other ways */
        return !s->published;
    return s->page->incomplete != (t->missing_digests > 0);
}

/* Publishes when it is time; runs whenever a source has settled, a build is done, and on the tick.
 */
static void check(struct engine *e, struct slot *s)
{
    if (!s->loading || s->building || e->stopping)
        return;
    struct tally t = tally_sources(e, s);
    if (!is_time(e, s, &t) && !s->published)
        return;
    if (!t.answered && s->source_count) {
        refuse_all(e, s, &t);
    } else if (needs_build(s, &t)) {
        build(e, s, &t);
        return;
    } else {
        confirm(e, s, !t.confirmed,
                t.confirmed ? t.confirmed_ms + e->options.page_refresh_ms
                            : clock_monotonic_ms() + RETRY_MS);
    }
    if (!t.pending)
        finish_load(e, s);
}

void pages_source_settled(struct engine *e)
{
    for (struct slot *s = e->pages->loading, *next; s; s = next) {
        next = s->next_loading;
        check(e, s);
    }
}

static void want_sources(struct engine *e, struct slot *s, const char *channel, bool force)
{
    unsigned healthy = 0;
    const struct origin *origin = s->origin;
    for (unsigned m = 0; m < origin->mirror_count; m++)
        healthy +=
            !budget_is_backing_off(e->budget, core_mirror(e, origin, m), clock_monotonic_ms());
    s->source_count = 0;
    for (unsigned m = 0; m < origin->mirror_count && m < MERGE_SOURCES; m++) {
        struct source *source = sources_get(e, origin, m, channel, s->project);
        if (!source)
            continue;
        s->sources[s->source_count++] = source;
        /* A probe of mirrors that are all backing off is worth the wait when there is nothing. */
        (void)source_want(source, force, healthy == 0 && !s->page);
    }
}

/* What was asked for by the rules of before a reload. */
static void refuse_load(struct engine *e, struct slot *s, enum outcome outcome, const char *detail)
{
    s->source_count = 0;
    publish(e, s, built_refusal(e, outcome, detail), false, clock_monotonic_ms());
    if (s->loading)
        finish_load(e, s);
    s->wanted = false;
}

static void load(struct engine *e, struct slot *s, bool force)
{
    struct index_view view;
    if (e->stopping) {
        s->wanted = false;
        waitlist_close(&s->waiters); /* whoever came behind pages_stop */
        return;
    }
    bool has_index = origins_index(core_origins(e), s->index, &view) == 0;
    s->origin = !has_index ? NULL : s->project ? origins_owner(&view, s->project) : view.origins[0];
    if (!s->origin) {
        refuse_load(e, s, has_index ? OUTCOME_NO_PROJECT : OUTCOME_NO_INDEX,
                    has_index ? "no origin of this index has that project" : "no such index");
        return;
    }
    if (!s->loading || s->published) /* else somebody has waited since then */
        s->began_ms = clock_monotonic_ms();
    s->published = false;
    if (!s->loading) {
        s->loading = true;
        s->refs++;
        s->next_loading = e->pages->loading;
        e->pages->loading = s;
    }
    s->source_count = 0;
    /* The list of everything a PyPI mirror has is too long to be of use: what is known is shown. */
    if (s->project || view.channel)
        want_sources(e, s, view.channel, force);
    check(e, s);
}

/* -------------------------------------------------------- asked for a digest */

static void post_load(struct engine *e, struct slot *s, bool force);

/* The index whose pages list a path: the channel whose folder it is in, or, where the origin has no
 * channels, the one of everything. NULL: none. */
static char *index_of(const struct origin *origin, const char *path)
{
    if (!origin->channels[0])
        return strdup("");
    for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
        char *channel = strndup(path, (size_t)(end - path));
        if (!channel || origin_has_channel(origin, channel))
            return channel;
        free(channel);
    }
    return NULL;
}

void pages_want_digest(struct engine *e, const struct origin *origin, const char *path)
{
    struct index_view view;
    struct file_name name = {0};
    auto_free char *index = index_of(origin, path);
    const char *last = strrchr(path, '/');
    auto_free char *file = strdup(last ? last + 1 : path);
    if (!index || !file || origins_index(core_origins(e), index, &view))
        return;
    if (str_ends(file, ".metadata"))
        file[strlen(file) - strlen(".metadata")] = '\0';
    if (file_name_parse(file, &name) == 0 && name.project &&
        origins_owner(&view, name.project) == origin) {
        struct slot *s = find_slot(e->pages, index, name.project);
        if (s && (!s->page || clock_monotonic_ms() >= s->expires_ms))
            post_load(e, s, false);
        if (s)
            slot_unref(s);
    }
    file_name_release(&name);
}

/* ------------------------------------------------------------------ asking */

struct load_job {
    struct job job;
    struct engine *engine;
    struct slot *slot;
    bool force;
};

static void load_run(struct job *job)
{
    struct load_job *l = container_of(job, struct load_job, job);
    load(l->engine, l->slot, l->force);
    slot_unref(l->slot);
    free(l);
}

static void post_load(struct engine *e, struct slot *s, bool force)
{
    if (atomic_exchange(&s->wanted, true) && !force)
        return;
    struct load_job *l = calloc(1, sizeof(*l));
    if (!l) {
        s->wanted = false;
        return;
    }
    s->refs++;
    *l = (struct load_job){{load_run, NULL}, e, s, force};
    core_post(e, &l->job);
}

struct awaited {
    struct slot *slot;
    uint64_t answers;
    bool any; /* any page will do */
};

static bool is_answered(void *arg)
{
    struct awaited *a = arg;
    return a->any ? a->slot->page != NULL : a->slot->answers != a->answers;
}

/* Suspends until the slot has an answer (any = false: a new one). */
static int await(struct engine *e, struct slot *s, bool force, struct waiter *waiter)
{
    struct awaited a = {s, s->answers, !force};
    post_load(e, s, force);
    waiter->want = 0;
    return waitlist_join(&s->waiters, waiter, is_answered, &a) == WAIT_SUSPENDED ? ENGINE_WAIT : 0;
}

static int refuse(struct engine *e, enum outcome outcome, const char *detail, struct page **ret,
                  enum page_state *ret_state)
{
    *ret_state = PAGE_HIT;
    struct page *page = built_refusal(e, outcome, detail);
    if (!page)
        return ERROR_NO_MEMORY;
    *ret = page;
    return 0;
}

/* A no-cache is honoured once in a while; the first load does not count. */
static bool may_force(struct slot *s, bool asked, int64_t now_ms)
{
    int64_t last_ms = s->forced_ms;
    return asked && now_ms - last_ms >= FORCE_EVERY_MS &&
           atomic_compare_exchange_strong(&s->forced_ms, &last_ms, now_ms);
}

static int answer(struct engine *e, struct slot *s, const struct page_query *query,
                  struct waiter *waiter, bool waited, struct page **ret, enum page_state *ret_state)
{
    int64_t now_ms = clock_monotonic_ms();
    bool stale = false;
    s->used_ms = now_ms;
    struct page *page = slot_page(s, &stale);
    if (page && !waited && may_force(s, query->refresh, now_ms)) {
        if (await(e, s, true, waiter) == ENGINE_WAIT) {
            page_unref(page);
            return ENGINE_WAIT;
        }
    } else if (page && now_ms >= s->expires_ms && page->outcome == OUTCOME_OK) {
        post_load(e, s, false); /* in the background: the old one answers */
    } else if (page && now_ms >= s->expires_ms && !waited) {
        if (await(e, s, true, waiter) == ENGINE_WAIT) { /* a refusal has had its time */
            page_unref(page);
            return ENGINE_WAIT;
        }
    }
    if (!page) {
        if (await(e, s, false, waiter) == ENGINE_WAIT)
            return ENGINE_WAIT;
        page = slot_page(s, &stale);
    }
    if (!page)
        return refuse(e, OUTCOME_STOPPING, "shutting down", ret, ret_state);
    *ret = page;
    *ret_state = stale ? PAGE_STALE : waited ? PAGE_MISS : PAGE_HIT;
    return 0;
}

int engine_page(struct engine *e, const struct page_query *query, struct waiter *waiter,
                bool waited, struct page **ret, enum page_state *ret_state)
{
    struct index_view view;
    if (e->stopping)
        return refuse(e, OUTCOME_STOPPING, "shutting down", ret, ret_state);
    if (origins_index(core_origins(e), query->index, &view))
        return refuse(e, OUTCOME_NO_INDEX, "no such index", ret, ret_state);
    if (query->project && !origins_owner(&view, query->project))
        return refuse(e, OUTCOME_NO_PROJECT, "no origin of this index has that project", ret,
                      ret_state);
    struct slot *s = find_slot(e->pages, query->index, query->project);
    if (!s)
        return refuse(e, OUTCOME_UNAVAILABLE, "too many pages are being asked for", ret, ret_state);
    int r = answer(e, s, query, waiter, waited, ret, ret_state);
    slot_unref(s);
    return r;
}

/* -------------------------------------------------------------------- time */

/* Gives a page's memory back; its sources are in the catalogue. */
static void drop_page(struct engine *e, struct slot *s)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *page = s->page;
    s->page = NULL;
    s->built_version = 0;
    pthread_mutex_unlock(&s->waiters.lock);
    if (page)
        e->pages->bytes -= built_bytes(page);
    page_unref(page);
}

static int by_use(const void *a, const void *b)
{
    int64_t x = (*(struct slot *const *)a)->used_ms, y = (*(struct slot *const *)b)->used_ms;
    return x < y ? -1 : x > y;
}

/* Least recently used pages go first, down to nine tenths, so that this is rare. */
static void evict(struct engine *e)
{
    struct pages *p = e->pages;
    size_t count = 0;
    struct slot *s;
    pthread_rwlock_rdlock(&p->lock); /* nobody else takes slots out: they stay good behind it */
    auto_free struct slot **list = calloc(HASH_COUNT(p->table) + 1, sizeof(struct slot *));
    for (s = list ? p->table : NULL; s; s = s->hh.next)
        if (s->page && !s->loading)
            list[count++] = s;
    pthread_rwlock_unlock(&p->lock);
    if (!list)
        return;
    qsort(list, count, sizeof(struct slot *), by_use);
    for (size_t i = 0; i < count && p->bytes > (size_t)e->options.page_memory / 10 * 9; i++)
        drop_page(e, list[i]);
}

static void forget_idle_slots(struct engine *e, int64_t now_ms)
{
    struct pages *p = e->pages;
    struct slot *s, *next;
    pthread_rwlock_rdlock(&p->lock);
    bool many = HASH_COUNT(p->table) >= SLOTS_MOST / 2;
    pthread_rwlock_unlock(&p->lock);
    if (!many)
        return;
    pthread_rwlock_wrlock(&p->lock);
    HASH_ITER(hh, p->table, s, next)
    {
        bool useful = s->page && s->page->outcome == OUTCOME_OK;
        if (useful || s->loading || s->refs > 1 || now_ms - s->used_ms < SLOT_IDLE_MS / 10)
            continue;
        HASH_DEL(p->table, s);
        drop_page(e, s);
        slot_unref(s);
    }
    pthread_rwlock_unlock(&p->lock);
}

/* The list of what is being loaded changes when a load ends at once. */
void pages_reload(struct engine *e)
{
    struct pages *p = e->pages;
    size_t count = 0;
    struct slot *s;
    pthread_rwlock_rdlock(&p->lock); /* nobody else takes slots out */
    auto_free struct slot **again = calloc(HASH_COUNT(p->table) + 1, sizeof(struct slot *));
    for (s = p->table; s; s = s->hh.next) {
        drop_page(e, s);
        if (again && s->loading)
            again[count++] = s;
    }
    pthread_rwlock_unlock(&p->lock);
    for (size_t i = 0; i < count; i++)
        load(e, again[i], false);
}

void pages_tick(struct engine *e, int64_t now_ms)
{
    struct pages *p = e->pages;
    pages_source_settled(e);
    if (now_ms - p->swept_ms < SWEEP_MS)
        return;
    p->swept_ms = now_ms;
    for (struct slot *s = p->loading; s; s = s->next_loading)
        (void)waitlist_sweep(&s->waiters);
    if (p->bytes > (size_t)e->options.page_memory)
        evict(e);
    forget_idle_slots(e, now_ms);
}

void pages_stop(struct engine *e)
{
    pthread_rwlock_rdlock(&e->pages->lock);
    for (struct slot *s = e->pages->table; s; s = s->hh.next)
        waitlist_close(&s->waiters);
    pthread_rwlock_unlock(&e->pages->lock);
}
