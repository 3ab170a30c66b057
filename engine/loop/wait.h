// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Waiting without a thread. Whoever cannot go on (a suspended HTTP connection, a test) hangs a
 * waiter on a waitlist; whoever changes the state the waiter looked at wakes the list.
 *
 * Safety: `ready` is asked, the waiter suspended and linked under the list's lock, and woken under
 * it too, so no wake-up is lost and none comes twice: each suspend is followed by exactly one
 * resume. The only lock ever taken below this one is the HTTP library's. After waitlist_close
 * nobody is suspended any more.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter;

struct waiter_class {
    void (*suspend)(struct waiter *waiter); /* by waitlist_join, on the waiter's own thread */
    void (*resume)(struct waiter *waiter); /* on any thread; the waiter may be freed from then on */
    bool (*is_gone)(
        struct waiter *waiter); /* the client has left; asked while suspended; may be NULL */
};

struct waiter {
    const struct waiter_class *class;
    int64_t want;     /* what it waits for: a position in a file; 0 otherwise */
    int64_t until_ms; /* clock_monotonic_ms by which it is resumed in any case; 0: never */
    bool gone;        /* set before resume when is_gone said so */
    struct waiter *prev, *next; /* the list's */
};

struct waitlist {
    pthread_mutex_t lock;
    struct waiter *first;
    bool closed;
};

void waitlist_init(struct waitlist *list);
void waitlist_release(struct waitlist *list); /* must be empty */

/* Suspends and links the waiter, unless the list is closed or ready(arg) is already true: then
 * returns WAIT_READY and does nothing. */
enum { WAIT_SUSPENDED = 0, WAIT_READY = 1 };
int waitlist_join(struct waitlist *list, struct waiter *waiter, bool (*ready)(void *arg),
                  void *arg);

/* Resumes every waiter whose `want` lies in [from, to); [0, INT64_MAX) is everybody. */
void waitlist_wake(struct waitlist *list, int64_t from, int64_t to);
/* Whether anybody waits. */
bool waitlist_has_any(struct waitlist *list);
/* Resumes those whose client has left; returns how many. */
unsigned waitlist_sweep(struct waitlist *list);
/* Whether there is one whose time is over, and to resume all of those. */
bool waitlist_is_due(struct waitlist *list, int64_t now_ms);
void waitlist_expire(struct waitlist *list, int64_t now_ms);
/* Whether the waiter's time is over: then it must not wait again. */
bool waiter_is_late(const struct waiter *waiter);
/* Resumes all, and lets nobody join again. */
void waitlist_close(struct waitlist *list);
