// SPDX-License-Identifier: Apache-2.0
/* The watchdog's judgement, on an engine that answers when the test says so, or never. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "server/watchdog.h"

enum { INTERVAL_MS = 400, PERIOD_MS = 100 };

struct engine {
    struct waitlist waiters;
    bool answers_at_once;
    int asked;
};

static bool never(void *arg)
{
    (void)arg;
    return false;
}

int engine_refresh_status(struct engine *engine, struct waiter *waiter)
{
    engine->asked++;
    if (engine->answers_at_once)
        return 0;
    return waitlist_join(&engine->waiters, waiter, never, NULL) == WAIT_SUSPENDED ? ENGINE_WAIT : 0;
}

static void engine_answer(struct engine *engine)
{
    waitlist_wake(&engine->waiters, 0, INT64_MAX);
}

static void setup(struct engine *engine, struct watchdog *watchdog)
{
    *engine = (struct engine){0};
    waitlist_init(&engine->waiters);
    watchdog_init(watchdog, engine, (uint64_t)INTERVAL_MS * 1000);
}

static void teardown(struct engine *engine)
{
    waitlist_close(&engine->waiters);
    waitlist_release(&engine->waiters);
}

static void pings_while_it_is_answered(void **state)
{
    struct engine engine;
    struct watchdog watchdog;
    (void)state;
    setup(&engine, &watchdog);
    int64_t now_ms = 1000;
    assert_false(watchdog_turn(&watchdog, now_ms)); /* nothing has been proved yet */
    for (int i = 0; i < 10; i++) {
        engine_answer(&engine);
        now_ms += watchdog_wait_ms(&watchdog, now_ms);
        assert_true(watchdog_turn(&watchdog, now_ms));
    }
    assert_int_equal(now_ms, 1000 + 10 * PERIOD_MS);
    assert_int_equal(engine.asked, 11);
    teardown(&engine);
}

static void no_ping_from_an_engine_that_hangs(void **state)
{
    struct engine engine;
    struct watchdog watchdog;
    (void)state;
    setup(&engine, &watchdog);
    int64_t now_ms = 0;
    for (int i = 0; i < 20; i++, now_ms += PERIOD_MS)
        assert_false(watchdog_turn(&watchdog, now_ms));
    assert_int_equal(engine.asked, 1); /* questions do not pile up */
    engine_answer(&engine);            /* it was only slow */
    assert_true(watchdog_turn(&watchdog, now_ms));
    teardown(&engine);
}

static void turns_come_no_earlier_than_due(void **state)
{
    struct engine engine;
    struct watchdog watchdog;
    (void)state;
    setup(&engine, &watchdog);
    engine.answers_at_once = true;
    assert_false(watchdog_turn(&watchdog, 5));
    assert_false(watchdog_turn(&watchdog, 5 + PERIOD_MS - 1));
    assert_int_equal(watchdog_wait_ms(&watchdog, 5 + PERIOD_MS - 1), 1);
    assert_true(watchdog_turn(&watchdog, 5 + PERIOD_MS));
    assert_int_equal(watchdog_wait_ms(&watchdog, 5 + 9 * PERIOD_MS), 0);
    teardown(&engine);
}

static void nobody_asks_for_pings(void **state)
{
    struct engine engine;
    struct watchdog watchdog;
    (void)state;
    setup(&engine, &watchdog);
    watchdog_init(&watchdog, &engine, 0);
    assert_int_equal(watchdog_wait_ms(&watchdog, 1), -1);
    assert_false(watchdog_turn(&watchdog, 1));
    assert_int_equal(engine.asked, 0);
    watchdog_init(&watchdog, &engine, 1); /* absurdly often is not never */
    assert_int_equal(watchdog_wait_ms(&watchdog, 0), 0);
    teardown(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_while_it_is_answered),
        cmocka_unit_test(no_ping_from_an_engine_that_hangs),
        cmocka_unit_test(turns_come_no_earlier_than_due),
        cmocka_unit_test(nobody_asks_for_pings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
