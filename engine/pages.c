// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/channels.h"
#include "engine/roster.h"
#include "engine/slot.h"
#include "index/name.h"

enum {
    FORCE_EVERY_MS = 30000, /* no-cache: at most so often per page */
    SLOTS_MOST = 20000,
    SLOT_IDLE_MS = 60 * 1000,
    SWEEP_MS = 1000,
};

const char slot_no_owner[] = "no origin of this index has that project";

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

void slot_drop_parts(struct slot *s)
{
    for (size_t i = 0; i < s->part_count; i++)
        slot_unref(s->parts[i]);
    free(s->parts);
    s->parts = NULL;
    s->part_count = 0;
    s->has_parts = false;
}

void slot_unref(struct slot *s)
{
    if (--s->refs > 0)
        return;
    page_unref(s->page);
    slot_drop_parts(s);
    waitlist_release(&s->waiters);
    free(s->key);
    free(s->index);
    free(s->project);
    free(s->via);
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

static struct slot *slot_new(const char *key, const struct page_query *query)
{
    struct slot *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->refs = 1;
    waitlist_init(&s->waiters);
    s->forced_ms = INT64_MIN / 2;
    s->key = strdup(key);
    s->index = strdup(query->index);
    s->project = str_dup(query->project);
    s->flat = query->flat;
    s->official = query->official;
    if (!s->key || !s->index || (query->project && !s->project)) {
        slot_unref(s);
        return NULL;
    }
    return s;
}

struct slot *pages_slot(struct pages *p, const struct page_query *query)
{
    char key[512];
    struct slot *s = NULL;
    int len = snprintf(key, sizeof(key), "%s\n%s\n%s%s", query->index,
                       query->project ? query->project : "", query->flat ? "flat" : "",
                       query->official ? "official" : "");
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
    if (!s && HASH_COUNT(p->table) < SLOTS_MOST && (s = slot_new(key, query)))
        HASH_ADD_KEYPTR(hh, p->table, s->key, (size_t)len, s);
    if (s)
        s->refs++;
    pthread_rwlock_unlock(&p->lock);
    return s;
}

struct page *slot_page(struct slot *s, bool *ret_stale)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *page = s->page ? built_ref(s->page) : NULL;
    *ret_stale = s->stale;
    pthread_mutex_unlock(&s->waiters.lock);
    return page;
}

/* ------------------------------------------------------------------ asking */

struct load_job {
    struct job job;
    struct engine *engine;
    struct slot *slot;
    bool force;
    char *via;
    uint64_t client;
};

static void load_run(struct job *job)
{
    struct load_job *l = container_of(job, struct load_job, job);
    const struct asker by = {l->via, l->client};
    page_load(l->engine, l->slot, l->force, &by);
    slot_unref(l->slot);
    free(l->via);
    free(l);
}

void slot_post_load(struct engine *e, struct slot *s, bool force, const struct asker *by)
{
    if (atomic_exchange(&s->wanted, true) && !force)
        return;
    struct load_job *l = calloc(1, sizeof(*l));
    if (!l) {
        s->wanted = false;
        return;
    }
    s->refs++;
    *l = (struct load_job){{load_run, NULL},   e, s, force, str_dup(by ? by->via : NULL),
                           by ? by->client : 0};
    core_post(e, &l->job);
}

/* What a request that finds no page that will do waits for. */
enum need {
    NEED_NOTHING,
    NEED_PAGE,    /* the first one */
    NEED_ANSWER,  /* of all mirrors, now */
    NEED_REFRESH, /* a newer one, for a moment */
};

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

/* Suspends until the slot has what is needed, or until waiter->until_ms, which page_answer_waiters
 * looks at. */
static int await(struct engine *e, struct slot *s, enum need need, const struct asker *by,
                 struct waiter *waiter)
{
    struct awaited a = {s, s->answers, need == NEED_PAGE};
    slot_post_load(e, s, need == NEED_ANSWER, by);
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

static enum need need_of(struct slot *s, const struct page *page, bool refresh, int64_t now_ms)
{
    if (!page)
        return NEED_PAGE;
    bool expired = now_ms >= s->expires_ms;
    if ((expired && page->outcome != OUTCOME_OK) /* a refusal has had its time */
        || may_force(s, refresh, now_ms))
        return NEED_ANSWER;
    return expired && now_ms >= s->hasty_until_ms ? NEED_REFRESH : NEED_NOTHING;
}

/* It has waited long enough, and there is nothing to give: how far the page has come. */
static int refuse_for_now(struct engine *e, struct slot *s, struct page **ret,
                          enum page_state *ret_state)
{
    char detail[sizeof(s->progress) + 64];
    pthread_mutex_lock(&s->waiters.lock);
    (void)snprintf(detail, sizeof(detail), "the page is on its way, ask again%s%s%s",
                   s->progress[0] ? " (" : "", s->progress, s->progress[0] ? ")" : "");
    pthread_mutex_unlock(&s->waiters.lock);
    int r = refuse(e, OUTCOME_UNAVAILABLE, detail, ret, ret_state);
    if (r == 0)
        (*ret)->retry_after_s = 1;
    return r;
}

static int answer(struct engine *e, struct slot *s, const struct page_query *query,
                  struct waiter *waiter, bool waited, struct page **ret, enum page_state *ret_state)
{
    int64_t now_ms = clock_monotonic_ms();
    bool stale = false;
    const struct asker by = {query->via, query->client};
    s->used_ms = now_ms;
    s->asked = true;
    bool is_first = !atomic_exchange(&s->visited, true);
    struct page *page = slot_page(s, &stale);
    enum need need = waited ? NEED_NOTHING : need_of(s, page, query->refresh, now_ms);
    if (need)
        waiter->until_ms = now_ms + (need == NEED_REFRESH ? PAGE_REFRESH_WAIT_MS : PAGE_FIRST_MS);
    bool over = waited && waiter_is_late(waiter);
    if (waited && !page && !over) /* it has just been dropped again */
        need = NEED_PAGE;
    if (need) {
        page_unref(page);
        if (await(e, s, need, &by, waiter) == ENGINE_WAIT)
            return ENGINE_WAIT;
        waited = true;
        page = slot_page(s, &stale); /* the answer was quicker than we */
    }
    bool expired = page && now_ms >= s->expires_ms;
    if (over && (!page || (expired && page->outcome != OUTCOME_OK))) {
        page_unref(page);
        return refuse_for_now(e, s, ret, ret_state);
    }
    if (!page)
        return refuse(e, OUTCOME_STOPPING, "shutting down", ret, ret_state);
    if (!waited && (expired || (is_first && s->is_askable)))
        slot_post_load(e, s, false, &by); /* in the background: the old one answers */
    *ret = page;
    bool renewed = waited && !over && s->renewed;
    *ret_state = stale ? PAGE_STALE : renewed ? PAGE_MISS : expired ? PAGE_STALE : PAGE_HIT;
    return 0;
}

/* A name that a pattern allows, and that no mirror has. */
static int refuse_channel(struct engine *e, const char *name, const struct origin *origin,
                          struct page **ret, enum page_state *ret_state)
{
    auto_buf struct buf detail;
    buf_init(&detail, 4096);
    buf_printf(&detail, "there is no index %s: no mirror of %s has such a channel", name,
               origin->name);
    engine_say_indexes(e, name, &detail);
    return refuse(e, OUTCOME_NO_INDEX, detail.error ? "no such index" : detail.data, ret,
                  ret_state);
}

/* Whether the index is there at all: 0 yes or nobody can say, ENGINE_WAIT, or NO_CHANNEL. */
enum { NO_CHANNEL = 100 };
static int look_at_channel(struct engine *e, const struct index_view *view, struct waiter *waiter)
{
    enum channel_state state;
    int r = channels_look(e, view->origins[0], view->channel, waiter, &state);
    return r ? r : state == CHANNEL_MISSING ? NO_CHANNEL : 0;
}

int engine_page(struct engine *e, const struct page_query *query, struct waiter *waiter,
                bool waited, struct page **ret, enum page_state *ret_state)
{
    struct index_view view;
    const struct origin *owner = NULL;
    if (e->stopping)
        return refuse(e, OUTCOME_STOPPING, "shutting down", ret, ret_state);
    if (origins_index(core_origins(e), query->index, &view))
        return refuse(e, OUTCOME_NO_INDEX, "no such index", ret, ret_state);
    if (query->flat && !view.channel && origin_owns_rest(view.origins[0]) &&
        !view.origins[0]->directory)
        return refuse(e, OUTCOME_NO_PROJECT,
                      "this index has too many projects for one page; it has them below simple/",
                      ret, ret_state);
    bool known = query->project && roster_owner(e, &view, query->project, &owner) == 0;
    if (known && !owner)
        return refuse(e, OUTCOME_NO_PROJECT, slot_no_owner, ret, ret_state);
    if (query->official && owner && !owner->canonical)
        return refuse(e, OUTCOME_NO_PROJECT, "its origin has no public site", ret, ret_state);
    bool own = owner && owner == view.origins[0]; /* its page says more than a probe does */
    int r = view.channel && !own ? look_at_channel(e, &view, waiter) : 0;
    if (r == ENGINE_WAIT)
        return r;
    if (r == NO_CHANNEL)
        return refuse_channel(e, query->index, view.origins[0], ret, ret_state);
    struct slot *s = pages_slot(e->pages, query);
    if (!s)
        return refuse(e, OUTCOME_UNAVAILABLE, "too many pages are being asked for", ret, ret_state);
    bool for_page = waited && waiter->until_ms; /* and not for the channel */
    r = answer(e, s, query, waiter, for_page, ret, ret_state);
    slot_unref(s);
    if (r || !view.channel || !own || (*ret)->outcome != OUTCOME_NO_PROJECT)
        return r;
    r = look_at_channel(e, &view, waiter);
    if (r)
        page_unref(*ret);
    return r == NO_CHANNEL ? refuse_channel(e, query->index, owner, ret, ret_state) : r;
}

/* -------------------------------------------------------------------- time */

/* Whether a page may show what an origin has: a project's is its owner's; a list and a flat page
 * join all origins of the index. */
static bool is_page_of(const struct engine *e, const struct slot *s, const char *origin)
{
    struct index_view view;
    bool has = s->project && s->origin && strcmp(s->origin->name, origin) == 0;
    if (s->project || origins_index(core_origins(e), s->index, &view))
        return has;
    for (size_t i = 0; i < view.count; i++)
        has |= strcmp(view.origins[i]->name, origin) == 0;
    return has;
}

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

void pages_forget(struct engine *e, const char *origin, const char *project)
{
    pthread_rwlock_rdlock(&e->pages->lock); /* nobody else takes slots out */
    for (struct slot *s = e->pages->table; s; s = s->hh.next)
        if (is_page_of(e, s, origin) && (!s->project || strcmp(s->project, project) == 0)) {
            drop_page(e, s);
            s->is_outdated = s->building;
            s->published = false; /* a load that runs answers once more */
        }
    pthread_rwlock_unlock(&e->pages->lock);
}

void pages_outdate(struct engine *e, const char *origin, const char *project)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!e->pages) /* at start */
        return;
    pthread_rwlock_rdlock(&e->pages->lock);
    for (struct slot *s = e->pages->table; s; s = s->hh.next)
        if (s->page && s->page->outcome == OUTCOME_OK && s->expires_ms > now_ms &&
            is_page_of(e, s, origin) && (!s->project || strcmp(s->project, project) == 0))
            s->expires_ms = now_ms;
    pthread_rwlock_unlock(&e->pages->lock);
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
        if (useful || s->loading || s->refs > 1 || now_ms - s->used_ms < SLOT_IDLE_MS)
            continue;
        HASH_DEL(p->table, s);
        drop_page(e, s);
        slot_unref(s);
    }
    pthread_rwlock_unlock(&p->lock);
}

static bool any_slot(struct engine *e, const struct slot *s, const struct origin *origin)
{
    (void)e, (void)s, (void)origin;
    return true;
}

/* Whether a slot's page is not what the origin's names of now make it. */
static bool is_reowned(struct engine *e, const struct slot *s, const struct origin *origin)
{
    struct index_view view;
    const struct origin *owner;
    bool has = false;
    if (origins_index(core_origins(e), s->index, &view))
        return false;
    for (size_t i = 0; i < view.count; i++)
        has |= view.origins[i] == origin;
    if (!has || !s->project)
        return has;
    return roster_owner(e, &view, s->project, &owner) == 0 && owner != s->origin;
}

/* The list of what is being loaded changes when a load ends at once. */
static void drop_pages(struct engine *e, const struct origin *origin,
                       bool (*goes)(struct engine *, const struct slot *, const struct origin *))
{
    struct pages *p = e->pages;
    size_t count = 0;
    struct slot *s;
    pthread_rwlock_rdlock(&p->lock); /* nobody else takes slots out */
    auto_free struct slot **again = calloc(HASH_COUNT(p->table) + 1, sizeof(struct slot *));
    for (s = p->table; s; s = s->hh.next) {
        if (!goes(e, s, origin))
            continue;
        drop_page(e, s);
        if (again && s->loading)
            again[count++] = s;
    }
    pthread_rwlock_unlock(&p->lock);
    for (size_t i = 0; i < count; i++)
        page_load(e, again[i], false, NULL);
}

void pages_reload(struct engine *e)
{
    drop_pages(e, NULL, any_slot);
}

void pages_reowned(struct engine *e, const struct origin *origin)
{
    drop_pages(e, origin, is_reowned);
}

static bool is_of_folder(struct engine *e, const struct slot *s, const struct origin *origin)
{
    return is_page_of(e, s, origin->name);
}

void pages_directory_changed(struct engine *e, const struct origin *origin)
{
    drop_pages(e, origin, is_of_folder);
    pages_source_settled(e);
}

void pages_tick(struct engine *e, int64_t now_ms)
{
    struct pages *p = e->pages;
    pages_source_settled(e);
    for (struct slot *s = p->loading; s; s = s->next_loading)
        page_answer_waiters(e, s, now_ms);
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
