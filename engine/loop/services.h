// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Services: what every room of the engine may use, and nothing that belongs to a room. Whoever
 * opens the engine makes one struct services, and it outlives all rooms.
 *
 * Each room has a handle of its own, which only that room looks into. A room that calls another is
 * given the other's handle when it is made, so the arguments of these functions are the graph of
 * the rooms:
 *
 *     mirrors_new(services), policies_new(services)
 *     listings_new(services)
 *     files_new(services, listings)
 *     metadata_new(services, files)
 *     folders_new(services, files)
 *     pages_new(services, listings, files, metadata)
 *
 * A function takes the handle of its own room, or services when it needs no more. Only
 * engine/engine.c knows all handles. A room tells a higher one something by an event.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/lane.h"
#include "base/slab.h"
#include "cache/catalogue.h"
#include "cache/store.h"
#include "engine/loop/events.h"
#include "engine/loop/loop.h"
#include "engine/loop/options.h"
#include "engine/loop/counters.h"
#include "engine/loop/wait.h"
#include "upstream/fetcher.h"

/* One file may hold half of the slabs: 5 MiB that the disk has not taken yet. More slabs gain no
 * time, and their memory is never given back. */
enum { WRITER_LANES = 2, SLABS = 40 };

struct budget;
struct memory;
struct mirrors;
struct policies;
struct portal;
struct problem;

struct services {
    struct engine_options options;
    const struct events *events;
    char *user_agent, *via;  /* via: this daemon's own Via entry */
    uint64_t claims_version; /* grows when a page says something else of a digest; flight thread */
    _Atomic bool stopping;   /* set once; every thread may read it */
    struct loop loop;

    struct slab_pool *slabs;
    struct fetcher *fetcher;
    struct store *store;
    struct lane
        *writers[WRITER_LANES]; /* one thread each, so writes of one partial keep their order */
    struct lane *reader;        /* opens blobs, and reads what is not in memory */
    struct lane *cleaner;       /* commits, unlinks and closes: all that waits for the disk */
    struct lane *compute;
    struct lane *catalogue_lane;
    struct catalogue *catalogue; /* used on the catalogue lane only */

    struct mirrors *mirrors;   /* the origins in force: engine/mirrors/generations.h */
    struct policies *policies; /* which files clients may have: engine/policy/policies.h */
    struct budget *budget;     /* flight thread */
    struct portal *portal;     /* flight thread */

    struct memory *memory;
    _Atomic bool is_short; /* memory is short: see memory.h */
    /* fetched_bytes: of pages that are being received */
    _Atomic int64_t memory_used, fetched_bytes;
    struct counters counters;
    struct problem *problems; /* flight thread */
    unsigned problem_count;
};

/* For which request a mirror is asked. NULL where no client has asked. */
struct asker {
    const char *via;
    uint64_t client; /* see struct page_query */
};
