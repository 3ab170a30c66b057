// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Compares kept blobs with their digests. The scrub does it in the background: one blob at a time,
 * the one first that was compared longest ago, at SCRUB_BYTES_S, and only while nothing is fetched.
 * inventory_verify and inventory_refetch (engine/files/inventory.h) do it when a person asks.
 */
#include <stdbool.h>
#include <stdint.h>

struct files;
struct scrub;

int scrub_new(struct files *files, struct scrub **ret);
/* Waits for the current blob, whose comparison ends early when the engine is stopping. */
void scrub_stop(struct scrub *scrub); /* NULL is legal, as below */
void scrub_free(struct scrub *scrub);
/* A client found a kept file shorter than it was: takes it away, as after a failed comparison. Any
 * thread; a job does it. */
void verify_cut_short(struct files *files, const char *sha256);
/* Flight thread. */
void scrub_tick(struct files *files, int64_t now_ms);
