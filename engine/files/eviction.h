// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Eviction: what the cache takes of the disk, and what goes when more is needed. Bytes are counted
 * in blocks, as the disk counts them. A blob counts once, however many paths name it. A partial
 * counts with what is reserved or written, whether it is being fetched or left over.
 *
 *     if (eviction_make(files, bytes, download)) ...     room for a download
 *     eviction_collect(files, &result)                   as `cache gc` asks
 *
 * What was not used for longest goes first: blobs, and partials that no download fetches. What is
 * pinned stays, and so does what is being read or fetched. A blob is unlinked, never truncated, so
 * a client that has it open reads on.
 *
 * Flight thread, all functions; eviction_add_stray_partial also at start, before there is one.
 */
#include <stdbool.h>
#include <stdint.h>

struct collection;
struct files;
struct download;
struct eviction;

int eviction_new(struct eviction **ret);
void eviction_free(struct eviction *eviction); /* NULL is legal */

/* A partial of an origin that is not configured now. It stays for the day when the origin is, but
 * counts, and is evicted like all others. ERROR_NO_MEMORY. */
int eviction_add_stray_partial(struct files *files, const char *name, int64_t allocated_bytes,
                               int64_t used_s);

/* The bytes that everything takes, and the number of blobs. */
int64_t eviction_used(struct files *files, unsigned *ret_blobs);

/* The last use, real time, of the file that would go first; INT64_MAX: none would. */
int64_t eviction_oldest_s(struct files *files);
/* Makes room for so many bytes more, below max_size and above min_free. The room is for the
 * newcomer, whose own partial is not evicted for it. False: there is too little to evict, and
 * nothing was evicted. The disk has the bytes when the jobs that were posted to the cleaner lane
 * have run. */
bool eviction_make(struct files *files, int64_t bytes, const struct download *newcomer);
/* Whether eviction_make would succeed; evicts nothing. NULL: for a newcomer that has nothing yet.
 */
bool eviction_could_make(struct files *files, int64_t bytes, const struct download *newcomer);
/* The limit that leaves no room for so many bytes more: ERROR_MAX_SIZE or ERROR_MIN_FREE. */
int eviction_refusal(struct files *files, int64_t bytes);
/* Evicts down to max_size and min_free now. Fills in everything but the orphans. */
void eviction_collect(struct files *files, struct collection *ret);
/* Takes a blob away under every path. ENGINE_ABSENT, ENGINE_BUSY (engine/files/inventory.h). */
int eviction_remove(struct files *files, const char *sha256);
