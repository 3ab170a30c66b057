// SPDX-License-Identifier: Apache-2.0
#include "engine/files/eviction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/evidence.h"
#include "engine/files/files_state.h"
#include "engine/files/inventory.h"
#include "engine/files/kept.h"
#include "engine/files/thrashing.h"
#include "engine/loop/key.h"

/*
 * How room is made:
 *
 *     shortage        the bytes that must go: the larger of what max_size and what min_free ask for
 *     list_victims    everything that may go, oldest use first
 *     evict_some      evicts until enough has gone; nothing when all of it would not suffice
 *
 * An evicted file leaves the table at once, so new clients do not find it. The disk has its bytes
 * only after a job of the cleaner lane. Until then they count as `going`, so that one shortage does
 * not evict twice. Nothing is remembered between two searches, because uses change with each
 * request.
 */

/* A partial on the disk without an entry: its origin is not configured. */
struct stray {
    char *name;
    int64_t bytes, used_s;
    struct stray *next;
};

struct eviction {
    struct stray *strays; /* partials of origins that are not configured */
    int64_t going;        /* bytes that are evicted, and not unlinked yet */
};

/* Strays are added at start, before any file is evicted. */
int eviction_new(struct eviction **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

void eviction_free(struct eviction *s)
{
    if (!s)
        return;
    while (s->strays) {
        struct stray *stray = s->strays;
        s->strays = stray->next;
        free(stray->name);
        free(stray);
    }
    free(s);
}

/* --------------------------------------------------------------- counting */

int eviction_add_stray_partial(struct files *files, const char *name, int64_t bytes, int64_t used_s)
{
    struct stray *stray = calloc(1, sizeof(*stray));
    char *copy = strdup(name);
    if (!stray || !copy) {
        free(stray);
        free(copy);
        return ERROR_NO_MEMORY;
    }
    *stray = (struct stray){copy, bytes, used_s, files->eviction->strays};
    files->eviction->strays = stray;
    return 0;
}

/* What a download takes of the disk, or was promised. */
static int64_t bytes_of(const struct download *dl)
{
    int64_t present = extents_total(&dl->present);
    if (dl->committed) /* it is a blob now */
        return 0;
    return dl->reserved > present ? dl->reserved : present;
}

/* Blobs are summed as they come and go. Partials grow with each write, so they are counted at
 * each call. */
int64_t eviction_used(struct files *files, unsigned *ret_blobs)
{
    int64_t bytes = files->kept->bytes;
    for (const struct stray *stray = files->eviction->strays; stray; stray = stray->next)
        bytes += stray->bytes;
    for (const struct download *dl = files->download; dl; dl = dl->next)
        bytes += bytes_of(dl);
    pthread_rwlock_rdlock(&files->lock);
    for (const struct entry *entry = files->table; entry; entry = entry->hh.next)
        if (entry->leftover)
            bytes += entry->leftover_bytes;
    pthread_rwlock_unlock(&files->lock);
    *ret_blobs = files->kept->count;
    return bytes;
}

int64_t eviction_oldest_s(struct files *files)
{
    int64_t oldest = INT64_MAX;
    for (const struct kept *k = files->kept->blobs; k; k = k->hh.next) {
        int64_t used_s = k->used_s;
        for (const struct entry *entry = k->paths; entry; entry = entry->next_path)
            used_s = entry->used_s > used_s ? entry->used_s : used_s;
        if (k->is_counted && !k->is_pinned && used_s < oldest)
            oldest = used_s;
    }
    return oldest;
}

/* The bytes by which so many more would exceed max_size. */
static int64_t excess(struct files *files, int64_t more)
{
    unsigned blobs;
    return eviction_used(files, &blobs) + more - files->s->options.max_size;
}

/* The bytes that must go before so many more fit; 0 and less: none. */
static int64_t shortage(struct files *files, int64_t more)
{
    int64_t over = excess(files, more);
    int64_t free_bytes = store_free_bytes(files->s->store);
    if (free_bytes < 0)
        return over;
    int64_t missing = files->s->options.min_free + more - free_bytes - files->eviction->going;
    for (const struct download *dl = files->download; dl; dl = dl->next)
        if (dl->reserved && !dl->is_allocated) /* the disk does not count it yet */
            missing += bytes_of(dl) - extents_total(&dl->present);
    return over > missing ? over : missing;
}

/* ------------------------------------------------------------- candidates */

/* One thing that may go. The search copies its last use, because clients change that while the list
 * is sorted. */
struct victim {
    int64_t used_s;
    uint64_t used_after;
    int64_t bytes;
    /* one of these: */
    struct kept *blob;
    struct entry *leftover;
    struct download *parked;
    struct stray *stray;
};

struct victims {
    struct victim *list;
    size_t count;
    int64_t bytes;
};

/* The list has room for everything that can be added. */
static void add(struct victims *v, const struct victim *victim)
{
    v->list[v->count++] = *victim;
    v->bytes += victim->bytes;
}

/* A blob may go when no client reads, opens or fetches any of its paths. The last use of any path
 * is the blob's. */
static void look_at_blob(struct files *files, struct kept *k, struct victims *v)
{
    struct victim victim = {.used_s = k->used_s, .bytes = k->bytes, .blob = k};
    bool idle = k->is_counted && !kept_is_pinned(files, k->sha256) &&
                !commit_is_under_way(files, k->sha256);
    for (const struct entry *entry = k->paths; entry; entry = entry->next_path) {
        bool is_read = entry->blob && entry->blob->refs > 1;
        idle &= !is_read && !entry->download && !entry->is_failed && !entry->progress;
        if (entry->used_s > victim.used_s)
            victim.used_s = entry->used_s;
        if (entry->used_after > victim.used_after)
            victim.used_after = entry->used_after;
    }
    if (idle)
        add(v, &victim);
}

/* Under the table's lock: workers give progresses to entries. */
static void look_at_table(struct files *files, struct victims *v)
{
    for (struct kept *k = files->kept->blobs; k; k = k->hh.next)
        look_at_blob(files, k, v);
    for (struct entry *entry = files->table; entry; entry = entry->hh.next)
        if (!entry->sha256[0] && entry->leftover && !entry->download && !entry->is_failed &&
            !entry->progress)
            add(v, &(struct victim){.used_s = entry->leftover_s,
                                    .used_after = entry->used_after,
                                    .bytes = entry->leftover_bytes,
                                    .leftover = entry});
}

/* A parked download may go as a whole; it is ended first, so that its partial is closed. */
static void look_at_downloads(struct files *files, struct victims *v,
                              const struct download *newcomer)
{
    struct flight_view view;
    for (struct download *dl = files->download; dl; dl = dl->next) {
        if (!dl->flight)
            continue;
        flight_view(dl->flight, &view);
        if (view.parked && !view.readers && dl != newcomer)
            add(v, &(struct victim){.used_s = dl->parked_s,
                                    .used_after = dl->parked_after,
                                    .bytes = bytes_of(dl),
                                    .parked = dl});
    }
}

/* The second tells the order of uses in coarse steps; used_after orders uses within it. */
static int by_use(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->used_s != y->used_s)
        return x->used_s < y->used_s ? -1 : 1;
    return x->used_after < y->used_after ? -1 : x->used_after > y->used_after;
}

/* Everything that may go, oldest use first, except what belongs to the newcomer (or NULL). free()
 * the list. It is valid until an entry goes in another way. */
static struct victims list_victims(struct files *files, const struct download *newcomer)
{
    struct eviction *s = files->eviction;
    struct victims v = {0};
    pthread_rwlock_rdlock(&files->lock);
    size_t most =
        HASH_COUNT(files->kept->blobs) + HASH_COUNT(files->table) + downloads_count(files);
    for (const struct stray *stray = s->strays; stray; stray = stray->next)
        most++;
    v.list = calloc(most + 1, sizeof(*v.list));
    if (v.list)
        look_at_table(files, &v);
    pthread_rwlock_unlock(&files->lock);
    if (!v.list)
        return v;
    look_at_downloads(files, &v, newcomer);
    for (struct stray *stray = s->strays; stray; stray = stray->next)
        add(&v, &(struct victim){stray->used_s, 0, stray->bytes, .stray = stray});
    qsort(v.list, v.count, sizeof(*v.list), by_use);
    return v;
}

/* ------------------------------------------------------------------ going */

/* Takes bytes out of `going` when the cleaner lane has unlinked what they belong to. */
struct settle {
    struct job job;
    struct files *files;
    int64_t bytes;
};

static void settled_run(struct job *job)
{
    struct settle *s = container_of(job, struct settle, job);
    s->files->eviction->going -= s->bytes;
    free(s);
}

static void settle_run(struct job *job)
{
    struct settle *s = container_of(job, struct settle, job);
    job->run = settled_run;
    loop_post(s->files->s, job);
}

/* On the cleaner lane, so after the unlinks, which were posted before. */
static void note_going(struct files *files, int64_t bytes)
{
    struct settle *s = calloc(1, sizeof(*s));
    if (!s)
        return; /* then more goes than is needed */
    *s = (struct settle){{settle_run, NULL}, files, bytes};
    files->eviction->going += bytes;
    lane_post(files->s->cleaner, &s->job);
}

/* False: a client has just come for one of the paths, so the blob stays. */
static bool evict_paths(struct files *files, struct entry *first)
{
    bool all = true;
    for (struct entry *entry = first, *next; entry; entry = next) {
        next = entry->next_path;
        auto_free char *path = str_printf("%s/%s", entry->origin->name, entry->path);
        int64_t size = entry->size;
        if (files_drop_idle(files, entry))
            log_info("evicted path=%s bytes=%" PRId64, path ? path : "", size);
        else
            all = false;
    }
    return all;
}

/* A commit under way would name the blob after the unlink: then the blob stays. */
static bool evict_blob(struct files *files, const struct kept *k)
{
    char sha256[SHA256_HEX];
    memcpy(sha256, k->sha256, sizeof(sha256));
    if (commit_is_under_way(files, sha256) || !evict_paths(files, k->paths))
        return false;
    kept_discard(files, sha256, KEPT_REMOVE);
    return true;
}

/* A stray partial has no entry, so only its file goes. */
static void evict_stray(struct files *files, struct stray *stray)
{
    LL_DELETE(files->eviction->strays, stray);
    download_discard(files, stray->name);
    free(stray);
}

/* A blob of several paths goes as one file; its first path is remembered. */
static bool evict_for_room(struct files *files, const struct victim *v)
{
    const struct entry *first = v->blob->paths;
    uint64_t key = first ? key_hash(first->key, first->key_len) : 0;
    if (!evict_blob(files, v->blob))
        return false;
    thrashing_evicted(files, key, v->bytes, v->used_s);
    return true;
}

/* False: it could not go after all. */
static bool evict(struct files *files, const struct victim *v)
{
    const struct entry *entry = v->leftover ? v->leftover : v->parked ? v->parked->entry : NULL;
    if (v->blob)
        return evict_for_room(files, v);
    if (entry)
        log_info("evicted path=%s/%s partial bytes=%" PRId64, entry->origin->name, entry->path,
                 v->bytes);
    if (v->leftover)
        files_drop_leftover(files, v->leftover);
    else if (v->parked)
        download_forget(v->parked, false);
    else
        evict_stray(files, v->stray);
    return true;
}

/* As many as it takes. Returns the bytes that went. */
static int64_t evict_some(struct files *files, const struct victims *v, int64_t wanted,
                          unsigned *ret_count)
{
    int64_t bytes = 0;
    *ret_count = 0;
    for (size_t i = 0; i < v->count && bytes < wanted; i++)
        if (evict(files, &v->list[i])) {
            bytes += v->list[i].bytes;
            ++*ret_count;
        }
    note_going(files, bytes);
    return bytes;
}

/* Nothing is evicted when all of it would not suffice: a file that does not fit must not empty the
 * cache. */
bool eviction_make(struct files *files, int64_t bytes, const struct download *newcomer)
{
    unsigned count;
    int64_t wanted = shortage(files, bytes);
    if (wanted <= 0)
        return true;
    struct victims v = list_victims(files, newcomer);
    bool fits = v.bytes >= wanted && evict_some(files, &v, wanted, &count) >= wanted;
    free(v.list);
    return fits;
}

bool eviction_could_make(struct files *files, int64_t bytes, const struct download *newcomer)
{
    int64_t wanted = shortage(files, bytes);
    if (wanted <= 0)
        return true;
    struct victims v = list_victims(files, newcomer);
    free(v.list);
    return v.bytes >= wanted;
}

/* The limit that asks for more to go. */
int eviction_refusal(struct files *files, int64_t bytes)
{
    return excess(files, bytes) >= shortage(files, bytes) ? ERROR_MAX_SIZE : ERROR_MIN_FREE;
}

/* For `cache gc`: what is over the limits now goes. A limit may have been lowered. */
void eviction_collect(struct files *files, struct collection *ret)
{
    int64_t wanted = shortage(files, 0);
    if (wanted > 0) {
        struct victims v = list_victims(files, NULL);
        ret->evicted_bytes = evict_some(files, &v, wanted, &ret->evicted);
        free(v.list);
    }
    ret->fits = ret->evicted_bytes >= wanted;
}

/* --------------------------------------------------------------- one blob */

/* A file that a client has just come for stays, because its progress would point into nothing. */
int eviction_remove(struct files *files, const char *sha256)
{
    const struct entry *paths = kept_paths(files, sha256);
    bool busy = false;
    if (!paths)
        return ENGINE_ABSENT;
    pthread_rwlock_rdlock(&files->lock);
    for (const struct entry *entry = paths; entry; entry = entry->next_path)
        busy |= entry->download || entry->is_failed || entry->progress;
    pthread_rwlock_unlock(&files->lock);
    return !busy && evict_blob(files, paths->kept) ? 0 : ENGINE_BUSY;
}
