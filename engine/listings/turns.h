// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whose turn it is to fetch a page from one mirror. There are `most` places; a turn beyond them
 * waits. A place that gets free goes to the client that has waited longest since its last one, so a
 * client with a thousand pages and one with a single page get every other place. A client without
 * any place gets one at once, up to twice `most`, so that slow pages of others do not hold it up.
 * What no client waits for (client 0) comes last. Pure; its owner's thread.
 *
 *     switch (turns_take(turns, &turn, client, most)) ...
 *     turns_end(turns, &turn);                       the place is free, or it waits no longer
 *     while ((next = turns_next(turns, most))) ...   has a place now
 */
#include <stdbool.h>
#include <stdint.h>

struct turns;
struct turn_client;

/* Part of what its owner fetches; zero at first. */
struct turn {
    struct turn *prev, *next;
    struct turn_client *client;
    bool waits, has_place;
};

enum { TURNS_WAITING = 256 }; /* of one client */

/* NULL when out of memory. */
struct turns *turns_new(void);
void turns_free(struct turns *turns); /* NULL is legal; no turn is in it any more */

enum { TURN_NOW, TURN_WAITS, TURN_REFUSED }; /* REFUSED: the client waits for too many already */
int turns_take(struct turns *turns, struct turn *turn, uint64_t client, unsigned most);
/* Another client wants the same: it waits for the one that has fewer before it. */
void turns_join(struct turns *turns, struct turn *turn, uint64_t client);
void turns_end(struct turns *turns, struct turn *turn); /* also of one that is not in it */
struct turn *turns_next(struct turns *turns, unsigned most);
unsigned turns_waiting(const struct turns *turns);
