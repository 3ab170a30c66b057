// SPDX-License-Identifier: Apache-2.0
#include "engine/files/adopt.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/evidence.h"
#include "engine/files/files_state.h"
#include "engine/files/kept.h"
#include "engine/mirrors/generations.h"
#include "index/name.h"

/*
 * Life of an adoption:
 *   the caller's thread asks the flight thread whether the file is wanted and makes room for it,
 *   copies and hashes the bytes into a partial of the store,
 *   posts the rest, and waits: commit_run (cleaner lane) renames the partial to its digest,
 *   rows_run (catalogue lane) writes the rows in one transaction, enter_run (flight thread) puts the
 *   file into the table. A search for orphans takes the same way, so it never meets a blob between
 *   two of these steps. Once more through the catalogue lane and back, and what file_kept has read of
 *   the rows is known to pages.
 */

enum { BLOCK_BYTES = 256 << 10, DIGESTS_BYTES = sizeof("sha256=") + SHA256_HEX };

struct adopting {
    struct job job;
    struct files *files;
    const struct adoption *what;
    char *project;
    char *channels[PAGE_CHANNELS + 1]; /* of the path, where the caller names none */
    char *partial;                     /* NULL once the store has it */
    int fd;
    int64_t allocated_bytes, now_s;
    char sha256[SHA256_HEX], etag[sizeof("\"sha256-\"") + SHA256_HEX], digests[DIGESTS_BYTES];
    int result;
    sem_t done;
};

/* ------------------------------------------------------------- may it come */

static int state_of(struct files *files, const struct adoption *a)
{
    const struct origin *origin = origins_find(mirrors_origins(files->s->mirrors), a->origin);
    if (!origin || origin->directory)
        return ADOPT_NO_ORIGIN;
    const struct entry *entry = files_look_up(files, a->origin, a->path);
    return !entry ? 0 : entry->sha256[0] ? ADOPT_HELD : entry->download ? ADOPT_BUSY : 0;
}

static void admit_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    struct adopting *t = *(struct adopting *const *)call->argument;
    const struct adoption *a = t->what;
    const struct origin *origin = origins_find(mirrors_origins(t->files->s->mirrors), a->origin);
    call->result = state_of(files, a);
    if (call->result == 0 && !a->channels[0])
        t->files->s->events->page_channels(t->files->s, origin, a->path, t->project, t->channels);
    if (call->result == 0 && !eviction_make(files, a->size, NULL))
        call->result = eviction_refusal(files, a->size);
    sem_post(&call->done);
}

/* ------------------------------------------------------------------ copying */

static int copy(struct adopting *t, struct sha256 *hash, const _Atomic bool *stop)
{
    auto_free char *block = malloc(BLOCK_BYTES);
    int r = block ? 0 : ERROR_NO_MEMORY;
    for (int64_t at = 0; r == 0 && at < t->what->size;) {
        int64_t left = t->what->size - at;
        size_t len = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        r = file_read_at(t->what->fd, block, len, t->what->offset + at);
        if (r == 0)
            r = sha256_add(hash, block, len);
        if (r == 0)
            r = file_write_at(t->fd, block, len, at);
        at += (int64_t)len;
        if (r == 0 && stop && atomic_load(stop))
            r = ERROR_STOPPING;
    }
    return r;
}

static int fill_partial(struct adopting *t, const _Atomic bool *stop)
{
    struct files *files = t->files;
    struct sha256 *hash = NULL;
    int r = store_begin(files->s->store, &t->partial, &t->fd);
    if (r == 0)
        r = store_reserve(files->s->store, t->fd, t->what->size, files->s->options.min_free);
    if (r == 0)
        r = sha256_new(&hash);
    if (r == 0)
        r = copy(t, hash, stop);
    if (r == 0)
        r = sha256_finish(hash, t->sha256);
    sha256_free(hash);
    return r;
}

static bool is_expected(const struct adopting *t)
{
    const char *expected = t->what->sha256;
    return !expected || !*expected || strcmp(expected, t->sha256) == 0;
}

/* ------------------------------------------------------------------ keeping */

static void finish(struct adopting *t, int result)
{
    t->result = result;
    sem_post(&t->done);
}

/* What fetched it or adopted it meanwhile stays. */
static bool is_needless(struct adopting *t, int state)
{
    if (state == 0)
        return false;
    if (!kept_paths(t->files, t->sha256) && !commit_is_under_way(t->files, t->sha256))
        kept_discard(t->files, t->sha256, KEPT_REMOVE);
    finish(t, state);
    return true;
}

static int enter(struct adopting *t)
{
    struct files *files = t->files;
    const struct origin *origin = origins_find(mirrors_origins(files->s->mirrors), t->what->origin);
    pthread_rwlock_wrlock(&files->lock);
    struct entry *entry = files_find(files, t->what->origin, t->what->path);
    if (!entry && origin)
        entry = files_add(files, origin, t->what->path);
    pthread_rwlock_unlock(&files->lock);
    if (!entry)
        return ERROR_NO_MEMORY;
    free(entry->etag);
    free(entry->mirrors);
    free(entry->validator);
    entry->etag = str_dup(t->etag);
    entry->mirrors = entry->validator = NULL;
    pthread_rwlock_wrlock(&files->lock);
    memcpy(entry->sha256, t->sha256, sizeof(entry->sha256));
    entry->size = t->what->size;
    pthread_rwlock_unlock(&files->lock);
    (void)kept_hold(files, entry, t->allocated_bytes);
    entry->authoritative = false; /* compared with what is claimed when it is opened first */
    entry->used_s = entry->written_s = t->now_s;
    entry->used_after = ++files->uses;
    files->s->events->file_kept(files->s, entry);
    evidence_changed(files);
    commit_sidecar(files, t->sha256);
    return 0;
}

/* What a page needs of the rows has been read by now, and noted: the next page shows the file. */
static void noted_run(struct job *job)
{
    finish(container_of(job, struct adopting, job), 0);
}

static void behind_rows_run(struct job *job)
{
    struct adopting *t = container_of(job, struct adopting, job);
    job->run = noted_run;
    loop_post(t->files->s, job);
}

static void enter_run(struct job *job)
{
    struct adopting *t = container_of(job, struct adopting, job);
    if (is_needless(t, state_of(t->files, t->what)))
        return;
    int r = enter(t);
    if (r) {
        finish(t, r);
        return;
    }
    log_info("adopted path=%s/%s bytes=%lld sha256=%s source=%s", t->what->origin, t->what->path,
             (long long)t->what->size, t->sha256, t->what->source);
    job->run = behind_rows_run;
    lane_post(t->files->s->catalogue_lane, job);
}

static int put_listed(struct adopting *t)
{
    const struct adoption *a = t->what;
    int r = 0;
    const char *const *channels = a->channels[0] ? a->channels : (const char *const *)t->channels;
    for (const char *const *channel = channels; r == 0 && *channel; channel++) {
        const struct catalogue_listed row = {.origin = a->origin,
                                             .project = t->project,
                                             .path = a->path,
                                             .channel = *channel,
                                             .requires_python = a->requires_python,
                                             .upload_time = a->upload_time,
                                             .yanked = a->yanked,
                                             .yanked_reason = a->yanked_reason,
                                             .first_s = t->now_s};
        r = catalogue_put_listed(t->files->s->catalogue, &row);
    }
    return r;
}

static int put_claim(struct adopting *t)
{
    const struct adoption *a = t->what;
    if (!a->sha256 || !*a->sha256 || !*a->source)
        return 0;
    const struct catalogue_claim row = {.origin = a->origin,
                                        .path = a->path,
                                        .mirror = a->source,
                                        .project = t->project,
                                        .channel = a->channels[0]   ? a->channels[0]
                                                   : t->channels[0] ? t->channels[0]
                                                                    : "",
                                        .digests = t->digests,
                                        .said_s = t->now_s};
    return catalogue_put_claim(t->files->s->catalogue, &row);
}

static int put_rows(struct adopting *t)
{
    struct catalogue *catalogue = t->files->s->catalogue;
    const struct catalogue_file file = {.origin = t->what->origin,
                                        .path = t->what->path,
                                        .size = t->what->size,
                                        .etag = t->etag,
                                        .blob = t->sha256,
                                        .last_used_s = t->now_s};
    int r = catalogue_begin(catalogue);
    if (r)
        return r;
    r = catalogue_put_blob(catalogue, t->sha256, t->what->size, t->allocated_bytes);
    if (r == 0)
        r = catalogue_put_file(catalogue, &file);
    if (r == 0)
        r = put_listed(t);
    if (r == 0)
        r = put_claim(t);
    if (r == 0)
        return catalogue_commit(catalogue);
    catalogue_rollback(catalogue);
    return r;
}

static void rows_run(struct job *job)
{
    struct adopting *t = container_of(job, struct adopting, job);
    int r = put_rows(t);
    if (r) {
        finish(t, r);
        return;
    }
    job->run = enter_run;
    loop_post(t->files->s, job);
}

static void write_sidecar(const struct adopting *t, struct buf *to)
{
    buf_puts(to, "{\"files\":[{");
    json_write_member(to, "origin", t->what->origin);
    json_write_member(to, "path", t->what->path);
    json_write_member(to, "etag", t->etag);
    buf_printf(to, "}],\"size\":%lld}\n", (long long)t->what->size);
}

static void commit_run(struct job *job)
{
    struct adopting *t = container_of(job, struct adopting, job);
    auto_buf struct buf sidecar;
    struct stat st;
    buf_init(&sidecar, STORE_SIDECAR_MAX);
    write_sidecar(t, &sidecar);
    if (fstat(t->fd, &st) == 0)
        t->allocated_bytes = (int64_t)st.st_blocks * 512;
    int r = sidecar.error;
    if (r == 0) {
        r = store_commit(t->files->s->store, t->partial, t->fd, t->sha256, sidecar.data,
                         sidecar.len);
        free(t->partial);
        t->partial = NULL;
    }
    if (r) {
        finish(t, r);
        return;
    }
    job->run = rows_run;
    lane_post(t->files->s->catalogue_lane, job);
}

static int keep(struct adopting *t)
{
    str_copy(t->digests, sizeof(t->digests), "sha256=");
    memcpy(t->digests + strlen("sha256="), t->sha256, sizeof(t->sha256));
    (void)snprintf(t->etag, sizeof(t->etag), "\"sha256-%s\"", t->sha256);
    t->now_s = clock_real_s();
    t->job.run = commit_run;
    sem_init(&t->done, 0, 0);
    lane_post(t->files->s->cleaner, &t->job);
    while (sem_wait(&t->done) < 0 && errno == EINTR)
        ;
    sem_destroy(&t->done);
    return t->result;
}

int adopt_file(struct files *files, const struct adoption *what, const _Atomic bool *stop,
               char ret_sha256[SHA256_HEX])
{
    struct file_name name;
    struct adopting t = {.files = files, .what = what, .fd = -1};
    int r = file_name_parse(str_last_segment(what->path), &name);
    if (r)
        return r;
    t.project = name.project;
    if (!name.project || name.kind == FILE_OTHER)
        r = ADOPT_BAD_NAME;
    const struct adopting *self = &t;
    if (r == 0)
        r = loop_call(files->s, admit_run, files, &self);
    if (r == 0)
        r = fill_partial(&t, stop);
    if (r == 0 && !is_expected(&t))
        r = ADOPT_WRONG;
    if (r == 0)
        r = keep(&t);
    if (t.partial)
        store_discard(files->s->store, t.partial);
    free(t.partial);
    if (t.fd >= 0)
        (void)close(t.fd);
    for (size_t i = 0; t.channels[i]; i++)
        free(t.channels[i]);
    file_name_release(&name);
    memcpy(ret_sha256, t.sha256, SHA256_HEX);
    return r;
}

/* ------------------------------------------------------------------- claims */

struct expecting {
    struct job job;
    struct files *files;
    struct catalogue_claim row;
    int result;
    sem_t done;
};

static void expect_run(struct job *job)
{
    struct expecting *x = container_of(job, struct expecting, job);
    x->result = catalogue_put_claim(x->files->s->catalogue, &x->row);
    sem_post(&x->done);
}

int adopt_expect(struct files *files, const char *origin, const char *path, const char *digests,
                 const char *source)
{
    struct file_name name;
    int r = file_name_parse(str_last_segment(path), &name);
    if (r)
        return r;
    struct expecting x = {.job.run = expect_run,
                          .files = files,
                          .row = {.origin = origin,
                                  .path = path,
                                  .mirror = source,
                                  .project = name.project,
                                  .channel = "",
                                  .digests = digests,
                                  .said_s = clock_real_s()}};
    if (!name.project) {
        file_name_release(&name);
        return ADOPT_BAD_NAME;
    }
    sem_init(&x.done, 0, 0);
    lane_post(files->s->catalogue_lane, &x.job);
    while (sem_wait(&x.done) < 0 && errno == EINTR)
        ;
    sem_destroy(&x.done);
    file_name_release(&name);
    return x.result;
}

/* --------------------------------------------------------------------- held */

/* It takes the way of a commit: cleaner lane, catalogue lane, flight thread. */
struct holding {
    struct job job;
    struct files *files;
    const char *origin, *path;
    char *sha256;
    sem_t done;
};

static void held_run(struct job *job)
{
    struct holding *h = container_of(job, struct holding, job);
    const struct entry *entry = files_look_up(h->files, h->origin, h->path);
    str_copy(h->sha256, SHA256_HEX, entry ? entry->sha256 : "");
    sem_post(&h->done);
}

static void behind_catalogue_run(struct job *job)
{
    struct holding *h = container_of(job, struct holding, job);
    job->run = held_run;
    loop_post(h->files->s, job);
}

static void behind_cleaner_run(struct job *job)
{
    struct holding *h = container_of(job, struct holding, job);
    job->run = behind_catalogue_run;
    lane_post(h->files->s->catalogue_lane, job);
}

static void behind_flight_run(struct job *job)
{
    struct holding *h = container_of(job, struct holding, job);
    job->run = behind_cleaner_run;
    lane_post(h->files->s->cleaner, job);
}

void adopt_held(struct files *files, const char *origin, const char *path,
                char ret_sha256[SHA256_HEX])
{
    struct holding h = {.job.run = behind_flight_run,
                        .files = files,
                        .origin = origin,
                        .path = path,
                        .sha256 = ret_sha256};
    sem_init(&h.done, 0, 0);
    loop_post(files->s, &h.job);
    while (sem_wait(&h.done) < 0 && errno == EINTR)
        ;
    sem_destroy(&h.done);
}
