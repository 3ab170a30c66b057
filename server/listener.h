// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Listening sockets. Each address has one socket per worker on the same port, so that the kernel
 * spreads connections evenly. The first is bound without SO_REUSEPORT and gets it before listen().
 * Its siblings can then join, but a second daemon of the same user cannot.
 *
 * An inherited socket is shared: each worker watches a duplicate of its descriptor, and the first
 * one accepts. With few clients one worker may get all of them (16 clients on two workers: at worst
 * 69,000 small requests a second, 75,000 when even). Siblings by SO_REUSEPORT would be even, but
 * each has a backlog that ends with us: every restart would reset the clients in it.
 *
 * Main thread, before the workers start.
 */
#include <stddef.h>

enum { LISTENER_TEXT = 80, LISTENER_WORKERS_MAX = 64 };

struct listener {
    char address[LISTENER_TEXT]; /* "127.0.0.1:8503", "[::1]:8503": the real port */
    size_t count;
    int fds[LISTENER_WORKERS_MAX];
};

/*
 * `host` is a name or address without brackets, "" for all addresses; port 0 takes a free one. A
 * name with several addresses gives several listeners, at most `max`.
 * ERROR_IN_USE; ERROR_UNREACHABLE: no such address on this machine; others as errno says.
 */
int listener_open(const char *host, int port, size_t workers, struct listener *ret, size_t max,
                  size_t *ret_count);
/* Takes over a listening TCP socket; on failure the caller keeps it. */
int listener_adopt(int fd, size_t workers, struct listener *ret);
void listener_close(struct listener *listener);
