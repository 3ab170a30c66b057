// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A roster: the names that an origin lists in a channel, out of the same pages of its mirrors as
 * its files (engine/listings/sources.h): of a flat mirror its one page, of a simple one its list of
 * projects. With `owns = "listed"` it decides who owns a name. It also puts the names of an index's
 * second and later origins on that index's list.
 *
 *     r = roster_owner(engine, &view, "flashinfer-python", &owner);        any thread
 *     if (r == ORIGINS_NO_ANSWER)                                          flight thread
 *         roster_want(engine, owner, view.channel, false, via) ... pages_source_settled, ask again
 *
 * A roster is known once one mirror has listed something, and then stays: a mirror that does not
 * answer changes nothing. A 404 lists nothing where the origin has channels, for it need not have
 * them all; elsewhere it counts as a failure. While it is not known, nobody behind its origin may
 * answer for a name. One that nobody asks for is forgotten after a while; the catalogue has its
 * pages.
 */
#include "engine/loop/core.h"
#include "engine/mirrors/origins.h"

/* origins_owner by the rosters. Any thread. */
int roster_owner(struct engine *engine, const struct index_view *view, const char *project,
                 const struct origin **ret);

/* The rest is the flight thread's. */

/* Makes it ready: loads what is stored, asks the mirrors when that is older than page_refresh, or
 * `force`. True when there is something to wait for: it is not known, or forced. */
bool roster_want(struct engine *engine, const struct origin *origin, const char *channel,
                 bool force, const struct asker *by);
/* Whether it is loading and has neither become known nor failed. */
bool roster_is_pending(struct engine *engine, const struct origin *origin, const char *channel);
/* Why it is not known, for people: "lab: HTTP 503"; "" while nobody has tried. */
const char *roster_failure(struct engine *engine, const struct origin *origin, const char *channel);
/* Adds copies of its names to a list that can grow by realloc; none while it is not known.
 * ERROR_NO_MEMORY. */
int roster_names(struct engine *engine, const struct origin *origin, const char *channel,
                 char ***list, size_t *count);
/* What the origin lists is another: finds out at once, if anybody has wanted to know. */
void roster_renew(struct engine *engine, const struct origin *origin);
/* Grows when any roster changes. */
uint64_t rosters_version(const struct engine *engine);

/* ---- for sources, reload and engine.c */
int rosters_new(struct engine *engine, struct rosters **ret);
void rosters_free(struct rosters *rosters);
void rosters_check(struct engine *engine);  /* a source has settled, or time has passed */
void rosters_reload(struct engine *engine); /* other origins are in force */
void rosters_tick(struct engine *engine, int64_t now_ms);
