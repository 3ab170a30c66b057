// SPDX-License-Identifier: Apache-2.0
#include "engine/files/reserve.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"

/*
 * A reservation lives:
 *
 *     reserve_begin -> hand_on_run (writer lane: after earlier give-backs)
 *     -> reserve_run (cleaner lane: may block) -> reserved_run (flight thread)
 *
 *     reserve_give_back -> give_back_run (writer lane) -> given_back_run (flight thread)
 *
 * dl->reserved is the promise, counted by eviction.c from the first moment; dl->is_allocated says
 * that the disk has kept it. A cut or a park between the two is settled in `conclude`.
 */

/* Space that is taken or given back. Both have the same path through the lanes. */
struct reservation {
    struct job job;
    struct download *download;
    struct partial *partial;
    int64_t size, keep_free;
    int error;
};

/* The references kept the partial open while the disk worked. */
static void release(struct reservation *r)
{
    partial_unref(r->partial);
    download_unref(r->download);
    free(r);
}

static struct reservation *new_job(struct download *dl, int64_t size, void (*run)(struct job *job))
{
    struct reservation *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    *r = (struct reservation){
        .job.run = run, .download = dl, .partial = partial_ref(dl->partial), .size = size};
    download_ref(dl);
    return r;
}

/* ----------------------------------------------------------- taking space */

/* A complete file needs no reservation. */
static bool is_whole(const struct download *dl)
{
    struct flight_view view;
    flight_view(dl->flight, &view);
    return view.size >= 0 && view.prefix >= view.size;
}

/* The disk has answered. Meanwhile the download may have been cut, parked or completed. */
static void conclude(struct download *dl, const struct reservation *r)
{
    if (r->partial != dl->partial) { /* cut meanwhile: the new partial has no space yet */
        reserve_begin(dl);
    } else if (!r->error) {
        dl->is_allocated = true;
        if (!dl->reserved) /* parked meanwhile */
            reserve_give_back(dl);
    } else if (dl->reserved && !is_whole(dl)) {
        log_info("no room path=%s/%s bytes=%" PRId64 " error=\"%s\"", dl->origin->name, dl->path,
                 r->size, error_text(r->error));
        dl->no_room = error_is_space(r->error);
        flight_on_disk_error(dl->flight, r->error);
        download_drain(dl);
    }
}

static void reserved_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    r->download->reserving = false;
    if (!r->download->over)
        conclude(r->download, r);
    release(r);
}

static void reserve_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    struct files *files = r->download->files;
    r->error = store_reserve(files->s->store, r->partial->fd, r->size, r->keep_free);
    job->run = reserved_run;
    loop_post(files->s, job);
}

/* On the writer lane, which must not wait for the disk. It passes the job on, after earlier
 * give-backs. */
static void hand_on_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    job->run = reserve_run;
    lane_post(r->partial->cleaner, job);
}

/* Called whenever a promise or a partial is new; it does nothing until both are there. */
void reserve_begin(struct download *dl)
{
    if (!dl->reserved || dl->reserving || dl->is_allocated || !dl->partial)
        return;
    if (dl->reserved < RESERVE_LEAST_BYTES) {
        dl->is_allocated = true;
        return;
    }
    struct reservation *r = new_job(dl, dl->reserved, hand_on_run);
    if (!r)
        return; /* the writes will find out */
    r->keep_free = dl->files->s->options.min_free;
    dl->reserving = true;
    lane_post(dl->partial->writer, &r->job);
}

/* ------------------------------------------------------ giving space back */

static void given_back_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    r->download->giving_back--;
    release(r);
}

/* On the writer lane: no write is under way, and `written` is up to date. */
static void give_back_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    const struct extents *written = &r->partial->written;
    auto_free struct store_span *spans = calloc(written->count + 1, sizeof(*spans));
    struct extent run;
    size_t count = 0;
    for (int64_t at = 0; spans && extents_missing(written, at, r->size, &run); at = run.to)
        spans[count++] = (struct store_span){run.from, run.to};
    if (count && !r->partial->unsure && store_unreserve(r->partial->fd, r->size, spans, count))
        log_warning("cannot give space back partial=%s", r->partial->name);
    job->run = given_back_run;
    loop_post(r->download->files->s, job);
}

/* Spans that are written stay. The map of the partial names them, and the next download resumes
 * them. */
void reserve_give_back(struct download *dl)
{
    struct flight_view view;
    bool is_allocated = dl->is_allocated;
    dl->reserved = 0;
    dl->is_allocated = false;
    flight_view(dl->flight, &view);
    if (!is_allocated || !dl->partial || view.size < RESERVE_LEAST_BYTES)
        return;
    struct reservation *r = new_job(dl, view.size, give_back_run);
    if (!r)
        return; /* the next start does it */
    dl->giving_back++;
    lane_post(dl->partial->writer, &r->job);
}
