// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What of a partial survives the daemon: its saved map (cache/map.h) beside it, kept in step with
 * what is written, and resumed from.
 *
 *     saved_begin(flying)             once size, validators and ETag stand
 *     saved_mark(partial, ...)        after each write
 *     saved_sync(flying)              as FLIGHT_SYNC says; ends in flight_on_synced
 *     saved_release(saved)            when the partial is closed
 *
 *     saved_open(engine, name, &leftover)     after a restart, or when the flight was forgotten
 *
 * The map is mapped into memory: what is marked survives a kill without a system call. The block
 * belongs to the partial's writer lane, but for sealing, which waits for the disk on the cleaner's
 * and touches other bytes.
 */
#include "cache/map.h"
#include "engine/files/entry.h"
#include "engine/flight/flight.h"

struct download;

enum { SAVED_LEAST_BYTES = 1 << 20 }; /* smaller files are not worth a map: they start over */

/* A map in memory. */
struct saved {
    void *block;
    size_t len;
    int64_t size;                   /* of the whole file */
    unsigned place[FLIGHT_MIRRORS]; /* of the origin's mirrors, in the map */
    bool named;          /* the directory's entries of both files are on the disk; cleaner's lane */
    _Atomic bool broken; /* a sync failed: it is sealed no more */
};

/* A partial of an earlier flight, open. */
struct leftover {
    int fd;
    char *name;
    struct saved *saved;
    struct map_opened opened; /* its strings point into the map */
    int64_t bytes;
};

/* Flight thread. Does nothing when the map is begun already, or too early. */
void saved_begin(struct download *download);
/* Flight thread: the bytes that come from now on are of another mirror's answer, which is the base.
 * Nothing when the map is not begun. */
void saved_rebase(struct download *download);
/* Writer lane: bytes [from, to) are on their way to the disk, from that mirror of the origin. */
void saved_mark(struct partial *partial, int64_t from, int64_t to, unsigned mirror);
/* Flight thread. */
void saved_sync(struct download *download);
void saved_release(struct saved *saved); /* NULL is legal */

/* Blocks. ERROR_CORRUPT and others: it cannot be gone on with. `name` is copied. The map is this
 * boot's from then on. */
int saved_open(struct engine *engine, const char *name, struct leftover *ret);
void leftover_release(struct leftover *leftover); /* leaves the files alone */

/* Flight thread: takes up what was opened; its runs, in the mirrors' numbers of today (free() them;
 * NULL: none). Spends the leftover: where it does not fit what is known of the file, it is removed.
 */
struct flight_run *leftover_take(struct download *download, struct leftover *leftover,
                                 size_t *ret_count);
