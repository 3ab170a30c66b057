// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/entry.h"
#include "engine/inventory.h"
#include "engine/marks.h"

/*
 * Space: what does not fit below max_size or above min_free is passed through and not kept. Below
 * max_size room is made first: files that nobody has used for longest go. A blob is unlinked, never
 * truncated, so that whoever reads it reads on; its row goes after it, because a full disk lets
 * SQLite delete nothing. What is pinned stays.
 */

/* Takes a blob away under every path that names it; gives the bytes its paths counted. */
static int64_t evict(struct engine *e, struct entry **list, size_t count, const char *text)
{
    int64_t bytes = 0;
    bool is_wanted = false;
    char sha256[SHA256_HEX];
    str_copy(sha256, sizeof(sha256), text);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = list[i];
        if (!entry || strcmp(entry->sha256, sha256) != 0)
            continue;
        list[i] = NULL;
        int64_t size = entry->size;
        auto_free char *path = str_printf("%s/%s", entry->origin->name, entry->path);
        if (!files_drop_idle(e, entry)) { /* somebody has just come for it */
            is_wanted = true;
            continue;
        }
        log_info("evicted path=%s bytes=%" PRId64, path ? path : "", size);
        bytes += size;
    }
    if (is_wanted)
        return 0;
    commit_remove_blob(e, sha256);
    marks_forget(e, sha256);
    return bytes;
}

static int by_use(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    if (x->used_s != y->used_s)
        return x->used_s < y->used_s ? -1 : 1;
    return x->used_after < y->used_after ? -1 : 1;
}

/* What may go, what was not used for longest first; free() it. */
static struct entry **list_evictable(struct engine *e, size_t *ret_count)
{
    size_t count = 0;
    pthread_rwlock_rdlock(&e->files->lock);
    struct entry **list = calloc(HASH_COUNT(e->files->table) + 1, sizeof(struct entry *));
    for (struct entry *entry = list ? e->files->table : NULL; entry; entry = entry->hh.next)
        if (entry->sha256[0] && !entry->flying && !entry->is_failed &&
            !marks_is_pinned(e, entry->sha256))
            list[count++] = entry;
    pthread_rwlock_unlock(&e->files->lock);
    if (list)
        qsort(list, count, sizeof(struct entry *), by_use);
    *ret_count = count;
    return list;
}

/* Evicts at least so many bytes, if there are; gives how many. */
static int64_t evict_bytes(struct engine *e, int64_t wanted)
{
    size_t count;
    int64_t bytes = 0;
    auto_free struct entry **list = list_evictable(e, &count);
    for (size_t i = 0; list && i < count && bytes < wanted; i++)
        if (list[i])
            bytes += evict(e, list, count, list[i]->sha256);
    return bytes;
}

bool space_make(struct engine *e, int64_t bytes)
{
    unsigned blobs;
    int64_t used = files_bytes(e, &blobs), most = e->options.max_size;
    if (used + bytes <= most)
        return true;
    if (bytes > most)
        return false;
    used -= evict_bytes(e, used + bytes - most);
    return used + bytes <= most;
}

void space_collect(struct engine *e, struct collection *ret)
{
    unsigned before, after;
    int64_t used = files_bytes(e, &before), free_bytes = store_free_bytes(e->store);
    int64_t over = used - e->options.max_size;
    int64_t missing = free_bytes < 0 ? 0 : e->options.min_free - free_bytes;
    int64_t wanted = over > missing ? over : missing;
    if (wanted > 0) /* the disk gives the bytes back only after the unlink, on another thread */
        ret->evicted_bytes = evict_bytes(e, wanted);
    (void)files_bytes(e, &after);
    ret->evicted = before - after;
    ret->fits = ret->evicted_bytes >= wanted;
}

/* ------------------------------------------------------------------ one blob */

/* Every entry of these bytes; free() it. */
static struct entry **list_of_blob(struct engine *e, const char *sha256, size_t *ret_count)
{
    size_t count = 0;
    pthread_rwlock_rdlock(&e->files->lock);
    struct entry **list = calloc(HASH_COUNT(e->files->table) + 1, sizeof(struct entry *));
    for (struct entry *entry = list ? e->files->table : NULL; entry; entry = entry->hh.next)
        if (strcmp(entry->sha256, sha256) == 0)
            list[count++] = entry;
    pthread_rwlock_unlock(&e->files->lock);
    *ret_count = count;
    return list;
}

bool space_holds(struct engine *e, const char *sha256)
{
    bool found = false;
    pthread_rwlock_rdlock(&e->files->lock);
    for (struct entry *entry = e->files->table; entry && !found; entry = entry->hh.next)
        found = strcmp(entry->sha256, sha256) == 0;
    pthread_rwlock_unlock(&e->files->lock);
    return found;
}

int space_remove(struct engine *e, const char *sha256)
{
    size_t count;
    auto_free struct entry **list = list_of_blob(e, sha256, &count);
    if (!list || !count)
        return ENGINE_ABSENT;
    for (size_t i = 0; i < count; i++)
        if (list[i]->flying || list[i]->is_failed || list[i]->board)
            return ENGINE_BUSY;
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += list[i]->size;
    return evict(e, list, count, sha256) == bytes ? 0 : ENGINE_BUSY;
}

bool space_is_free(struct engine *e, int64_t bytes)
{
    int64_t free_bytes = store_free_bytes(e->store);
    return free_bytes < 0 || free_bytes - bytes >= e->options.min_free;
}
