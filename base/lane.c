// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a job: the caller fills it and posts it; one of the lane's threads takes it from the
 * front and runs it. From the post on the job belongs to its run function, which may free it, so
 * the lane never touches it afterwards.
 *
 * The life of a lane: running, stopping (the queue is emptied, then the threads end), joined (posts
 * run on the caller's thread). A stop never drops a job: jobs hold memory, descriptors and promises
 * to waiters.
 */
#include "base/lane.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/thread.h"

/* `last` points to the link that the next job goes into. */
struct lane {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first;
    struct job **last;
    size_t depth;
    bool stopping;
    bool joined;
    unsigned threads;
    pthread_t thread[];
};

/* Waits for the next job; NULL when none will come. `done`: the caller has just run one. */
static struct job *lane_next(struct lane *lane, bool done)
{
    pthread_mutex_lock(&lane->lock);
    lane->depth -= done;
    while (!lane->first && !lane->stopping)
        pthread_cond_wait(&lane->work, &lane->lock);
    struct job *job = lane->first;
    if (job) {
        lane->first = job->next;
        if (!lane->first)
            lane->last = &lane->first;
    }
    pthread_mutex_unlock(&lane->lock);
    return job;
}

/* The count of a finished job is given back together with the next wait: one lock, not two. */
static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct job *job;

    for (bool done = false; (job = lane_next(lane, done)); done = true)
        job->run(job);
    return NULL;
}

/* On failure the threads that were started are stopped again by lane_free. */
int lane_new(const char *name, unsigned threads, struct lane **ret_lane)
{
    struct lane *lane = calloc(1, sizeof(*lane) + threads * sizeof(lane->thread[0]));
    if (!lane)
        return ERROR_NO_MEMORY;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->work, NULL);
    lane->last = &lane->first;
    for (; lane->threads < threads; lane->threads++) {
        int r = thread_start(name, lane_main, lane, &lane->thread[lane->threads]);
        if (r) {
            lane_free(lane);
            return r;
        }
    }
    *ret_lane = lane;
    return 0;
}

/* The lock is held only to append, so a post is safe on threads that must not block. */
void lane_post(struct lane *lane, struct job *job)
{
    pthread_mutex_lock(&lane->lock);
    bool joined = lane->joined;
    if (!joined) {
        job->next = NULL;
        *lane->last = job;
        lane->last = &job->next;
        lane->depth++;
        pthread_cond_signal(&lane->work);
    }
    pthread_mutex_unlock(&lane->lock);
    if (joined)
        job->run(job);
}

/* A snapshot: of several lanes a caller picks the one with the fewest jobs. */
size_t lane_depth(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    size_t depth = lane->depth;
    pthread_mutex_unlock(&lane->lock);
    return depth;
}

/* May be called twice; the second call finds the threads joined. */
void lane_stop(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    bool again = lane->stopping;
    lane->stopping = true;
    pthread_cond_broadcast(&lane->work);
    pthread_mutex_unlock(&lane->lock);
    if (again)
        return;
    for (unsigned i = 0; i < lane->threads; i++)
        (void)pthread_join(lane->thread[i], NULL);

    /* No thread is left for a job that was posted while the last one was ending. */
    pthread_mutex_lock(&lane->lock);
    lane->joined = true;
    struct job *left = lane->first;
    lane->first = NULL;
    lane->last = &lane->first;
    lane->depth = 0;
    pthread_mutex_unlock(&lane->lock);
    while (left) {
        struct job *job = left;
        left = job->next;
        job->run(job);
    }
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    lane_stop(lane);
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}
