// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/files/progress.h"
#include "engine/loop/options.h"
#include "engine/mirrors/origins.h"

/* One writer publishes, and many readers follow on threads of their own, as connections do. No
 * reader misses a wake-up, and none sees a byte too many. The thread sanitizer runs it also. */

enum { READERS = 8, SIZE = 4000, STEP = 7 };

static const struct origin origin = {.name = NULL};

static struct progress *new_progress(void)
{
    struct progress *progress;
    assert_int_equal(progress_new(&origin, &progress), 0);
    return progress;
}

/* ------------------------------------------------------------------ readers */

struct reader {
    struct waiter waiter;
    sem_t resumed;
    pthread_t thread;
    struct progress *progress;
    bool whole;
    int64_t at;
    bool ok;
};

static void reader_suspend(struct waiter *waiter)
{
    (void)waiter; /* the semaphore is what stops the thread */
}

static void reader_resume(struct waiter *waiter)
{
    sem_post(&((struct reader *)(void *)waiter)->resumed);
}

static const struct waiter_class reader_class = {reader_suspend, reader_resume, NULL};

static bool has_news(void *arg)
{
    struct reader *r = arg;
    struct progress *b = r->progress;
    if (b->state == PROGRESS_CLOSED)
        return true;
    if (r->whole)
        return b->limit > r->at;
    return extents_end(&b->present, r->at) > r->at;
}

/* Follows the progress to the end, as read_progress does. */
static void *reader_main(void *arg)
{
    struct reader *r = arg;
    while (r->at < SIZE) {
        int64_t n = progress_available(r->progress, r->at, r->whole);
        if (r->whole && r->at + n > r->progress->limit)
            return NULL; /* more than was released */
        r->at += n;
        if (n > 0)
            continue;
        if (r->progress->state == PROGRESS_CLOSED)
            break;
        r->waiter.want = r->at;
        if (waitlist_join(&r->progress->waiters, &r->waiter, has_news, r) == WAIT_SUSPENDED)
            sem_wait(&r->resumed);
    }
    r->ok = true;
    return NULL;
}

static void start_readers(struct reader *readers, struct progress *progress)
{
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){
            .waiter = {.class = &reader_class}, .progress = progress_ref(progress), .whole = i % 2};
        sem_init(&readers[i].resumed, 0, 0);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
    }
}

static void join_readers(struct reader *readers)
{
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        sem_destroy(&readers[i].resumed);
        progress_unref(readers[i].progress);
    }
}

/* ------------------------------------------------------------------ tests */

static void test_every_reader_gets_to_the_end(void **state)
{
    struct reader readers[READERS];
    struct progress *progress = new_progress();
    (void)state;
    progress_know(progress, SIZE);
    start_readers(readers, progress);
    /* The odd runs come first, so that readers at the front wait for holes to be filled. */
    for (int passthrough = 1; passthrough >= 0; passthrough--)
        for (int64_t at = passthrough * STEP; at < SIZE; at += 2 * STEP) {
            progress_publish(progress, at, at + STEP < SIZE ? at + STEP : SIZE);
            if (progress->prefix > progress->limit)
                progress_release(progress, progress->prefix, SIZE);
        }
    progress_release(progress, INT64_MAX, SIZE);
    join_readers(readers);
    for (int i = 0; i < READERS; i++) {
        assert_true(readers[i].ok);
        assert_int_equal(readers[i].at, SIZE);
    }
    progress_unref(progress);
}

static void test_closing_wakes_everybody(void **state)
{
    struct reader readers[READERS];
    struct progress *progress = new_progress();
    (void)state;
    progress_know(progress, SIZE);
    progress_publish(progress, 0, 100);
    start_readers(readers, progress);
    progress_close(progress, PROGRESS_CLOSED, OUTCOME_BROKEN, "aliyun: cut");
    join_readers(readers);
    for (int i = 0; i < READERS; i++) {
        assert_true(readers[i].ok);
        assert_true(readers[i].at <= 100);
    }
    assert_string_equal(progress->detail, "aliyun: cut");
    assert_int_equal(progress->outcome, OUTCOME_BROKEN);
    progress_unref(progress);
}

static void test_whole_readers_are_held_back(void **state)
{
    struct progress *progress = new_progress();
    (void)state;
    progress_know(progress, 1000);
    progress_publish(progress, 0, 500);
    progress_publish(progress, 900, 1000);
    assert_int_equal(progress_available(progress, 0, true), 0);
    assert_int_equal(progress_available(progress, 0, false), 500);
    assert_int_equal(progress_available(progress, 500, false), 0);
    assert_int_equal(progress_available(progress, 950, false), 50);
    progress_release(progress, 400, 1000);
    assert_int_equal(progress_available(progress, 100, true), 300);
    assert_int_equal(progress_available(progress, 400, true), 0);
    progress_publish(progress, 500, 900);
    progress_release(progress, INT64_MAX, 1000);
    assert_int_equal(progress_available(progress, 400, true), 600);
    assert_int_equal(progress_available(progress, 1000, true), 0);
    progress_unref(progress);
}

static void test_bytes_ahead_of_the_front_are_bytes_all_the_same(void **state)
{
    struct progress *progress = new_progress();
    (void)state;
    assert_false(progress->has_bytes);
    progress_publish(progress, 900, 1000);
    assert_true(progress->has_bytes);
    assert_int_equal(progress->prefix, 0);
    progress_unref(progress);
}

/* ----------------------------------------------------------------- partial */

struct writer {
    pthread_t thread;
    struct partial *partial;
    int64_t claimed;
};

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct extent run;
    for (int64_t at = 0; at < SIZE; at += STEP)
        while (partial_claim(w->partial, at, at + 3 * STEP, &run))
            w->claimed += run.to - run.from;
    return NULL;
}

/* A flight ends, and leaves its bytes to another: what its transfers bring afterwards would go over
 * what that one writes. */
static void test_a_left_partial_is_not_written(void **state)
{
    struct extent run;
    struct lane *lane;
    struct partial *partial;
    (void)state;
    assert_int_equal(lane_new("test", 1, &lane), 0);
    assert_int_equal(partial_new(-1, strdup("name"), lane, lane, &partial), 0);
    assert_true(partial_claim(partial, 0, STEP, &run));
    partial_leave(partial);
    lane_stop(lane);
    assert_false(partial_claim(partial, STEP, SIZE, &run));
    partial_unref(partial);
    lane_free(lane);
}

static void test_no_byte_is_claimed_twice(void **state)
{
    struct writer writers[4] = {0};
    struct lane *lane;
    struct partial *partial;
    int64_t total = 0;
    int fd = memfd_create("partial", MFD_CLOEXEC);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(lane_new("test", 1, &lane), 0);
    assert_int_equal(partial_new(fd, strdup("name"), lane, lane, &partial), 0);
    for (int i = 0; i < 4; i++) {
        writers[i].partial = partial_ref(partial);
        assert_int_equal(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(writers[i].thread, NULL);
        partial_unref(writers[i].partial);
        total += writers[i].claimed;
    }
    assert_int_equal(total, extents_total(&partial->claimed));
    assert_int_equal(partial->claimed.count, 1);
    partial_unref(partial);
    lane_free(lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reader_gets_to_the_end),
        cmocka_unit_test(test_closing_wakes_everybody),
        cmocka_unit_test(test_whole_readers_are_held_back),
        cmocka_unit_test(test_bytes_ahead_of_the_front_are_bytes_all_the_same),
        cmocka_unit_test(test_no_byte_is_claimed_twice),
        cmocka_unit_test(test_a_left_partial_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
