// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The saved map of a partial: which chunks of the file are written, who sent each, and what file it
 * is. It is what a partial is resumed by after a restart, a kill or a power cut. Pure: a block of
 * memory in a fixed layout; who owns the block (a shared mapping of a file, or the simulator's
 * disk) brings it to the disk.
 *
 *     map_size(size) bytes of zeros, then map_format(block, &about)
 *     map_mark(block, from, to, mirror)        after each write of the data has returned
 *     map_seal_begin(block, copy) ... data fdatasync'ed ... map_seal(block, copy) ... block synced
 *     map_open(block, len, boot_id, &opened)   at the next start
 *
 * A chunk is MAP_CHUNK bytes, the last one of the file shorter; it counts when all of it is
 * written, so what is lost at the ends of runs is less than a chunk each. Two things are kept:
 * the *live* table, a byte a chunk (0, or 1 + the mirror's place in `mirrors`), true as long as the
 * same kernel runs, because written pages survive the process; and two *sealed* copies of it, taken
 * in turn with a checksum each, which say what had reached the disk. After a restart of the
 * machine the newer sealed copy whose checksum holds counts; a torn one is ignored. Bytes change
 * from 0 to their value once and never back, and only after the bytes they speak of.
 *
 * Not thread-safe but for map_mark, which may run beside map_seal_begin: a mark that it misses is
 * in the next one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

enum {
    MAP_CHUNK = 64 << 10,
    MAP_MIRRORS = 16,
    MAP_ABOUT_MAX = 16 << 10, /* all strings of map_about together */
    MAP_BOOT_ID = 37,         /* as /proc/sys/kernel/random/boot_id says it, with NUL */
};

/* What file it is, and by what its mirrors' answers are recognised. Strings may be NULL where that
 * is said. */
struct map_about {
    const char *origin, *path;
    int64_t size;                     /* of the whole file, at least 1 */
    const char *etag;                 /* ours, as clients were told; or NULL */
    const char *validator_etag;       /* the mirror's, as received; or NULL */
    const char *validator_date;       /* its Last-Modified; or NULL */
    const char *validator_mirror;     /* whose these are; or NULL */
    const char *mirrors[MAP_MIRRORS]; /* names of the origin's mirrors, NULL behind the last */
    char boot_id[MAP_BOOT_ID];
    int64_t created_s; /* real time */
};

/* Bytes of a map for a file of so many bytes; < 0: ERROR_TOO_BIG (over 2^40 bytes). */
int64_t map_size(int64_t file_size);
/* ERROR_TOO_BIG: the strings are too long. The block is all zeros before. */
int map_format(void *block, const struct map_about *about);

/* Bytes [from, to) are written, and came from that mirror (its place in `mirrors`). Marks the
 * chunks that they complete by themselves; the caller keeps what is written and passes runs that
 * were joined, so that chunks written in two pieces are marked, too. */
void map_mark(void *block, int64_t from, int64_t to, unsigned mirror);

/* Sealing: `copy` is map_copy_size(size) bytes of the caller's. Take the copy, sync the data, then
 * seal, then sync the block. */
int64_t map_copy_size(int64_t file_size);
void map_seal_begin(const void *block, void *copy);
void map_seal(void *block, const void *copy);

struct map_run {
    int64_t from, to;
    unsigned mirror;
};

struct map_opened {
    struct map_about about; /* strings point into the block */
    bool same_boot;
    struct map_run *runs; /* sorted, disjoint; map_opened_release frees them */
    size_t run_count;
};

/* Untrusted bytes. ERROR_CORRUPT: no map, or one of another layout. */
int map_open(const void *block, size_t len, const char *boot_id, struct map_opened *ret);
void map_opened_release(struct map_opened *opened);
