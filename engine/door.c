// SPDX-License-Identifier: Apache-2.0
/* Calls of engine.h that one room answers. */
#include "engine/engine.h"
#include "engine/engine_state.h"
#include "engine/files/claim_answer.h"
#include "engine/files/inventory.h"
#include "engine/listings/channels.h"
#include "engine/loop/problems.h"

int engine_page(struct engine *e, const struct page_query *query, struct waiter *waiter,
                bool waited, struct page **ret_page, enum page_state *ret_state)
{
    return pages_open(e->pages, query, waiter, waited, ret_page, ret_state);
}

struct page *engine_peek(struct engine *e, const char *origin, const char *path)
{
    return pages_peek(e->pages, origin, path);
}

void engine_say_indexes(struct engine *e, const char *typed, struct buf *to)
{
    channels_say(e->listings, typed, to);
}

int engine_ask_roots(struct engine *e, struct waiter *waiter)
{
    return channel_roots_ask(e->listings, waiter);
}

void engine_write_channels(struct engine *e, struct buf *to)
{
    channels_write(e->listings, to);
}

int engine_claims(struct engine *e, const char *origin, const char *path, struct claim_answer **ret)
{
    return claim_answer_new(e->files, origin, path, ret);
}

struct files *engine_files(struct engine *e)
{
    return e->files;
}

struct noted_problem {
    const char *kind, *path, *why;
};

static void note_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct engine *e = call->room;
    const struct noted_problem *p = call->argument;
    if (p->why)
        (void)problems_note(&e->services, p->kind, "", p->path, "%s", p->why);
    else
        problems_over(&e->services, p->kind, "", p->path);
    sem_post(&call->done);
}

void engine_note_problem(struct engine *e, const char *kind, const char *path, const char *why)
{
    const struct noted_problem problem = {kind, path, why};
    (void)loop_call(&e->services, note_run, e, &problem);
}

void engine_standing(struct engine *e, const char *origin, const char *path,
                     struct file_standing *ret)
{
    inventory_standing(e->files, origin, path, ret);
}
