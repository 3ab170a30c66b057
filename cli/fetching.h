// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Has the daemon fetch files, a few at a time, and shows how far it is: a bar where the standard
 * output is a terminal, else a line for each file. SIGINT and SIGTERM end it: what has come by then
 * stays in the cache, and what has half come is gone on with by the next command.
 *
 *     struct fetching f = {.command = "prefetch", .socket = socket, .config = config,
 *                          .wanted = &wanted};
 *     code = fetching_run(&f);             0, 1 not all, 3 no daemon; wanted.files[i].held says which
 *     ... f.problems, f.is_stopped ...
 *     fetching_release(&f);
 *
 * After a signal the process gets no further one of these two. Main thread of a command.
 */
#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "cli/bar.h"
#include "cli/wanted.h"
#include "control/control_client.h"

enum { FETCHERS = 3 };

/* One thread, with a connection of its own. */
struct fetcher_thread {
    struct fetching *fetching;
    pthread_t thread;
    int fd;                   /* of its connection; -1: none */
    struct wanted_file *file; /* that it has the daemon fetch; or NULL */
    int64_t present;          /* bytes of it, as the daemon says */
};

struct fetching {
    const char *command, *socket, *config;
    struct wanted *wanted;
    bool is_quiet; /* nothing on the standard output: it gets JSON */
    /* results: */
    bool is_stopped, is_cut; /* by a signal; the daemon has gone away */
    size_t failed;
    struct buf problems; /* JSON, without brackets */
    /* private; the threads share them under the lock: */
    pthread_mutex_t lock;
    struct fetcher_thread threads[FETCHERS];
    size_t thread_count, running;
    size_t next, done;
    int64_t bytes, done_bytes; /* of the files that were not held, where their size is known */
    int over;                  /* an eventfd: the last thread has ended */
    struct bar bar;
    bool has_bar;
};

int fetching_run(struct fetching *fetching);
void fetching_release(struct fetching *fetching);
