// SPDX-License-Identifier: Apache-2.0
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
#include "control/control_cache.h"
#include "control/control_doctor.h"
#include "control/control_export.h"
#include "control/control_place.h"
#include "control/control_request.h"

enum {
    GUESTS_MOST = 16,
    LANE_THREADS = 4,
    BACKLOG = 16,
    IDLE_MS = 10000, /* of a client that neither asks nor takes its reply */
    REPLY_MAX_BYTES = 64 << 20,
};

enum guest_state { GUEST_READING, GUEST_WORKING, GUEST_WRITING };

/* While WORKING a guest belongs to the lane, else to the control thread; the state hands it over.
 */
struct guest {
    struct job job;
    struct control *control;
    int fd; /* -1: the place is free */
    _Atomic int state;
    struct buf in, out;
    size_t written;
    int64_t deadline_ms;
};

struct control {
    struct engine *engine;
    char *path;
    int listener, wake;
    struct stat self; /* of the socket's file: a later daemon may have put its own there */
    _Atomic bool stopping;
    pthread_t thread;
    struct lane *lane;
    struct guest guests[GUESTS_MOST];
};

/* ------------------------------------------------------------------ guests */

static void guest_open(struct control *c, int fd)
{
    for (size_t i = 0; i < GUESTS_MOST; i++) {
        struct guest *g = &c->guests[i];
        if (g->fd >= 0)
            continue;
        g->control = c;
        g->fd = fd;
        g->state = GUEST_READING;
        g->written = 0;
        g->deadline_ms = clock_monotonic_ms() + IDLE_MS;
        buf_init(&g->in, CONTROL_REQUEST_MAX_BYTES);
        buf_init(&g->out, REPLY_MAX_BYTES);
        return;
    }
    (void)close(fd);
}

static void guest_close(struct guest *g)
{
    buf_release(&g->in);
    buf_release(&g->out);
    (void)close(g->fd);
    g->fd = -1;
}

static void wake(struct control *c)
{
    uint64_t one = 1;
    (void)!write(c->wake, &one, sizeof(one));
}

static void answer(struct guest *g, const char *line, size_t len)
{
    struct control_request request = {.count = 0};
    if (control_request_parse(line, len, &request)) {
        control_refuse(&g->out, 2, "not a request");
        return;
    }
    if (strcmp(request.words[0], "cache") == 0 && request.count > 1)
        control_cache(g->control->engine, &request, &g->control->stopping, &g->out);
    else if (strcmp(request.words[0], "doctor") == 0 && request.count == 3)
        control_doctor(g->control->engine, &request, &g->control->stopping, &g->out);
    else if (strcmp(request.words[0], "export") == 0 && request.count == 2 &&
             strcmp(request.words[1], "ls") == 0)
        control_export(g->control->engine, &g->control->stopping, &g->out);
    else
        control_refuse(&g->out, 2, "there is no such request");
    control_request_release(&request);
}

/* On the lane. The line that was answered leaves the buffer; what follows it is the next one. */
static void guest_run(struct job *job)
{
    struct guest *g = container_of(job, struct guest, job);
    size_t len = (size_t)((char *)memchr(g->in.data, '\n', g->in.len) - g->in.data);
    answer(g, g->in.data, len);
    if (g->out.error) {
        buf_clear(&g->out);
        control_refuse(&g->out, 1, "the answer is too long");
    }
    buf_putc(&g->out, '\n');
    auto_free char *rest = strndup(g->in.data + len + 1, g->in.len - len - 1);
    buf_clear(&g->in);
    buf_puts(&g->in, rest ? rest : "");
    g->written = 0;
    struct control *c = g->control; /* the guest may be gone once it is handed over */
    g->state = GUEST_WRITING;
    wake(c);
}

/* True when a whole request is there, and on its way. */
static bool guest_begin(struct guest *g)
{
    if (!memchr(g->in.data, '\n', g->in.len))
        return false;
    g->state = GUEST_WORKING;
    g->job.run = guest_run;
    lane_post(g->control->lane, &g->job);
    return true;
}

static void guest_read(struct guest *g)
{
    char block[4096];
    ssize_t n = recv(g->fd, block, sizeof(block), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_add(&g->in, block, (size_t)n);
    if (n <= 0 || g->in.error) {
        guest_close(g);
        return;
    }
    (void)guest_begin(g);
}

static void guest_write(struct guest *g)
{
    ssize_t n =
        send(g->fd, g->out.data + g->written, g->out.len - g->written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        guest_close(g);
        return;
    }
    g->written += (size_t)n;
    g->deadline_ms = clock_monotonic_ms() + IDLE_MS;
    if (g->written < g->out.len)
        return;
    buf_clear(&g->out);
    g->state = GUEST_READING;
    (void)guest_begin(g);
}

/* ------------------------------------------------------------------- thread */

static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void accept_guest(struct control *c)
{
    int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (is_trusted(fd))
        guest_open(c, fd);
    else
        (void)close(fd);
}

/* Who is due; fds[0] and [1] are our own. */
static nfds_t watch(struct control *c, struct pollfd *fds, struct guest **who, int *ret_wait_ms)
{
    int64_t now_ms = clock_monotonic_ms(), wait_ms = -1;
    nfds_t count = 2;
    fds[0] = (struct pollfd){.fd = c->listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = c->wake, .events = POLLIN};
    for (size_t i = 0; i < GUESTS_MOST; i++) {
        struct guest *g = &c->guests[i];
        int state = g->fd < 0 ? GUEST_WORKING : g->state;
        if (state == GUEST_WORKING)
            continue;
        if (g->deadline_ms <= now_ms) {
            guest_close(g);
            continue;
        }
        if (wait_ms < 0 || g->deadline_ms - now_ms < wait_ms)
            wait_ms = g->deadline_ms - now_ms;
        who[count] = g;
        fds[count++] = (struct pollfd){
            .fd = g->fd, .events = (short)(state == GUEST_READING ? POLLIN : POLLOUT)};
    }
    *ret_wait_ms = (int)wait_ms;
    return count;
}

static void *control_thread(void *arg)
{
    struct control *c = arg;
    struct pollfd fds[GUESTS_MOST + 2];
    struct guest *who[GUESTS_MOST + 2];
    while (!c->stopping) {
        int wait_ms;
        nfds_t count = watch(c, fds, who, &wait_ms);
        if (poll(fds, count, wait_ms) <= 0)
            continue;
        uint64_t seen;
        if (fds[1].revents) {
            (void)!read(c->wake, &seen, sizeof(seen));
            for (size_t i = 0; i < GUESTS_MOST;
                 i++) /* the time the work took is not the client's */
                if (c->guests[i].fd >= 0 && c->guests[i].state == GUEST_WRITING)
                    c->guests[i].deadline_ms = clock_monotonic_ms() + IDLE_MS;
        }
        for (nfds_t i = 2; i < count; i++) {
            if (!fds[i].revents)
                continue;
            if (fds[i].events == POLLIN)
                guest_read(who[i]);
            else
                guest_write(who[i]);
        }
        if (fds[0].revents)
            accept_guest(c);
    }
    return NULL;
}

/* -------------------------------------------------------------------- socket */

/* Whether somebody listens there. */
static bool is_alive(const struct sockaddr_un *address)
{
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
                       errno == EAGAIN);
}

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

/* 0, or ERROR_IN_USE when another daemon listens there. */
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
    /* Nobody can connect before listen, and by then the mode is right. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0)
        return error_from_errno(errno);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static const char *environment(const char *name)
{
    return getenv(name);
}

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

/* The first place that is possible; where another daemon listens none is looked for. */
static int open_socket(struct control *c, const char *given)
{
    char *places[CONTROL_PLACES];
    size_t count = control_places(given, environment, places);
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

static void remove_socket(const struct control *c)
{
    struct stat st;
    if (c->path && lstat(c->path, &st) == 0 && st.st_ino == c->self.st_ino &&
        st.st_dev == c->self.st_dev)
        (void)unlink(c->path);
}

static void control_free(struct control *c)
{
    lane_free(c->lane);
    for (size_t i = 0; i < GUESTS_MOST; i++)
        if (c->guests[i].fd >= 0)
            guest_close(&c->guests[i]);
    remove_socket(c);
    cleanup_close(&c->listener);
    cleanup_close(&c->wake);
    free(c->path);
    free(c);
}

static int start(struct control *c, const char *given)
{
    int r = open_socket(c, given);
    if (r)
        return r;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake < 0)
        return error_from_errno(errno);
    r = lane_new("control-lane", LANE_THREADS, &c->lane);
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
    for (size_t i = 0; i < GUESTS_MOST; i++)
        c->guests[i].fd = -1;
    if (start(c, given)) {
        control_free(c);
        return;
    }
    log_info("control socket at %s", c->path);
    *ret = c;
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    c->stopping = true;
    wake(c);
    (void)pthread_join(c->thread, NULL);
    lane_stop(c->lane);
    control_free(c);
}
