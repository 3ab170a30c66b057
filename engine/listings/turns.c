// SPDX-License-Identifier: Apache-2.0
/*
 * Turns at places (the rules are in turns.h).
 *
 *     zero --turns_take--> has a place --turns_end--> zero
 *               +--------> waits --turns_next--> has a place
 *
 * A client is known while one of its turns waits or has a place. Clients with waiting turns stand
 * in a ring; a client goes to its end with each place that it gets, so places go round. Client 0 is
 * the background: it comes after all others.
 */
#include "engine/listings/turns.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

struct turn_client {
    uint64_t id;
    struct turn *first; /* waiting turns, in order */
    unsigned waiting, places;
    bool is_in_ring;
    struct turn_client *prev, *next; /* in the ring */
    UT_hash_handle hh;
};

struct turns {
    struct turn_client *clients;
    struct turn_client *ring;
    unsigned places, waiting;
};

struct turns *turns_new(void)
{
    return calloc(1, sizeof(struct turns));
}

void turns_free(struct turns *t)
{
    struct turn_client *c, *next;
    if (!t)
        return;
    HASH_ITER(hh, t->clients, c, next)
    {
        HASH_DEL(t->clients, c);
        free(c);
    }
    free(t);
}

unsigned turns_waiting(const struct turns *t)
{
    return t->waiting;
}

static struct turn_client *client_get(struct turns *t, uint64_t id)
{
    struct turn_client *c = NULL;
    HASH_FIND(hh, t->clients, &id, sizeof(id), c);
    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->id = id;
    HASH_ADD(hh, t->clients, id, sizeof(c->id), c);
    return c;
}

/* Puts the client into the ring or takes it out, and frees it when it has neither turns nor
 * places. */
static void client_settle(struct turns *t, struct turn_client *c)
{
    if (c->is_in_ring && !c->first) {
        DL_DELETE(t->ring, c);
        c->is_in_ring = false;
    } else if (!c->is_in_ring && c->first) {
        DL_APPEND(t->ring, c);
        c->is_in_ring = true;
    }
    if (c->first || c->places)
        return;
    HASH_DEL(t->clients, c);
    free(c);
}

static void wait_for(struct turns *t, struct turn *turn, struct turn_client *c)
{
    turn->client = c;
    turn->waits = true;
    DL_APPEND(c->first, turn);
    c->waiting++;
    t->waiting++;
    client_settle(t, c);
}

/* The client may be freed by this. */
static void wait_no_more(struct turns *t, struct turn *turn)
{
    struct turn_client *c = turn->client;
    DL_DELETE(c->first, turn);
    turn->waits = false;
    turn->client = NULL;
    c->waiting--;
    t->waiting--;
    client_settle(t, c);
}

static void give_place(struct turns *t, struct turn *turn, struct turn_client *c)
{
    turn->client = c;
    turn->has_place = true;
    c->places++;
    t->places++;
}

/* The background never takes a place beyond `most`. A client without any place may go beyond
 * `most`, up to twice as many. */
static bool may_have(const struct turns *t, const struct turn_client *c, unsigned most)
{
    return t->places < most || (c->id && !c->places && t->places < 2 * most);
}

int turns_take(struct turns *t, struct turn *turn, uint64_t client, unsigned most)
{
    struct turn_client *c = client_get(t, client);
    if (!c)
        return TURN_REFUSED;
    if (c->waiting >= TURNS_WAITING && client)
        return TURN_REFUSED;
    /* a client whose turns wait already must not overtake itself */
    if (!c->first && may_have(t, c, most) && (client || !t->ring)) {
        give_place(t, turn, c);
        return TURN_NOW;
    }
    wait_for(t, turn, c);
    return TURN_WAITS;
}

/* A turn waits for one client only: for the one that has fewer turns before it. */
void turns_join(struct turns *t, struct turn *turn, uint64_t client)
{
    if (!turn->waits || !client || turn->client->id == client)
        return;
    struct turn_client *c = client_get(t, client);
    if (!c)
        return;
    if (turn->client->id && c->waiting >= turn->client->waiting) {
        client_settle(t, c);
        return;
    }
    c->places++; /* keeps it alive: without turns it would be freed */
    wait_no_more(t, turn);
    c->places--;
    wait_for(t, turn, c);
}

/* Also ends a turn that still waits. */
void turns_end(struct turns *t, struct turn *turn)
{
    struct turn_client *c = turn->client;
    if (turn->waits) {
        wait_no_more(t, turn);
    } else if (turn->has_place) {
        turn->has_place = false;
        turn->client = NULL;
        c->places--;
        t->places--;
        client_settle(t, c);
    }
}

/* The first client of the ring that may have a place; the background only when there is none. */
static struct turn_client *next_client(struct turns *t, unsigned most)
{
    struct turn_client *background = NULL;
    for (struct turn_client *c = t->ring; c; c = c->next) {
        if (!c->id)
            background = c;
        else if (may_have(t, c, most))
            return c;
    }
    return background && may_have(t, background, most) ? background : NULL;
}

/* The caller begins the turn's fetch; its place is taken already. */
struct turn *turns_next(struct turns *t, unsigned most)
{
    struct turn_client *c = next_client(t, most);
    if (!c)
        return NULL;
    struct turn *turn = c->first;
    c->places++; /* keeps it alive, as above */
    wait_no_more(t, turn);
    c->places--;
    give_place(t, turn, c);
    if (c->is_in_ring) { /* to the end of the ring */
        DL_DELETE(t->ring, c);
        DL_APPEND(t->ring, c);
    }
    return turn;
}
