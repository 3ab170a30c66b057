// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * max_memory: the ceiling of what the process has for itself alone, as the kernel says it; files
 * that are mapped belong to the page cache. What takes much of it at once, which is to read pages
 * and to build them, claims it before it begins:
 *
 *     switch (memory_take(e, &claim, bytes, lane, job)) ...
 *     MEMORY_TAKEN      it is ours
 *     MEMORY_WAITS      others have it: the job is posted to the lane again when they are done, and
 *                       asks anew
 *     MEMORY_REFUSED    nobody has it, and there is not so much: ERROR_NO_MEMORY
 *     memory_give(e, &claim);
 *
 * A claim fits when what the process has now, what others have claimed, what pages that are being
 * received may still grow to, and the claim are together less than fifteen sixteenths of
 * max_memory. Claims are served in the order in which they came. Before one is refused pages and
 * listings that are kept go. Claims of less than MEMORY_SMALL_BYTES are not counted: what makes
 * them runs two at a time.
 *
 * Any thread, but for memory_tick. A claim has its owner's lifetime, and is zero at first.
 */
#include "engine/loop/loop.h"

enum { MEMORY_SMALL_BYTES = 256 << 10, MEMORY_RECEIVED_SHARE = 4 };

struct memory_claim {
    size_t bytes; /* 0: nothing is taken */
    bool has_shrunk, is_called;
    struct lane *lane;
    struct job *job;
    struct memory_claim *next;
};

/* How malloc gives memory back. Once, before threads. */
void memory_prepare(void);
int memory_new(struct engine *engine, struct memory **ret);
void memory_free(struct memory *memory); /* NULL is legal */

/* Bytes that the process has for itself alone; 0 when the kernel does not say. */
int64_t memory_used(void);
/* How many bytes of pages may be on their way. */
int64_t memory_most_received(const struct engine *engine);

enum { MEMORY_TAKEN, MEMORY_WAITS, MEMORY_REFUSED };
int memory_take(struct engine *engine, struct memory_claim *claim, size_t bytes, struct lane *lane,
                struct job *job);
/* Nothing, when nothing was taken. */
void memory_give(struct engine *engine, struct memory_claim *claim);

/* Flight thread, with each tick. */
void memory_tick(struct engine *engine, int64_t now_ms);
