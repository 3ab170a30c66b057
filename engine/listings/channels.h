// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which channels there are. A pattern of the configuration ("cu*") allows more names than any
 * mirror has, so a name counts as a channel when a mirror has listed something in it once; the
 * catalogue remembers that. One that is not known is probed: its list of projects, and the page of
 * a project that its origin owns, at every mirror. When all of them say 404 it is missing, for a
 * while; when a mirror fails or is silent nobody can say, and requests go on as if it were there.
 *
 *     r = channels_look(engine, origin, "cuda126", waiter, &state);         any thread
 *     if (r == ENGINE_WAIT) ... suspended for a few seconds at most; ask again
 *     if (state == CHANNEL_MISSING) ... engine_say_indexes
 *
 * The table's lock is that of its waitlist; the flight thread alone changes it, but for new names.
 */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

enum channel_state { CHANNEL_UNKNOWN, CHANNEL_THERE, CHANNEL_MISSING };

int channels_look(struct engine *engine, const struct origin *origin, const char *channel,
                  struct waiter *waiter, enum channel_state *ret);

/*
 * channel_roots.c: the root page of a mirror, its `index` before {channel}, names folders. Those
 * that a pattern allows are shown as channels, too, until a probe finds nothing in them. Root pages
 * are read when somebody wants to see which channels there are, and are no sign of a mirror's
 * health. Of a mirror with simple indexes, whose root lists projects, names with a dash are not
 * taken.
 */

/* The rest is the flight thread's. A mirror lists something in that channel. */
void channels_listed(struct engine *engine, const struct origin *origin, const char *channel);
/* Its root page names that channel. */
void channels_named(struct engine *engine, const struct origin *origin, const char *channel);
void channels_check(struct engine *engine);                      /* a source has settled */
void channel_roots_check(struct engine *engine, int64_t now_ms); /* the same, and on the tick */
void channels_tick(struct engine *engine, int64_t now_ms);
void channels_stop(struct engine *engine);
void channel_roots_stop(struct engine *engine);

/* ---- for engine.c */
int channels_new(struct engine *engine, struct channels **ret); /* reads the catalogue */
void channels_free(struct channels *channels);
int channel_roots_new(struct channel_roots **ret);
void channel_roots_free(struct channel_roots *roots); /* NULL is legal */
