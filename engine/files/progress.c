// SPDX-License-Identifier: Apache-2.0
#include "engine/files/progress.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/claims/claim_set.h"
#include "engine/files/saved.h"
#include "engine/loop/options.h"
#include "engine/mirrors/origins.h"

/*
 * A partial lives from the first transfer of a download until the last reference to it ends: those
 * of the download, of its jobs, and of the readers' progress. Then the cleaner lane closes the
 * file.
 *
 * A progress lives OPENING -> KNOWN -> ASK_AGAIN or CLOSED; download.c moves it. Its last two
 * states are final: a download that goes on after them makes a new progress. Each change is made
 * under the lock of `waiters`, and wakes the waiters after it. So a waiter's test and the change
 * cannot cross each other: tests/sim/threads.c tries every order of threads.
 */

static void partial_close(struct job *job)
{
    struct partial *p = container_of(job, struct partial, close);
    if (p->fd >= 0)
        (void)close(p->fd);
    pthread_mutex_destroy(&p->lock);
    extents_release(&p->claimed);
    extents_release(&p->written);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        extents_release(&p->sent[m]);
    saved_release(p->saved);
    free(p->name);
    free(p);
}

/* The name is that of the file in the store; it is needed to commit, to leave or to discard it. */
int partial_new(int fd, char *name, struct lane *writer, struct lane *cleaner, struct partial **ret)
{
    struct partial *p = calloc(1, sizeof(*p));
    if (!p) {
        (void)close(fd);
        free(name);
        return ERROR_NO_MEMORY;
    }
    p->refs = 1;
    p->fd = fd;
    p->name = name;
    p->writer = writer;
    p->cleaner = cleaner;
    p->close.run = partial_close;
    pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

struct partial *partial_ref(struct partial *p)
{
    p->refs++;
    return p;
}

/* Any thread. */
void partial_unref(struct partial *p)
{
    if (p && --p->refs == 0)
        lane_post(p->cleaner, &p->close);
}

/* On the writer lane, so after the writes that were queued before. */
static void leave_run(struct job *job)
{
    struct partial *p = container_of(job, struct partial, leave);
    pthread_mutex_lock(&p->lock);
    p->is_left = true;
    pthread_mutex_unlock(&p->lock);
    partial_unref(p);
}

/* The reference keeps the partial until the writer lane has seen the mark. */
void partial_leave(struct partial *p)
{
    p->leave.run = leave_run;
    lane_post(p->writer, &partial_ref(p)->leave);
}

/* Writers of two transfers may have the same bytes: the first claim decides who writes them. */
bool partial_claim(struct partial *p, int64_t from, int64_t to, struct extent *ret)
{
    struct extent run;
    pthread_mutex_lock(&p->lock);
    bool found = !p->is_left && extents_missing(&p->claimed, from, to, &run) &&
                 extents_add(&p->claimed, run.from, run.to) == 0;
    pthread_mutex_unlock(&p->lock);
    if (found)
        *ret = run;
    return found;
}

int progress_new(const struct origin *origin, struct progress **ret)
{
    struct progress *b = calloc(1, sizeof(*b));
    if (!b)
        return ERROR_NO_MEMORY;
    b->refs = 1;
    b->size = -1;
    b->origin = origin;
    waitlist_init(&b->waiters);
    *ret = b;
    return 0;
}

/* Any thread that holds a reference, or the lock under which the table holds one. */
struct progress *progress_ref(struct progress *b)
{
    b->refs++;
    return b;
}

void progress_unref(struct progress *b)
{
    if (!b || --b->refs > 0)
        return;
    partial_unref(b->partial);
    extents_release(&b->present);
    waitlist_release(&b->waiters);
    claim_set_unref(b->claims);
    free(b);
}

/* Extents may have holes: a reader of a range is woken by its own bytes, wherever the front is. */
void progress_publish(struct progress *b, int64_t from, int64_t to)
{
    pthread_mutex_lock(&b->waiters.lock);
    (void)extents_add(&b->present, from,
                      to); /* out of memory: readers wait for the prefix instead */
    b->prefix = extents_end(&b->present, 0);
    b->has_bytes = b->present.count > 0;
    pthread_mutex_unlock(&b->waiters.lock);
    waitlist_wake(&b->waiters, from, to);
}

/* Wakes whole-file readers that stood at the old limit. */
void progress_release(struct progress *b, int64_t limit, int64_t size)
{
    pthread_mutex_lock(&b->waiters.lock);
    b->size = size;
    b->limit = limit;
    pthread_mutex_unlock(&b->waiters.lock);
    waitlist_wake(&b->waiters, 0, limit);
}

void progress_know(struct progress *b, int64_t size)
{
    pthread_mutex_lock(&b->waiters.lock);
    b->size = size;
    b->state = PROGRESS_KNOWN;
    pthread_mutex_unlock(&b->waiters.lock);
    waitlist_wake(&b->waiters, 0, INT64_MAX);
}

/* Closes the waitlist also: nobody suspends on it any more. */
void progress_close(struct progress *b, enum progress_state state, enum outcome outcome,
                    const char *detail)
{
    pthread_mutex_lock(&b->waiters.lock);
    b->outcome = outcome;
    str_copy(b->detail, sizeof(b->detail), detail);
    b->closed_ms = clock_monotonic_ms();
    b->state = (int)state;
    pthread_mutex_unlock(&b->waiters.lock);
    waitlist_close(&b->waiters);
}

/* A closed progress keeps the reason for which it was closed. */
void progress_note(struct progress *b, unsigned silent, const char *detail)
{
    pthread_mutex_lock(&b->waiters.lock);
    if (b->state != PROGRESS_CLOSED) {
        b->silent = silent;
        str_copy(b->detail, sizeof(b->detail), detail);
    }
    pthread_mutex_unlock(&b->waiters.lock);
}

/* The common case, a reader within the prefix, needs no lock. */
int64_t progress_available(struct progress *b, int64_t offset, bool whole)
{
    int64_t limit = whole ? b->limit : INT64_MAX, end = b->prefix;
    if (whole && limit == INT64_MAX) /* verified */
        return b->size > offset ? b->size - offset : 0;
    if (offset >= end) {
        pthread_mutex_lock(&b->waiters.lock);
        end = extents_end(&b->present, offset);
        pthread_mutex_unlock(&b->waiters.lock);
    }
    if (end > limit)
        end = limit;
    return end > offset ? end - offset : 0;
}
