// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whose turn it is to fetch a page from one mirror. There are `most` places; a turn beyond them
 * waits. A free place goes to the client whose last place was longest ago. So a client with a
 * thousand pages and a client with one page get every other place. A client without any place gets
 * one at once, up to twice `most`: slow pages of others do not hold it up. Turns that no client
 * waits for (client 0) come last. Pure; its owner's thread.
 *
 *     switch (turns_take(turns, &turn, client, most)) ...
 *     turns_end(turns, &turn);                       the place is free, or it waits no longer
 *     while ((next = turns_next(turns, most))) ...   has a place now
 */
#include <stdbool.h>
#include <stdint.h>

struct turns;
struct turn_client;

/* Part of the owner's own struct; zero at first. */
struct turn {
    struct turn *prev, *next;
    struct turn_client *client;
    bool waits, has_place;
};

enum { TURNS_WAITING = 256 }; /* waiting turns of one client */

/* NULL when out of memory. */
struct turns *turns_new(void);
void turns_free(struct turns *turns); /* NULL is legal; no turn may be in it any more */

/* REFUSED: too many turns of the client wait already */
enum { TURN_NOW, TURN_WAITS, TURN_REFUSED };
int turns_take(struct turns *turns, struct turn *turn, uint64_t client, unsigned most);
/* Another client wants the same page: the turn waits for the client that has fewer turns before
 * it. */
void turns_join(struct turns *turns, struct turn *turn, uint64_t client);
/* does nothing when the turn is in no list */
void turns_end(struct turns *turns, struct turn *turn);
struct turn *turns_next(struct turns *turns, unsigned most);
unsigned turns_waiting(const struct turns *turns);
