// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A project list: the names that an origin lists in a channel. It is made of the same pages as
 * files are (engine/listings/sources.h): a flat mirror's one page, a simple mirror's list of
 * projects. With `owns = "listed"` it decides who owns a name. It also brings the names of an
 * index's second and later origins onto the index's own list.
 *
 *     r = project_list_owner(pages, &view, "flashinfer-python", &owner);        any thread
 *     if (r == ORIGINS_NO_ANSWER)                                          flight thread
 *         project_list_want(pages, owner, view.channel, false, by) ... ask again when a source has
 * settled
 *
 * A list is known once one mirror has listed something. From then on a mirror that does not answer
 * changes nothing. A 404 means an empty list where the origin has channels, because a mirror need
 * not have them all; elsewhere it is a failure. While a list is not known, no later origin may
 * answer for a name. A list that nobody uses is dropped after a while; the catalogue keeps its
 * pages.
 */
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

struct pages;
struct project_lists;

/* origins_owner by the project lists. Any thread. */
int project_list_owner(struct pages *pages, const struct index_view *view, const char *project,
                       const struct origin **ret);

/* The rest is for the flight thread. */

/* Makes the list ready: loads what is stored, and asks the mirrors when that is older than
 * page_refresh, or `force`. True when there is something to wait for: the list is not known, or
 * forced. */
bool project_list_want(struct pages *pages, const struct origin *origin, const char *channel,
                       bool force, const struct asker *by);
/* Whether the list is being loaded and has neither become known nor failed. */
bool project_list_is_pending(struct pages *pages, const struct origin *origin, const char *channel);
/* Why the list is not known, for people: "lab: HTTP 503". "" while nobody has tried. */
const char *project_list_failure(struct pages *pages, const struct origin *origin,
                                 const char *channel);
/* Adds copies of the names to a list that realloc can grow; none while they are not known.
 * ERROR_NO_MEMORY. */
int project_list_names(struct pages *pages, const struct origin *origin, const char *channel,
                       char ***list, size_t *count);
/* What the origin lists has changed: reads it at once, if any request has used the list. */
void project_list_renew(struct pages *pages, const struct origin *origin);
/* Grows when any project list changes. */
uint64_t project_lists_version(const struct pages *pages);

/* ---- for sources, and for the owner of the room */
int project_lists_new(struct project_lists **ret);
void project_lists_free(struct project_lists *project_lists);
void project_lists_check(struct pages *pages);  /* a source has settled, or time has passed */
void project_lists_reload(struct pages *pages); /* other origins are in force */
void project_lists_tick(struct pages *pages, int64_t now_ms);
