// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/entry.h"

/*
 * Space: what does not fit below max_size or above min_free is passed through and not kept. Below
 * max_size room is made first: files that nobody has used for longest go. A blob is unlinked, never
 * truncated, so that whoever reads it reads on; its row goes after it, because a full disk lets
 * SQLite delete nothing.
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
    if (!is_wanted)
        commit_remove_blob(e, sha256);
    return is_wanted ? 0 : bytes;
}

static int by_use(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    if (x->used_s != y->used_s)
        return x->used_s < y->used_s ? -1 : 1;
    return x->used_after < y->used_after ? -1 : 1;
}

bool space_make(struct engine *e, int64_t bytes)
{
    unsigned blobs;
    int64_t used = files_bytes(e, &blobs), most = e->options.max_size;
    if (used + bytes <= most)
        return true;
    auto_free struct entry **list =
        bytes <= most ? calloc(blobs + 1, sizeof(struct entry *)) : NULL;
    if (!list)
        return false;
    size_t count = 0;
    pthread_rwlock_rdlock(&e->files->lock);
    for (struct entry *entry = e->files->table; entry && count < blobs; entry = entry->hh.next)
        if (entry->sha256[0] && !entry->flying && !entry->is_failed)
            list[count++] = entry;
    pthread_rwlock_unlock(&e->files->lock);
    qsort(list, count, sizeof(struct entry *), by_use);
    for (size_t i = 0; i < count && used + bytes > most; i++)
        if (list[i])
            used -= evict(e, list, count, list[i]->sha256);
    return used + bytes <= most;
}

bool space_is_free(struct engine *e, int64_t bytes)
{
    int64_t free_bytes = store_free_bytes(e->store);
    return free_bytes < 0 || free_bytes - bytes >= e->options.min_free;
}
