// SPDX-License-Identifier: Apache-2.0
/*
 * What MHD calls in the life of a request, all on its worker:
 *
 *     on_target      the request line is there: struct request is made
 *     on_request     headers are there: the request is refused, or nothing happens
 *                    again, the request is complete: it is answered, or the engine suspends it
 *                    again after each resume, until it is answered
 *     body_read      (file_reply.c) for each block of a file that is not mapped; may suspend
 *     on_completed   sent or cut: struct request is freed, with the page or file that it held
 *
 * MHD does not look at a suspended connection at all: neither the client's end nor a timeout counts
 * there. MHD_stop_daemon aborts the process when it meets one. That is why httpd.h prescribes the
 * order of a stop.
 */
#include "server/httpd.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/lane.h"
#include "base/log.h"
#include "base/port.h"
#include "base/thread.h"
#include "server/claims.h"
#include "server/connections.h"
#include "server/file_reply.h"
#include "server/home.h"
#include "server/indexes.h"
#include "server/listener.h"
#include "server/metrics.h"
#include "server/page_reply.h"
#include "server/status.h"

enum { DETAIL_MAX_BYTES = 4096, HOLDER_BYTES = 400, WHY_BYTES = 1024 };
enum {
    POOL_BYTES = 8 << 10, /* MHD zeroes it after each request: no larger than headers need */
    IDLE_TIMEOUT_S = 60,
    CONNECTIONS_MIN = 64,   /* per worker */
    CONNECTIONS_MAX = 8192, /* in all: each takes about 10 KiB of max_memory */
    FDS_OF_OTHERS = 512,    /* mirrors, blobs, the catalogue */
    SILENT_MS = 250,        /* how long a stop waits for the first request of a new client */
    SETTLE_MS = 25, /* by then workers have registered the connections that they were accepting */
    QUIESCE_MS = 500,
    PAGE_WATCHED_BYTES = 16 << 10, /* a socket buffers less than this at once */
};

/* What requests are answered by: one generation for each reload. Old generations stay, because
 * requests under way use them and the engine points into their origins. */
struct generation {
    struct site site;
    struct httpd *httpd;
    struct generation *older;
};

/* One open connection. A stop counts those that have not sent a request yet. */
struct client {
    bool has_asked;
    struct peer peer;
};

/* Constant after the start, except the atomics and what `lock` guards. */
struct httpd {
    _Atomic(struct generation *) generation;
    _Atomic long silent_clients;
    struct connections *connections;
    struct meter *meter;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct listener listeners[HTTPD_ADDRESSES_MAX];
    size_t listener_count;
    const char *addresses[HTTPD_ADDRESSES_MAX + 1];
    struct MHD_Daemon **daemons;
    size_t daemon_count;
    bool is_quiesced;
    _Atomic int quiesce_fd; /* the descriptor of worker_quiesce; -1: none */
};

/* ------------------------------------------------------------------ one request */

/* 400, not 404: after a 404 clients go on to the next index, or do not show our text. */
static enum MHD_Result no_index_send(struct request *request)
{
    auto_buf struct buf detail;
    buf_init(&detail, DETAIL_MAX_BYTES);
    buf_printf(&detail, "there is no index %s", request->route.index);
    engine_say_indexes(request->site->engine, request->route.index, &detail);
    return reply_problem(request, MHD_HTTP_BAD_REQUEST,
                         detail.error ? request->route.why : detail.data);
}

static enum MHD_Result moved_send(struct request *request)
{
    struct reply reply = reply_of_text("", 0);
    reply_header(&reply, "Location", request->route.location);
    reply_header(&reply, "Cache-Control", "public, max-age=600");
    return reply_send(&reply, request, MHD_HTTP_MOVED_PERMANENTLY);
}

/* One line per route; each reply function may suspend and is then called again. */
static enum MHD_Result route_send(struct request *request)
{
    switch (request->route.kind) {
    case ROUTE_HOME:
        return home_send(request);
    case ROUTE_PAGE:
        return page_reply_send(request);
    case ROUTE_FILE:
        return file_reply_send(request);
    case ROUTE_HEALTH:
        return status_send_health(request);
    case ROUTE_READY:
        return status_send_ready(request);
    case ROUTE_STATUS:
        return status_send(request);
    case ROUTE_METRICS:
        return metrics_send(request);
    case ROUTE_MOVED:
        return moved_send(request);
    case ROUTE_INDEXES:
        return indexes_send(request);
    case ROUTE_CLAIMS:
        return claims_send(request);
    case ROUTE_NO_INDEX:
        return no_index_send(request);
    case ROUTE_NONE:
        return reply_problem(request, MHD_HTTP_NOT_FOUND, request->route.why);
    case ROUTE_MALFORMED:
        return reply_problem(request, MHD_HTTP_BAD_REQUEST, request->route.why);
    case ROUTE_TOO_LONG:
        return reply_problem(request, MHD_HTTP_URI_TOO_LONG, NULL);
    }
    return MHD_NO;
}

/* A client that closed its sending half looks like a client that has left. The transfer must not
 * run on for a client that has left. So a client that still reads gets this answer and a clean end.
 */
static enum MHD_Result left_send(struct request *request)
{
    struct reply reply =
        reply_of_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                         "the client closed its connection before the answer was ready");
    reply_header(&reply, "Connection", "close");
    return reply_send(&reply, request, MHD_HTTP_SERVICE_UNAVAILABLE);
}

/* RFC 9110 requires Allow with a 405. */
static enum MHD_Result refuse_send(struct request *request, unsigned status, const char *why)
{
    struct reply reply = reply_of_problem(request, status, why);
    reply_header(&reply, "Allow", status == MHD_HTTP_METHOD_NOT_ALLOWED ? "GET, HEAD" : NULL);
    return reply_send(&reply, request, status);
}

/* NULL when there was no memory for it; on_request then drops the connection. */
static struct client *client_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* The kernel stops silently at the end of a file that was truncated on disk. MHD would then wait
 * for ever for room in a socket that is empty. */
static bool is_cut_short(void *file)
{
    return file_is_short(file);
}

/* A client that does not read keeps a page in memory that nobody else uses any more. */
static bool is_unwanted(void *page)
{
    return page_is_unwanted(page);
}

/* MHD calls it when the headers are there, when the request is complete, and after each resume. A
 * response at the first call makes MHD close the connection after it. That is wanted for a refusal;
 * for all else it would cost every client its keep-alive. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_cls)
{
    struct request *request = *request_cls;
    struct httpd *httpd = cls;
    (void)url, (void)upload;
    if (!request || !client_of(mhd))
        return MHD_NO; /* out of memory */
    if (!request->is_checked) {
        const char *why = NULL;
        peer_asks(&client_of(mhd)->peer);
        unsigned status = request_check(request, method, version, &why);
        request->is_checked = true;
        return status ? refuse_send(request, status, why) : MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    /* Already answered: a stopping MHD accepts a second response and drops it. */
    if (request->status)
        return MHD_NO;
    /* Only the end of its sending half shows; it may still read. */
    if (request->connection.waiter.gone)
        return left_send(request);
    enum MHD_Result r = route_send(request);
    if (request->is_mapped)
        connections_watch(httpd->connections, &client_of(mhd)->peer, is_cut_short, request->file);
    else if (request->page && request->bytes >= PAGE_WATCHED_BYTES)
        connections_watch(httpd->connections, &client_of(mhd)->peer, is_unwanted, request->page);
    return r;
}

/* Counts the connection as silent no longer; called at its first request or at its end. */
static void client_asks(struct httpd *httpd, struct MHD_Connection *mhd)
{
    struct client *client = client_of(mhd);
    if (!client || client->has_asked)
        return;
    client->has_asked = true;
    atomic_fetch_sub(&httpd->silent_clients, 1);
}

/* The only place where MHD shows the target as the client wrote it, with query and escapes. The
 * request is counted before the connection stops counting as silent, because a stop looks at both.
 */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct httpd *httpd = cls;
    struct request *request = request_new(&atomic_load(&httpd->generation)->site, mhd, target);
    client_asks(httpd, mhd);
    return request;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **request_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct httpd *httpd = cls;
    struct client *client = client_of(mhd);
    if (client) {
        connections_unwatch(httpd->connections, &client->peer);
        peer_is_served(&client->peer);
    }
    request_free(*request_cls, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    *request_cls = NULL;
}

/* Runs on the worker that must stop listening; see worker_quiesce. The worker releases the listening
 * socket itself, because libmicrohttpd does not lock that against the thread that stops it. */
static bool is_quiesce_wakeup(struct httpd *httpd, struct MHD_Connection *mhd)
{
    if (connection_fd(mhd) != atomic_load(&httpd->quiesce_fd))
        return false;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_DAEMON);
    (void)MHD_quiesce_daemon(info->daemon);
    pthread_mutex_lock(&httpd->lock);
    atomic_store(&httpd->quiesce_fd, -1);
    pthread_cond_broadcast(&httpd->idle);
    pthread_mutex_unlock(&httpd->lock);
    return true;
}

/* A connection enters the list after accept() and leaves it before MHD closes its descriptor. */
static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct httpd *httpd = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED && is_quiesce_wakeup(httpd, mhd))
        return;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct client *client = calloc(1, sizeof(*client));
        connection_tune(mhd);
        if (!client)
            return;
        atomic_fetch_add(&httpd->silent_clients, 1);
        connections_enter(httpd->connections, &client->peer, connection_fd(mhd),
                          connection_address(mhd));
        *socket_context = client;
        return;
    }
    client_asks(httpd, mhd);
    if (*socket_context)
        connections_leave(httpd->connections, &((struct client *)*socket_context)->peer);
    free(*socket_context);
    *socket_context = NULL;
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t len)
{
    struct httpd *httpd = cls;
    (void)len;
    return connections_admits(httpd->connections, address) ? MHD_YES : MHD_NO;
}

/* MHD would decode escapes by lax rules of its own. route.c has decoded the target already. */
static size_t on_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls, (void)mhd;
    return strlen(text);
}

/* ------------------------------------------------------------------ daemons */

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format,
                                                         va_list args)
{
    char text[512];
    (void)cls;
    int n = vsnprintf(text, sizeof(text), format, args);
    if (n > 0 && (size_t)n < sizeof(text) && text[n - 1] == '\n')
        text[n - 1] = '\0';
    log_debug("microhttpd: %s", text);
}

/* MHD calls it when its own state is broken; going on would be worse. */
_Noreturn static void on_panic(void *cls, const char *file, unsigned line, const char *reason)
{
    (void)cls;
    /* Not through the log's queue: the process aborts before the log thread writes it. */
    (void)fprintf(stderr, "microhttpd: %s:%u: %s\n", file, line, reason ? reason : "panic");
    abort();
}

/* Descriptors are divided among the workers, and some stay free for mirrors, blobs and the
 * catalogue. */
static unsigned connection_limit(size_t workers)
{
    struct rlimit limit;
    uint64_t fds = getrlimit(RLIMIT_NOFILE, &limit) ? 1024 : limit.rlim_cur;
    uint64_t all = fds > FDS_OF_OTHERS ? fds - FDS_OF_OTHERS : 0;
    if (all > CONNECTIONS_MAX)
        all = CONNECTIONS_MAX;
    return all / workers < CONNECTIONS_MIN ? CONNECTIONS_MIN : (unsigned)(all / workers);
}

/* One daemon per worker: it has its own epoll set and its own thread. */
static struct MHD_Daemon *daemon_start(struct httpd *httpd, int fd, unsigned limit)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, on_accept, httpd, on_request, httpd, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_URI_LOG_CALLBACK, on_target, httpd,
        MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        httpd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, httpd,
#if MHD_VERSION >= 0x00097701
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
#endif
        MHD_OPTION_END);
}

/* The affinity mask, not the machine: a container with two cores must not get 64 workers. */
static size_t core_count(void)
{
    cpu_set_t cores;
    int n = sched_getaffinity(0, sizeof(cores), &cores) ? 1 : CPU_COUNT(&cores);
    return n < 1 ? 1 : (size_t)n;
}

/* The limit of each worker is known only when the number of workers is. */
static int daemons_start(struct httpd *httpd, const struct httpd_options *options)
{
    size_t count = 0;
    for (size_t i = 0; i < httpd->listener_count; i++)
        count += httpd->listeners[i].count;
    httpd->daemons = calloc(count, sizeof(struct MHD_Daemon *));
    if (!httpd->daemons)
        return ERROR_NO_MEMORY;
    unsigned limit = connection_limit(count);
    struct connections_options connections = {
        .connections = limit * (unsigned)count,
        .client_limit = options->client_limit,
        .header_timeout_ms =
            options->header_timeout_ms ? options->header_timeout_ms : HTTPD_HEADER_TIMEOUT_MS,
    };
    int r = connections_new(&connections, &httpd->connections);
    if (r)
        return r;
    connections_trust(httpd->connections, &atomic_load(&httpd->generation)->site.trusted_proxies);
    for (size_t i = 0; i < httpd->listener_count; i++)
        for (size_t j = 0; j < httpd->listeners[i].count; j++) {
            struct MHD_Daemon *daemon = daemon_start(httpd, httpd->listeners[i].fds[j], limit);
            if (!daemon) {
                log_error("cannot start an HTTP worker on %s", httpd->listeners[i].address);
                return ERROR_IO;
            }
            httpd->daemons[httpd->daemon_count++] = daemon;
        }
    return 0;
}

/* ------------------------------------------------------------------ start */

static size_t worker_count(const struct httpd_options *options)
{
    return options->workers > 0 ? (size_t)options->workers : core_count();
}

static void listeners_add(struct httpd *httpd, size_t count)
{
    for (; count; count--, httpd->listener_count++)
        httpd->addresses[httpd->listener_count] = httpd->listeners[httpd->listener_count].address;
}

/* Says what is wrong and what the user can do about it. */
static void explain_listen(int error, int port, char ret[WHY_BYTES])
{
    char holder[HOLDER_BYTES] = "";
    if (error == ERROR_IN_USE) {
        port_holder(port, holder, sizeof(holder));
        (void)snprintf(ret, WHY_BYTES,
                       "another process has the port%s%s%s; stop it, or set listen to another port",
                       *holder ? " (" : "", holder, *holder ? ")" : "");
    } else if (error == ERROR_DENIED) {
        (void)snprintf(ret, WHY_BYTES,
                       "this user may not open port %d: those below 1024 take root or the "
                       "capability CAP_NET_BIND_SERVICE; set listen to a higher one, or have "
                       "systemd open it (wheelyard.socket)",
                       port);
    } else {
        (void)snprintf(ret, WHY_BYTES, "%s",
                       error == ERROR_UNREACHABLE ? "no such address on this machine"
                                                  : error_text(error));
    }
}

static int address_open(struct httpd *httpd, const struct httpd_options *options,
                        const struct httpd_listen *listen)
{
    size_t opened = 0;
    int r = listener_open(listen->host, listen->port, worker_count(options),
                          &httpd->listeners[httpd->listener_count],
                          HTTPD_ADDRESSES_MAX - httpd->listener_count, &opened);
    bool bracketed = strchr(listen->host, ':');
    if (r == ERROR_UNREACHABLE && options->listen_is_default) {
        log_warning("not listening on %s%s%s:%d: no such address on this machine",
                    bracketed ? "[" : "", listen->host, bracketed ? "]" : "", listen->port);
        return 0;
    }
    if (r) {
        char why[WHY_BYTES];
        explain_listen(r, listen->port, why);
        log_error("cannot listen on %s%s%s:%d: %s", bracketed ? "[" : "", listen->host,
                  bracketed ? "]" : "", listen->port, why);
        return r;
    }
    listeners_add(httpd, opened);
    return 0;
}

/* Every inherited socket must work: a socket that nobody serves would hang its clients. */
static int inherited_adopt(struct httpd *httpd, const struct httpd_options *options)
{
    for (size_t i = 0; i < options->inherited_count && i < HTTPD_ADDRESSES_MAX; i++) {
        int r = listener_adopt(options->inherited[i], worker_count(options),
                               &httpd->listeners[httpd->listener_count]);
        if (r) {
            log_error("cannot listen on an inherited socket: %s", error_text(r));
            return r;
        }
        listeners_add(httpd, 1);
    }
    return 0;
}

/* Inherited sockets replace the configured ones, because the manager decides. */
static int addresses_open(struct httpd *httpd, const struct httpd_options *options)
{
    if (options->inherited_count)
        return inherited_adopt(httpd, options);
    for (size_t i = 0; i < options->listen_count; i++) {
        int r = address_open(httpd, options, &options->listen[i]);
        if (r)
            return r;
    }
    if (httpd->listener_count)
        return 0;
    log_error("there is no address to listen on");
    return ERROR_UNREACHABLE;
}

/* The lock keeps httpd_wait_idle from missing the signal between its look and its wait. */
static void on_idle(struct site *site)
{
    struct httpd *httpd = container_of(site, struct generation, site)->httpd;
    pthread_mutex_lock(&httpd->lock);
    pthread_cond_broadcast(&httpd->idle);
    pthread_mutex_unlock(&httpd->lock);
}

static void generation_free(struct generation *generation)
{
    network_list_release(&generation->site.allow_clients);
    network_list_release(&generation->site.trusted_proxies);
    free(generation);
}

static int generation_add(struct httpd *httpd, const struct httpd_options *options,
                          int64_t started_ms)
{
    struct generation *generation = calloc(1, sizeof(*generation));
    if (!generation)
        return ERROR_NO_MEMORY;
    generation->httpd = httpd;
    generation->older = atomic_load(&httpd->generation);
    generation->site = (struct site){
        .engine = options->engine,
        .origins = options->origins,
        .instance = options->instance,
        .meter = httpd->meter,
        .audit = options->audit,
        .started_ms = started_ms,
        .on_idle = on_idle,
    };
    struct site *site = &generation->site;
    host_names_init(&site->hosts, options->access.hosts);
    int r = network_list_read(options->access.allow_clients, &site->allow_clients);
    r = r ? r : network_list_read(options->access.trusted_proxies, &site->trusted_proxies);
    if (r) {
        generation_free(generation);
        return r;
    }
    if (httpd->connections)
        connections_trust(httpd->connections, &site->trusted_proxies);
    atomic_store(&httpd->generation, generation);
    return 0;
}

int httpd_reload(struct httpd *httpd, const struct origins *origins,
                 const struct httpd_access *access)
{
    const struct site *now = &atomic_load(&httpd->generation)->site;
    struct httpd_options options = {.engine = now->engine,
                                    .origins = origins,
                                    .access = *access,
                                    .instance = now->instance,
                                    .audit = now->audit};
    return generation_add(httpd, &options, now->started_ms);
}

/* A failure stops and frees what was started; each step has logged its reason. */
int httpd_start(const struct httpd_options *options, struct httpd **ret)
{
    struct httpd *httpd = calloc(1, sizeof(*httpd));
    if (!httpd)
        return ERROR_NO_MEMORY;
    atomic_init(&httpd->quiesce_fd, -1);
    pthread_mutex_init(&httpd->lock, NULL);
    thread_condition_init(&httpd->idle);
    MHD_set_panic_func(on_panic, NULL);
    engine_on_page_free(options->engine, page_reply_free_attachment);
    int r = meter_new(&httpd->meter);
    if (r == 0)
        r = generation_add(httpd, options, clock_monotonic_ms());
    if (r == 0)
        r = addresses_open(httpd, options);
    if (r == 0)
        r = daemons_start(httpd, options);
    if (r) {
        httpd_stop(httpd);
        httpd_free(httpd);
        return r;
    }
    *ret = httpd;
    return 0;
}

const char *const *httpd_addresses(const struct httpd *httpd)
{
    return httpd->addresses;
}

/* ------------------------------------------------------------------ stop */

/* Bounded: a worker may be unable to accept the connection. */
static bool quiesce_wait(struct httpd *httpd)
{
    int64_t until_ms = clock_monotonic_ms() + QUIESCE_MS;
    pthread_mutex_lock(&httpd->lock);
    while (atomic_load(&httpd->quiesce_fd) >= 0 &&
           thread_wait_until(&httpd->idle, &httpd->lock, until_ms))
        ;
    bool heard = atomic_load(&httpd->quiesce_fd) < 0;
    pthread_mutex_unlock(&httpd->lock);
    return heard;
}

/* MHD_quiesce_daemon and the worker's own loop both take the listening socket out of the epoll set.
 * They do so without a lock, and the second one aborts the process. So the worker itself must call
 * it. We give the worker one end of a socket pair as a new connection; on_connection recognises it
 * and quiesces. */
static void worker_quiesce(struct httpd *httpd, struct MHD_Daemon *daemon)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        (void)close(pair[1]);
        atomic_store(&httpd->quiesce_fd, pair[0]);
        if (MHD_add_connection(daemon, pair[0], &nobody, sizeof(nobody)) && quiesce_wait(httpd))
            return;
        atomic_store(&httpd->quiesce_fd, -1);
    }
    /* All connections or descriptors are in use, so the worker accepts none. */
    (void)MHD_quiesce_daemon(daemon);
}

void httpd_quiesce(struct httpd *httpd)
{
    if (httpd->is_quiesced)
        return;
    for (size_t i = 0; i < httpd->daemon_count; i++)
        worker_quiesce(httpd, httpd->daemons[i]);
    httpd->is_quiesced = true;
}

/* Requests of old generations count as well. */
static bool has_requests(struct httpd *httpd)
{
    for (struct generation *generation = atomic_load(&httpd->generation); generation;
         generation = generation->older)
        if (atomic_load(&generation->site.active))
            return true;
    return false;
}

/* A client whose connection was just accepted is about to send a request, and a restart should not
 * fail it. So new clients get SILENT_MS, and the last accepted ones SETTLE_MS to be counted. */
static bool is_idle(struct httpd *httpd, int64_t elapsed_ms)
{
    bool settled = elapsed_ms >= SETTLE_MS;
    bool has_silent = elapsed_ms < SILENT_MS && atomic_load(&httpd->silent_clients);
    return settled && !has_silent && !has_requests(httpd);
}

/* Wakes on the signal of the last request, and every SETTLE_MS for new clients. */
bool httpd_wait_idle(struct httpd *httpd, int timeout_ms)
{
    int64_t begin_ms = clock_monotonic_ms(), now_ms = begin_ms;
    bool idle;
    pthread_mutex_lock(&httpd->lock);
    while (!(idle = is_idle(httpd, now_ms - begin_ms)) && now_ms - begin_ms < timeout_ms) {
        (void)thread_wait_until(&httpd->idle, &httpd->lock, now_ms + SETTLE_MS);
        now_ms = clock_monotonic_ms();
    }
    pthread_mutex_unlock(&httpd->lock);
    return idle;
}

void httpd_stop(struct httpd *httpd)
{
    /* MHD would close the listening sockets that it still holds, but listener_close closes them. */
    httpd_quiesce(httpd);
    while (httpd->daemon_count)
        MHD_stop_daemon(httpd->daemons[--httpd->daemon_count]);
}

/* All workers have ended, so no request refers to a generation. */
void httpd_free(struct httpd *httpd)
{
    if (!httpd)
        return;
    for (size_t i = 0; i < httpd->listener_count; i++)
        listener_close(&httpd->listeners[i]);
    for (struct generation *generation = atomic_load(&httpd->generation), *older; generation;
         generation = older) {
        older = generation->older;
        generation_free(generation);
    }
    connections_free(httpd->connections);
    meter_free(httpd->meter);
    pthread_cond_destroy(&httpd->idle);
    pthread_mutex_destroy(&httpd->lock);
    free(httpd->daemons);
    free(httpd);
}
