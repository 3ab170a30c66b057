// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

struct seen {
    pthread_barrier_t named;
    sigset_t blocked;
};

static void *look_around(void *arg)
{
    struct seen *seen = arg;
    (void)pthread_barrier_wait(&seen->named);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
    return NULL;
}

static void signals_are_left_to_others(void **state)
{
    (void)state;
    struct seen seen;
    pthread_t thread;
    sigset_t before, after;
    char name[16];
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
    (void)pthread_barrier_init(&seen.named, NULL, 2);
    assert_int_equal(thread_start("a name longer than 15 bytes", look_around, &seen, &thread), 0);
    assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
    (void)pthread_barrier_wait(&seen.named);
    (void)pthread_join(thread, NULL);
    (void)pthread_barrier_destroy(&seen.named);
    assert_string_equal(name, "a name longer t");
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    for (int signal = SIGHUP; signal <= SIGTERM; signal++) {
        assert_int_equal(sigismember(&seen.blocked, signal), signal != SIGKILL);
        assert_int_equal(sigismember(&after, signal), sigismember(&before, signal));
    }
}

/* A stack that no address space holds. */
static void a_thread_that_cannot_be(void **state)
{
    (void)state;
    pthread_attr_t before, huge;
    pthread_t thread;
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 50), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    int r = thread_start("huge", look_around, NULL, &thread);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    (void)pthread_attr_destroy(&huge);
    (void)pthread_attr_destroy(&before);
    assert_int_equal(r, ERROR_NO_MEMORY);
}

struct door {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool is_open;
};

static void *open_door(void *arg)
{
    struct door *door = arg;
    pthread_mutex_lock(&door->lock);
    door->is_open = true;
    pthread_cond_signal(&door->change);
    pthread_mutex_unlock(&door->lock);
    return NULL;
}

/* By the clock on the wall a minute of ours from now was long ago. */
static void waits_go_by_the_monotonic_clock(void **state)
{
    (void)state;
    struct door door = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    thread_condition_init(&door.change);
    pthread_mutex_lock(&door.lock);
    assert_false(thread_wait_until(&door.change, &door.lock, clock_monotonic_ms()));
    assert_int_equal(thread_start("opens", open_door, &door, &thread), 0);
    while (!door.is_open)
        assert_true(thread_wait_until(&door.change, &door.lock, clock_monotonic_ms() + 60000));
    pthread_mutex_unlock(&door.lock);
    (void)pthread_join(thread, NULL);
    pthread_cond_destroy(&door.change);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_left_to_others),
        cmocka_unit_test(a_thread_that_cannot_be),
        cmocka_unit_test(waits_go_by_the_monotonic_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
