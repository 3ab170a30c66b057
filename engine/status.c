// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/engine_state.h"
#include "engine/files/evidence.h"
#include "engine/files/files.h"
#include "engine/folders/directory.h"
#include "engine/listings/sources.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page_entry.h"
#include "engine/status.h"

/*
 * The snapshot of everything that /-/status shows.
 *
 * The flight thread writes a new snapshot on every tick and swaps it in under status_lock. Any
 * thread copies the last one. A client that wants a fresh one is suspended until status_count has
 * grown; its request posts a job that takes the snapshot at once.
 */

/* The words are part of the JSON contract. */
static const char *state_text(enum mirror_state state)
{
    switch (state) {
    case MIRROR_OK:
        return "ok";
    case MIRROR_SLOW:
        return "slow";
    case MIRROR_BACKING_OFF:
        return "backing-off";
    case MIRROR_OUT:
        return "out";
    }
    return "ok";
}

/* A folder has no entry in the budget that says anything: its own failure is its state. */
static void write_mirror(struct engine *e, const struct origin *origin, unsigned m, struct buf *to)
{
    struct budget_view view;
    struct source_view folder = {.failure = ""};
    budget_view(e->services.budget, mirrors_number(e->services.mirrors, origin, m),
                clock_monotonic_ms(), &view);
    if (origin->directory)
        directory_view(e->folders, origin, &folder);
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", origin->name);
    json_write_member(to, "name", origin->mirrors[m].name);
    json_write_member(to, "state", folder.error ? state_text(MIRROR_OUT) : state_text(view.state));
    json_write_member(to, "last_error", origin->directory ? folder.failure : view.last_error);
    json_write_integer(to, "rate_bytes_s", view.rate_bytes_s);
    json_write_integer(to, "latency_ms", view.latency_ms);
    json_write_integer(to, "answers", view.answers);
    json_write_integer(to, "answer_ms", view.answer_ms);
    json_write_integer(to, "failures", view.failures);
    json_write_integer(to, "bytes", view.bytes);
    buf_putc(to, '}');
}

/* In the configured order, of the generation in force. */
static void write_mirrors(struct engine *e, struct buf *to)
{
    json_write_name(to, "mirrors");
    buf_putc(to, '[');
    const struct origins *origins = mirrors_origins(e->services.mirrors);
    for (size_t o = 0; o < origins->count; o++)
        for (unsigned m = 0; m < origins->list[o].mirror_count; m++)
            write_mirror(e, &origins->list[o], m, to);
    buf_putc(to, ']');
}

/* Built pages, and the listings that pages are made of. */
static void write_memory(struct engine *e, struct buf *to)
{
    json_write_name(to, "memory");
    buf_printf(to,
               "{\"pages\":%zu,\"refusals\":%zu,\"unread\":%zu,\"listings\":%zu,\"most\":%" PRId64
               ",\"used\":%" PRId64 ",\"max\":%" PRId64
               ",\"builds_waiting\":%u,\"builds_dropped\":%" PRIu64 "}",
               e->pages->bytes, e->pages->refused_bytes, e->pages->orphan_bytes,
               sources_bytes(e->listings), e->services.options.page_memory, e->services.memory_used,
               e->services.options.max_memory, turns_waiting(e->pages->builds), e->pages->dropped);
}

/* Jobs that have not ended. */
static void write_lanes(const struct services *s, struct buf *to)
{
    size_t writing = 0;
    for (unsigned i = 0; i < WRITER_LANES; i++)
        writing += lane_depth(s->writers[i]);
    json_write_name(to, "lanes");
    buf_putc(to, '{');
    json_write_integer(to, "read", (int64_t)lane_depth(s->reader));
    json_write_integer(to, "write", (int64_t)writing);
    json_write_integer(to, "clean", (int64_t)lane_depth(s->cleaner));
    json_write_integer(to, "compute", (int64_t)lane_depth(s->compute));
    json_write_integer(to, "catalogue", (int64_t)lane_depth(s->catalogue_lane));
    buf_putc(to, '}');
}

/* Without memory the last snapshot stays. */
void status_tick(struct engine *e)
{
    struct buf fresh;
    buf_init(&fresh, e->status.max);
    buf_putc(&fresh, '{'); /* the writers of members look for an opening brace */
    files_write_status(e->files, &fresh);
    evidence_write_status(e->files, &fresh);
    write_mirrors(e, &fresh);
    write_memory(e, &fresh);
    write_lanes(&e->services, &fresh);
    counters_write(&e->services, &fresh);
    problems_write(&e->services, &fresh);
    delisted_write_status(e->pages, &fresh);
    dates_write_status(e->pages, &fresh);
    if (fresh.error) {
        buf_release(&fresh);
        return;
    }
    pthread_mutex_lock(&e->status_lock);
    struct buf old = e->status;
    e->status = fresh;
    pthread_mutex_unlock(&e->status_lock);
    buf_release(&old);
    e->status_count++;
    waitlist_wake(&e->status_waiters, 0, INT64_MAX);
}

struct awaited {
    struct engine *engine;
    uint64_t count;
};

static bool is_newer(void *arg)
{
    struct awaited *a = arg;
    return a->engine->status_count != a->count;
}

static void status_run(void *context)
{
    status_tick(context);
}

/* The count is read before the job is posted: a snapshot that comes at once counts as newer. */
int engine_refresh_status(struct engine *e, struct waiter *waiter)
{
    struct awaited a = {e, e->status_count};
    if (e->services.stopping || !loop_run(&e->services, status_run, e))
        return 0;
    waiter->want = 0;
    return waitlist_join(&e->status_waiters, waiter, is_newer, &a) == WAIT_SUSPENDED ? ENGINE_WAIT
                                                                                     : 0;
}

bool engine_is_offline(const struct engine *e)
{
    return e->services.options.offline;
}

/* Leaves out the opening brace: the caller has its own. */
void engine_write_status(struct engine *e, struct buf *to)
{
    pthread_mutex_lock(&e->status_lock);
    if (e->status.len > 1)
        buf_add(to, e->status.data + 1, e->status.len - 1);
    pthread_mutex_unlock(&e->status_lock);
}
