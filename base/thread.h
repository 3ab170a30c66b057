// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Threads that signals leave alone, and waiting until a time of the monotonic clock (base/clock.h),
 * which nobody sets.
 *
 *     thread_start("flight", flight_main, engine, &engine->thread);
 *
 *     thread_condition_init(&work);               // pthread_cond_destroy as ever
 *     pthread_mutex_lock(&lock);
 *     while (!job && thread_wait_until(&work, &lock, until_ms))
 *         ;                                       // woken, or for no reason: look again
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Runs run(arg) with every signal blocked: they are the main thread's, and no SIGPIPE ends the
 * process. `name`, of which 15 bytes count, is shown by ps and top. 0, or ERROR_NO_MEMORY; the
 * caller joins. */
int thread_start(const char *name, void *(*run)(void *arg), void *arg, pthread_t *ret);

/* A condition whose waits go by the monotonic clock. */
void thread_condition_init(pthread_cond_t *ret);

/* With `lock` held, as for pthread_cond_wait. False once until_ms has come. */
bool thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms);
