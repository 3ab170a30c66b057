// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of the engine, shared by its modules and nobody else: the flight thread with its
 * inbox, the lanes, and who owns what.
 *
 *   - engine.c: start, stop, inbox and tick
 *   - files.c, reading.c, blob.c, pass.c: the table of files, one client's handle on a file
 *   - flights.c, flying.c, feed.c: opening, a flight's commands, its bytes
 *   - commit.c, space.c, reserve.c: keeping a file, what fits
 *   - compare.c: whose bytes were wrong, of several mirrors
 *   - metadata.c, making.c, ranges.c: .metadata made from wheels; who honours ranges
 *   - marks.c, inventory.c, collect.c: pins; what is kept, for whoever looks after it
 *   - verify.c, quarantine.c: whether it is still what it was, and where it goes if not
 *   - renew.c: whether what nobody vouches for is still what its mirror has
 *   - soundness.c, evidence.c: what bytes say of themselves where no authority names their digest
 *   - pages.c, sources.c, built.c, merge.c: the table of pages, a mirror's page, building ours
 *   - dates.c, heads.c: when files were uploaded; asking mirrors about single files
 *   - delisted.c, showing.c: what is held that no mirror lists any more
 *   - memory.c: who may take how much memory, before it is taken
 *   - roster.c: which names an origin lists, and so who owns them
 *   - directory*.c: folders of wheels
 *   - status.c: /-/status; examine.c: a look at every mirror, beside all that
 *
 * The *flight thread* runs every job posted with core_post, in order, and the tick; whatever is
 * marked "flight thread" below is touched by it alone, so it needs no lock. It never blocks: what
 * may block is a job on a lane that posts its result back.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lane.h"
#include "base/slab.h"
#include "cache/catalogue.h"
#include "cache/store.h"
#include "engine/engine.h"
#include "engine/mirrors/budget.h"
#include "upstream/fetcher.h"

/* One file may hold half of the slabs: 5 MiB that the disk has not taken yet. More gains no time,
 * and the memory is not given back. */
enum { WRITER_LANES = 2, SLABS = 40, TICK_MS = 250 };

struct channel_roots;
struct dates;
struct delisted;
struct directories;
struct evidences;
struct files;
struct generation;
struct heads;
struct marks;
struct memory;
struct metadata;
struct pages;
struct ranges;
struct renewals;
struct rosters;
struct scrub;
struct sources;
struct space;

struct engine {
    struct engine_options options;
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
    struct marks *marks;         /* flight thread */
    struct evidences *evidences; /* flight thread */
    struct renewals *renewals;   /* flight thread */
    struct space *space;         /* flight thread */
    struct metadata *metadata;
    struct ranges *ranges;     /* flight thread */
    struct delisted *delisted; /* flight thread */
    struct heads *heads;       /* flight thread */
    struct dates *dates;       /* flight thread */
    struct scrub *scrub;
    struct directories *directories;
    struct pages *pages;
    struct rosters *rosters;
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

/* Runs the job on the flight thread. Any thread; never blocks. After engine_stop has joined the
 * thread, jobs run on the caller's. */
void core_post(struct engine *engine, struct job *job);
/* The same, and back when it has run. Not on the flight thread. */
struct call {
    struct job job;
    struct engine *engine;
    const void *argument;
    int result;
    sem_t done; /* run posts it */
};
int core_call(struct engine *engine, void (*run)(struct job *job), const void *argument);

/* A job that owns a copy of nothing: calloc'd by the caller, container_of in run, freed there. */

/* ---- reload.c */
/* The origins in force. Any thread; they stay good, but may not be those of the next call: whoever
 * follows a pointer into them keeps to it. */
const struct origins *core_origins(const struct engine *engine);
/* At start; generations_free after all else. */
int generations_start(struct engine *engine);
void generations_free(struct engine *engine);
/* What the transfer thread may reach; NULL-terminated; core_hosts_free it. */
int core_allowed_hosts(const struct engine *engine, char ***ret);
void core_hosts_free(char **hosts);
/* Number of a mirror in the budget, whatever generation the origin is of. Flight thread. */
size_t core_mirror(const struct engine *engine, const struct origin *origin, unsigned mirror);
/* Whether the generation in force has that mirror. Flight thread. */
bool core_has_mirror(const struct engine *engine, size_t number);
unsigned core_origin_mirrors(const struct engine *engine, const struct origin *origin,
                             size_t ret_numbers[]);
/* Whether all of an origin's mirrors are: then a probe is worth the wait when there is nothing. */
bool core_is_backing_off(const struct engine *engine, const struct origin *origin);
/* Names of the mirrors whose bit is set, comma-separated. */
void core_mirror_names(const struct origin *origin, unsigned set, char *ret, size_t size);
/* How long a mirror may be silent at least, whatever the configuration says: a parent wheelyard
 * tries its own mirrors before it answers. 0: no longer than that. */
int core_patience_ms(const struct mirror *mirror);
/* The Via value for a transfer begun by a request with `client_via` (or NULL); free() it. */
char *core_via(const struct engine *engine, const char *client_via);

/* ---- files.c and flights.c */
int files_new(struct engine *engine, struct files **ret);
void files_free(struct files *files);
int files_load(struct engine *engine); /* at start, before threads: from catalogue and store */
void files_tick(struct engine *engine, int64_t now_ms);
void files_stop(struct engine *engine); /* ends every flight */
/* What is believed of a file is something else than before: flights under way learn it, what is
 * kept is compared. `agreed`: as index/digests.h has it; NULL: mirrors contradict each other, or
 * nobody says anything any more. */
void files_learn_claims(struct engine *engine, const struct origin *origin, const char *path,
                        const char *agreed);
void files_write_status(struct engine *engine, struct buf *to);

/* ---- pages.c and sources.c */
int pages_new(struct engine *engine, struct pages **ret);
void pages_free(struct pages *pages);
/* Nobody has said what the digest of this file is: its project's page is asked for. */
void pages_want_digest(struct engine *engine, const struct origin *origin, const char *path);
/* Bytes of a file contradict what its page says of them: it is asked for again, once in a while.
 * True: `done` follows, on the flight thread, when that has ended; false: it was asked a moment
 * ago, or there is no such page, and `done` never comes. */
bool pages_recheck(struct engine *engine, const struct origin *origin, const char *path,
                   void (*done)(void *context), void *context);
/* Pages of that project, and those that join it with others, are made anew when they are asked for.
 */
void pages_forget(struct engine *engine, const char *origin, const char *project);
/* The same, but they stay until then: what is held may add to them. */
void pages_outdate(struct engine *engine, const char *origin, const char *project);
/* Channels ("": none) whose pages may list a path: the one whose folder it is in, else those where
 * the project has been asked for. free() each. */
enum { DELISTED_CHANNELS = 8 };
size_t pages_channels(struct engine *engine, const struct origin *origin, const char *path,
                      const char *project, char *ret[DELISTED_CHANNELS]);
/* The origins are others: no page stands, and those being loaded are begun anew. */
void pages_reload(struct engine *engine);
/* An origin lists other names than it did: pages whose project has another owner now go. */
void pages_reowned(struct engine *engine, const struct origin *origin);
/* A folder is another one: pages of this origin are built anew when they are asked for. */
void pages_directory_changed(struct engine *engine, const struct origin *origin);
void pages_tick(struct engine *engine, int64_t now_ms);
void pages_stop(struct engine *engine);
int sources_new(struct engine *engine, struct sources **ret);
void sources_free(struct sources *sources);
void sources_tick(struct engine *engine, int64_t now_ms);

/* ---- status.c: the snapshot, and problems: what an administrator should know; newest first,
 * bounded; flight thread */
/* Whether it was not there before. */
bool core_problem(struct engine *engine, const char *kind, const char *origin, const char *path,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* It is not so any more. */
void core_problem_over(struct engine *engine, const char *kind, const char *origin,
                       const char *path);
void status_tick(struct engine *engine);
void problems_free(struct engine *engine);
