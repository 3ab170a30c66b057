// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What survives of a partial when the daemon ends: its saved map (cache/map.h), which is kept in
 * step with the writes.
 *
 *     saved_begin(download)                   once size, validators and ETag are known
 *     saved_mark(partial, ...)                after each write
 *     saved_sync(download)                    as FLIGHT_SYNC says; ends in flight_on_synced
 *     saved_release(saved)                    when the partial is closed
 *
 *     saved_open(files, name, &leftover)     after a restart, or after an earlier download
 *     leftover_take(download, &leftover, ...) resumes it
 *
 * The map is mapped into memory: a mark survives a kill of the process without a system call. The
 * block belongs to the partial's writer lane. Sealing is the exception: it waits for the disk on
 * the cleaner lane, and touches other bytes.
 */
#include "cache/map.h"
#include "engine/files/entry.h"
#include "engine/flight/flight.h"

struct download;

enum { SAVED_LEAST_BYTES = 1 << 20 }; /* smaller files start over, and need no map */

/* A map in memory. */
struct saved {
    void *block;
    size_t len;
    int64_t size;                   /* of the whole file */
    unsigned place[FLIGHT_MIRRORS]; /* the origin's mirrors, as places in the map */
    bool named;          /* cleaner lane: the directory entries of both files are on the disk */
    _Atomic bool broken; /* a sync failed: it is sealed no more */
};

/* An open partial of an earlier download. */
struct leftover {
    int fd;
    char *name;
    struct saved *saved;
    struct map_opened opened; /* its strings point into the map */
    int64_t bytes;
};

/* Does nothing when the map is begun already, or when it is too early. Flight thread. */
void saved_begin(struct download *download);
/* From now on bytes of another mirror's answer come, which is the new base. Does nothing without a
 * map. Flight thread. */
void saved_rebase(struct download *download);
/* Bytes [from, to) from that mirror are on their way to the disk. Writer lane. */
void saved_mark(struct partial *partial, int64_t from, int64_t to, unsigned mirror);
/* Flight thread. */
void saved_sync(struct download *download);
void saved_release(struct saved *saved); /* NULL is legal */

/* Blocks. ERROR_CORRUPT and others: the partial cannot be resumed. `name` is copied. From now on
 * the map is of this boot. */
int saved_open(struct files *files, const char *name, struct leftover *ret);
void leftover_release(struct leftover *leftover); /* leaves the files on the disk */

/* Resumes what was opened. Returns its runs, with today's numbers of the mirrors (free() them), or
 * NULL. Spends the leftover: a partial that does not fit what is known of the file is removed.
 * Flight thread. */
struct flight_run *leftover_take(struct download *download, struct leftover *leftover,
                                 size_t *ret_count);
