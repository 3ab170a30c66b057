// SPDX-License-Identifier: Apache-2.0
/*
 * The door to the rooms: opens them in the order of their dependencies, and ends them.
 *
 *     engine_open:  storage, generations, lanes, rooms, rows loaded, transfer thread, flight thread
 *     ready         requests come in; the flight thread runs engine_tick every TICK_MS
 *     engine_stop:  stopping -> waiters resumed -> folders, scrub, evidence -> transfers -> lanes
 *                   -> the flight thread
 *     engine_free:  after the last page and file were given back
 *
 * Each room has a _new and a _free that knows NULL, so a start that fails in the middle ends like
 * any other. `stopping` is set once and never cleared; every thread may read it. Main opens, stops
 * and frees; the HTTP workers ask.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "engine/engine_state.h"
#include "engine/events.h"
#include "engine/files/eviction.h"
#include "engine/files/evidence.h"
#include "engine/files/files.h"
#include "engine/files/kept.h"
#include "engine/files/refusals.h"
#include "engine/files/renew.h"
#include "engine/files/scrub.h"
#include "engine/folders/directory.h"
#include "engine/gate.h"
#include "engine/listings/channels.h"
#include "engine/listings/heads.h"
#include "engine/listings/listings.h"
#include "engine/listings/sources.h"
#include "engine/loop/memory.h"
#include "engine/loop/problems.h"
#include "engine/metadata/metadata.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/portal.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"
#include "engine/policy/policies.h"
#include "engine/status.h"
#include "index/listing.h"

DEFINE_CLEANUP(struct engine, engine_free)

/* The timed work of every room. Files come before pages: so a page sees in the same tick what came
 * of a file. */
void engine_tick(struct engine *e, int64_t now_ms)
{
    files_tick(e->files, now_ms);
    scrub_tick(e->files, now_ms);
    evidence_tick(e->files, now_ms);
    renew_tick(e->files);
    metadata_tick(e->metadata, now_ms);
    folders_tick(e->folders, now_ms);
    heads_tick(e->listings);
    policies_tick(e->services.policies, now_ms);
    pages_tick(e->pages, now_ms);
    sources_tick(e->listings, now_ms);
    project_lists_tick(e->pages, now_ms);
    memory_tick(&e->services, now_ms);
    counters_tick(&e->services, now_ms);
    log_settle();
    channels_tick(e->listings, now_ms);
    channel_roots_check(e->listings, now_ms);
    status_tick(e);
}

/* ------------------------------------------------------------------ start */

/* The transfer thread may reach private addresses only where the configuration names them. */
static int start_fetcher(struct engine *e)
{
    char **allowed = NULL;
    int r = mirrors_allowed_hosts(e->services.mirrors, &allowed);
    if (r)
        return r;
    struct fetcher_options options = {
        .user_agent = e->services.user_agent,
        .proxy = e->services.options.proxy,
        .no_proxy = e->services.options.no_proxy,
        .ca_file = e->services.options.ca_file,
        .credentials = e->services.options.credentials,
        .allowed = (const char *const *)allowed,
        .pool = e->services.slabs,
        .offline = e->services.options.offline,
        .connect_timeout_ms = e->services.options.connect_timeout_ms,
        .stall_timeout_ms = e->services.options.stall_timeout_ms,
        .page_timeout_ms = SOURCE_MOST_MS,
    };
    r = fetcher_new(&options, &e->services.fetcher);
    mirrors_hosts_free(allowed);
    return r;
}

/* One writer lane per thread, because a partial's writes must keep their order. The catalogue
 * has one thread, because it has one connection. */
static int start_lanes(struct engine *e)
{
    int r = lane_new("read", 2, &e->services.reader);
    for (unsigned i = 0; r == 0 && i < WRITER_LANES; i++)
        r = lane_new("write", 1, &e->services.writers[i]);
    if (r == 0)
        r = lane_new("clean", 1, &e->services.cleaner);
    if (r == 0)
        r = lane_new("compute", 2, &e->services.compute);
    return r ? r : lane_new("catalogue", 1, &e->services.catalogue_lane);
}

/* The store first: it locks the cache directory, so no second daemon opens the catalogue. */
static int open_storage(struct engine *e)
{
    int r = store_open(e->services.options.cache_dir, &e->services.store);
    if (r)
        return r;
    r = catalogue_open(store_catalogue_path(e->services.store), &e->services.catalogue);
    if (r == CATALOGUE_RESET)
        log_warning("catalogue was unreadable and is rebuilt from the blobs");
    return r < 0 ? r : 0;
}

/* The tables of all rooms, then the rows of the catalogue, then what has a thread of its own. */
static int start(struct engine *e)
{
    int r = open_storage(e);
    r = r ? r : mirrors_new(&e->services);
    r = r ? r : slab_pool_new(SLABS, &e->services.slabs);
    r = r ? r : memory_new(&e->services, &e->services.memory);
    r = r ? r : start_lanes(e);
    r = r ? r : listings_new(&e->services, &e->listings);
    r = r ? r : files_new(&e->services, e->listings, &e->files);
    r = r ? r : metadata_new(&e->services, e->files, &e->metadata);
    r = r ? r : policies_new(&e->services, &e->services.policies);
    r = r ? r : policies_prepare(e->services.policies, e->services.options.origins);
    r = r ? r : pages_new(&e->services, e->listings, e->files, e->metadata, &e->pages);
    r = r ? r : counters_load(&e->services);
    r = r ? r : files_load(e->files);
    r = r ? r : pages_load(e->pages);
    r = r ? r : kept_load(e->files);
    r = r ? r : evidence_load(e->files);
    r = r ? r : folders_new(&e->services, e->files, &e->folders);
    r = r ? r : start_fetcher(e);
    if (r)
        return r;
    status_tick(e); /* there is a status from the first request on */
    r = loop_start(&e->services);
    return r ? r : folders_set(e->folders, e->services.options.origins);
}

/* On failure the cleanup attribute frees what was made so far. */
int engine_open(const struct engine_options *options, struct engine **ret)
{
    AUTO(engine_free) struct engine *e = calloc(1, sizeof(*e));
    if (!e)
        return ERROR_NO_MEMORY;
    listing_global_init();
    memory_prepare();
    e->services.options = *options;
    e->services.events = &engine_events;
    e->services.claims_version = 1; /* 0 means: claims were never looked up */
    loop_init(&e->services.loop);
    pthread_mutex_init(&e->status_lock, NULL);
    waitlist_init(&e->status_waiters);
    buf_init(&e->status, 16 << 20);
    e->services.user_agent = strdup(options->user_agent);
    e->services.via = str_printf("1.1 wheelyard-%s", options->instance);
    if (!e->services.user_agent || !e->services.via)
        return ERROR_NO_MEMORY;
    int r = start(e);
    if (r)
        return r;
    e->ready = true;
    *ret = e;
    e = NULL;
    return 0;
}

/* ------------------------------------------------------------------- stop */

/* Closes all waitlists, on the thread that owns what waiters wait for. */
static void stop_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct engine *e = call->room;
    files_stop(e->files);
    heads_tick(e->listings); /* ends inquiries that wait for no answer */
    pages_stop(e->pages);
    channels_stop(e->listings);
    channel_roots_stop(e->listings);
    metadata_stop(e->metadata);
    folders_close(e->folders);
    counters_keep(&e->services);
    waitlist_close(&e->status_waiters);
    sem_post(&call->done);
}

/*
 * Waiters first: they hang on downloads and pages, which the flight thread closes. Then no more
 * bytes come in. Then the lanes run until they are empty, and each posts its results to the flight
 * thread, which ends last.
 */
void engine_stop(struct engine *e)
{
    if (atomic_exchange(&e->services.stopping, true))
        return;
    bool has_thread = loop_runs(&e->services);
    if (has_thread)
        (void)loop_call(&e->services, stop_run, e, NULL);
    folders_stop(e->folders);
    files_end(e->files); /* clients of the engine, so they end before what they ask */
    if (e->services.fetcher)
        fetcher_stop(e->services.fetcher);
    struct lane *lanes[] = {e->services.writers[0], e->services.writers[1],
                            e->services.compute,    e->services.cleaner,
                            e->services.reader,     e->services.catalogue_lane};
    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++)
        if (lanes[i])
            lane_stop(lanes[i]);
    if (has_thread)
        loop_quit(&e->services);
}

/* A slab that is never given back is lost to all transfers. Sanitized and debug builds abort
 * here. */
static void check_slabs(struct slab_pool *pool)
{
    unsigned taken = pool ? slab_pool_taken(pool) : 0;
    if (!taken)
        return;
    log_error("%u slabs of received bytes were not given back", taken);
#if SANITIZED || !defined(__OPTIMIZE__)
    abort();
#endif
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    engine_stop(e);
    pages_free(e->pages);
    folders_free(e->folders);
    listings_free(e->listings);
    files_free(e->files);
    metadata_free(e->metadata);
    policies_free(e->services.policies);
    fetcher_free(e->services.fetcher);
    for (unsigned i = 0; i < WRITER_LANES; i++)
        lane_free(e->services.writers[i]);
    lane_free(e->services.reader);
    lane_free(e->services.compute);
    lane_free(e->services.catalogue_lane);
    lane_free(e->services.cleaner); /* last: other lanes close handles there */
    memory_free(e->services.memory);
    catalogue_close(e->services.catalogue);
    store_close(e->services.store);
    check_slabs(e->services.slabs);
    slab_pool_free(e->services.slabs);
    buf_release(&e->status);
    problems_free(&e->services);
    mirrors_free(&e->services);
    free(e->services.user_agent);
    free(e->services.via);
    loop_release(&e->services.loop);
    pthread_mutex_destroy(&e->status_lock);
    waitlist_release(&e->status_waiters);
    free(e);
}

/* A `.metadata` may be made here, or come from a mirror as any file. Each answer may lead to the
 * other way, so the loop has a bound: a file that changes all the time is refused. */
int engine_file(struct engine *e, const struct file_query *query, struct waiter *waiter,
                struct file **ret)
{
    *ret = NULL;
    int refused = gate_look(e, query, waiter, ret);
    if (refused || *ret)
        return refused;
    const struct origin *origin = origins_find(mirrors_origins(e->services.mirrors), query->origin);
    if (origin && origin->directory)
        return directory_file(e->folders, origin, query, waiter, ret);
    for (int tries = 0; tries < 4; tries++) {
        int r = metadata_file(e->metadata, query, waiter, ret);
        if (r != METADATA_ELSEWHERE)
            return r;
        r = files_open(e->files, query, waiter, ret);
        if (r || !metadata_missed(e->metadata, query, file_facts(*ret)))
            return r;
        file_close(*ret);
        *ret = NULL;
    }
    return files_refuse(e->files, OUTCOME_BROKEN, "the file keeps changing", query, ret);
}

bool engine_is_ready(struct engine *e)
{
    return e->ready && !e->services.stopping;
}

void engine_on_page_free(struct engine *e, void (*free_attachment)(void *attachment))
{
    pages_on_free(e->pages, free_attachment);
}

void engine_note_sent(struct engine *e, bool is_hit, int64_t bytes)
{
    struct counters *t = &e->services.counters;
    counters_add(t, is_hit ? COUNT_HITS : COUNT_MISSES, 1);
    counters_add(t, COUNT_SENT_BYTES, bytes);
    if (is_hit)
        counters_add(t, COUNT_HIT_BYTES, bytes);
}
