// SPDX-License-Identifier: Apache-2.0
/*
 * Waitlists. The life of a waiter:
 *
 *     free --waitlist_join: not ready--> suspended, linked --wake, expire, sweep, close--> resumed
 *
 * One lock per list covers three steps: asking `ready`, suspending, and linking. A thread that
 * changes the state afterwards takes the same lock to wake, so it finds the waiter. Unlinking comes
 * before `resume`, so nobody resumes a waiter twice. A closed list lets nobody suspend again.
 *
 * The list is doubly linked and has no order: a wake-up walks all of it. Lists are short, because a
 * page or a file has its own.
 */
#include "engine/loop/wait.h"

#include <stddef.h>
#include <utlist.h>

#include "base/clock.h"

void waitlist_init(struct waitlist *list)
{
    *list = (struct waitlist){0};
    pthread_mutex_init(&list->lock, NULL);
}

void waitlist_release(struct waitlist *list)
{
    pthread_mutex_destroy(&list->lock);
}

/* `ready` is asked under the lock: a change after it finds the waiter on the list. */
int waitlist_join(struct waitlist *list, struct waiter *waiter, bool (*ready)(void *arg), void *arg)
{
    int r = WAIT_READY;
    pthread_mutex_lock(&list->lock);
    if (!list->closed && !ready(arg)) {
        waiter->gone = false;
        waiter->class->suspend(waiter);
        DL_PREPEND(list->first, waiter);
        r = WAIT_SUSPENDED;
    }
    pthread_mutex_unlock(&list->lock);
    return r;
}

/* After `resume` another thread may free the waiter: it is unlinked first, and not touched
 * again. */
static void wake_one(struct waitlist *list, struct waiter *waiter)
{
    DL_DELETE(list->first, waiter);
    waiter->class->resume(waiter);
}

/* The next pointer is read before the waiter is resumed, as in each loop below. */
void waitlist_wake(struct waitlist *list, int64_t from, int64_t to)
{
    pthread_mutex_lock(&list->lock);
    for (struct waiter *w = list->first, *next; w; w = next) {
        next = w->next;
        if (w->want >= from && w->want < to)
            wake_one(list, w);
    }
    pthread_mutex_unlock(&list->lock);
}

bool waitlist_has_any(struct waitlist *list)
{
    pthread_mutex_lock(&list->lock);
    bool any = list->first;
    pthread_mutex_unlock(&list->lock);
    return any;
}

/* The client's side of a connection may have closed while it was suspended; only the class can
 * tell. */
unsigned waitlist_sweep(struct waitlist *list)
{
    unsigned count = 0;
    pthread_mutex_lock(&list->lock);
    for (struct waiter *w = list->first, *next; w; w = next) {
        next = w->next;
        if (w->class->is_gone && w->class->is_gone(w)) {
            w->gone = true;
            wake_one(list, w);
            count++;
        }
    }
    pthread_mutex_unlock(&list->lock);
    return count;
}

static bool is_over(const struct waiter *waiter, int64_t now_ms)
{
    return waiter->until_ms && now_ms >= waiter->until_ms;
}

bool waitlist_is_due(struct waitlist *list, int64_t now_ms)
{
    bool is_due = false;
    pthread_mutex_lock(&list->lock);
    for (const struct waiter *w = list->first; w && !is_due; w = w->next)
        is_due = is_over(w, now_ms);
    pthread_mutex_unlock(&list->lock);
    return is_due;
}

void waitlist_expire(struct waitlist *list, int64_t now_ms)
{
    pthread_mutex_lock(&list->lock);
    for (struct waiter *w = list->first, *next; w; w = next) {
        next = w->next;
        if (is_over(w, now_ms))
            wake_one(list, w);
    }
    pthread_mutex_unlock(&list->lock);
}

bool waiter_is_late(const struct waiter *waiter)
{
    return is_over(waiter, clock_monotonic_ms());
}

/* The list stays closed: a late join returns WAIT_READY, and its caller sees that the engine
 * stops. */
void waitlist_close(struct waitlist *list)
{
    pthread_mutex_lock(&list->lock);
    list->closed = true;
    while (list->first)
        wake_one(list, list->first);
    pthread_mutex_unlock(&list->lock);
}
