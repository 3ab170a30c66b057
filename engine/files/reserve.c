// SPDX-License-Identifier: Apache-2.0
#include "engine/files/reserve.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/files/flying.h"

struct reservation {
    struct job job;
    struct flying *flying;
    struct partial *partial;
    int64_t size, keep_free;
    int error;
};

static void release(struct reservation *r)
{
    partial_unref(r->partial);
    flying_unref(r->flying);
    free(r);
}

static struct reservation *new_job(struct flying *fl, int64_t size, void (*run)(struct job *job))
{
    struct reservation *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    *r = (struct reservation){
        .job.run = run, .flying = fl, .partial = partial_ref(fl->partial), .size = size};
    flying_ref(fl);
    return r;
}

/* ------------------------------------------------------------------ taking */

/* What is there to the last byte needs no more room. */
static bool is_whole(const struct flying *fl)
{
    struct flight_view view;
    flight_view(fl->flight, &view);
    return view.size >= 0 && view.prefix >= view.size;
}

static void conclude(struct flying *fl, const struct reservation *r)
{
    if (r->partial != fl->partial) { /* cut meanwhile: the new partial has nothing yet */
        reserve_begin(fl);
    } else if (!r->error) {
        fl->is_allocated = true;
        if (!fl->reserved) /* parked meanwhile */
            reserve_give_back(fl);
    } else if (fl->reserved && !is_whole(fl)) {
        log_info("no room path=%s/%s bytes=%" PRId64 " error=\"%s\"", fl->origin->name, fl->path,
                 r->size, error_text(r->error));
        fl->no_room = error_is_space(r->error);
        flight_on_disk_error(fl->flight, r->error);
        flying_drain(fl);
    }
}

static void reserved_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    r->flying->reserving = false;
    if (!r->flying->over)
        conclude(r->flying, r);
    release(r);
}

static void reserve_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    struct engine *e = r->flying->engine;
    r->error = store_reserve(e->store, r->partial->fd, r->size, r->keep_free);
    job->run = reserved_run;
    core_post(e, job);
}

/* On the writer lane, which must not wait for it: behind what is being given back. */
static void pass_on_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    job->run = reserve_run;
    lane_post(r->partial->cleaner, job);
}

void reserve_begin(struct flying *fl)
{
    if (!fl->reserved || fl->reserving || fl->is_allocated || !fl->partial)
        return;
    if (fl->reserved < RESERVE_LEAST_BYTES) {
        fl->is_allocated = true;
        return;
    }
    struct reservation *r = new_job(fl, fl->reserved, pass_on_run);
    if (!r)
        return; /* its writes find out */
    r->keep_free = fl->engine->options.min_free;
    fl->reserving = true;
    lane_post(fl->partial->writer, &r->job);
}

/* ------------------------------------------------------------------ giving back */

static void given_back_run(struct job *job)
{
    struct reservation *r = container_of(job, struct reservation, job);
    r->flying->giving_back--;
    release(r);
}

/* On the writer lane: no write is under way, and what is written is known. */
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
    core_post(r->flying->engine, job);
}

void reserve_give_back(struct flying *fl)
{
    struct flight_view view;
    bool is_allocated = fl->is_allocated;
    fl->reserved = 0;
    fl->is_allocated = false;
    flight_view(fl->flight, &view);
    if (!is_allocated || !fl->partial || view.size < RESERVE_LEAST_BYTES)
        return;
    struct reservation *r = new_job(fl, view.size, give_back_run);
    if (!r)
        return; /* the next start does it */
    fl->giving_back++;
    lane_post(fl->partial->writer, &r->job);
}
