// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * max_memory: the ceiling of the memory that the process has for itself alone, as the kernel counts
 * it. Mapped files belong to the page cache and do not count. Work that takes much memory at once
 * claims it before it begins: reading a mirror's page, building a page.
 *
 *     switch (memory_take(services, &claim, bytes, lane, job)) ...
 *     MEMORY_TAKEN      the claim holds until memory_give
 *     MEMORY_WAITS      the job is posted to the lane again when there is room, and takes it anew
 *     MEMORY_REFUSED    nothing is claimed, and there is not so much: ERROR_NO_MEMORY
 *     memory_give(services, &claim);
 *
 * A claim fits when four sums together stay below fifteen sixteenths of max_memory: what the
 * process has, what others have claimed, what pages that are being received may still take, and the
 * claim. Claims are served in the order in which they came. Before a claim is refused, pages and
 * listings in memory go. Claims below MEMORY_SMALL_BYTES are not counted: such jobs run two at a
 * time.
 *
 * Any thread, but for memory_tick. A claim lives as long as its owner, and starts as zero.
 */
#include "engine/loop/services.h"

enum { MEMORY_SMALL_BYTES = 256 << 10, MEMORY_RECEIVED_SHARE = 4 };

struct memory_claim {
    size_t bytes; /* 0: nothing is claimed */
    bool has_shrunk, is_called;
    struct lane *lane;
    struct job *job;
    struct memory_claim *next;
};

/* Sets how malloc gives memory back. Once, before any thread starts. */
void memory_prepare(void);
int memory_new(struct services *services, struct memory **ret);
void memory_free(struct memory *memory); /* NULL is legal */

/* Bytes that the process has for itself alone; 0 when the kernel does not say. */
int64_t memory_used(void);
/* The most bytes that all pages that are being received may have together. */
int64_t memory_most_received(const struct services *services);

enum { MEMORY_TAKEN, MEMORY_WAITS, MEMORY_REFUSED };
int memory_take(struct services *services, struct memory_claim *claim, size_t bytes,
                struct lane *lane, struct job *job);
/* Does nothing when nothing was claimed. */
void memory_give(struct services *services, struct memory_claim *claim);

/* Flight thread, with each tick. */
void memory_tick(struct services *services, int64_t now_ms);
