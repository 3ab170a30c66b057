// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Generations of origins: those of the start, and one more with each reload. What is under way goes
 * on with the origins it began with (flights, sources and pages point into them), so none goes
 * before the end; what begins takes those in force. A flight that nobody reads is left for one that
 * does (leave_parked in downloads.c). A mirror that is the same in the next generation keeps its
 * number in the budget, and with it its health.
 */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

/* The origins in force. Any thread; they stay good, but may not be those of the next call: whoever
 * follows a pointer into them keeps to it. */
const struct origins *mirrors_origins(const struct engine *engine);
/* At start; generations_free after all else. */
int generations_start(struct engine *engine);
/* Adds one that is not in force yet; its mirrors have numbers. On failure nothing changes. Then one
 * of these: it is taken back, or in force from now on. Flight thread. */
int generations_add(struct engine *engine, const struct origins *origins);
void generations_take_back(struct engine *engine);
void generations_use(struct engine *engine);
void generations_free(struct engine *engine);
/* What the transfer thread may reach; NULL-terminated; mirrors_hosts_free it. */
int mirrors_allowed_hosts(const struct engine *engine, char ***ret);
void mirrors_hosts_free(char **hosts);
/* Number of a mirror in the budget, whatever generation the origin is of. Flight thread. */
size_t mirrors_number(const struct engine *engine, const struct origin *origin, unsigned mirror);
/* Whether the generation in force has that mirror. Flight thread. */
bool mirrors_has(const struct engine *engine, size_t number);
unsigned mirrors_of_origin(const struct engine *engine, const struct origin *origin,
                           size_t ret_numbers[]);
/* Whether all of an origin's mirrors are: then a probe is worth the wait when there is nothing. */
bool mirrors_is_backing_off(const struct engine *engine, const struct origin *origin);
/* Names of the mirrors whose bit is set, comma-separated. */
void mirrors_names(const struct origin *origin, unsigned set, char *ret, size_t size);
/* How long a mirror may be silent at least, whatever the configuration says: a parent wheelyard
 * tries its own mirrors before it answers. 0: no longer than that. */
int mirrors_patience_ms(const struct mirror *mirror);
/* The Via value for a transfer begun by a request with `client_via` (or NULL); free() it. */
char *mirrors_via(const struct engine *engine, const char *client_via);
