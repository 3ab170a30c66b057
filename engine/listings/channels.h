// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which channels exist. A pattern of the configuration ("cu*") allows more names than any mirror
 * has. So a name counts as a channel once a mirror has listed something in it; the catalogue
 * remembers that. An unknown name is probed at every mirror: its project list, and the page of a
 * project that its origin owns. When all mirrors say 404 the channel is missing for a while. When a
 * mirror fails or is silent, nobody can say, and requests go on as if the channel existed.
 *
 *     r = channels_look(listings, origin, "cuda126", waiter, &state);         any thread
 *     if (r == ENGINE_WAIT) ... suspended for a few seconds at most; ask again
 *     if (state == CHANNEL_MISSING) ... channels_say
 *
 * The waitlist's lock guards the table. Any thread adds names; the flight thread alone changes
 * channels.
 */
#include "engine/listings/listings.h"
#include "engine/mirrors/origins.h"

struct channel_roots;
struct channels;

enum channel_state { CHANNEL_UNKNOWN, CHANNEL_THERE, CHANNEL_MISSING };

/* 0: *ret is what is known now. ENGINE_WAIT. */
int channels_look(struct listings *listings, const struct origin *origin, const char *channel,
                  struct waiter *waiter, enum channel_state *ret);

/*
 * channel_roots.c: the root page of a mirror, its `index` before {channel}, names folders. Those
 * that a pattern allows are shown as channels also, until a probe finds nothing in them. Root pages
 * are read when a client wants to see which channels exist. They say nothing about a mirror's
 * health. The root of a mirror with simple indexes lists projects, so its names with a dash are not
 * taken.
 */

/* The rest is for the flight thread. A mirror lists something in that channel. */
void channels_listed(struct listings *listings, const struct origin *origin, const char *channel);
/* A mirror's root page names that channel. */
void channels_named(struct listings *listings, const struct origin *origin, const char *channel);
void channels_check(struct listings *listings); /* a source has settled */
/* a source has settled, and on the tick */
void channel_roots_check(struct listings *listings, int64_t now_ms);
void channels_tick(struct listings *listings, int64_t now_ms);
void channels_stop(struct listings *listings);
void channel_roots_stop(struct listings *listings);

/* ---- for the owner of the room */
/* reads the rows of the catalogue */
int channels_new(struct services *services, struct channels **ret);
void channels_free(struct channels *channels);
int channel_roots_new(struct channel_roots **ret);
void channel_roots_free(struct channel_roots *roots); /* NULL is legal */

/* Appends which indexes and channels exist, and which of them `typed` may have meant: "; did you
 * mean cu126? there are simple, cpu, cu126". Shows channels that a mirror has listed; before
 * there are any, the patterns of the configuration. Any thread. */
void channels_say(struct listings *listings, const char *typed, struct buf *to);
/* Has the root pages of mirrors read; they are stored like any page. ENGINE_WAIT: for a second
 * at most; do not ask twice. 0: they were read a moment ago, or cannot be. Any thread. */
int channel_roots_ask(struct listings *listings, struct waiter *waiter);
/* Appends the channels that mirrors have listed or name on their root pages, as JSON objects
 * between commas. Any thread. */
void channels_write(struct listings *listings, struct buf *to);
