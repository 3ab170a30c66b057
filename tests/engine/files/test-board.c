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

#include "engine/files/board.h"
#include "engine/loop/options.h"
#include "engine/mirrors/origins.h"

/* One writer publishes, many readers follow on their own threads as connections do: none misses a
 * wake-up, none sees a byte too many. Run under the thread sanitizer as well. */

enum { READERS = 8, SIZE = 4000, STEP = 7 };

static const struct origin origin = {.name = NULL};

static struct board *new_board(void)
{
    struct board *board;
    assert_int_equal(board_new(&origin, &board), 0);
    return board;
}

/* ------------------------------------------------------------------ readers */

struct reader {
    struct waiter waiter;
    sem_t resumed;
    pthread_t thread;
    struct board *board;
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
    struct board *b = r->board;
    if (b->state == BOARD_CLOSED)
        return true;
    if (r->whole)
        return b->limit > r->at;
    return extents_end(&b->present, r->at) > r->at;
}

/* Follows the board to the end, as read_board does. */
static void *reader_main(void *arg)
{
    struct reader *r = arg;
    while (r->at < SIZE) {
        int64_t n = board_available(r->board, r->at, r->whole);
        if (r->whole && r->at + n > r->board->limit)
            return NULL; /* more than was released */
        r->at += n;
        if (n > 0)
            continue;
        if (r->board->state == BOARD_CLOSED)
            break;
        r->waiter.want = r->at;
        if (waitlist_join(&r->board->waiters, &r->waiter, has_news, r) == WAIT_SUSPENDED)
            sem_wait(&r->resumed);
    }
    r->ok = true;
    return NULL;
}

static void start_readers(struct reader *readers, struct board *board)
{
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){
            .waiter = {.class = &reader_class}, .board = board_ref(board), .whole = i % 2};
        sem_init(&readers[i].resumed, 0, 0);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
    }
}

static void join_readers(struct reader *readers)
{
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        sem_destroy(&readers[i].resumed);
        board_unref(readers[i].board);
    }
}

/* ------------------------------------------------------------------ tests */

static void test_every_reader_gets_to_the_end(void **state)
{
    struct reader readers[READERS];
    struct board *board = new_board();
    (void)state;
    board_know(board, SIZE);
    start_readers(readers, board);
    /* Odd runs first, so that those who follow the front wait for holes to be filled. */
    for (int pass = 1; pass >= 0; pass--)
        for (int64_t at = pass * STEP; at < SIZE; at += 2 * STEP) {
            board_publish(board, at, at + STEP < SIZE ? at + STEP : SIZE);
            if (board->prefix > board->limit)
                board_release(board, board->prefix, SIZE);
        }
    board_release(board, INT64_MAX, SIZE);
    join_readers(readers);
    for (int i = 0; i < READERS; i++) {
        assert_true(readers[i].ok);
        assert_int_equal(readers[i].at, SIZE);
    }
    board_unref(board);
}

static void test_closing_wakes_everybody(void **state)
{
    struct reader readers[READERS];
    struct board *board = new_board();
    (void)state;
    board_know(board, SIZE);
    board_publish(board, 0, 100);
    start_readers(readers, board);
    board_close(board, BOARD_CLOSED, OUTCOME_BROKEN, "aliyun: cut");
    join_readers(readers);
    for (int i = 0; i < READERS; i++) {
        assert_true(readers[i].ok);
        assert_true(readers[i].at <= 100);
    }
    assert_string_equal(board->detail, "aliyun: cut");
    assert_int_equal(board->outcome, OUTCOME_BROKEN);
    board_unref(board);
}

static void test_whole_readers_are_held_back(void **state)
{
    struct board *board = new_board();
    (void)state;
    board_know(board, 1000);
    board_publish(board, 0, 500);
    board_publish(board, 900, 1000);
    assert_int_equal(board_available(board, 0, true), 0);
    assert_int_equal(board_available(board, 0, false), 500);
    assert_int_equal(board_available(board, 500, false), 0);
    assert_int_equal(board_available(board, 950, false), 50);
    board_release(board, 400, 1000);
    assert_int_equal(board_available(board, 100, true), 300);
    assert_int_equal(board_available(board, 400, true), 0);
    board_publish(board, 500, 900);
    board_release(board, INT64_MAX, 1000);
    assert_int_equal(board_available(board, 400, true), 600);
    assert_int_equal(board_available(board, 1000, true), 0);
    board_unref(board);
}

static void test_bytes_ahead_of_the_front_are_bytes_all_the_same(void **state)
{
    struct board *board = new_board();
    (void)state;
    assert_false(board->has_bytes);
    board_publish(board, 900, 1000);
    assert_true(board->has_bytes);
    assert_int_equal(board->prefix, 0);
    board_unref(board);
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
