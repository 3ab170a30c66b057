// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What nobody vouches for is looked at again: a kept file without a digest of an authority may be
 * another one at its mirror by now. A client that uses one, when it was not compared for
 * page_refresh, gets it, and behind it the mirror that sent it is asked by HEAD. So is a mirror
 * whose page, read again, has another size or date in the file's row; and no-cache of a client does
 * not wait for page_refresh, once in 30 s. Another size, or
 * another ETag or date than those that the bytes came under: the file is fetched again, by a flight
 * of an entry that no client finds (`is_renewal`), while the old bytes go on being served. When the
 * new ones are sound they take the entry over, under another ETag, and the old blob goes; when they
 * are the same, or not sound, all stays, and the next look is four times later.
 *
 *     used, another row --HEAD--> the same | another --flight--> the same | replaced | failed
 *
 * Where HEAD tells nothing (it is refused, or names neither ETag nor date) another row is enough.
 *
 * Flight thread, but for renew_is_due and renew_look.
 */
#include "engine/mirrors/origins.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob;
struct catalogue_file;
struct engine;
struct entry;
struct origin;
struct renewals;

int renew_new(struct renewals **ret);
void renew_free(struct renewals *renewals); /* NULL is legal */

/* A client uses what this entry holds; `forced`: it said no-cache. Any thread, under the table's
 * lock; true: renew_look is to be called, without it. */
bool renew_is_due(struct engine *engine, struct entry *entry, bool forced);
/* `forced`: caches on the way are to ask the mirror. */
void renew_look(struct engine *engine, const char *origin, const char *path, bool forced);
/* The rows of these files on a page of this mirror are not what they were. */
void renew_rows_changed(struct engine *engine, const struct origin *origin, unsigned mirror,
                        const char *const *paths, size_t count);
/* A flight of a renewal has kept this file: the entry of that path takes it over. Takes over the
 * reference to the blob. */
void renew_kept(struct engine *engine, const struct entry *renewal,
                const struct catalogue_file *file, int64_t allocated_bytes, struct blob *blob);
/* An entry that is_renewal is about to go. */
void renew_gone(struct engine *engine, const struct entry *entry);
void renew_tick(struct engine *engine);
