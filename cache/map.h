// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The saved map of a partial: which chunks of the file are written, which mirror sent each, and
 * which file it is. A partial is resumed by it after a restart, a kill or a power cut. Pure: a
 * block of memory in a fixed layout. The owner of the block (a shared mapping of a file, or the
 * simulator's disk) brings it to the disk.
 *
 *     map_size(size) bytes of zeros, then map_format(block, &about)
 *     map_mark(block, from, to, mirror)        after each write of the data has returned
 *     map_seal_begin(block, copy), then map_sync(block, copy, &disk)
 *     map_open(block, len, boot_id, &opened)   at the next start
 *     map_adopt(block, boot_id)                to continue it; then marks and seals again
 *
 * A chunk is MAP_CHUNK bytes; the last chunk of a file is shorter. It counts when all of it is
 * written, so less than a chunk is lost at each end of a run. The map keeps two things. The *live*
 * table has a byte for each chunk: 0, or 1 + the mirror's index in `mirrors`. It is true while the
 * same kernel runs, because written pages survive the process. Two *sealed* copies, written in turn
 * with a checksum each, say what had reached the disk. After a reboot the newer sealed copy with a
 * correct checksum counts. A torn copy is ignored, and the next seal overwrites it, never the one
 * that counts. Bytes change from 0 to their value once and never back (except in map_adopt), and
 * only after the bytes that they describe.
 *
 * The layout, in the machine's byte order: header and strings, padded to MAP_HEAD bytes; the live
 * table; the sealed copies, each after 16 bytes of generation and checksum. Each of the three
 * tables begins on its own page, so that writing one cannot tear another. Checksums are 64-bit
 * FNV-1a: they find torn or missing writes, not forgeries.
 *
 * One thread at a time uses a block. Only map_mark and map_seal_begin may run at the same time as
 * each other (a mark that a copy misses is in the next one), and as map_seal and map_rebase.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAP_CHUNK = 64 << 10,
    MAP_MIRRORS = 16,
    MAP_NO_MIRROR = MAP_MIRRORS, /* several mirrors sent it, or one that is not in `mirrors` */
    MAP_ABOUT_MAX = 16 << 10,    /* all strings of map_about together */
    MAP_HEAD = 20 << 10,
    MAP_BOOT_ID = 37, /* as in /proc/sys/kernel/random/boot_id, with NUL */
};

/* The file, and the validators that recognise it at its mirrors. Strings that may be NULL say so.
 */
struct map_about {
    const char *origin, *path;
    int64_t size;                     /* of the whole file, at least 1 */
    const char *etag;                 /* ours, as sent to clients; or NULL */
    const char *validator_etag;       /* the mirror's, as received; or NULL */
    const char *validator_date;       /* its Last-Modified; or NULL */
    const char *validator_mirror;     /* the mirror that sent these; or NULL */
    const char *mirrors[MAP_MIRRORS]; /* names of the origin's mirrors, NULL after the last */
    char boot_id[MAP_BOOT_ID];        /* "" when unknown: only sealed copies count */
    int64_t created_s;                /* real time */
};

/* The size of a map for a file of that size; < 0: ERROR_TOO_BIG (over 2^40 bytes, or less than 1).
 */
int64_t map_size(int64_t file_size);
/* ERROR_TOO_BIG: the size, or the strings together. The block must be all zeros before. */
int map_format(void *block, const struct map_about *about);

/* Bytes [from, to) are written and came from that mirror (its index in `mirrors`, or
 * MAP_NO_MIRROR). Marks every chunk that lies wholly inside and has no mark. The caller joins
 * adjacent runs, so that a chunk written in two pieces is marked as well. It looks at each chunk:
 * pass only what is new, widened to whole chunks. */
void map_mark(void *block, int64_t from, int64_t to, unsigned mirror);

/* Sealing: `copy` is a buffer of map_copy_size(size) bytes. Take the copy, sync the data, seal,
 * sync the block, all before the next seal. map_sync does everything except the first, and stops at
 * the first value that is not 0. After a failed sync never seal again: nobody knows what the disk
 * holds. */
int64_t map_copy_size(int64_t file_size);
void map_seal_begin(const void *block, void *copy);
void map_seal(void *block, const void *copy);

struct map_disk {
    void *context;
    int (*sync_data)(void *context); /* at least what was written before the copy was taken */
    int (*sync_map)(void *context);
};
int map_sync(void *block, const void *copy, const struct map_disk *disk);

struct map_run {
    int64_t from, to;
    unsigned mirror; /* index in about.mirrors, or MAP_NO_MIRROR */
};

struct map_opened {
    struct map_about about; /* strings point into the block */
    bool same_boot;
    struct map_run *runs; /* sorted, disjoint; map_opened_release frees them */
    size_t run_count;
};

/* Reads untrusted bytes without a change. ERROR_CORRUPT: not a map, another layout, or cut. A map
 * of which nothing counts is opened with no runs. */
int map_open(const void *block, size_t len, const char *boot_id, struct map_opened *ret);
void map_opened_release(struct map_opened *opened);

/* Takes over a block that map_open accepted: the live table becomes what map_open reported. A kill
 * in the middle leaves a map without boot id, of which the sealed copy counts. Sync the block
 * before the next seal: the newest sealed copy may not be on the disk yet, and the seal overwrites
 * the other. */
void map_adopt(void *block, const char *boot_id);

/* Replaces the validators; NULL: none. Sealed copies count no more, so seal again. After a failure
 * (ERROR_TOO_BIG: the strings together) or a kill in the middle the block is no longer a map. */
int map_rebase(void *block, const char *etag, const char *date, const char *mirror);
