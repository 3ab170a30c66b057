// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Generations of origins: one at the start, and one more with each reload. What is under way goes
 * on with the origins it began with: flights, sources and pages point into them. So none is freed
 * before the end. What begins takes those in force. A flight that nobody reads is left to the next
 * reader's generation (leave_parked in engine/files/downloads.c). A mirror that is the same in the
 * next generation keeps its number in the budget, and with it its health.
 */
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

/* The origins in force. Any thread. They stay valid, but the next call may return others: a
 * caller that follows a pointer into them keeps to it. */
const struct origins *mirrors_origins(const struct mirrors *mirrors);
/* Makes services->mirrors with the first generation, the budget and the portal. On failure call
 * mirrors_free. */
int mirrors_new(struct services *services);
void mirrors_free(struct services *services); /* after all rooms */
/* Adds a generation that is not in force yet; its mirrors have numbers. On failure nothing
 * changes. Afterwards either take it back or use it. Flight thread. */
int generations_add(struct mirrors *mirrors, const struct origins *origins);
void generations_take_back(struct mirrors *mirrors);
void generations_use(struct mirrors *mirrors);
/* The hosts that the transfer thread may reach; NULL-terminated; mirrors_hosts_free it. */
int mirrors_allowed_hosts(const struct mirrors *mirrors, char ***ret);
void mirrors_hosts_free(char **hosts);
/* The number of a mirror in the budget, in whichever generation the origin is. Flight thread. */
size_t mirrors_number(const struct mirrors *mirrors, const struct origin *origin, unsigned mirror);
/* Whether the generation in force has that mirror. Flight thread. */
bool mirrors_has(const struct mirrors *mirrors, size_t number);
/* The numbers of all mirrors of an origin; returns how many. */
unsigned mirrors_of_origin(const struct mirrors *mirrors, const struct origin *origin,
                           size_t ret_numbers[]);
/* Whether all mirrors of an origin are backing off: a probe is worth the wait then when there is
 * nothing else. */
bool mirrors_is_backing_off(const struct mirrors *mirrors, const struct origin *origin);
/* Names of the mirrors whose bit is set, comma-separated. */
void mirrors_names(const struct origin *origin, unsigned set, char *ret, size_t size);
/* How long a mirror may be silent at least, whatever the configuration says: a parent wheelyard
 * tries its own mirrors before it answers. 0: the configuration decides. */
int mirrors_patience_ms(const struct mirror *mirror);
/* The Via value for a transfer that a request with `client_via` (or NULL) began; free() it. */
char *mirrors_via(const struct mirrors *mirrors, const char *client_via);
