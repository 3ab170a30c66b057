// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the cache is too small: a file that went for want of room, and is fetched again soon
 * after, was thrown out too early. Three such fetches within a day are the problem "thrashing",
 * which names the max_size that would have held those files. It is over after a day without one.
 *
 * What went is remembered in memory only: the newest 1,024 files. Flight thread.
 */
#include <stdint.h>

struct files;
struct entry;
struct thrashing;

int thrashing_new(struct thrashing **ret);
void thrashing_free(struct thrashing *thrashing); /* NULL is legal */

/* A complete file has gone, because others need its room. key: key_hash of its entry's key. bytes:
 * what it took of the disk. used_s: its last use, real time. Counts the eviction. */
void thrashing_evicted(struct files *files, uint64_t key, int64_t bytes, int64_t used_s);
/* A file was fetched and is kept from now on. */
void thrashing_kept(struct files *files, const struct entry *entry);
void thrashing_tick(struct files *files);
