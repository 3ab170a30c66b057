// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What nobody vouches for is looked at again: a kept file without a digest of an authority may be
 * another one at its mirror by now. A client that uses one, when it was not compared for
 * page_refresh, gets it, and behind it the mirror that sent it is asked by HEAD. Another size, or
 * another ETag or date than those that the bytes came under: the file is fetched again, by a flight
 * of an entry that no client finds (`is_renewal`), while the old bytes go on being served. When the
 * new ones are sound they take the entry over, under another ETag, and the old blob goes; when they
 * are the same, or not sound, all stays, and the next look is four times later.
 *
 *     used --HEAD--> the same | another --flight--> the same | replaced | failed
 *
 * Flight thread, but for renew_is_due and renew_look.
 */
#include <stdbool.h>
#include <stdint.h>

struct blob;
struct catalogue_file;
struct engine;
struct entry;
struct renewals;

int renew_new(struct renewals **ret);
void renew_free(struct renewals *renewals); /* NULL is legal */

/* A client uses what this entry holds. Any thread, under the table's lock; true: renew_look is to
 * be called, without it. */
bool renew_is_due(struct engine *engine, struct entry *entry);
void renew_look(struct engine *engine, const char *origin, const char *path);
/* A flight of a renewal has kept this file: the entry of that path takes it over. Takes over the
 * reference to the blob. */
void renew_kept(struct engine *engine, const struct entry *renewal,
                const struct catalogue_file *file, int64_t allocated_bytes, struct blob *blob);
/* An entry that is_renewal is about to go. */
void renew_gone(struct engine *engine, const struct entry *entry);
void renew_tick(struct engine *engine);
