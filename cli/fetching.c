// SPDX-License-Identifier: Apache-2.0
#include "cli/fetching.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/terminal.h"
#include "cli/lock_set.h"
#include "cli/reach.h"

/*
 * The threads take one file after the other, and wait for the daemon's answer. The main thread waits
 * for signals and for the last of them, and draws.
 *
 *     a signal           is_stopped; the connections are shut, so the threads' requests fail, and
 *                        the daemon ends them on its side
 *     the daemon ends    is_cut; each thread fails with its file and takes no other
 *     no file is left    the thread ends; the last one tells the main thread
 */

enum { TICK_MS = 250, PROBLEMS_MAX_BYTES = 256 << 20 };

/* ------------------------------------------------------------------ threads */

/* Under the lock. */
static void tell(struct fetching *f, const struct wanted_file *file, const char *why)
{
    auto_free char *line = str_printf("%s: %s", wanted_name(file), why ? why : "");
    if (why) {
        f->failed++;
        json_write_comma(&f->problems);
        json_write_string(&f->problems, line ? line : why);
    }
    if (f->is_quiet)
        return;
    if (line)
        terminal_clean(line, strlen(line));
    if (why) {
        bar_clear(&f->bar);
        (void)fprintf(stderr, "wheelyard %s: %s\n", f->command, line ? line : why);
    } else if (!f->has_bar) {
        (void)printf("%zu of %zu: %s\n", f->done, f->wanted->count, wanted_name(file));
        (void)fflush(stdout);
    }
}

/* Under the lock. A file that failed counts no more in the bar. */
static void finish(struct fetcher_thread *t, bool is_held, const char *why)
{
    struct fetching *f = t->fetching;
    struct wanted_file *file = t->file;
    int64_t size = file->size > 0 ? file->size : 0;
    t->file = NULL;
    t->present = 0;
    if (f->is_stopped && !is_held)
        return;
    f->done++;
    file->held = is_held;
    if (is_held)
        f->done_bytes += size;
    else
        f->bytes -= size;
    tell(f, file, is_held ? NULL : why);
}

/* Under the lock. */
static bool take_next(struct fetcher_thread *t)
{
    struct fetching *f = t->fetching;
    while (!t->file && !f->is_cut && !f->is_stopped && f->next < f->wanted->count) {
        struct wanted_file *file = &f->wanted->files[f->next++];
        if (file->held)
            f->done++;
        else
            t->file = file;
    }
    return t->file;
}

static void fetch(struct fetcher_thread *t, struct control_client *client)
{
    struct fetching *f = t->fetching;
    struct json *reply = NULL;
    int r = control_client_ask(
        client,
        (const char *const[]){"fetch", t->file->origin, t->file->path, t->file->digests, NULL},
        &reply);
    const char *message = json_string(json_member(reply, "message"));
    bool is_held = r == 0 && json_integer(json_member(reply, "code")) == 0;
    pthread_mutex_lock(&f->lock);
    f->is_cut |= r == ERROR_UNREACHABLE && !f->is_stopped;
    finish(t, is_held,
           r == ERROR_UNREACHABLE ? "the daemon has gone away"
           : r                    ? error_text(r)
           : message && *message  ? message
                                  : "not fetched");
    (void)take_next(t);
    pthread_mutex_unlock(&f->lock);
    json_free(reply);
}

/* A descriptor is shut by others only while it is noted here. */
static void note(struct fetcher_thread *t, int fd)
{
    pthread_mutex_lock(&t->fetching->lock);
    t->fd = fd;
    if (fd >= 0 && t->fetching->is_stopped)
        (void)shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&t->fetching->lock);
}

static void work(struct fetcher_thread *t)
{
    struct fetching *f = t->fetching;
    struct control_client client;
    if (reach_daemon(f->socket, f->config, &client)) {
        pthread_mutex_lock(&f->lock);
        f->is_cut = true;
        t->file = NULL;
        pthread_mutex_unlock(&f->lock);
        return;
    }
    note(t, client.fd);
    while (t->file)
        fetch(t, &client);
    note(t, -1);
    control_client_close(&client);
}

static void *thread_main(void *context)
{
    struct fetcher_thread *t = context;
    struct fetching *f = t->fetching;
    uint64_t one = 1;
    pthread_mutex_lock(&f->lock);
    bool has_file = take_next(t);
    pthread_mutex_unlock(&f->lock);
    if (has_file)
        work(t);
    pthread_mutex_lock(&f->lock);
    if (--f->running == 0)
        (void)!write(f->over, &one, sizeof(one));
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* --------------------------------------------------------------------- bar */

/* What the daemon says of a file that a thread waits for. Under the lock. */
static void take_flight(struct fetching *f, const struct json *flight)
{
    for (size_t i = 0; i < f->thread_count; i++) {
        struct fetcher_thread *t = &f->threads[i];
        if (!t->file || strcmp(t->file->path, json_text(flight, "path")) != 0 ||
            strcmp(t->file->origin, json_text(flight, "origin")) != 0)
            continue;
        int64_t size = json_integer(json_member(flight, "size"));
        t->present = json_integer(json_member(flight, "bytes"));
        if (t->file->size < 0 && size >= 0) {
            t->file->size = size;
            f->bytes += size;
        }
    }
}

static void draw(struct fetching *f)
{
    struct bar_whole whole = {.done = f->done,
                              .files = f->wanted->count,
                              .done_bytes = f->done_bytes,
                              .bytes = f->bytes,
                              .now_ms = clock_monotonic_ms()};
    struct bar_file running[FETCHERS];
    size_t count = 0;
    for (size_t i = 0; i < f->thread_count; i++) {
        const struct fetcher_thread *t = &f->threads[i];
        if (!t->file)
            continue;
        whole.done_bytes += t->present;
        running[count++] = (struct bar_file){wanted_name(t->file), t->present, t->file->size};
    }
    bar_draw(&f->bar, &whole, running, count);
}

/* Without an answer the bar shows what the threads know. */
static void tick(struct fetching *f, struct control_client *client)
{
    struct json *reply = NULL;
    (void)control_client_ask(client, (const char *const[]){"status", NULL}, &reply);
    pthread_mutex_lock(&f->lock);
    const struct json *flight = json_first(json_member(reply, "flights"));
    for (; flight; flight = json_next(flight))
        take_flight(f, flight);
    draw(f);
    pthread_mutex_unlock(&f->lock);
    json_free(reply);
}

/* -------------------------------------------------------------- main thread */

static void stop(struct fetching *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_stopped = true;
    for (size_t i = 0; i < f->thread_count; i++)
        if (f->threads[i].fd >= 0)
            (void)shutdown(f->threads[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&f->lock);
}

/* Until the last thread has ended. */
static void watch(struct fetching *f, int signals)
{
    struct control_client client = {.fd = -1};
    struct pollfd fds[] = {{.fd = f->over, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    f->has_bar = f->has_bar && reach_daemon(f->socket, f->config, &client) == 0;
    while (!(fds[0].revents & POLLIN)) {
        struct signalfd_siginfo signal;
        int n = poll(fds, 2, f->has_bar ? TICK_MS : -1);
        if (n < 0)
            fds[0].revents = 0;
        else if (n && fds[1].revents && read(signals, &signal, sizeof(signal)) > 0)
            stop(f);
        else if (n == 0)
            tick(f, &client);
    }
    pthread_mutex_lock(&f->lock);
    bar_clear(&f->bar);
    pthread_mutex_unlock(&f->lock);
    if (client.fd >= 0)
        control_client_close(&client);
}

/* The threads inherit the mask, so signals come by the descriptor alone. */
static int catch_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* `running` is counted before the first may end. */
static void start_threads(struct fetching *f)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < FETCHERS; i++) {
        struct fetcher_thread *t = &f->threads[f->thread_count];
        *t = (struct fetcher_thread){.fetching = f, .fd = -1};
        if (pthread_create(&t->thread, NULL, thread_main, t) == 0) {
            f->thread_count++;
            f->running++;
        }
    }
    pthread_mutex_unlock(&f->lock);
}

static int verdict(const struct fetching *f)
{
    size_t held = 0;
    for (size_t i = 0; i < f->wanted->count; i++)
        held += f->wanted->files[i].held;
    if (f->is_stopped)
        (void)fprintf(
            stderr,
            "wheelyard %s: stopped; %zu of %zu files are in the cache; run it again to go "
            "on\n",
            f->command, held, f->wanted->count);
    else if (f->is_cut)
        (void)fprintf(stderr, "wheelyard %s: run the command again when the daemon is there\n",
                      f->command);
    else if (f->has_bar)
        (void)printf("%zu of %zu files are in the cache\n", held, f->wanted->count);
    return f->is_cut && !f->is_stopped ? EXIT_UNREACHABLE
           : held < f->wanted->count   ? EXIT_NO
                                       : EXIT_YES;
}

int fetching_run(struct fetching *f)
{
    auto_close int signals = catch_signals();
    auto_close int over = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&f->lock, NULL);
    buf_init(&f->problems, PROBLEMS_MAX_BYTES);
    f->over = over;
    f->bar.out = stdout;
    f->has_bar = !f->is_quiet && isatty(STDOUT_FILENO) == 1;
    for (size_t i = 0; i < f->wanted->count; i++)
        if (!f->wanted->files[i].held && f->wanted->files[i].size > 0)
            f->bytes += f->wanted->files[i].size;
    if (signals >= 0 && over >= 0)
        start_threads(f);
    if (!f->thread_count) {
        (void)fprintf(stderr, "wheelyard %s: %s\n", f->command, strerror(errno));
        return EXIT_NO;
    }
    watch(f, signals);
    for (size_t i = 0; i < f->thread_count; i++)
        (void)pthread_join(f->threads[i].thread, NULL);
    return verdict(f);
}

void fetching_release(struct fetching *f)
{
    buf_release(&f->problems);
}
