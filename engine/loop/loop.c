// SPDX-License-Identifier: Apache-2.0
/*
 * The flight thread and its inbox.
 *
 *     loop_start: has_thread -> loop_quit: quit -> the inbox is empty: has_thread is false
 *
 * Any thread appends a job under `lock`. The flight thread takes the whole list at once and runs it
 * without the lock, so a job may post further jobs. Between two lists it runs the tick.
 *
 * Only the flight thread clears has_thread, under the lock and with an empty inbox. A job that is
 * posted later runs on the caller's thread. So no job is lost, and releases that come after the end
 * need no special case.
 */
#include "engine/loop/loop.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"

/* After the end the job runs here, outside of the lock: it may post again. */
void loop_post(struct engine *e, struct job *job)
{
    pthread_mutex_lock(&e->lock);
    bool alone = !e->has_thread;
    if (!alone) {
        job->next = NULL;
        *e->last = job;
        e->last = &job->next;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    if (alone)
        job->run(job);
}

/* Takes all jobs in the inbox, in order. Returns NULL when the next tick is due, or at the end. */
static struct job *take_jobs(struct engine *e, int64_t tick_ms)
{
    pthread_mutex_lock(&e->lock);
    while (!e->first && !e->quit && thread_wait_until(&e->work, &e->lock, tick_ms))
        ;
    struct job *list = e->first;
    e->first = NULL;
    e->last = &e->first;
    if (!list && e->quit)
        e->has_thread = false; /* from now on a caller of loop_post runs the job itself */
    pthread_mutex_unlock(&e->lock);
    return list;
}

/* A job may free itself, so its successor is read first. */
static void *flight_thread(void *arg)
{
    struct engine *e = arg;
    int64_t next_ms = clock_monotonic_ms() + TICK_MS;
    while (e->has_thread) {
        struct job *job = take_jobs(e, next_ms), *next;
        for (; job; job = next) {
            next = job->next;
            job->run(job);
        }
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= next_ms) {
            e->events->tick(e, now_ms);
            next_ms = now_ms + TICK_MS;
        }
    }
    return NULL;
}

int loop_start(struct engine *e)
{
    e->has_thread = true; /* the thread reads it first */
    int r = thread_start("flight", flight_thread, e, &e->thread);
    if (r)
        e->has_thread = false;
    return r;
}

struct errand {
    struct job job;
    struct engine *engine;
    void (*run)(struct engine *engine);
};

static void errand_run(struct job *job)
{
    struct errand *errand = container_of(job, struct errand, job);
    errand->run(errand->engine);
    free(errand);
}

bool loop_run(struct engine *e, void (*run)(struct engine *engine))
{
    struct errand *errand = calloc(1, sizeof(*errand));
    if (!errand)
        return false;
    *errand = (struct errand){{errand_run, NULL}, e, run};
    loop_post(e, &errand->job);
    return true;
}

/* The caller sleeps on a semaphore of its own. A signal may end sem_wait early, so it is
 * repeated. */
int loop_call(struct engine *e, void (*run)(struct job *job), const void *argument)
{
    struct call call = {.job.run = run, .engine = e, .argument = argument};
    sem_init(&call.done, 0, 0);
    loop_post(e, &call.job);
    while (sem_wait(&call.done) < 0 && errno == EINTR)
        ;
    sem_destroy(&call.done);
    return call.result;
}

/* Runs as the last job before the thread ends. `quit` is read by take_jobs under the same lock. */
static void quit_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    pthread_mutex_lock(&call->engine->lock);
    call->engine->quit = true;
    pthread_mutex_unlock(&call->engine->lock);
    sem_post(&call->done);
}

void loop_quit(struct engine *e)
{
    (void)loop_call(e, quit_run, NULL);
    (void)pthread_join(e->thread, NULL);
}
