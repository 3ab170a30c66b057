// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a link of a mirror's page is: which file of the origin, and where that mirror has it. The
 * one place that decides this; pages, files, the doctor and dates all go by it.
 *
 * A link belongs to the origin when one of its prefixes covers it: `canonical`, `aliases`, the
 * `files` and `links` of every mirror; the longest wins, and the decoded rest is the file's key.
 * Where a redirect led to the page, a link that no prefix covers is also read as if the page had
 * come from where it was asked: the same relative path, at the mirror that sends its pages on.
 *
 * The mirror is asked for the file below its own `files`; below the prefix of its `links` that
 * covers the link, where one does. The link's query is part of what is asked for, and no part of
 * the key.
 *
 *     r = listing_parse(bytes, len, address, &listing);
 *     r = links_settle(origin, mirror, page, address, listing);    // compute lane
 *     ... listing->files[i].path, .place ...
 *     url = links_file_url(engine, origin, mirror, path);          // flight thread
 *
 * engine/mirrors/links.c reads links, engine/listings/link_places.c finds where a file is.
 */
#include <stdbool.h>
#include <stddef.h>

#include "engine/mirrors/origins.h"
#include "index/listing.h"

/* ---- pure; any thread */

struct links;

/* For links of a page of this mirror: `page` is the URL that was asked, `address` where it came
 * from. Both must live as long. */
int links_new(const struct origin *origin, unsigned mirror, const char *page, const char *address,
              struct links **ret);
void links_free(struct links *links);
/* A link as the page has it, resolved. *ret_place: the URL that the mirror is asked for the file,
 * NULL where that is `files` and the path. free() both. URL_ELSEWHERE: no prefix covers it;
 * ERROR_BAD_REQUEST: no key. */
int links_read(const struct links *links, const char *url, char **ret_path, char **ret_place);

/* Fills in path and place of all files, drops those that are none of the origin's, and notes where
 * they lead. ERROR_NO_MEMORY. */
int links_settle(const struct origin *origin, unsigned mirror, const char *page,
                 const char *address, struct listing *listing);
/* Whether a listing has lost so many links that it is none: all, or half of its own; or, of the
 * `had` that the last good one had, half. */
bool links_are_lost(const struct listing *listing, size_t had);
/* Says where they lead, and what to add to the configuration. */
void links_complain(const struct listing *listing, char *ret, size_t size);
