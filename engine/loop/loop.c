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
#include "engine/loop/services.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/loop/services.h"

void loop_init(struct loop *loop)
{
    pthread_mutex_init(&loop->lock, NULL);
    thread_condition_init(&loop->work);
    loop->last = &loop->first;
}

void loop_release(struct loop *loop)
{
    pthread_cond_destroy(&loop->work);
    pthread_mutex_destroy(&loop->lock);
}

/* After the end the job runs here, outside of the lock: it may post again. */
void loop_post(struct services *s, struct job *job)
{
    struct loop *loop = &s->loop;
    pthread_mutex_lock(&loop->lock);
    bool alone = !loop->has_thread;
    if (!alone) {
        job->next = NULL;
        *loop->last = job;
        loop->last = &job->next;
        pthread_cond_signal(&loop->work);
    }
    pthread_mutex_unlock(&loop->lock);
    if (alone)
        job->run(job);
}

/* Takes all jobs in the inbox, in order. Returns NULL when the next tick is due, or at the end. */
static struct job *take_jobs(struct loop *loop, int64_t tick_ms)
{
    pthread_mutex_lock(&loop->lock);
    while (!loop->first && !loop->quit && thread_wait_until(&loop->work, &loop->lock, tick_ms))
        ;
    struct job *list = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    if (!list && loop->quit)
        loop->has_thread = false; /* from now on a caller of loop_post runs the job itself */
    pthread_mutex_unlock(&loop->lock);
    return list;
}

/* A job may free itself, so its successor is read first. */
static void *flight_thread(void *arg)
{
    struct services *s = arg;
    int64_t next_ms = clock_monotonic_ms() + TICK_MS;
    while (s->loop.has_thread) {
        struct job *job = take_jobs(&s->loop, next_ms), *next;
        for (; job; job = next) {
            next = job->next;
            job->run(job);
        }
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= next_ms) {
            s->events->tick(s, now_ms);
            next_ms = now_ms + TICK_MS;
        }
    }
    return NULL;
}

int loop_start(struct services *s)
{
    s->loop.has_thread = true; /* the thread reads it first */
    int r = thread_start("flight", flight_thread, s, &s->loop.thread);
    if (r)
        s->loop.has_thread = false;
    return r;
}

bool loop_runs(const struct services *s)
{
    return s->loop.has_thread;
}

struct errand {
    struct job job;
    void (*run)(void *context);
    void *context;
};

static void errand_run(struct job *job)
{
    struct errand *errand = container_of(job, struct errand, job);
    errand->run(errand->context);
    free(errand);
}

bool loop_run(struct services *s, void (*run)(void *context), void *context)
{
    struct errand *errand = calloc(1, sizeof(*errand));
    if (!errand)
        return false;
    *errand = (struct errand){{errand_run, NULL}, run, context};
    loop_post(s, &errand->job);
    return true;
}

/* The caller sleeps on a semaphore of its own. A signal may end sem_wait early, so it is
 * repeated. */
int loop_call(struct services *s, void (*run)(struct job *job), void *room, const void *argument)
{
    struct call call = {.job.run = run, .room = room, .argument = argument};
    sem_init(&call.done, 0, 0);
    loop_post(s, &call.job);
    while (sem_wait(&call.done) < 0 && errno == EINTR)
        ;
    sem_destroy(&call.done);
    return call.result;
}

/* Runs as the last job before the thread ends. `quit` is read by take_jobs under the same lock. */
static void quit_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct loop *loop = call->room;
    pthread_mutex_lock(&loop->lock);
    loop->quit = true;
    pthread_mutex_unlock(&loop->lock);
    sem_post(&call->done);
}

void loop_quit(struct services *s)
{
    (void)loop_call(s, quit_run, &s->loop, NULL);
    (void)pthread_join(s->loop.thread, NULL);
}
