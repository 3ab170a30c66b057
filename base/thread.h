// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Threads that receive no signals, and waiting until a time of the monotonic clock (base/clock.h),
 * which nobody can set.
 *
 *     thread_start("flight", flight_main, engine, &engine->thread);
 *
 *     thread_condition_init(&work);               // pthread_cond_destroy as usual
 *     pthread_mutex_lock(&lock);
 *     while (!job && thread_wait_until(&work, &lock, until_ms))
 *         ;                                       // woken, or for no reason: look again
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Runs run(arg) with every signal blocked: the main thread receives them, and no SIGPIPE ends the
 * process. ps and top show the first 15 bytes of `name`. 0, or ERROR_NO_MEMORY; the caller joins.
 */
int thread_start(const char *name, void *(*run)(void *arg), void *arg, pthread_t *ret);

/* Makes a condition whose waits use the monotonic clock. */
void thread_condition_init(pthread_cond_t *ret);

/* Waits with `lock` held, like pthread_cond_wait. False at or after until_ms. */
bool thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms);
