// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The flight thread and its inbox.
 *
 * The *flight thread* runs every job that was posted with loop_post, in order, and the tick. Only
 * that thread touches what is marked "flight thread" in the engine's headers, so it needs no lock.
 * It never blocks: work that may block is a job on a lane, and the job posts its result back.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "base/lane.h"

enum { TICK_MS = 250 };

struct services;

/* loop.c alone looks into it. */
struct loop {
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards the inbox */
    pthread_cond_t work;
    struct job *first, **last;
    bool quit;
};

void loop_init(struct loop *loop);
/* After loop_quit, or when the thread was never started. */
void loop_release(struct loop *loop);
/* Starts the flight thread: it runs the inbox in order, and a tick every TICK_MS. */
int loop_start(struct services *services);
/* Whether there is a flight thread. Main thread. */
bool loop_runs(const struct services *services);
/* Ends the flight thread when its inbox is empty. */
void loop_quit(struct services *services);
/* Runs the job on the flight thread. Any thread; never blocks. After loop_quit the job runs on
 * the caller's thread, before this returns. */
void loop_post(struct services *services, struct job *job);
/* Runs `run` on the flight thread, when its turn comes. False: out of memory. Any thread. */
bool loop_run(struct services *services, void (*run)(void *context), void *context);
/* Runs `run` on the flight thread and waits until it has called sem_post. Not on the flight
 * thread, which would wait for itself. Returns call.result. */
struct call {
    struct job job;
    void *room; /* whose work it is: the handle of a room */
    const void *argument;
    int result;
    sem_t done; /* `run` posts it */
};
int loop_call(struct services *services, void (*run)(struct job *job), void *room,
              const void *argument);
