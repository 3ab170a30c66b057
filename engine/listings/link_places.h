// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where a mirror has a file, by what its pages say (engine/mirrors/links.h reads them). Flight
 * thread. */
#include <stdbool.h>
#include <stddef.h>

#include "engine/mirrors/origins.h"

struct engine;
struct remembered_links;

void remembered_links_free(struct remembered_links *remembered);
/* Where a mirror has a file: by its newest page, as far as that is in memory; else as remembered;
 * else below `files`. Of `.metadata`: beside its wheel. NULL when out of memory. */
char *links_file_url(struct engine *engine, const struct origin *origin, unsigned mirror,
                     const char *path);
/* The path itself, of `.metadata` its wheel's; NULL when out of memory. */
char *links_file_of(const char *path);
/* Whether the mirror's page, read again, may say of another place than the one that has refused a
 * file (`status`); true: it is on its way, and links_page_is_awaited tells until when. */
bool links_want_page(struct engine *engine, const struct origin *origin, unsigned mirror,
                     const char *path, int status);
bool links_page_is_awaited(struct engine *engine, const struct origin *origin, unsigned mirror,
                           const char *path);
/* Adds to a text what is wrong with the links of the mirror's page for a file, if anything is. */
void links_add_trouble(struct engine *engine, const struct origin *origin, unsigned mirror,
                       const char *path, char *to, size_t size);
/* What the catalogue had of a file at a mirror, by names; for a while. */
void links_remember(struct engine *engine, const char *origin, const char *mirror, const char *path,
                    const char *url);
