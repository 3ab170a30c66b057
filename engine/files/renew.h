// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Kept files without a claimed digest are compared with their mirrors from time to time, because a
 * mirror may have another version by now. This is called a renewal.
 *
 *     a client uses the file, or its row on a page changed
 *     --HEAD-->  the same: nothing happens
 *                another size, ETag or date: fetched again, into an entry that no client finds
 *                --the same bytes, or unsound ones-->  all stays; the next look is four times later
 *                --other, sound bytes-->  they take the entry over, under another ETag
 *
 * The client that caused the look gets the kept bytes, and so does every other one until the new
 * bytes are sound. A file is looked at once in page_refresh; with no-cache of a client, once in 30
 * s. Where HEAD tells nothing (the mirror refuses it, or names neither ETag nor date), a changed
 * row is enough.
 *
 * Flight thread, except renew_is_due and renew_look.
 */
#include "engine/mirrors/origins.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob;
struct catalogue_file;
struct files;
struct entry;
struct origin;
struct renewals;

int renew_new(struct renewals **ret);
void renew_free(struct renewals *renewals); /* NULL is legal */

/* A client uses what this entry holds. `forced`: it said no-cache. True: call renew_look, after the
 * table's lock is released. Any thread, under that lock. */
bool renew_is_due(struct files *files, struct entry *entry, bool forced);
/* Asks the file's mirror. `forced`: caches between us and the mirror must ask it also. Any thread.
 */
void renew_look(struct files *files, const char *origin, const char *path, bool forced);
/* The rows of these files on a page of this mirror have changed. */
void renew_rows_changed(struct files *files, const struct origin *origin, unsigned mirror,
                        const char *const *paths, size_t count);
/* The download of a renewal has kept this file: the entry of that path takes it over. Takes over
 * the reference to the blob. */
void renew_kept(struct files *files, const struct entry *renewal, const struct catalogue_file *file,
                int64_t allocated_bytes, struct blob *blob);
/* An entry that is_renewal is about to be freed. */
void renew_gone(struct files *files, const struct entry *entry);
void renew_tick(struct files *files);
