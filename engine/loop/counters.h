// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Counters: what the daemon has counted since it started, and since the cache was first used. The
 * second sum lives in the catalogue: it is read at start, and written once a minute while it
 * changes, and at stop. A kill loses less than a minute of it.
 *
 *     counters_load(services)                        at start, before there are threads
 *     counters_add(&services->counters, COUNT_HITS, 1)  any thread, one relaxed addition
 *     counters_tick(services, now_ms), counters_keep(services)
 *
 * Bytes are bytes of files, without pages, unless the name of the counter says otherwise.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

struct services;

enum count {
    COUNT_HITS,              /* requests that got bytes of a file that was held */
    COUNT_MISSES,            /* requests that got bytes of a file that was not */
    COUNT_HIT_BYTES,         /* bytes of files that were held */
    COUNT_SENT_BYTES,        /* all bytes of files */
    COUNT_FETCHED_BYTES,     /* from mirrors: files and pages */
    COUNT_EVICTIONS,         /* files that went for want of room */
    COUNT_EVICTED_BYTES,     /* what they took of the disk */
    COUNT_EVICTED_IDLE_S,    /* seconds since their last use, summed */
    COUNT_REFETCHES,         /* files that were fetched again after such an eviction */
    COUNT_REFETCHED_BYTES,   /* the sizes of those files, summed */
    COUNT_DIGEST_FAILURES,   /* bytes from a mirror that were not the claimed ones */
    COUNT_UNSOUND_FILES,     /* bytes from a mirror that were no sound file */
    COUNT_EVIDENCE_FAILURES, /* held files whose own RECORD, or whose disk, contradicts them */
    COUNTS
};

struct counters {
    _Atomic int64_t counted[COUNTS]; /* since the start */
    int64_t before[COUNTS];          /* by earlier starts; constant after counters_load */
    int64_t since_s;                 /* when the first start began to count */
    int64_t kept_ms, kept_sum;       /* flight thread: the last write, and what it wrote */
};

static inline void counters_add(struct counters *counters, enum count count, int64_t n)
{
    atomic_fetch_add_explicit(&counters->counted[count], n, memory_order_relaxed);
}

int counters_load(struct services *services);
/* Flight thread. */
void counters_tick(struct services *services, int64_t now_ms);
/* Writes the sums now, on the catalogue lane. Any thread. */
void counters_keep(struct services *services);
/* Appends the member "saved". */
void counters_write(struct services *services, struct buf *to);
