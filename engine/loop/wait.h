// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Waiting without a thread. A caller that cannot go on (a suspended HTTP connection, a test) puts a
 * waiter on a waitlist. The thread that changes the state wakes the list.
 *
 * Safety: under the list's lock `ready` is asked, and the waiter is suspended and linked. It is
 * woken under the same lock. So no wake-up is lost, and each suspend is followed by exactly one
 * resume. The only lock that is ever taken below this one is the HTTP library's. After
 * waitlist_close nobody is suspended any more.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter;

struct waiter_class {
    void (*suspend)(struct waiter *waiter); /* waitlist_join calls it, on the waiter's own thread */
    void (*resume)(struct waiter *waiter); /* on any thread; the waiter may be freed from then on */
    bool (*is_gone)(
        /* whether the client has left; asked while suspended; may be NULL */
        struct waiter *waiter);
};

struct waiter {
    const struct waiter_class *class;
    int64_t want;     /* what it waits for: a position in a file, an id; 0 otherwise */
    int64_t until_ms; /* clock_monotonic_ms at which it is resumed in any case; 0: never */
    bool gone;        /* set before resume when is_gone has said so */
    struct waiter *prev, *next; /* the list's own */
};

struct waitlist {
    pthread_mutex_t lock;
    struct waiter *first;
    bool closed;
};

void waitlist_init(struct waitlist *list);
void waitlist_release(struct waitlist *list); /* the list must be empty */

/* Suspends and links the waiter. When the list is closed or ready(arg) is true already, it does
 * nothing and returns WAIT_READY. */
enum { WAIT_SUSPENDED = 0, WAIT_READY = 1 };
int waitlist_join(struct waitlist *list, struct waiter *waiter, bool (*ready)(void *arg),
                  void *arg);

/* Resumes every waiter whose `want` lies in [from, to). [0, INT64_MAX) means all. */
void waitlist_wake(struct waitlist *list, int64_t from, int64_t to);
/* Whether any waiter is on the list. */
bool waitlist_has_any(struct waitlist *list);
/* Resumes the waiters whose client has left; returns how many. */
unsigned waitlist_sweep(struct waitlist *list);
/* Whether the time of some waiter is over; waitlist_expire resumes all of those. */
bool waitlist_is_due(struct waitlist *list, int64_t now_ms);
void waitlist_expire(struct waitlist *list, int64_t now_ms);
/* Whether the waiter's time is over: then it must not wait again. */
bool waiter_is_late(const struct waiter *waiter);
/* Resumes all waiters, and lets nobody join again. */
void waitlist_close(struct waitlist *list);
