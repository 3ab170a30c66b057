// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a client, of which there are CLIENTS_MOST places:
 *
 *     READING    the control thread collects bytes until a whole line is there
 *     WORKING    a lane thread answers the line; poll() only looks whether the client has gone
 *     WRITING    the control thread sends the reply, then READING again
 *
 * The control thread makes READING -> WORKING and WRITING -> READING. The lane thread makes WORKING
 * -> WRITING as its last access, and wakes the control thread by an eventfd. An error, the client's
 * end, or IDLE_MS without progress closes the client; never while it is WORKING. Whoever has gone
 * while its request runs makes it stop: nobody waits for a file that a killed command has asked for.
 * A stop first joins the control thread, then the lanes.
 *
 * Fetches have a lane of their own, since each may take as long as a mirror does. The others are
 * short, and answer while all fetches wait.
 */
#include "control/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lane.h"
#include "base/log.h"
#include "base/str.h"
#include "config/user.h"
#include "control/control_add.h"
#include "control/control_cache.h"
#include "control/control_doctor.h"
#include "control/control_export.h"
#include "control/control_fetch.h"
#include "control/control_place.h"
#include "control/control_request.h"
#include "control/control_sets.h"
#include "engine/engine.h"

enum {
    CLIENTS_MOST = 64, /* one `prefetch` has five */
    LANE_THREADS = 4,
    FETCH_THREADS = 8,
    BACKLOG = 64,
    IDLE_MS = 10000, /* for a client that neither asks nor reads its reply */
    REPLY_MAX_BYTES = 64 << 20,
};

/* See the top of this file. */
enum client_state { CLIENT_READING, CLIENT_WORKING, CLIENT_WRITING };

/* A WORKING client belongs to its lane thread, any other to the control thread. The atomic state
 * hands it over. */
struct client {
    struct job job;
    struct control *control;
    int fd;     /* -1: this place is free */
    int passed; /* the last descriptor that came with a request; -1: none */
    _Atomic int state;
    _Atomic bool is_to_stop; /* the request that runs: the client has gone, or the daemon ends */
    struct buf in, out;
    size_t written;
    int64_t deadline_ms;
};

/* The socket, its thread, and all clients. */
struct control {
    struct engine *engine;
    char *path;
    int listener, wake;
    struct stat self; /* the socket's file, because a later daemon may have replaced it */
    _Atomic bool stopping;
    pthread_t thread;
    struct lane *lane, *fetches;
    struct client clients[CLIENTS_MOST];
};

/* ------------------------------------------------------------------ clients */

/* With all places taken the connection is closed at once; the command then reports that the daemon
 * has gone away. */
static void client_open(struct control *c, int fd)
{
    for (size_t i = 0; i < CLIENTS_MOST; i++) {
        struct client *g = &c->clients[i];
        if (g->fd >= 0)
            continue;
        g->control = c;
        g->fd = fd;
        g->passed = -1;
        g->state = CLIENT_READING;
        g->written = 0;
        g->deadline_ms = clock_monotonic_ms() + IDLE_MS;
        buf_init(&g->in, CONTROL_REQUEST_MAX_BYTES);
        buf_init(&g->out, REPLY_MAX_BYTES);
        return;
    }
    (void)close(fd);
}

static void client_close(struct client *g)
{
    buf_release(&g->in);
    buf_release(&g->out);
    cleanup_close(&g->passed);
    g->passed = -1;
    (void)close(g->fd);
    g->fd = -1;
}

/* Lane threads and control_stop end the poll() of the control thread with this. */
static void wake(struct control *c)
{
    uint64_t one = 1;
    (void)!write(c->wake, &one, sizeof(one));
}

/* The engine's members of /-/status. */
static void write_status(struct engine *engine, struct buf *to)
{
    buf_puts(to, "{\"code\":0,\"message\":\"\",");
    engine_write_status(engine, to);
    buf_putc(to, '}');
}

/* Runs on a lane thread. Each family of commands has a file of its own; this only picks it. */
static void answer(struct client *g, const char *line, size_t len)
{
    struct control_request request = {.count = 0};
    if (control_request_parse(line, len, &request)) {
        control_refuse(&g->out, 2, "not a request");
        return;
    }
    if (strcmp(request.words[0], "cache") == 0 && request.count > 1)
        control_cache(g->control->engine, &request, &g->is_to_stop, &g->out);
    else if (strcmp(request.words[0], "add") == 0)
        control_add(g->control->engine, &request, g->passed, &g->is_to_stop, &g->out);
    else if (strcmp(request.words[0], "fetch") == 0)
        control_fetch(g->control->engine, &request, &g->is_to_stop, &g->out);
    else if (strcmp(request.words[0], "sets") == 0)
        control_sets(g->control->engine, &request, &g->out);
    else if (strcmp(request.words[0], "doctor") == 0 && request.count == 3)
        control_doctor(g->control->engine, &request, &g->is_to_stop, &g->out);
    else if (strcmp(request.words[0], "export") == 0 && request.count == 2 &&
             strcmp(request.words[1], "ls") == 0)
        control_export(g->control->engine, &g->is_to_stop, &g->out);
    else if (strcmp(request.words[0], "status") == 0 && request.count == 1)
        write_status(g->control->engine, &g->out);
    else
        control_refuse(&g->out, 2, "there is no such request");
    control_request_release(&request);
}

/* Runs on a lane thread. The answered line leaves the buffer; the rest is the next request. */
static void client_run(struct job *job)
{
    struct client *g = container_of(job, struct client, job);
    size_t len = (size_t)((char *)memchr(g->in.data, '\n', g->in.len) - g->in.data);
    answer(g, g->in.data, len);
    cleanup_close(&g->passed);
    g->passed = -1;
    if (g->out.error) {
        buf_clear(&g->out);
        control_refuse(&g->out, 1, "the answer is too long");
    }
    buf_putc(&g->out, '\n');
    auto_free char *rest = strndup(g->in.data + len + 1, g->in.len - len - 1);
    buf_clear(&g->in);
    buf_puts(&g->in, rest ? rest : "");
    g->written = 0;
    struct control *c = g->control; /* the client may be gone after the next line */
    g->state = CLIENT_WRITING;
    wake(c);
}

/* Starts the next request. True when a whole line was there. */
static bool client_begin(struct client *g)
{
    if (!memchr(g->in.data, '\n', g->in.len))
        return false;
    bool is_fetch = str_starts(g->in.data, "[\"fetch\",");
    g->state = CLIENT_WORKING;
    g->is_to_stop = false;
    g->job.run = client_run;
    lane_post(is_fetch ? g->control->fetches : g->control->lane, &g->job);
    return true;
}

/* As recv; a descriptor that comes along replaces the one before. */
static ssize_t receive(struct client *g, char *block, size_t size)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {block, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    ssize_t n = recvmsg(g->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int))) {
        cleanup_close(&g->passed);
        memcpy(&g->passed, CMSG_DATA(c), sizeof(int));
    }
    return n;
}

/* Reads at most one block; poll() reports the rest. */
static void client_read(struct client *g)
{
    char block[4096];
    ssize_t n = receive(g, block, sizeof(block));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_add(&g->in, block, (size_t)n);
    if (n <= 0 || g->in.error) {
        client_close(g);
        return;
    }
    (void)client_begin(g);
}

/* The deadline moves with each byte sent, so a slow reader is not dropped, but a stopped one is. */
static void client_write(struct client *g)
{
    ssize_t n =
        send(g->fd, g->out.data + g->written, g->out.len - g->written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        client_close(g);
        return;
    }
    g->written += (size_t)n;
    g->deadline_ms = clock_monotonic_ms() + IDLE_MS;
    if (g->written < g->out.len)
        return;
    buf_clear(&g->out);
    g->state = CLIENT_READING;
    (void)client_begin(g);
}

/* ------------------------------------------------------------------- thread */

/* The file's mode 0600 keeps other users out. This check also holds when the directory allows more
 * than it should. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* One connection per turn of the loop; the others wait in the backlog. */
static void accept_client(struct control *c)
{
    int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (is_trusted(fd))
        client_open(c, fd);
    else
        (void)close(fd);
}

/* Fills in the descriptors to poll, and closes clients whose time is over. fds[0] and [1] are the
 * listener and the eventfd. Returns the count. */
static nfds_t watch(struct control *c, struct pollfd *fds, struct client **who, int *ret_wait_ms)
{
    static const short events[] = {
        [CLIENT_READING] = POLLIN, [CLIENT_WORKING] = 0, [CLIENT_WRITING] = POLLOUT};
    int64_t now_ms = clock_monotonic_ms(), wait_ms = -1;
    nfds_t count = 2;
    fds[0] = (struct pollfd){.fd = c->listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = c->wake, .events = POLLIN};
    for (size_t i = 0; i < CLIENTS_MOST; i++) {
        struct client *g = &c->clients[i];
        int state = g->state;
        bool is_working = state == CLIENT_WORKING;
        if (g->fd < 0 || (is_working && g->is_to_stop))
            continue;
        if (!is_working && g->deadline_ms <= now_ms) {
            client_close(g);
            continue;
        }
        if (!is_working && (wait_ms < 0 || g->deadline_ms - now_ms < wait_ms))
            wait_ms = g->deadline_ms - now_ms;
        who[count] = g;
        fds[count++] = (struct pollfd){.fd = g->fd, .events = events[state]};
    }
    *ret_wait_ms = (int)wait_ms;
    return count;
}

/* A WORKING client that has closed its end shows as POLLHUP; one that still reads does not. By now it
 * may be WRITING, and then the mark means nothing. */
static void client_event(struct client *g, short events)
{
    if (events == POLLIN)
        client_read(g);
    else if (events == POLLOUT)
        client_write(g);
    else
        g->is_to_stop = true;
}

/* One poll() for the listener, the eventfd and all clients. */
static void *control_thread(void *arg)
{
    struct control *c = arg;
    struct pollfd fds[CLIENTS_MOST + 2];
    struct client *who[CLIENTS_MOST + 2];
    while (!c->stopping) {
        int wait_ms;
        nfds_t count = watch(c, fds, who, &wait_ms);
        if (poll(fds, count, wait_ms) <= 0)
            continue;
        uint64_t seen;
        if (fds[1].revents) {
            (void)!read(c->wake, &seen, sizeof(seen));
            for (size_t i = 0; i < CLIENTS_MOST;
                 i++) /* the time that the work took does not count against the client */
                if (c->clients[i].fd >= 0 && c->clients[i].state == CLIENT_WRITING)
                    c->clients[i].deadline_ms = clock_monotonic_ms() + IDLE_MS;
        }
        for (nfds_t i = 2; i < count; i++) {
            if (fds[i].revents)
                client_event(who[i], fds[i].events);
        }
        if (fds[0].revents)
            accept_client(c);
    }
    return NULL;
}

/* -------------------------------------------------------------------- socket */

/* Whether a process listens there. A file without a listener is left over from a daemon that was
 * killed. */
static bool is_alive(const struct sockaddr_un *address)
{
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
                       errno == EAGAIN);
}

/* Only the daemon's user may enter a new folder; an existing one stays as it is. */
static int make_folder(const char *path)
{
    auto_free char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    struct stat st;
    if (!folder)
        return ERROR_NO_MEMORY;
    if (!*folder || stat(folder, &st) == 0)
        return 0;
    return file_make_directory(folder, 0700);
}

/* 0, or ERROR_IN_USE when another daemon listens there or a file of another kind is there. */
static int bind_at(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof(address.sun_path))
        return ERROR_TOO_BIG;
    str_copy(address.sun_path, sizeof(address.sun_path), path);
    int r = make_folder(path);
    if (r)
        return r;
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || is_alive(&address))
            return ERROR_IN_USE;
        (void)unlink(path);
    }
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_from_errno(errno);
    /* No client can connect before listen(), and by then the mode is right. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0)
        return error_from_errno(errno);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* The last place that failed gets the advice, because then no socket exists. */
static void say_no_socket(const char *path, int error, bool is_last)
{
    auto_free char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    auto_free char *refusal =
        folder && *folder && error == ERROR_DENIED ? file_refusal(folder) : NULL;
    const char *why = refusal                  ? refusal
                      : error == ERROR_IN_USE  ? "another daemon listens there, or it is no socket"
                      : error == ERROR_TOO_BIG ? "the path is longer than one of a socket may be"
                                               : error_text(error);
    log_warning("no control socket at %s: %s%s", path, why,
                is_last ? "; commands such as wheelyard cache do not reach this daemon until the "
                          "key socket names a path that this user can write"
                        : "");
}

/* Takes the first place that works. When another daemon listens at one, the search ends: its
 * commands must not reach us by a second path. */
static int open_socket(struct control *c, const char *given)
{
    char *places[CONTROL_PLACES];
    size_t count = control_places(given, user_environment, places);
    int r = ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (r && r != ERROR_IN_USE) {
            r = bind_at(places[i], &c->listener);
            if (r)
                say_no_socket(places[i], r, i + 1 == count || r == ERROR_IN_USE);
            else
                c->path = str_dup(places[i]);
        }
        free(places[i]);
    }
    if (r == 0 && (!c->path || stat(c->path, &c->self) < 0))
        r = ERROR_IO;
    return r;
}

/* Only our own file: a daemon that started later may have bound the same path. */
static void remove_socket(const struct control *c)
{
    struct stat st;
    if (c->path && lstat(c->path, &st) == 0 && st.st_ino == c->self.st_ino &&
        st.st_dev == c->self.st_dev)
        (void)unlink(c->path);
}

/* The lanes end first: their jobs use the clients. */
static void control_free(struct control *c)
{
    lane_free(c->lane);
    lane_free(c->fetches);
    for (size_t i = 0; i < CLIENTS_MOST; i++)
        if (c->clients[i].fd >= 0)
            client_close(&c->clients[i]);
    remove_socket(c);
    cleanup_close(&c->listener);
    cleanup_close(&c->wake);
    free(c->path);
    free(c);
}

/* On failure control_free undoes whatever was done. */
static int start(struct control *c, const char *given)
{
    int r = open_socket(c, given);
    if (r)
        return r;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake < 0)
        return error_from_errno(errno);
    r = lane_new("control-lane", LANE_THREADS, &c->lane);
    if (r == 0)
        r = lane_new("control-fetch", FETCH_THREADS, &c->fetches);
    if (r)
        return r;
    r = pthread_create(&c->thread, NULL, control_thread, c);
    if (r)
        return error_from_errno(r);
    (void)pthread_setname_np(c->thread, "control");
    return 0;
}

void control_start(struct engine *engine, const char *given, struct control **ret)
{
    struct control *c = calloc(1, sizeof(*c));
    *ret = NULL;
    if (!c)
        return;
    c->engine = engine;
    c->listener = c->wake = -1;
    for (size_t i = 0; i < CLIENTS_MOST; i++)
        c->clients[i].fd = -1;
    if (start(c, given)) {
        control_free(c);
        return;
    }
    log_info("control socket at %s", c->path);
    *ret = c;
}

/* `stopping` also ends long requests, which look at it while they run. */
void control_stop(struct control *c)
{
    if (!c)
        return;
    c->stopping = true;
    wake(c);
    (void)pthread_join(c->thread, NULL);
    for (size_t i = 0; i < CLIENTS_MOST; i++)
        c->clients[i].is_to_stop = true;
    lane_stop(c->lane);
    lane_stop(c->fetches);
    control_free(c);
}
