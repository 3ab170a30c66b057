// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the engine is alive. A ping from a timer would only prove that the timer works. So the
 * watchdog asks the flight thread, which handles every page and download, and pings only after an
 * answer. It asks four times per interval, so that one slow answer does not end the daemon.
 *
 *     watchdog_init(&watchdog, engine, interval_us);        0: never asks
 *     while (wait at most watchdog_wait_ms(&watchdog, now_ms))
 *         if (watchdog_turn(&watchdog, now_ms)) ... ping the manager
 *
 * One thread. It must live until engine_stop, which answers the last question.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct watchdog {
    struct engine *engine;
    struct waiter waiter;
    int64_t period_ms; /* 0: no watchdog */
    int64_t due_ms;    /* of the next turn */
    _Atomic int state; /* enum watchdog_state, private */
};

void watchdog_init(struct watchdog *watchdog, struct engine *engine, uint64_t interval_us);

/* How long until the next turn is due; -1: never. */
int64_t watchdog_wait_ms(const struct watchdog *watchdog, int64_t now_ms);

/* When a turn is due: returns whether the last question was answered, and asks the next one. */
bool watchdog_turn(struct watchdog *watchdog, int64_t now_ms);
