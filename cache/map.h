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
 *     map_seal_begin(block, copy), then map_sync(block, copy, &disk)
 *     map_open(block, len, boot_id, &opened)   at the next start
 *     map_adopt(block, boot_id)                when it is gone on with; then marks and seals again
 *
 * A chunk is MAP_CHUNK bytes, the last one of the file shorter; it counts when all of it is
 * written, so what is lost at the ends of runs is less than a chunk each. Two things are kept:
 * the *live* table, a byte a chunk (0, or 1 + the mirror's place in `mirrors`), true as long as the
 * same kernel runs, because written pages survive the process; and two *sealed* copies of it, taken
 * in turn with a checksum each, which say what had reached the disk. After a restart of the
 * machine the newer sealed copy whose checksum holds counts; a torn one is ignored, and the next
 * seal goes over it, never over the one that counts. Bytes change from 0 to their value once and
 * never back (but in map_adopt), and only after the bytes they speak of.
 *
 * Layout, in the byte order of the machine: header and strings, padded to MAP_HEAD bytes; the live
 * table; the sealed copies, each with 16 bytes of generation and checksum before it. Each of the
 * three tables begins on a page of its own, so that writing one cannot tear another. Checksums are
 * FNV-1a of 64 bits: they find what is torn or was never written, not forgeries.
 *
 * A block belongs to one thread at a time, but for map_mark and map_seal_begin, which may run
 * beside each other (a mark that a copy misses is in the next one), map_seal and map_rebase.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAP_CHUNK = 64 << 10,
    MAP_MIRRORS = 16,
    MAP_NO_MIRROR = MAP_MIRRORS, /* several sent it, or one that is not in `mirrors` */
    MAP_ABOUT_MAX = 16 << 10,    /* all strings of map_about together */
    MAP_HEAD = 20 << 10,
    MAP_BOOT_ID = 37, /* as /proc/sys/kernel/random/boot_id says it, with NUL */
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
    char boot_id[MAP_BOOT_ID];        /* "" when unknown: then only what is sealed counts */
    int64_t created_s;                /* real time */
};

/* Bytes of a map for a file of so many bytes; < 0: ERROR_TOO_BIG (over 2^40 bytes, or none). */
int64_t map_size(int64_t file_size);
/* ERROR_TOO_BIG: the size, or the strings are too long. The block is all zeros before. */
int map_format(void *block, const struct map_about *about);

/* Bytes [from, to) are written, and came from that mirror (its place in `mirrors`, or
 * MAP_NO_MIRROR). Marks the chunks that lie wholly in it and are not marked yet; the caller keeps
 * what is written and passes runs that were joined, so that chunks written in two pieces are
 * marked, too. Costs a look at each chunk: pass what is new, widened to whole chunks. */
void map_mark(void *block, int64_t from, int64_t to, unsigned mirror);

/* Sealing: `copy` is map_copy_size(size) bytes of the caller's. Take the copy, sync the data, then
 * seal, then sync the block, before the next seal: map_sync does all but the first, and stops with
 * the first value that is not 0. When a sync fails, seal no more: what the disk holds is not known
 * from there on. */
int64_t map_copy_size(int64_t file_size);
void map_seal_begin(const void *block, void *copy);
void map_seal(void *block, const void *copy);

struct map_disk {
    void *context;
    int (*sync_data)(void *context); /* what was written before the copy was taken, at least */
    int (*sync_map)(void *context);
};
int map_sync(void *block, const void *copy, const struct map_disk *disk);

struct map_run {
    int64_t from, to;
    unsigned mirror; /* place in about.mirrors, or MAP_NO_MIRROR */
};

struct map_opened {
    struct map_about about; /* strings point into the block */
    bool same_boot;
    struct map_run *runs; /* sorted, disjoint; map_opened_release frees them */
    size_t run_count;
};

/* Untrusted bytes; the block is not changed. ERROR_CORRUPT: no map, one of another layout, or one
 * that is cut. A map that nothing can be believed of is opened with no runs. */
int map_open(const void *block, size_t len, const char *boot_id, struct map_opened *ret);
void map_opened_release(struct map_opened *opened);

/* Makes a block that map_open accepted this boot's: the live table becomes what map_open told. A
 * kill half-way leaves a map of no boot, of which what is sealed counts. Sync the block before the
 * next seal: the newest sealed copy may not be on the disk yet, and the seal goes over the other.
 */
void map_adopt(void *block, const char *boot_id);

/* Other validators are what the file is recognised by from now on; NULL where there are none. What
 * was sealed counts no more: seal anew. When it fails (ERROR_TOO_BIG: the strings together), or a
 * kill comes half-way, the block is no map any more. */
int map_rebase(void *block, const char *etag, const char *date, const char *mirror);
