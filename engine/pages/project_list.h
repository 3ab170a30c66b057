// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A roster: the names that an origin lists in a channel, out of the same pages of its mirrors as
 * its files (engine/listings/sources.h): of a flat mirror its one page, of a simple one its list of
 * projects. With `owns = "listed"` it decides who owns a name. It also puts the names of an index's
 * second and later origins on that index's list.
 *
 *     r = project_list_owner(engine, &view, "flashinfer-python", &owner);        any thread
 *     if (r == ORIGINS_NO_ANSWER)                                          flight thread
 *         project_list_want(engine, owner, view.channel, false, via) ... pages_source_settled, ask
 * again
 *
 * A roster is known once one mirror has listed something, and then stays: a mirror that does not
 * answer changes nothing. A 404 lists nothing where the origin has channels, for it need not have
 * them all; elsewhere it counts as a failure. While it is not known, nobody behind its origin may
 * answer for a name. One that nobody asks for is forgotten after a while; the catalogue has its
 * pages.
 */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

/* origins_owner by the rosters. Any thread. */
int project_list_owner(struct engine *engine, const struct index_view *view, const char *project,
                       const struct origin **ret);

/* The rest is the flight thread's. */

/* Makes it ready: loads what is stored, asks the mirrors when that is older than page_refresh, or
 * `force`. True when there is something to wait for: it is not known, or forced. */
bool project_list_want(struct engine *engine, const struct origin *origin, const char *channel,
                       bool force, const struct asker *by);
/* Whether it is loading and has neither become known nor failed. */
bool project_list_is_pending(struct engine *engine, const struct origin *origin,
                             const char *channel);
/* Why it is not known, for people: "lab: HTTP 503"; "" while nobody has tried. */
const char *project_list_failure(struct engine *engine, const struct origin *origin,
                                 const char *channel);
/* Adds copies of its names to a list that can grow by realloc; none while it is not known.
 * ERROR_NO_MEMORY. */
int project_list_names(struct engine *engine, const struct origin *origin, const char *channel,
                       char ***list, size_t *count);
/* What the origin lists is another: finds out at once, if anybody has wanted to know. */
void project_list_renew(struct engine *engine, const struct origin *origin);
/* Grows when any roster changes. */
uint64_t project_lists_version(const struct engine *engine);

/* ---- for sources, reload and engine.c */
int project_lists_new(struct engine *engine, struct project_lists **ret);
void project_lists_free(struct project_lists *project_lists);
void project_lists_check(struct engine *engine);  /* a source has settled, or time has passed */
void project_lists_reload(struct engine *engine); /* other origins are in force */
void project_lists_tick(struct engine *engine, int64_t now_ms);
