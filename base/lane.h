// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A lane: a few threads that may block, and a queue of jobs. The disk lanes, the compute lane and
 * the catalogue thread are lanes. With one thread the jobs run strictly in order.
 *
 *     struct my_job { struct job job; ... };      // container_of in my_run
 *     j->job.run = my_run;
 *     lane_post(lane, &j->job);                   // the job owns itself until my_run frees it
 *     lane_stop(lane);                            // runs what is queued, then joins
 *     lane_free(lane);
 *
 * lane_post never blocks and never fails. Any thread may call it, also a job. After lane_stop a
 * posted job runs at once on the caller's thread, because no other thread is left.
 */
#include <stddef.h>

struct lane;

struct job {
    void (*run)(struct job *job);
    struct job *next; /* the lane's */
};

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* `name` (at most 15 bytes) is shown by ps and top. */
int lane_new(const char *name, unsigned threads, struct lane **ret_lane);
void lane_post(struct lane *lane, struct job *job);
void lane_stop(struct lane *lane);
void lane_free(struct lane *lane); /* NULL is legal; stops first if needed */

size_t lane_depth(struct lane *lane); /* jobs that have not ended, running ones as well */
