// SPDX-License-Identifier: Apache-2.0
#include "engine/files/kept.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/evidence.h"
#include "engine/files/files_state.h"
#include "engine/files/sets.h"

/*
 * A record of a digest lives as long as there is something to say: a path or a stray has the blob
 * (is_counted), or the blob is or was pinned or compared.
 *
 *     kept_hold, kept_add_stray     counted
 *     kept_drop of the last path    counts no more; the record stays when it has a mark
 *     kept_discard                  the comparison is forgotten, and the record with it unless it
 *                                   is pinned or still counted; then the disk, then the row
 *
 * The row of a blob is dropped after its file: a full disk lets SQLite delete nothing. A kill
 * between the two leaves a row without a blob, which the next start drops.
 */

int kept_new(struct kept_table **ret)
{
    struct kept_table *table = calloc(1, sizeof(*table));
    int r = table ? sets_new(&table->sets) : ERROR_NO_MEMORY;
    if (r)
        free(table);
    else
        *ret = table;
    return r;
}

void kept_free(struct kept_table *table)
{
    struct kept *k, *next;
    if (!table)
        return;
    HASH_ITER(hh, table->blobs, k, next)
    {
        HASH_DEL(table->blobs, k);
        free(k);
    }
    sets_free(table->sets);
    free(table);
}

/* NULL: nothing is known of these bytes. */
static struct kept *find(const struct files *files, const char *sha256)
{
    struct kept *k;
    HASH_FIND_STR(files->kept->blobs, sha256, k);
    return k;
}

/* The record is new and empty, or the one that exists. */
static struct kept *find_or_add(struct files *files, const char *sha256)
{
    struct kept *k = find(files, sha256);
    if (k || !(k = calloc(1, sizeof(*k))))
        return k;
    str_copy(k->sha256, sizeof(k->sha256), sha256);
    HASH_ADD_STR(files->kept->blobs, sha256, k);
    return k;
}

/* A pin and a comparison outlive the last path. */
static void free_if_empty(struct files *files, struct kept *k)
{
    if (k->is_counted || k->is_pinned || k->verified_s)
        return;
    HASH_DEL(files->kept->blobs, k);
    free(k);
}

/* ---------------------------------------------------------------- holding */

/* A blob that is held counts from its first path, or stray, on. */
static struct kept *find_counted(struct files *files, const char *sha256, int64_t bytes)
{
    struct kept *k = find_or_add(files, sha256);
    if (!k || k->is_counted)
        return k;
    k->is_counted = true;
    k->bytes = bytes;
    files->kept->bytes += bytes;
    files->kept->count++;
    return k;
}

/* The blob is held no longer. Its record stays when it has a mark. */
static void uncount(struct files *files, struct kept *k)
{
    if (k->is_counted) {
        files->kept->bytes -= k->bytes;
        files->kept->count--;
    }
    k->is_counted = false;
    k->used_s = 0;
    free_if_empty(files, k);
}

/* The first path brings the bytes; further paths of the same blob cost nothing. */
int kept_hold(struct files *files, struct entry *entry, int64_t bytes)
{
    struct kept *k = find_counted(files, entry->sha256, bytes);
    if (!k)
        return ERROR_NO_MEMORY;
    entry->kept = k;
    LL_PREPEND2(k->paths, entry, next_path);
    return 0;
}

/* Does nothing for an entry that kept_hold did not count. */
void kept_drop(struct files *files, struct entry *entry)
{
    struct kept *k = entry->kept;
    if (!k)
        return;
    entry->kept = NULL;
    LL_DELETE2(k->paths, entry, next_path);
    if (!k->paths)
        uncount(files, k);
}

/* A stray that is named by several rows was last used when the latest of them says. */
int kept_add_stray(struct files *files, const char *sha256, int64_t bytes, int64_t used_s)
{
    struct kept *k = find_counted(files, sha256, bytes);
    if (!k)
        return ERROR_NO_MEMORY;
    if (k->used_s < used_s)
        k->used_s = used_s;
    return 0;
}

struct entry *kept_paths(const struct files *files, const char *sha256)
{
    const struct kept *k = find(files, sha256);
    return k ? k->paths : NULL;
}

/* ------------------------------------------------------------------ marks */

static int on_mark(void *context, const char *sha256, bool pinned, int64_t verified_s)
{
    struct kept *k = find_or_add(context, sha256);
    if (!k)
        return ERROR_NO_MEMORY;
    k->is_pinned = pinned;
    k->verified_s = verified_s;
    return 0;
}

/* Only a stray has no path that could be asked for later. */
static int on_set_blob(void *context, const char *sha256)
{
    struct kept *k = find(context, sha256);
    if (k)
        k->is_set_stray = !k->paths;
    return 0;
}

int kept_load(struct files *files)
{
    int r = catalogue_each_mark(files->s->catalogue, on_mark, files);
    if (r == 0)
        r = sets_load(files->kept->sets, files->s->catalogue);
    return r ? r : catalogue_each_set_blob(files->s->catalogue, on_set_blob, files);
}

bool kept_is_pinned(const struct files *files, const char *sha256)
{
    const struct kept *k = find(files, sha256);
    bool is_pinned = k && (k->is_pinned || (k->is_set_stray && !k->paths));
    for (const struct entry *path = k ? k->paths : NULL; path && !is_pinned; path = path->next_path)
        is_pinned = sets_has(files->kept->sets, path->key, path->key_len);
    return is_pinned;
}

bool kept_has_own_pin(const struct files *files, const char *sha256)
{
    const struct kept *k = find(files, sha256);
    return k && k->is_pinned;
}

int64_t kept_verified_s(const struct files *files, const char *sha256)
{
    const struct kept *k = find(files, sha256);
    return k ? k->verified_s : 0;
}

struct put_mark {
    struct job job;
    struct files *files;
    char sha256[SHA256_HEX];
    bool is_pinned;
    int64_t verified_s;
};

static void put_mark_run(struct job *job)
{
    struct put_mark *p = container_of(job, struct put_mark, job);
    int r = catalogue_put_mark(p->files->s->catalogue, p->sha256, p->is_pinned, p->verified_s);
    if (r)
        log_warning("catalogue: cannot store the mark of %s: %s", p->sha256, error_text(r));
    free(p);
}

/* The catalogue stores pin and comparison in one row. */
static int put_mark(struct files *files, const struct kept *k)
{
    struct put_mark *p = calloc(1, sizeof(*p));
    if (!p)
        return ERROR_NO_MEMORY;
    *p = (struct put_mark){{put_mark_run, NULL}, files, "", k->is_pinned, k->verified_s};
    memcpy(p->sha256, k->sha256, sizeof(p->sha256));
    lane_post(files->s->catalogue_lane, &p->job);
    return 0;
}

/* Also for a blob that is not held now: the pin waits for it. */
int kept_pin(struct files *files, const char *sha256, bool pinned)
{
    struct kept *k = find_or_add(files, sha256);
    if (!k)
        return ERROR_NO_MEMORY;
    k->is_pinned = pinned;
    commit_sidecar(files, sha256);
    return put_mark(files, k);
}

/* Called by the scrub, by `cache verify`, and whenever a check compares the whole blob. */
int kept_verified(struct files *files, const char *sha256, int64_t now_s)
{
    struct kept *k = find_or_add(files, sha256);
    if (!k)
        return ERROR_NO_MEMORY;
    k->verified_s = now_s;
    return put_mark(files, k);
}

/* ---------------------------------------------------------------- the end */

struct discard_blob {
    struct job job;
    struct files *files;
    char sha256[SHA256_HEX];
    enum kept_end how;
};

/* On the catalogue lane: takes the blob out of every row that names it. */
static void drop_row_run(struct job *job)
{
    struct discard_blob *d = container_of(job, struct discard_blob, job);
    (void)catalogue_drop_blob(d->files->s->catalogue, d->sha256);
    free(d);
}

/* On the cleaner lane, where commits are: no commit of this digest runs meanwhile. */
static void discard_run(struct job *job)
{
    struct discard_blob *d = container_of(job, struct discard_blob, job);
    struct files *files = d->files;
    if (d->how == KEPT_REMOVE)
        (void)store_remove(files->s->store, d->sha256);
    else if (store_quarantine(files->s->store, d->sha256) == 0)
        log_warning("moved to quarantine file=%s/quarantine/%s", files->s->options.cache_dir,
                    d->sha256);
    job->run = drop_row_run;
    lane_post(files->s->catalogue_lane, job);
}

/* Without memory the blob stays on the disk, and the next start knows it again. */
void kept_discard(struct files *files, const char *sha256, enum kept_end how)
{
    struct discard_blob *d = calloc(1, sizeof(*d));
    if (!d)
        return;
    *d = (struct discard_blob){{discard_run, NULL}, files, "", how};
    str_copy(d->sha256, sizeof(d->sha256), sha256);
    struct kept *k = find(files, d->sha256);
    evidence_forget(files, d->sha256);
    if (k) {
        k->verified_s = 0;
        if (!k->paths)
            uncount(files, k);
    }
    lane_post(files->s->cleaner, &d->job);
}
