// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a link of a mirror's page is: which file of the origin, and where that mirror has it. Only
 * this room decides that; pages, files, the doctor and dates go by it.
 *
 * A link belongs to the origin when one of these prefixes covers it: `canonical`, `aliases`, and
 * the `files` and `links` of every mirror. The longest wins, and the decoded rest is the file's
 * key. Where a redirect led to the page, a link that no prefix covers is read once more. It is then
 * taken as if the page had come from where it was asked: the same relative path, at the mirror that
 * redirects its pages.
 *
 * The mirror is asked for the file below its own `files`, or below the prefix of its `links` that
 * covers the link. The query of a link is part of what is asked for, and no part of the key.
 *
 *     r = listing_parse(bytes, len, address, &listing);
 *     r = links_settle(origin, mirror, page, address, listing);    // compute lane
 *     ... listing->files[i].path, .place ...
 *     url = links_file_url(listings, origin, mirror, path);          // flight thread
 *
 * engine/mirrors/links.c reads links; engine/listings/link_places.c finds where a file is.
 */
#include <stdbool.h>
#include <stddef.h>

#include "engine/mirrors/origins.h"
#include "index/listing.h"

/* ---- pure; any thread */

struct links;

/* For links of a page of this mirror. `page` is the URL that was asked for, `address` where it
 * came from; both must live as long as the result. */
int links_new(const struct origin *origin, unsigned mirror, const char *page, const char *address,
              struct links **ret);
void links_free(struct links *links);
/* Reads a link, resolved. *ret_place: the URL to ask the mirror for, or NULL where that is
 * `files` and the path. free() both. URL_ELSEWHERE: no prefix covers it. ERROR_BAD_REQUEST: it
 * has no valid key. */
int links_read(const struct links *links, const char *url, char **ret_path, char **ret_place);

/* Fills in path and place of all files, drops files that are not the origin's, and notes where
 * these lead. ERROR_NO_MEMORY. */
int links_settle(const struct origin *origin, unsigned mirror, const char *page,
                 const char *address, struct listing *listing);
/* Whether a listing has lost so many links that it is no listing: all of them, half of its own,
 * or half of the `had` files of the last good listing. */
bool links_are_lost(const struct listing *listing, size_t had);
/* Says where the lost links lead, and what to add to the configuration. */
void links_complain(const struct listing *listing, char *ret, size_t size);
