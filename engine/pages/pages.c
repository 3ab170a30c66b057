// SPDX-License-Identifier: Apache-2.0
/*
 * The table of page entries: adding, counting and dropping them, and the tick.
 *
 * Any thread looks an entry up and may add one, under the table's lock. The flight thread alone
 * loads, builds and drops pages. An entry is counted by reference: the table has one, and so has
 * each load, each build and each request that uses it.
 *
 * Two bounds keep the table small. Useful pages together stay below page_memory: the least recently
 * used go first. Refusals and entries without a page have an eighth of that: half of them go when
 * it is full, and when nothing can go, no new entry is added.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/listings/channels.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"
#include "index/name.h"

enum {
    REFUSED_SHARE = 8, /* of page_memory: for entries without a page, and refusals */
    PAGE_ENTRY_IDLE_MS = 60 * 1000,
    SWEEP_MS = 1000,
};

/* The bound of refusals follows page_memory. */
DEFINE_CLEANUP(struct pages, pages_free)

int pages_new(struct services *s, struct listings *listings, struct files *files,
              struct metadata *metadata, struct pages **ret)
{
    AUTO(pages_free) struct pages *pages = calloc(1, sizeof(*pages));
    if (!pages)
        return ERROR_NO_MEMORY;
    pages->s = s;
    pages->listings = listings;
    pages->files = files;
    pages->metadata = metadata;
    pages->most_refused = (size_t)s->options.page_memory / REFUSED_SHARE;
    pthread_rwlock_init(&pages->lock, NULL);
    pthread_mutex_init(&pages->orphan_lock, NULL);
    pages->builds = turns_new();
    int r = pages->builds ? 0 : ERROR_NO_MEMORY;
    r = r ? r : delisted_new(&pages->delisted);
    r = r ? r : dates_new(&pages->dates);
    r = r ? r : project_lists_new(&pages->project_lists);
    if (r)
        return r;
    *ret = pages;
    pages = NULL;
    return 0;
}

int pages_load(struct pages *pages)
{
    return delisted_load(pages);
}

void pages_on_free(struct pages *pages, void (*free_attachment)(void *attachment))
{
    pages->free_attachment = free_attachment;
}

/* ------------------------------------------------------------------ entries */

void page_entry_drop_parts(struct page_entry *s)
{
    for (size_t i = 0; i < s->part_count; i++)
        page_entry_unref(s->parts[i]);
    free(s->parts);
    s->parts = NULL;
    s->part_count = 0;
    s->has_parts = false;
}

/* Any thread. */
void page_entry_unref(struct page_entry *s)
{
    if (--s->refs > 0)
        return;
    page_unref(s->page);
    page_entry_drop_parts(s);
    waitlist_release(&s->waiters);
    free(s->key);
    free(s->index);
    free(s->project);
    free(s->via);
    free(s);
}

void pages_free(struct pages *p)
{
    struct page_entry *s, *next;
    if (!p)
        return;
    page_builds_drop(p);
    HASH_ITER(hh, p->table, s, next)
    {
        HASH_DEL(p->table, s);
        page_entry_unref(s);
    }
    while ((s = p->loading)) {
        p->loading = s->next_loading;
        page_entry_unref(s);
    }
    project_lists_free(p->project_lists);
    delisted_free(p->delisted);
    dates_free(p->dates);
    pthread_rwlock_destroy(&p->lock);
    pthread_mutex_destroy(&p->orphan_lock);
    free(p);
}

/* Links are relative, so pages of indexes with as many segments can be shared. */
static unsigned depth_of(const char *index)
{
    unsigned depth = *index ? 1 : 0;
    for (const char *s = index; *s; s++)
        depth += *s == '/';
    return depth;
}

/* forced_ms lies in the past, so the first no-cache counts. */
static struct page_entry *page_entry_new(const char *key, const struct page_query *query)
{
    struct page_entry *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->refs = 1;
    waitlist_init(&s->waiters);
    s->forced_ms = INT64_MIN / 2;
    s->key = strdup(key);
    s->index = strdup(query->index);
    s->project = str_dup(query->project);
    s->up = depth_of(query->seen_from ? query->seen_from : query->index);
    s->flat = query->flat;
    s->official = query->official;
    if (!s->key || !s->index || (query->project && !s->project)) {
        page_entry_unref(s);
        return NULL;
    }
    return s;
}

/* A page with files or names. "No such project" is a refusal. */
static bool is_useful(const struct page_entry *s)
{
    return s->page && s->page->outcome == OUTCOME_OK;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Called after each change of the page; the difference goes into the sum. */
void page_entry_count(struct pages *p, struct page_entry *s)
{
    size_t bytes = 0;
    if (!is_useful(s))
        bytes = sizeof(*s) + text_bytes(s->key) + text_bytes(s->index) + text_bytes(s->project) +
                (s->page ? built_bytes(s->page) : 0);
    p->refused_bytes += bytes - s->counted;
    s->counted = bytes;
}

/* The least recently used first. */
static int by_use(const void *a, const void *b)
{
    int64_t x = (*(struct page_entry *const *)a)->used_ms,
            y = (*(struct page_entry *const *)b)->used_ms;
    return x < y ? -1 : x > y;
}

/* Takes out an entry that only the table refers to, so no load of it runs. Under the lock. */
static void remove_entry(struct pages *p, struct page_entry *s)
{
    HASH_DEL(p->table, s);
    if (s->page)
        p->bytes -= built_useful_bytes(s->page);
    built_leave(s->page);
    s->page = NULL;
    p->refused_bytes -= s->counted;
    s->counted = 0;
    page_entry_unref(s);
}

/* Half of the refusals go, by bytes, the least recently used first. Under the lock. */
static void make_room(struct pages *p)
{
    auto_free struct page_entry **list =
        calloc(HASH_COUNT(p->table) + 1, sizeof(struct page_entry *));
    size_t count = 0;
    for (struct page_entry *s = list ? p->table : NULL; s; s = s->hh.next)
        if (s->refs == 1 && !is_useful(s))
            list[count++] = s;
    if (count)
        qsort(list, count, sizeof(struct page_entry *), by_use);
    /* half at once, so that making room is rare */
    for (size_t i = 0; i < count && p->refused_bytes > p->most_refused / 2; i++)
        remove_entry(p, list[i]);
}

/* Adds an entry. An entry that is being loaded never goes, so if those alone are too many, no
 * new one is added. Under the lock for writing. */
static struct page_entry *add_entry(struct pages *p, const char *key, size_t len,
                                    const struct page_query *query)
{
    if (p->refused_bytes > p->most_refused)
        make_room(p);
    struct page_entry *s = p->refused_bytes <= p->most_refused ? page_entry_new(key, query) : NULL;
    if (!s)
        return NULL;
    s->pages = p;
    page_entry_count(p, s);
    HASH_ADD_KEYPTR(hh, p->table, s->key, len, s);
    return s;
}

/* Looks under the lock for reading first: nearly every request finds its entry. Between the two
 * locks another thread may add it. */
struct page_entry *pages_entry(struct pages *p, const struct page_query *query)
{
    char key[512];
    struct page_entry *s = NULL;
    unsigned up = depth_of(query->seen_from ? query->seen_from : query->index);
    int len = snprintf(key, sizeof(key), "%s\n%u\n%s\n%s%s", query->index, up,
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
    /* another thread may have added it since */
    pthread_rwlock_wrlock(&p->lock);
    HASH_FIND(hh, p->table, key, (size_t)len, s);
    if (!s)
        s = add_entry(p, key, (size_t)len, query);
    if (s)
        s->refs++;
    pthread_rwlock_unlock(&p->lock);
    return s;
}

/* The lock makes sure that the page is not given back before the reference is taken. */
struct page *page_entry_page(struct page_entry *s, bool *ret_stale)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *page = s->page ? built_ref(s->page) : NULL;
    *ret_stale = s->stale;
    pthread_mutex_unlock(&s->waiters.lock);
    return page;
}

/* -------------------------------------------------------------------- loads */

struct load_job {
    struct job job;
    struct pages *pages;
    struct page_entry *page_entry;
    bool force;
    char *via;
    uint64_t client;
};

/* The reference of the job keeps the entry until here. */
static void load_run(struct job *job)
{
    struct load_job *l = container_of(job, struct load_job, job);
    const struct asker by = {l->via, l->client};
    page_load(l->pages, l->page_entry, l->force, &by);
    page_entry_unref(l->page_entry);
    free(l->via);
    free(l);
}

/* `wanted` lets only the first of many requests post a load. */
void page_entry_post_load(struct pages *pages, struct page_entry *s, bool force,
                          const struct asker *by)
{
    if (atomic_exchange(&s->wanted, true) && !force)
        return;
    struct load_job *l = calloc(1, sizeof(*l));
    if (!l) {
        s->wanted = false;
        return;
    }
    s->refs++;
    *l = (struct load_job){{load_run, NULL},   pages, s, force, str_dup(by ? by->via : NULL),
                           by ? by->client : 0};
    loop_post(pages->s, &l->job);
}

/* --------------------------------------------------------- changes and time */

/* Whether a page may show files of an origin. A project's page shows those of its owner; a list
 * and a flat page show those of all origins of the index. */
static bool is_page_of(const struct pages *pages, const struct page_entry *s, const char *origin)
{
    struct index_view view;
    bool has = s->project && s->origin && strcmp(s->origin->name, origin) == 0;
    if (s->project || origins_index(mirrors_origins(pages->s->mirrors), s->index, &view))
        return has;
    for (size_t i = 0; i < view.count; i++)
        has |= strcmp(view.origins[i]->name, origin) == 0;
    return has;
}

/* Gives the memory of a page back. The catalogue keeps the listings that it is made of. The
 * version goes also, so that the next load builds a page even of the same listings. */
static void drop_page(struct pages *pages, struct page_entry *s)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *page = s->page;
    s->page = NULL;
    s->built_version = 0;
    page_entry_count(pages, s);
    pthread_mutex_unlock(&s->waiters.lock);
    if (page)
        pages->bytes -= built_useful_bytes(page);
    built_leave(page);
}

void pages_forget(struct pages *pages, const char *origin, const char *project)
{
    pthread_rwlock_rdlock(&pages->lock);
    for (struct page_entry *s = pages->table; s; s = s->hh.next)
        if (is_page_of(pages, s, origin) && (!s->project || strcmp(s->project, project) == 0)) {
            drop_page(pages, s);
            s->is_outdated = s->build != NULL;
            if (s->stage == PAGE_PUBLISHED)
                s->stage = PAGE_FETCHING; /* a load that runs answers once more */
        }
    pthread_rwlock_unlock(&pages->lock);
}

/* Whether what is held can change it. Other refusals are about mirrors. */
static bool can_change(const struct page *page)
{
    return page->outcome == OUTCOME_OK || page->outcome == OUTCOME_NO_PROJECT;
}

/* The old page still answers while the new one is built. */
void pages_outdate(struct pages *pages, const char *origin, const char *project)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!pages) /* pages do not exist yet */
        return;
    pthread_rwlock_rdlock(&pages->lock);
    for (struct page_entry *s = pages->table; s; s = s->hh.next)
        if (s->page && can_change(s->page) && s->expires_ms > now_ms &&
            is_page_of(pages, s, origin) && (!s->project || strcmp(s->project, project) == 0))
            s->expires_ms = now_ms;
    pthread_rwlock_unlock(&pages->lock);
}

/* Refusals have a bound of their own: make_room. Pages that are being loaded stay: somebody
 * waits for them. */
void pages_evict(struct pages *pages, size_t most)
{
    size_t count = 0;
    struct page_entry *s;
    pthread_rwlock_rdlock(&pages->lock);
    auto_free struct page_entry **list =
        calloc(HASH_COUNT(pages->table) + 1, sizeof(struct page_entry *));
    for (s = list ? pages->table : NULL; s; s = s->hh.next)
        if (is_useful(s) && s->stage == PAGE_IDLE) {
            s->refs++;
            list[count++] = s;
        }
    pthread_rwlock_unlock(&pages->lock);
    if (count)
        qsort(list, count, sizeof(struct page_entry *), by_use);
    for (size_t i = 0; i < count; i++) {
        if (pages->bytes > most)
            drop_page(pages, list[i]);
        page_entry_unref(list[i]);
    }
}

static void forget_idle_entries(struct pages *pages, int64_t now_ms)
{
    struct page_entry *s, *next;
    if (pages->refused_bytes <= pages->most_refused / 2)
        return;
    pthread_rwlock_wrlock(&pages->lock);
    HASH_ITER(hh, pages->table, s, next)
    {
        if (is_useful(s) || s->stage != PAGE_IDLE || s->refs > 1 ||
            now_ms - s->used_ms < PAGE_ENTRY_IDLE_MS)
            continue;
        remove_entry(pages, s);
    }
    pthread_rwlock_unlock(&pages->lock);
}

/* Whether the origin's new names give the page another owner. A list and a flat page depend on
 * the names of all their origins. */
static bool is_reowned(struct pages *pages, const struct page_entry *s, const struct origin *origin)
{
    struct index_view view;
    const struct origin *owner;
    bool has = false;
    if (origins_index(mirrors_origins(pages->s->mirrors), s->index, &view))
        return false;
    for (size_t i = 0; i < view.count; i++)
        has |= view.origins[i] == origin;
    if (!has || !s->project)
        return has;
    return project_list_owner(pages, &view, s->project, &owner) == 0 && owner != s->origin;
}

/* Drops pages, and loads those again that are being loaded. The entries are collected first,
 * because a load that ends at once changes the list of loads. */
static void drop_pages(struct pages *pages, const struct origin *origin,
                       bool (*goes)(struct pages *, const struct page_entry *,
                                    const struct origin *))
{
    size_t count = 0;
    struct page_entry *s;
    pthread_rwlock_rdlock(&pages->lock);
    auto_free struct page_entry **again =
        calloc(HASH_COUNT(pages->table) + 1, sizeof(struct page_entry *));
    for (s = pages->table; s; s = s->hh.next) {
        if (goes && !goes(pages, s, origin))
            continue;
        drop_page(pages, s);
        if (again && s->stage != PAGE_IDLE) {
            s->refs++;
            again[count++] = s;
        }
    }
    pthread_rwlock_unlock(&pages->lock);
    for (size_t i = 0; i < count; i++) {
        page_load(pages, again[i], false, NULL);
        page_entry_unref(again[i]);
    }
}

/* Owners and mirrors may differ, so every page is out of date. */
void pages_reload(struct pages *pages)
{
    drop_pages(pages, NULL, NULL);
}

void pages_reowned(struct pages *pages, const struct origin *origin)
{
    drop_pages(pages, origin, is_reowned);
}

/* As drop_pages asks. */
static bool is_of_folder(struct pages *pages, const struct page_entry *s,
                         const struct origin *origin)
{
    return is_page_of(pages, s, origin->name);
}

void pages_directory_changed(struct pages *pages, const struct origin *origin)
{
    drop_pages(pages, origin, is_of_folder);
    pages_source_settled(pages);
}

/* What is cheap runs on every tick; what walks the table runs once in SWEEP_MS. */
void pages_tick(struct pages *pages, int64_t now_ms)
{
    pages_source_settled(pages);
    page_rechecks_tick(pages, now_ms);
    for (struct page_entry *s = pages->loading; s; s = s->next_loading)
        page_answer_waiters(pages, s, now_ms);
    if (now_ms - pages->swept_ms < SWEEP_MS)
        return;
    pages->swept_ms = now_ms;
    /* a reload may have changed page_memory */
    pages->most_refused = (size_t)pages->s->options.page_memory / REFUSED_SHARE;
    built_judge_orphans(pages, (size_t)pages->s->options.page_memory / 4);
    for (struct page_entry *s = pages->loading; s; s = s->next_loading)
        if (waitlist_sweep(&s->waiters))
            s->is_left = true;
    page_builds_sweep(pages, now_ms);
    /* down to nine tenths, so that it happens rarely */
    if (pages->bytes > (size_t)pages->s->options.page_memory)
        pages_evict(pages, (size_t)pages->s->options.page_memory / 10 * 9);
    forget_idle_entries(pages, now_ms);
}

/* Closes all waitlists: every request gets an answer now, and none can be suspended again. */
void pages_stop(struct pages *pages)
{
    page_rechecks_tick(pages, clock_monotonic_ms());
    pthread_rwlock_rdlock(&pages->lock);
    for (struct page_entry *s = pages->table; s; s = s->hh.next)
        waitlist_close(&s->waiters);
    pthread_rwlock_unlock(&pages->lock);
}
