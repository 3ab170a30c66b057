// SPDX-License-Identifier: Apache-2.0
/*
 * A new thread inherits the signal mask of its creator. So all signals are blocked around
 * pthread_create: the thread never runs with one open, not even for an instant.
 */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"

enum { NAME_BYTES = 16 }; /* the kernel refuses longer names */

int thread_start(const char *name, void *(*run)(void *arg), void *arg, pthread_t *ret)
{
    sigset_t all, old;
    char kept[NAME_BYTES];
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        return ERROR_NO_MEMORY; /* EAGAIN: a limit on threads, or no memory for a stack */
    (void)snprintf(kept, sizeof(kept), "%s", name);
    (void)pthread_setname_np(thread, kept);
    *ret = thread;
    return 0;
}

void thread_condition_init(pthread_cond_t *ret)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(ret, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms)
{
    const struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(condition, lock, &until) != ETIMEDOUT;
}
