// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whose bytes were wrong, when several mirrors sent them: the partial with the wrong digest is kept
 * as evidence (its `sent` says who sent what), and when the file has come from one mirror alone and
 * is right, the two are compared. Whose bytes differ is blamed, and nobody else.
 *
 *     compare_keep(flying)            as FLIGHT_CUT says, before the flight lets go of the partial
 *     compare_start(flying, size)     as FLIGHT_COMPARE says; goes on without the flight
 *     compare_forget(flying)          as FLIGHT_PARK and FLIGHT_END say
 *
 * Evidence has no name on the disk any more, only a descriptor: nothing is left of it after a
 * crash. What it takes there counts for max_size until it is closed, and is the first to go when
 * there is no room (engine/space.h). Flight thread; the comparing itself is done on disk lanes.
 */
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct flying;

/* Keeps the flight's partial; what was kept before goes. */
void compare_keep(struct flying *flying);
/* False: nothing was kept. */
bool compare_forget(struct flying *flying);
/* Compares what was kept, if it was, with the flight's partial, of `size` bytes. */
void compare_start(struct flying *flying, int64_t size);
/* What the evidence of all flights takes of the disk. */
int64_t compare_bytes(const struct engine *engine);
