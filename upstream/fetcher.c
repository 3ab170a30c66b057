// SPDX-License-Identifier: Apache-2.0
/*
 * The transfer thread and how others reach it. A caller sets flags of a transfer, puts the transfer
 * on the queue and wakes the thread. The queue needs no memory, so cancelling cannot fail.
 *
 * The life of a transfer:
 *
 *     known      in by_id (lock), from fetcher_start until its on_done has returned
 *     queued     in the queue (lock), whenever a caller wants something of it
 *     running    in the list of the thread alone, from its first turn of the loop
 *     ended      on_done was called; removed from all three and freed
 *
 * The life of the thread: running, stopping (every transfer ends with ERROR_STOPPING), closed.
 * After `closed` nobody looks at the queue, so a start is answered on the caller's thread.
 */
#include "upstream/fetcher.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/thread.h"
#include "upstream/transfer.h"

enum {
    IDLE_CONNECTIONS = 32,
    CA_MAX_BYTES = 8 << 20,
    LONGEST_POLL_MS = 60 * 1000,
    STARVED_MS = 60 * 1000, /* without a slab: the holders do not return them */
};

/* Replaced rules stay until the end, because the transfer thread may be reading them. */
struct retired {
    struct address_rules *rules;
    struct retired *older;
};

/* `lock` guards what says so; the rest belongs to the thread or is constant. */
struct fetcher {
    struct transfer_setup setup;
    struct retired *retired; /* lock */
    bool offline;
    bool has_curl;
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    struct transfer *by_id; /* lock */
    struct transfer *queue; /* lock: waiting for the thread */
    uint64_t last_id;       /* lock */
    bool stopping;          /* lock */
    bool closed;            /* lock */
    atomic_bool has_slabs;  /* set by on_slabs */
    struct transfer *running;
};

/* ---- requests of other threads ---- */

/* A transfer that is queued already stays in its place. */
static void enqueue(struct fetcher *fetcher, struct transfer *t)
{
    if (t->is_queued)
        return;
    t->is_queued = true;
    DL_APPEND2(fetcher->queue, t, queue_prev, queue_next);
}

static void dequeue(struct fetcher *fetcher, struct transfer *t)
{
    if (!t->is_queued)
        return;
    t->is_queued = false;
    DL_DELETE2(fetcher->queue, t, queue_prev, queue_next);
}

uint64_t fetcher_start(struct fetcher *fetcher, const struct fetch_request *request,
                       const struct fetch_sink *sink, void *context)
{
    struct transfer *t = NULL;
    int r = transfer_new(request, sink, context, &t);

    pthread_mutex_lock(&fetcher->lock);
    uint64_t id = ++fetcher->last_id;
    if (r == 0 && fetcher->closed)
        r = ERROR_STOPPING;
    else if (r == 0 && fetcher->offline)
        r = ERROR_UNREACHABLE;
    if (r == 0) {
        t->id = id;
        HASH_ADD(hh, fetcher->by_id, id, sizeof(t->id), t);
        enqueue(fetcher, t);
    }
    pthread_mutex_unlock(&fetcher->lock);
    if (r == 0) {
        curl_multi_wakeup(fetcher->setup.multi);
        return id;
    }
    transfer_free(t);
    sink->on_done(context, r, r == ERROR_UNREACHABLE ? "offline" : error_text(r));
    return id;
}

/* An unknown id has ended already, which is no error: the caller cannot know. */
static void ask(struct fetcher *fetcher, uint64_t id, bool cancel, bool hold)
{
    struct transfer *t = NULL;

    pthread_mutex_lock(&fetcher->lock);
    HASH_FIND(hh, fetcher->by_id, &id, sizeof(id), t);
    if (t) {
        if (cancel)
            atomic_store(&t->cancelled, true);
        else
            atomic_store(&t->held, hold);
        enqueue(fetcher, t);
    }
    pthread_mutex_unlock(&fetcher->lock);
    if (t)
        curl_multi_wakeup(fetcher->setup.multi);
}

void fetcher_cancel(struct fetcher *fetcher, uint64_t id)
{
    ask(fetcher, id, true, false);
}

void fetcher_pause(struct fetcher *fetcher, uint64_t id, bool pause)
{
    ask(fetcher, id, false, pause);
}

/* Called by slab_put on any thread. */
static void on_slabs(void *context)
{
    struct fetcher *fetcher = context;
    atomic_store(&fetcher->has_slabs, true);
    curl_multi_wakeup(fetcher->setup.multi);
}

/* ---- the thread ---- */

/* The only end of a transfer that was started: on_done first, then it is forgotten. */
static void end_transfer(struct fetcher *fetcher, struct transfer *t, int error)
{
    transfer_finish(t, atomic_load(&t->cancelled) ? ERROR_STOPPING : error);
    if (t->is_running)
        DL_DELETE(fetcher->running, t);
    pthread_mutex_lock(&fetcher->lock);
    dequeue(fetcher, t);
    HASH_DEL(fetcher->by_id, t);
    pthread_mutex_unlock(&fetcher->lock);
    transfer_free(t);
}

/* Reads `stopping` under the same lock, so a start cannot slip through. */
static struct transfer *next_queued(struct fetcher *fetcher, bool *ret_stopping)
{
    pthread_mutex_lock(&fetcher->lock);
    struct transfer *t = fetcher->queue;
    if (t)
        dequeue(fetcher, t);
    *ret_stopping = fetcher->stopping;
    pthread_mutex_unlock(&fetcher->lock);
    return t;
}

/* A queued transfer is new, cancelled, or held or released by its sink. */
static void look_at_queue(struct fetcher *fetcher)
{
    struct transfer *t;
    bool stopping;

    while ((t = next_queued(fetcher, &stopping))) {
        int r = 0;
        if (stopping || atomic_load(&t->cancelled)) {
            r = ERROR_STOPPING;
        } else if (t->is_running) {
            r = transfer_resume(t);
        } else {
            t->is_running = true;
            DL_APPEND(fetcher->running, t);
            r = transfer_start(t, &fetcher->setup);
        }
        if (r < 0)
            end_transfer(fetcher, t, r);
    }
}

/* All paused transfers try again; the pool decides who gets the slabs. */
static void look_at_slabs(struct fetcher *fetcher)
{
    struct transfer *t, *next;

    if (!atomic_exchange(&fetcher->has_slabs, false))
        return;
    DL_FOREACH_SAFE(fetcher->running, t, next)
    {
        int r = transfer_resume(t);
        if (r < 0)
            end_transfer(fetcher, t, r);
    }
}

/* Receives and sends; curl reports hops that ended. */
static void look_at_curl(struct fetcher *fetcher)
{
    int running, left;
    CURLMsg *message;

    (void)curl_multi_perform(fetcher->setup.multi, &running);
    while ((message = curl_multi_info_read(fetcher->setup.multi, &left))) {
        struct transfer *t = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
        int r = transfer_hop_ended(t, message->data.result);
        if (r != TRANSFER_GOES_ON)
            end_transfer(fetcher, t, r);
    }
}

/* Ends stalled transfers and hands over slabs that waited long enough. Returns the time until the
 * next look. */
static int look_at_clock(struct fetcher *fetcher)
{
    struct transfer *t, *next;
    int64_t now_ms = clock_monotonic_ms();
    int64_t wake_ms = now_ms + LONGEST_POLL_MS;

    DL_FOREACH_SAFE(fetcher->running, t, next)
    {
        int r = transfer_tick(t, now_ms, &wake_ms);
        if (r < 0)
            end_transfer(fetcher, t, r);
    }
    return wake_ms > now_ms ? (int)(wake_ms - now_ms) : 0;
}

/* Ends all transfers during a stop. True when none is left and no new one will be taken. */
static bool has_closed(struct fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    bool stopping = fetcher->stopping;
    pthread_mutex_unlock(&fetcher->lock);
    if (!stopping)
        return false;
    while (fetcher->running)
        end_transfer(fetcher, fetcher->running, ERROR_STOPPING);

    pthread_mutex_lock(&fetcher->lock);
    fetcher->closed = !fetcher->by_id;
    bool closed = fetcher->closed;
    pthread_mutex_unlock(&fetcher->lock);
    return closed;
}

/* One turn of the loop: callers, slabs, network, clock; then it sleeps until one of them has news.
 */
static void *fetcher_main(void *arg)
{
    struct fetcher *fetcher = arg;

    for (;;) {
        look_at_queue(fetcher);
        look_at_slabs(fetcher);
        look_at_curl(fetcher);
        int wait_ms = look_at_clock(fetcher);
        if (has_closed(fetcher))
            break;
        (void)curl_multi_poll(fetcher->setup.multi, NULL, 0, wait_ms, NULL);
    }
    return NULL;
}

/* ---- start and stop ---- */

/* curl takes one bundle, so ours is appended to the system's. */
static int read_ca(const char *path, struct buf *to)
{
    if (!path)
        return 0;
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
    if (version->cainfo) {
        int r = file_read_all(version->cainfo, to);
        if (r < 0)
            return r;
        buf_putc(to, '\n');
    }
    int r = file_read_all(path, to);
    return r == FILE_MISSING ? ERROR_CONFIG : r;
}

/* What was made before a failure is freed by fetcher_free. */
static int fill_setup(struct transfer_setup *setup, const struct fetcher_options *options)
{
    setup->pool = options->pool;
    setup->connect_timeout_ms = options->connect_timeout_ms;
    setup->stall_timeout_ms = options->stall_timeout_ms;
    setup->starved_timeout_ms =
        options->starved_timeout_ms ? options->starved_timeout_ms : STARVED_MS;
    setup->page_timeout_ms = options->page_timeout_ms;
    setup->user_agent = strdup(options->user_agent);
    setup->credentials = str_dup(options->credentials);
    setup->multi = curl_multi_init();
    if (!setup->user_agent || !setup->multi || (options->credentials && !setup->credentials))
        return ERROR_NO_MEMORY;
    curl_multi_setopt(setup->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    struct address_rules *rules;
    int r = address_rules_new(options->allowed, &rules);
    if (r == 0) {
        atomic_store(&setup->rules, rules);
        r = proxy_rules_new(options->proxy, options->no_proxy, &setup->proxies);
    }
    return r < 0 ? r : read_ca(options->ca_file, &setup->ca);
}

DEFINE_CLEANUP(struct fetcher, fetcher_free)

/* The observer is set before the thread starts, because it wakes that thread. */
int fetcher_new(const struct fetcher_options *options, struct fetcher **ret)
{
    AUTO(fetcher_free) struct fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (!fetcher)
        return ERROR_NO_MEMORY;
    pthread_mutex_init(&fetcher->lock, NULL);
    buf_init(&fetcher->setup.ca, CA_MAX_BYTES);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERROR_NO_MEMORY;
    fetcher->has_curl = true;
    fetcher->offline = options->offline;
    int r = fill_setup(&fetcher->setup, options);
    if (r < 0)
        return r;
    slab_pool_observe(options->pool, on_slabs, fetcher);
    r = thread_start("transfer", fetcher_main, fetcher, &fetcher->thread);
    if (r < 0)
        return r;
    fetcher->has_thread = true;
    *ret = fetcher;
    fetcher = NULL;
    return 0;
}

/* The old rules are retired, not freed; their number is that of the reloads. */
int fetcher_allow(struct fetcher *fetcher, const char *const *allowed)
{
    struct address_rules *rules;
    struct retired *retired = malloc(sizeof(*retired));
    if (!retired)
        return ERROR_NO_MEMORY;
    int r = address_rules_new(allowed, &rules);
    if (r) {
        free(retired);
        return r;
    }
    pthread_mutex_lock(&fetcher->lock);
    *retired = (struct retired){atomic_exchange(&fetcher->setup.rules, rules), fetcher->retired};
    fetcher->retired = retired;
    pthread_mutex_unlock(&fetcher->lock);
    return 0;
}

/* Safe to call twice; fetcher_free calls it as well. */
void fetcher_stop(struct fetcher *fetcher)
{
    if (!fetcher->has_thread)
        return;
    pthread_mutex_lock(&fetcher->lock);
    fetcher->stopping = true;
    pthread_mutex_unlock(&fetcher->lock);
    curl_multi_wakeup(fetcher->setup.multi);
    (void)pthread_join(fetcher->thread, NULL);
    fetcher->has_thread = false;
}

/* The thread has ended, so nothing here needs the lock. */
void fetcher_free(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    fetcher_stop(fetcher);
    if (fetcher->setup.pool)
        slab_pool_observe(fetcher->setup.pool, NULL, NULL);
    curl_multi_cleanup(fetcher->setup.multi);
    address_rules_free(fetcher->setup.rules);
    for (struct retired *r; (r = fetcher->retired);) {
        fetcher->retired = r->older;
        address_rules_free(r->rules);
        free(r);
    }
    proxy_rules_free(fetcher->setup.proxies);
    buf_release(&fetcher->setup.ca);
    free(fetcher->setup.user_agent);
    free(fetcher->setup.credentials);
    pthread_mutex_destroy(&fetcher->lock);
    if (fetcher->has_curl)
        curl_global_cleanup();
    free(fetcher);
}
