// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/files/inventory.h"
#include "engine/files/kept.h"

/*
 * Puts the cache in order while it runs (`cache gc`): evicts, empties the quarantine, and removes
 * orphans. An orphan is a blob that neither the catalogue nor the table names.
 *
 *     inventory_collect (control lane, which may block)
 *       evict_run     flight thread
 *       scan_run      cleaner lane: the blobs on disk
 *       rows_run      catalogue lane: without those that have a row
 *       orphans_run   flight thread: without those that have a path, or are just being kept
 *
 * A commit takes the same way: cleaner lane, catalogue lane, flight thread. So each step of the
 * search comes after the same step of every earlier commit. A blob that is just being kept is never
 * taken for an orphan.
 */

/* A blob on the disk that nothing has spoken for yet. */
struct orphan {
    char sha256[SHA256_HEX];
    UT_hash_handle hh;
};

/* One search. It lives on the caller's stack; each step posts `done`. */
struct search {
    struct job job;
    struct files *files;
    struct orphan *blobs; /* on disk, and no row or path was found yet */
    struct collection *result;
    int error;
    sem_t done;
};

/* Runs one step on a lane, and waits for it. */
static void search_run(struct search *s, struct lane *lane, void (*run)(struct job *job))
{
    s->job.run = run;
    lane_post(lane, &s->job);
    while (sem_wait(&s->done) < 0)
        ;
}

/* Every blob is an orphan until a row or a path speaks for it. */
static int on_disk(void *context, const char *sha256, int64_t size, int64_t allocated_bytes,
                   const char *sidecar)
{
    struct search *s = context;
    struct orphan *found = calloc(1, sizeof(*found));
    (void)size;
    (void)allocated_bytes;
    (void)sidecar;
    if (!found)
        return ERROR_NO_MEMORY;
    str_copy(found->sha256, sizeof(found->sha256), sha256);
    HASH_ADD_STR(s->blobs, sha256, found);
    return 0;
}

static void scan_run(struct job *job)
{
    struct search *s = container_of(job, struct search, job);
    s->error = store_scan(s->files->s->store, on_disk, s);
    store_trim_quarantine(s->files->s->store, 0);
    sem_post(&s->done);
}

/* The blob has a row or a path. */
static void account(struct search *s, const char *sha256)
{
    struct orphan *found;
    HASH_FIND_STR(s->blobs, sha256, found);
    if (!found)
        return;
    HASH_DEL(s->blobs, found);
    free(found);
}

static int on_row(void *context, const char *sha256, int64_t size, int64_t allocated_bytes)
{
    (void)size;
    (void)allocated_bytes;
    account(context, sha256);
    return 0;
}

static void rows_run(struct job *job)
{
    struct search *s = container_of(job, struct search, job);
    if (s->error == 0)
        s->error = catalogue_each_blob(s->files->s->catalogue, on_row, s);
    sem_post(&s->done);
}

/* On the flight thread. The table is last, because clients are answered from it. */
static void orphans_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    struct search *const *s = call->argument;
    struct orphan *found, *next;
    HASH_ITER(hh, (*s)->blobs, found, next)
    {
        if (kept_paths(files, found->sha256) || commit_is_under_way(files, found->sha256))
            continue;
        log_warning("orphan removed sha256=%s", found->sha256);
        kept_discard(files, found->sha256, KEPT_REMOVE);
        (*s)->result->orphans++;
    }
    sem_post(&call->done);
}

static void evict_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    struct collection *const *result = call->argument;
    eviction_collect(files, *result);
    sem_post(&call->done);
}

/* Orphans are removed last. After an error of the search none is: the list would be too long. */
int inventory_collect(struct files *files, struct collection *ret)
{
    struct search s = {.files = files, .result = ret};
    struct search *argument = &s;
    struct orphan *found, *next;
    sem_init(&s.done, 0, 0);
    (void)loop_call(files->s, evict_run, files, &ret);
    search_run(&s, files->s->cleaner, scan_run);
    search_run(&s, files->s->catalogue_lane, rows_run);
    if (s.error == 0)
        (void)loop_call(files->s, orphans_run, files, &argument);
    HASH_ITER(hh, s.blobs, found, next)
    {
        HASH_DEL(s.blobs, found);
        free(found);
    }
    sem_destroy(&s.done);
    return s.error;
}
