// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Comparing what is kept with its digest, and the scrub: the same in the background, one blob at a
 * time, the one that was compared longest ago first, at SCRUB_BYTES_S, and only while nothing is
 * fetched. engine_verify and engine_refetch are in engine/files/inventory.h.
 */
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct scrub;

int scrub_new(struct engine *engine, struct scrub **ret);
/* Waits for the blob at hand, which ends early once the engine is stopping. */
void scrub_stop(struct scrub *scrub); /* NULL is legal, as below */
void scrub_free(struct scrub *scrub);
/* A kept file is shorter than it was: away with it, as after a check that failed. Any thread; a job
 * does it. */
void verify_cut_short(struct engine *engine, const char *sha256);
/* Flight thread. */
void scrub_tick(struct engine *engine, int64_t now_ms);
