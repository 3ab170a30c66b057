// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What all rooms of the engine share: the flight thread's inbox, the lanes, and a pointer to what
 * each room has.
 *
 * The *flight thread* runs every job posted with loop_post, in order, and the tick; whatever is
 * marked "flight thread" below is touched by it alone, so it needs no lock. It never blocks: what
 * may block is a job on a lane that posts its result back.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/lane.h"
#include "base/slab.h"
#include "cache/catalogue.h"
#include "cache/store.h"
#include "engine/loop/events.h"
#include "engine/loop/options.h"
#include "engine/loop/wait.h"
#include "upstream/fetcher.h"

/* One file may hold half of the slabs: 5 MiB that the disk has not taken yet. More gains no time,
 * and the memory is not given back. */
enum { WRITER_LANES = 2, SLABS = 40, TICK_MS = 250 };

struct budget;
struct channel_roots;
struct channels;
struct dates;
struct delisted;
struct directories;
struct evidences;
struct files;
struct generation;
struct heads;
struct kept_table;
struct memory;
struct metadata;
struct pages;
struct portal;
struct problem;
struct ranges;
struct refusals;
struct remembered_links;
struct renewals;
struct project_lists;
struct scrub;
struct sources;
struct eviction;

struct engine {
    struct engine_options options;
    const struct events *events;
    char *user_agent, *via;  /* via: our own Via entry */
    uint64_t claims_version; /* grows when a page says something else; flight thread */

    struct slab_pool *slabs;
    struct fetcher *fetcher;
    struct store *store;
    struct lane
        *writers[WRITER_LANES]; /* one thread each: writes of one partial keep their order */
    struct lane *reader;        /* cold reads, opening blobs */
    struct lane *cleaner;       /* commits, unlinks, closes: whatever waits for the disk */
    struct lane *compute;
    struct lane *catalogue_lane;
    struct catalogue *catalogue; /* on the catalogue lane only */

    struct files *files;
    struct kept_table *kept; /* flight thread */
    struct evidences *evidences; /* flight thread */
    struct renewals *renewals;   /* flight thread */
    struct eviction *eviction;   /* flight thread */
    struct metadata *metadata;
    struct ranges *ranges;     /* flight thread */
    struct delisted *delisted; /* flight thread */
    struct heads *heads;       /* flight thread */
    struct dates *dates;       /* flight thread */
    struct scrub *scrub;
    struct directories *directories;
    struct pages *pages;
    struct project_lists *project_lists;
    struct channels *channels;
    struct channel_roots *channel_roots;
    struct sources *sources;                 /* flight thread */
    struct remembered_links *links;          /* flight thread */
    struct budget *budget;                   /* flight thread */
    struct refusals *refusals;               /* flight thread */
    struct portal *portal;                   /* flight thread */
    _Atomic(const struct origins *) origins; /* in force */
    struct generation *generations;          /* these and those before; flight thread */
    size_t mirror_count;                     /* of all of them, in the budget */

    _Atomic bool ready, stopping;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* inbox */
    pthread_cond_t work;
    struct job *first, **last;
    bool quit;

    pthread_mutex_t status_lock;
    struct buf status; /* JSON members */
    struct waitlist status_waiters;
    _Atomic uint64_t status_count;              /* snapshots taken */
    _Atomic bool is_short;                      /* of memory: see memory.h */
    _Atomic int64_t memory_used, fetched_bytes; /* of pages that are being fetched */
    struct memory *memory;
    struct problem *problems; /* flight thread */
    unsigned problem_count;
    void (*free_attachment)(void *attachment);
};

/* For whom a mirror is asked; NULL wherever nobody has asked for it. */
struct asker {
    const char *via;
    uint64_t client; /* see struct page_query */
};

/* Begins the flight thread: the inbox in order, and a tick every TICK_MS. */
int loop_start(struct engine *engine);
/* Ends it when its inbox is empty. */
void loop_quit(struct engine *engine);
/* Runs the job on the flight thread. Any thread; never blocks. After engine_stop has joined the
 * thread, jobs run on the caller's. */
void loop_post(struct engine *engine, struct job *job);
/* The same, and back when it has run. Not on the flight thread. */
struct call {
    struct job job;
    struct engine *engine;
    const void *argument;
    int result;
    sem_t done; /* run posts it */
};
int loop_call(struct engine *engine, void (*run)(struct job *job), const void *argument);

/* A job that owns a copy of nothing: calloc'd by the caller, container_of in run, freed there. */
