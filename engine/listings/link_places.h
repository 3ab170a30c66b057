// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where a mirror has a file, by what its pages say (engine/mirrors/links.h reads them). Flight
 * thread. */
#include <stdbool.h>
#include <stddef.h>

#include "engine/mirrors/origins.h"

struct listings;
struct remembered_links;

void remembered_links_free(struct remembered_links *remembered);
/* The URL to ask a mirror for a file: by its newest page, if that is in memory; else as
 * remembered; else below `files`. Of `.metadata`: beside its wheel. free() it; NULL when out of
 * memory. */
char *links_file_url(struct listings *listings, const struct origin *origin, unsigned mirror,
                     const char *path);
/* The path itself; of `.metadata` the path of its wheel. free() it; NULL when out of memory. */
char *links_file_of(const char *path);
/* A mirror has refused a file with `status`. Whether its page, read again, may name another
 * place. True: the page is on its way, and links_page_is_awaited tells until when. */
bool links_want_page(struct listings *listings, const struct origin *origin, unsigned mirror,
                     const char *path, int status);
bool links_page_is_awaited(struct listings *listings, const struct origin *origin, unsigned mirror,
                           const char *path);
/* Appends what is wrong with the links of the mirror's page for a file, if anything is. */
void links_add_trouble(struct listings *listings, const struct origin *origin, unsigned mirror,
                       const char *path, char *to, size_t size);
/* Remembers for a while what the catalogue had of a file at a mirror. */
void links_remember(struct listings *listings, const char *origin, const char *mirror,
                    const char *path, const char *url);
