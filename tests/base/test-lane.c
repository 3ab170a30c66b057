// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/lane.h"

enum { JOBS = 1000 };

struct counted {
    struct job job;
    int number;
};

static int order[JOBS];
static _Atomic int ran;
static pthread_barrier_t barrier;

static void count(struct job *job)
{
    struct counted *c = container_of(job, struct counted, job);
    int place = atomic_fetch_add(&ran, 1);
    if (place < JOBS) /* where several threads run more jobs than that, only their number counts */
        order[place] = c->number;
    free(c);
}

static void wait_for_barrier(struct job *job)
{
    (void)pthread_barrier_wait(&barrier);
    free(job);
}

static void wait_twice(struct job *job)
{
    (void)pthread_barrier_wait(&barrier);
    wait_for_barrier(job);
}

static void post(struct lane *lane, void (*run)(struct job *), int number)
{
    struct counted *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    *c = (struct counted){.job.run = run, .number = number};
    lane_post(lane, &c->job);
}

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    ran = 0;
    (void)pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(lane_new("order", 1, &lane), 0);
    post(lane, wait_twice, 0);
    for (int i = 0; i < JOBS; i++)
        post(lane, count, i);
    (void)pthread_barrier_wait(&barrier); /* the first job holds the thread, and counts */
    assert_int_equal(lane_depth(lane), JOBS + 1);
    (void)pthread_barrier_wait(&barrier);
    lane_stop(lane);
    assert_int_equal(ran, JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(lane_depth(lane), 0);
    lane_free(lane);
    (void)pthread_barrier_destroy(&barrier);
}

/* Only passes if two jobs run at one time. */
static void threads_run_side_by_side(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    (void)pthread_barrier_init(&barrier, NULL, 3);
    assert_int_equal(lane_new("a name longer than 15 bytes", 2, &lane), 0);
    post(lane, wait_for_barrier, 0);
    post(lane, wait_for_barrier, 0);
    (void)pthread_barrier_wait(&barrier);
    lane_free(lane);
    (void)pthread_barrier_destroy(&barrier);
}

static struct lane *own_lane;

static void post_another(struct job *job)
{
    struct counted *c = container_of(job, struct counted, job);
    post(own_lane, c->number ? post_another : count, c->number - 1);
    free(c);
}

static void a_job_may_post_while_the_lane_stops(void **state)
{
    (void)state;
    ran = 0;
    assert_int_equal(lane_new("chain", 1, &own_lane), 0);
    post(own_lane, post_another, 100);
    lane_stop(own_lane);
    assert_int_equal(ran, 1);
    lane_stop(own_lane); /* again is harmless */
    post(own_lane, count, 7);
    assert_int_equal(ran, 2); /* at once, on this thread */
    assert_int_equal(order[1], 7);
    lane_free(own_lane);
}

static void *post_many(void *lane)
{
    for (int i = 0; i < JOBS; i++)
        post(lane, count, i);
    return NULL;
}

static void no_job_is_lost(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    pthread_t poster[4];
    ran = 0;
    assert_int_equal(lane_new("many", 2, &lane), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&poster[i], NULL, post_many, lane), 0);
    lane_stop(lane); /* while they post */
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(poster[i], NULL);
    assert_int_equal(ran, 4 * JOBS);
    lane_free(lane);
    lane_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(threads_run_side_by_side),
        cmocka_unit_test(a_job_may_post_while_the_lane_stops),
        cmocka_unit_test(no_job_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
