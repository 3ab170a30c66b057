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
#include "engine/files/evidence.h"
#include "engine/folders/directory.h"
#include "engine/listings/sources.h"
#include "engine/loop/core.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/slot.h"

/*
 * The flight thread writes a snapshot of everything on every tick; whoever asks for the status
 * copies it.
 */

enum { PROBLEMS_MOST = 64 };

struct problem {
    char kind[32], origin[64], path[512], detail[512];
    int64_t since_s;
};

static struct problem *find_problem(struct engine *e, const char *kind, const char *origin,
                                    const char *path)
{
    struct problem key; /* as long as they are kept */
    str_copy(key.path, sizeof(key.path), path);
    for (unsigned i = 0; i < e->problem_count; i++)
        if (strcmp(e->problems[i].kind, kind) == 0 && strcmp(e->problems[i].path, key.path) == 0 &&
            strcmp(e->problems[i].origin, origin) == 0)
            return &e->problems[i];
    return NULL;
}

void core_problem_over(struct engine *e, const char *kind, const char *origin, const char *path)
{
    struct problem *p = find_problem(e, kind, origin, path);
    if (!p)
        return;
    struct problem *end = e->problems + e->problem_count--;
    memmove(p, p + 1, (size_t)(end - (p + 1)) * sizeof(*p));
}

bool core_problem(struct engine *e, const char *kind, const char *origin, const char *path,
                  const char *format, ...)
{
    if (!e->problems && !(e->problems = calloc(PROBLEMS_MOST, sizeof(*e->problems))))
        return false;
    struct problem *p = find_problem(e, kind, origin, path);
    bool is_new = !p;
    if (is_new) {
        if (e->problem_count < PROBLEMS_MOST)
            e->problem_count++;
        memmove(e->problems + 1, e->problems, (e->problem_count - 1) * sizeof(*e->problems));
        p = e->problems;
        p->since_s = clock_real_s();
    }
    str_copy(p->kind, sizeof(p->kind), kind);
    str_copy(p->origin, sizeof(p->origin), origin);
    str_copy(p->path, sizeof(p->path), path);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(p->detail, sizeof(p->detail), format, args);
    va_end(args);
    return is_new;
}

void problems_free(struct engine *e)
{
    free(e->problems);
}

static void write_problems(struct engine *e, struct buf *to)
{
    json_write_name(to, "problems");
    buf_putc(to, '[');
    for (unsigned i = 0; i < e->problem_count; i++) {
        const struct problem *p = &e->problems[i];
        char since[CLOCK_TEXT];
        clock_rfc3339(p->since_s, since);
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "kind", p->kind);
        json_write_member(to, "origin", p->origin);
        json_write_member(to, "path", p->path);
        json_write_member(to, "detail", p->detail);
        json_write_member(to, "since", since);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

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

static void write_mirror(struct engine *e, const struct origin *origin, unsigned m, struct buf *to)
{
    struct budget_view view;
    struct source_view folder = {.failure = ""};
    budget_view(e->budget, core_mirror(e, origin, m), clock_monotonic_ms(), &view);
    if (origin->directory)
        directory_view(e, origin, &folder);
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", origin->name);
    json_write_member(to, "name", origin->mirrors[m].name);
    json_write_member(to, "state", folder.error ? state_text(MIRROR_OUT) : state_text(view.state));
    json_write_member(to, "last_error", origin->directory ? folder.failure : view.last_error);
    json_write_name(to, "rate_bytes_s");
    buf_printf(to, "%" PRId64 "}", view.rate_bytes_s);
}

static void write_mirrors(struct engine *e, struct buf *to)
{
    json_write_name(to, "mirrors");
    buf_putc(to, '[');
    const struct origins *origins = core_origins(e);
    for (size_t o = 0; o < origins->count; o++)
        for (unsigned m = 0; m < origins->list[o].mirror_count; m++)
            write_mirror(e, &origins->list[o], m, to);
    buf_putc(to, ']');
}

/* Pages ready to be sent, and the listings that pages are made of. */
static void write_memory(struct engine *e, struct buf *to)
{
    json_write_name(to, "memory");
    buf_printf(to,
               "{\"pages\":%zu,\"refusals\":%zu,\"unread\":%zu,\"listings\":%zu,\"most\":%" PRId64
               ",\"used\":%" PRId64 ",\"max\":%" PRId64
               ",\"builds_waiting\":%u,\"builds_dropped\":%" PRIu64 "}",
               e->pages->bytes, e->pages->refused_bytes, e->pages->orphan_bytes, sources_bytes(e),
               e->options.page_memory, e->memory_used, e->options.max_memory,
               turns_waiting(e->pages->builds), e->pages->dropped);
}

void status_tick(struct engine *e)
{
    struct buf fresh;
    buf_init(&fresh, e->status.max);
    buf_putc(&fresh, '{'); /* the writers of members look for an opening */
    files_write_status(e, &fresh);
    evidence_write_status(e, &fresh);
    write_mirrors(e, &fresh);
    write_memory(e, &fresh);
    write_problems(e, &fresh);
    delisted_write_status(e, &fresh);
    dates_write_status(e, &fresh);
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

struct refresh {
    struct job job;
    struct engine *engine;
};

static void refresh_run(struct job *job)
{
    struct refresh *r = container_of(job, struct refresh, job);
    status_tick(r->engine);
    free(r);
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

int engine_refresh_status(struct engine *e, struct waiter *waiter)
{
    struct awaited a = {e, e->status_count};
    struct refresh *r = e->stopping ? NULL : calloc(1, sizeof(*r));
    if (!r)
        return 0;
    *r = (struct refresh){{refresh_run, NULL}, e};
    core_post(e, &r->job);
    waiter->want = 0;
    return waitlist_join(&e->status_waiters, waiter, is_newer, &a) == WAIT_SUSPENDED ? ENGINE_WAIT
                                                                                     : 0;
}

void engine_write_status(struct engine *e, struct buf *to)
{
    pthread_mutex_lock(&e->status_lock);
    if (e->status.len > 1)
        buf_add(to, e->status.data + 1, e->status.len - 1);
    pthread_mutex_unlock(&e->status_lock);
}
