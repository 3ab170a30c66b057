// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the engine is alive. A ping that a timer sends proves that there is a timer; so a
 * question goes to the flight thread, through which every page and every download passes, and only
 * its answer is worth a ping. Asked four times in the interval, so that one slow answer ends
 * nobody.
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
    int64_t period_ms; /* 0: nobody wants to know */
    int64_t due_ms;    /* of the next turn */
    _Atomic int state; /* enum watchdog_state, private */
};

void watchdog_init(struct watchdog *watchdog, struct engine *engine, uint64_t interval_us);

/* How long until the next turn is due; -1: never. */
int64_t watchdog_wait_ms(const struct watchdog *watchdog, int64_t now_ms);

/* When due: whether the last question was answered; if so, asks the next one. */
bool watchdog_turn(struct watchdog *watchdog, int64_t now_ms);
