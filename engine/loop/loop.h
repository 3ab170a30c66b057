// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What all rooms of the engine share: the flight thread's inbox, the lanes, and a pointer to the
 * data of each room.
 *
 * The *flight thread* runs every job that was posted with loop_post, in order, and the tick. Only
 * that thread touches what is marked "flight thread" below, so it needs no lock. It never blocks:
 * work that may block is a job on a lane, and the job posts its result back.
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

/* One file may hold half of the slabs: 5 MiB that the disk has not taken yet. More slabs gain no
 * time, and their memory is never given back. */
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
    char *user_agent, *via;  /* via: this daemon's own Via entry */
    uint64_t claims_version; /* grows when a page says something else of a digest; flight thread */

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

    struct files *files;
    struct kept_table *kept;     /* flight thread */
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
    _Atomic(const struct origins *) origins; /* the origins in force */
    /* the generation in force, and all before it; flight thread */
    struct generation *generations;
    /* mirrors of all generations, as the budget numbers them */
    size_t mirror_count;

    _Atomic bool ready, stopping;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards the inbox */
    pthread_cond_t work;
    struct job *first, **last;
    bool quit;

    pthread_mutex_t status_lock;
    struct buf status; /* the members of a JSON object */
    struct waitlist status_waiters;
    _Atomic uint64_t status_count; /* snapshots taken so far */
    _Atomic bool is_short;         /* memory is short: see memory.h */
    /* fetched_bytes: of pages that are being received */
    _Atomic int64_t memory_used, fetched_bytes;
    struct memory *memory;
    struct problem *problems; /* flight thread */
    unsigned problem_count;
    void (*free_attachment)(void *attachment);
};

/* For which request a mirror is asked. NULL where no client has asked. */
struct asker {
    const char *via;
    uint64_t client; /* see struct page_query */
};

/* Starts the flight thread: it runs the inbox in order, and a tick every TICK_MS. */
int loop_start(struct engine *engine);
/* Ends the flight thread when its inbox is empty. */
void loop_quit(struct engine *engine);
/* Runs the job on the flight thread. Any thread; never blocks. After loop_quit the job runs on
 * the caller's thread, before this returns. */
void loop_post(struct engine *engine, struct job *job);
/* Runs `run` on the flight thread, when its turn comes. False: out of memory. Any thread. */
bool loop_run(struct engine *engine, void (*run)(struct engine *engine));
/* Runs `run` on the flight thread and waits until it has called sem_post. Not on the flight
 * thread, which would wait for itself. Returns call.result. */
struct call {
    struct job job;
    struct engine *engine;
    const void *argument;
    int result;
    sem_t done; /* `run` posts it */
};
int loop_call(struct engine *engine, void (*run)(struct job *job), const void *argument);
