// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Space: what the cache takes of the disk, and who goes when more is needed. Counted in blocks, as
 * the disk counts: blobs once, however many paths name them, and partials by what is reserved for
 * them or written, whether they are being fetched or left over.
 *
 *     eviction_hold(engine, sha256, bytes) ... eviction_drop(engine, sha256)     a path names that blob
 *     if (eviction_make(engine, more, flying)) ...                            room for a newcomer
 *
 * Evidence goes first, then what nobody has used for longest: blobs, and partials that nobody
 * fetches. What is pinned stays, and what is being read or fetched. A blob is unlinked, never
 * truncated, so that who comes in that moment reads on; its row goes after it, because a full disk
 * lets SQLite delete nothing.
 *
 * Flight thread, all of it; eviction_hold and space_add_stray also at start, before there is one.
 */
#include <stdbool.h>
#include <stdint.h>

struct collection;
struct engine;
struct download;
struct eviction;

int eviction_new(struct eviction **ret);
void eviction_free(struct eviction *eviction); /* NULL is legal */

/* What belongs to an origin that is not configured now: it stays for when it is, but is counted and
 * goes like all else. A blob by its digest, or a partial by its name. */
int eviction_add_stray_partial(struct engine *engine, const char *name, int64_t allocated_bytes,
                               int64_t used_s);

/* Bytes that all of it takes, and the number of blobs. */
int64_t eviction_used(struct engine *engine, unsigned *ret_blobs);

/* Makes room for so many bytes more below max_size and above min_free. They are for the newcomer,
 * whose own partial does not go for it. False: there can be none, and nothing went for it. The disk
 * has the bytes when what was posted to the cleaner lane before has run there. */
bool eviction_make(struct engine *engine, int64_t bytes, const struct download *newcomer);
/* The same question, and nothing goes. NULL: for nobody who has anything yet. */
bool eviction_could_make(struct engine *engine, int64_t bytes, const struct download *newcomer);
/* Which limit has no room for so many bytes more: ERROR_MAX_SIZE or ERROR_MIN_FREE. */
int eviction_refusal(struct engine *engine, int64_t bytes);
/* Evicts down to max_size and min_free now; fills in all but the orphans. */
void eviction_collect(struct engine *engine, struct collection *ret);
/* Takes a blob away under every path. ENGINE_ABSENT, ENGINE_BUSY (engine/files/inventory.h). */
int eviction_remove(struct engine *engine, const char *sha256);
