// SPDX-License-Identifier: Apache-2.0
/*
 * What the catalogue remembers of a folder's files, so that a restart need not hash them again.
 *
 *     start: directory_recall -> catalogue lane -> `known`, has_known -> the thread takes it up
 *     later: directory_keep (the thread) -> rows with strings of their own -> catalogue lane
 *
 * `known` belongs to the catalogue lane until has_known is set, and to the thread from then on.
 * Rows are written in one transaction; when it fails, a restart hashes these files again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/folders/directory_state.h"

/* ------------------------------------------------------------------- recall */

static void known_free(struct known_file *k)
{
    free(k->path);
    free(k->requires_python);
    free(k->problem);
    free(k);
}

void directory_free_known(struct directory *d)
{
    struct known_file *k, *next;
    HASH_ITER(hh, d->known, k, next)
    {
        HASH_DEL(d->known, k);
        known_free(k);
    }
}

struct known_file *directory_known(struct directory *d, const char *path)
{
    struct known_file *k;
    HASH_FIND_STR(d->known, path, k);
    return k;
}

/* On the catalogue lane, before the thread uses the table. */
static int on_local(void *context, const struct catalogue_local *row)
{
    struct directory *d = context;
    struct known_file *k = calloc(1, sizeof(*k));
    if (!k || !(k->path = strdup(row->path))) {
        free(k);
        return ERROR_NO_MEMORY;
    }
    k->file = (struct folder_file){
        .size = row->size, .modified_ns = row->modified_ns, .inode = (uint64_t)row->inode};
    str_copy(k->sha256, sizeof(k->sha256), row->sha256);
    str_copy(k->metadata_sha256, sizeof(k->metadata_sha256),
             row->metadata_sha256 ? row->metadata_sha256 : "");
    str_copy(k->etag, sizeof(k->etag), row->etag ? row->etag : "");
    k->requires_python = str_dup(row->requires_python);
    k->problem = str_dup(row->problem);
    HASH_ADD_KEYPTR(hh, d->known, k->path, strlen(k->path), k);
    return 0;
}

/* On the catalogue lane. The thread does not touch `known` before has_known is set. */
static void recall_run(struct job *job)
{
    struct directory *d = container_of(job, struct directory, recall);
    int r = catalogue_each_local(d->folders->s->catalogue, d->origin, on_local, d);
    if (r)
        log_warning("catalogue: cannot recall the files of %s: %s", d->root, error_text(r));
    d->has_known = true;
    folders_kick(d->folders);
}

void directory_recall(struct directory *d)
{
    d->recall.run = recall_run;
    lane_post(d->folders->s->catalogue_lane, &d->recall);
}

/* --------------------------------------------------------------------- rows */

struct keep {
    struct job job;
    struct folders *folders;
    const char *origin;           /* the directory's */
    struct catalogue_local *rows; /* it owns their strings */
    size_t row_count;
    char **gone;
    size_t gone_count;
};

static void keep_free(struct keep *k)
{
    for (size_t i = 0; i < k->row_count; i++) {
        free((void *)(uintptr_t)k->rows[i].path);
        free((void *)(uintptr_t)k->rows[i].sha256);
        free((void *)(uintptr_t)k->rows[i].metadata_sha256);
        free((void *)(uintptr_t)k->rows[i].requires_python);
        free((void *)(uintptr_t)k->rows[i].problem);
        free((void *)(uintptr_t)k->rows[i].etag);
    }
    for (size_t i = 0; i < k->gone_count; i++)
        free(k->gone[i]);
    free(k->rows);
    free(k->gone);
    free(k);
}

/* Dropped rows come first: a file may have gone and come again. */
static void keep_run(struct job *job)
{
    struct keep *k = container_of(job, struct keep, job);
    struct catalogue *catalogue = k->folders->s->catalogue;
    int r = catalogue_begin(catalogue);
    for (size_t i = 0; r == 0 && i < k->gone_count; i++)
        r = catalogue_drop_local(catalogue, k->origin, k->gone[i]);
    for (size_t i = 0; r == 0 && i < k->row_count; i++)
        r = catalogue_put_local(catalogue, &k->rows[i]);
    if (r == 0)
        r = catalogue_commit(catalogue);
    else
        catalogue_rollback(catalogue);
    if (r) /* a restart hashes those files again */
        log_warning("catalogue: cannot store digests of %s: %s", k->origin, error_text(r));
    keep_free(k);
}

static char *text_or_null(const char *s)
{
    return *s ? strdup(s) : NULL;
}

/* Copies a record into a row. Under the lock. An ETag that is made of the digest need not be
 * stored. */
static bool fill(struct catalogue_local *to, const struct directory *d, const struct record *r)
{
    bool by_digest = str_starts(r->etag, "\"sha256-");
    *to = (struct catalogue_local){.origin = d->origin,
                                   .path = strdup(r->path),
                                   .size = r->file.size,
                                   .modified_ns = r->file.modified_ns,
                                   .inode = (int64_t)r->file.inode,
                                   .sha256 = strdup(r->sha256),
                                   .metadata_sha256 = text_or_null(r->metadata_sha256),
                                   .requires_python = str_dup(r->requires_python),
                                   .problem = str_dup(r->problem),
                                   .etag = by_digest ? NULL : text_or_null(r->etag)};
    return to->path && to->sha256;
}

/* Only files that are listed and hashed, and whose row is not stored yet. */
void directory_keep(struct directory *d)
{
    struct keep *k = calloc(1, sizeof(*k));
    if (!k)
        return;
    *k = (struct keep){.job.run = keep_run,
                       .folders = d->folders,
                       .origin = d->origin,
                       .rows = calloc(HASH_COUNT(d->table) + 1, sizeof(*k->rows)),
                       .gone = d->gone,
                       .gone_count = d->gone_count};
    d->gone = NULL;
    d->gone_count = 0;
    pthread_mutex_lock(&d->files.lock);
    for (struct record *r = k->rows ? d->table : NULL; r; r = r->hh.next) {
        if (r->is_kept || !r->is_listed || !r->sha256[0])
            continue;
        r->is_kept = fill(&k->rows[k->row_count++], d, r);
        k->row_count -= !r->is_kept;
    }
    pthread_mutex_unlock(&d->files.lock);
    if (k->row_count || k->gone_count)
        lane_post(d->folders->s->catalogue_lane, &k->job);
    else
        keep_free(k);
}
