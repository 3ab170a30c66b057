// SPDX-License-Identifier: Apache-2.0
/*
 * Life of a claim:
 *
 *     zero --memory_take--> taken --memory_give--> zero
 *        | does not fit       ^
 *        +--> in the queue ---+ called: its job is posted to its lane again, and takes it
 *
 * Any thread takes and gives, under `lock`. The first claim of the queue is called when another
 * claim is given back. When it does not fit although nothing is claimed, the flight thread drops
 * pages and listings (shrink_run) and calls it once more. After that the claim is refused.
 *
 * The tick looks at the whole process. Beyond half of max_memory pages and listings go. Beyond five
 * eighths requests for pages that are not in memory are refused, until there is room again.
 */
#include "engine/loop/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

enum {
    TRIM_MS = 1000,
    TRIM_AGAIN_MS = 50,
    EIGHTHS = 8,
    SHRINKS_AT = 4,
    REFUSES_AT = 5,
    ARENAS = 4,
    LARGE_BYTES = 256 << 10, /* malloc gives a block of this size back as soon as it is freed */
};

struct memory {
    struct services *s;
    pthread_mutex_t lock;
    size_t claimed;
    struct memory_claim *queue;
    bool has_called; /* the first claim was called and has not come back yet */
    struct job shrink;
    bool shrinks;
    size_t shrink_bytes;
    int64_t trimmed_ms, shrunk_ms;
};

/* Few arenas and a fixed threshold: else glibc raises the threshold, and large blocks stay in
 * the heap. */
void memory_prepare(void)
{
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

int memory_new(struct services *s, struct memory **ret)
{
    struct memory *m = calloc(1, sizeof(*m));
    if (!m)
        return ERROR_NO_MEMORY;
    m->s = s;
    pthread_mutex_init(&m->lock, NULL);
    *ret = m;
    return 0;
}

void memory_free(struct memory *m)
{
    if (m)
        pthread_mutex_destroy(&m->lock);
    free(m);
}

/* Resident pages without those that are shared with files: mapped blobs belong to the page
 * cache. */
int64_t memory_used(void)
{
    char text[128];
    long long size, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%lld %lld %lld", &size, &resident, &shared) != 3)
        return 0;
    return (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

int64_t memory_most_received(const struct services *s)
{
    return s->options.max_memory / MEMORY_RECEIVED_SHARE;
}

/* ----------------------------------------------------------------- claims */

/* The last sixteenth is for what nobody claims: requests, flights, the rows of the catalogue. */
static int64_t most_used(const struct services *s)
{
    return s->options.max_memory / 16 * 15;
}

/* Pages that are being received grow without a claim, up to memory_most_received. Their growth
 * is counted as if it had happened. */
static bool is_room(const struct memory *m, size_t bytes)
{
    const struct services *s = m->s;
    int64_t most = most_used(s);
    int64_t growth = memory_most_received(s) - s->fetched_bytes;
    int64_t used = memory_used() + (growth > 0 ? growth : 0);
    return s->stopping || (used < most && m->claimed + bytes <= (size_t)(most - used));
}

/* Memory that was freed may still belong to the process. So the heap is trimmed before a claim
 * is turned away, but not more often than every TRIM_AGAIN_MS: each trim walks all arenas. */
static bool fits(struct memory *m, size_t bytes)
{
    int64_t now_ms = clock_monotonic_ms();
    if (is_room(m, bytes))
        return true;
    if (now_ms - m->trimmed_ms < TRIM_AGAIN_MS)
        return false;
    (void)malloc_trim(0);
    m->trimmed_ms = now_ms;
    return is_room(m, bytes);
}

/* Ends the lock, and calls the first claim if that is due. The job is posted after the lock is
 * released: a lane that has stopped runs it at once, on this thread. */
static void unlock_and_call(struct memory *m)
{
    struct memory_claim *c = m->has_called || m->shrinks ? NULL : m->queue;
    if (c) {
        m->has_called = c->is_called = true;
        LL_DELETE(m->queue, c);
    }
    pthread_mutex_unlock(&m->lock);
    if (c)
        lane_post(c->lane, c->job);
}

/* On the flight thread, which owns pages and listings. */
static void shrink_run(struct job *job)
{
    struct memory *m = container_of(job, struct memory, shrink);
    const struct events *events = m->s->events;
    size_t pages = events->page_bytes(m->s);
    events->shrink(m->s, pages > m->shrink_bytes ? pages - m->shrink_bytes : 0);
    (void)malloc_trim(0);
    pthread_mutex_lock(&m->lock);
    m->shrinks = false;
    unlock_and_call(m);
}

/* Nothing is claimed, so nobody will give memory back: only pages and listings can go. True: the
 * caller posts shrink_run. */
static bool shrink(struct memory *m, struct memory_claim *c, size_t bytes)
{
    const struct services *s = m->s;
    /* what pages and listings must give back for the claim to fit */
    int64_t lacking = (int64_t)bytes + memory_used() + memory_most_received(s) - most_used(s);
    if (c->has_shrunk || (int64_t)bytes > most_used(s) - memory_most_received(s))
        return false;
    c->has_shrunk = true;
    m->shrinks = true;
    m->shrink_bytes = lacking > 0 ? (size_t)lacking : 0;
    m->shrink.run = shrink_run;
    return true;
}

/* Decides about one claim. Under the lock. */
static int take(struct memory *m, struct memory_claim *c, size_t bytes)
{
    /* a claim that was called has waited its turn; others line up after the queue */
    bool is_first = c->is_called || (!m->queue && !m->has_called && !m->shrinks);
    if (c->is_called)
        m->has_called = c->is_called = false;
    if (is_first && fits(m, bytes)) {
        c->bytes = bytes;
        c->has_shrunk = false;
        m->claimed += bytes;
        return MEMORY_TAKEN;
    }
    if (is_first && !m->claimed && !shrink(m, c, bytes))
        return MEMORY_REFUSED;
    if (is_first)
        LL_PREPEND(m->queue, c);
    else
        LL_APPEND(m->queue, c);
    return MEMORY_WAITS;
}

int memory_take(struct services *s, struct memory_claim *c, size_t bytes, struct lane *lane,
                struct job *job)
{
    struct memory *m = s->memory;
    if (!c->is_called && bytes < MEMORY_SMALL_BYTES)
        return MEMORY_TAKEN;
    c->lane = lane;
    c->job = job;
    pthread_mutex_lock(&m->lock);
    bool shrank = m->shrinks;
    int r = take(m, c, bytes);
    bool shrinks = m->shrinks && !shrank;
    if (r == MEMORY_WAITS)
        pthread_mutex_unlock(&m->lock); /* a claim that is given back will call it */
    else
        unlock_and_call(m);
    if (shrinks)
        loop_post(s, &m->shrink);
    return r;
}

void memory_give(struct services *s, struct memory_claim *c)
{
    struct memory *m = s->memory;
    if (!c->bytes)
        return;
    pthread_mutex_lock(&m->lock);
    m->claimed -= c->bytes;
    c->bytes = 0;
    unlock_and_call(m);
}

/* ------------------------------------------------------------------- tick */

/* The two thresholds differ, so a process at the edge does not switch with each tick. */
void memory_tick(struct services *s, int64_t now_ms)
{
    int64_t eighth = s->options.max_memory / EIGHTHS, used = memory_used();
    s->memory_used = used;
    if (used > REFUSES_AT * eighth && !s->is_short)
        log_warning("memory is short used=%" PRId64 " max_memory=%" PRId64, used,
                    s->options.max_memory);
    s->is_short = used > (s->is_short ? SHRINKS_AT : REFUSES_AT) * eighth;
    if (used <= SHRINKS_AT * eighth || now_ms - s->memory->shrunk_ms < TRIM_MS)
        return;
    s->events->shrink(s, s->events->page_bytes(s) / 2);
    (void)malloc_trim(0);
    s->memory->shrunk_ms = now_ms;
}
