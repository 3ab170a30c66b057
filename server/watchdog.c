// SPDX-License-Identifier: Apache-2.0
/*
 *     IDLE -> ASKED -> ANSWERED -> ASKED ...
 *
 * The flight thread makes the step from ASKED to ANSWERED. The main thread makes it itself when the
 * answer is there at once, and makes all other steps. An unanswered question is not repeated, so a
 * stuck engine gets no ping.
 */
#include "server/watchdog.h"

#include "base/lane.h"

enum watchdog_state { IDLE, ASKED, ANSWERED };
enum { TURNS_PER_INTERVAL = 4 };

static void watchdog_suspend(struct waiter *waiter)
{
    (void)waiter; /* no thread waits */
}

static void watchdog_resume(struct waiter *waiter)
{
    struct watchdog *watchdog = container_of(waiter, struct watchdog, waiter);
    atomic_store(&watchdog->state, ANSWERED);
}

static const struct waiter_class watchdog_class = {
    .suspend = watchdog_suspend,
    .resume = watchdog_resume,
};

/* The first turn is due at once. */
void watchdog_init(struct watchdog *watchdog, struct engine *engine, uint64_t interval_us)
{
    *watchdog = (struct watchdog){.engine = engine, .waiter.class = &watchdog_class};
    watchdog->period_ms = (int64_t)(interval_us / 1000 / TURNS_PER_INTERVAL);
    if (interval_us && !watchdog->period_ms)
        watchdog->period_ms = 1;
}

int64_t watchdog_wait_ms(const struct watchdog *watchdog, int64_t now_ms)
{
    if (!watchdog->period_ms)
        return -1;
    return watchdog->due_ms > now_ms ? watchdog->due_ms - now_ms : 0;
}

static void ask(struct watchdog *watchdog)
{
    atomic_store(&watchdog->state, ASKED);
    if (engine_refresh_status(watchdog->engine, &watchdog->waiter) != ENGINE_WAIT)
        atomic_store(&watchdog->state, ANSWERED);
}

/* A late turn does not catch up; the next one is a full period away. */
bool watchdog_turn(struct watchdog *watchdog, int64_t now_ms)
{
    if (watchdog_wait_ms(watchdog, now_ms) != 0)
        return false;
    watchdog->due_ms = now_ms + watchdog->period_ms;
    int state = atomic_load(&watchdog->state);
    if (state != ASKED)
        ask(watchdog);
    return state == ANSWERED;
}
