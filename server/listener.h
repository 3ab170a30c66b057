// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Listening sockets: for each address several on one port, one per worker, so that the kernel deals
 * connections out evenly. The first is bound without SO_REUSEPORT and gets it before listen():
 * its siblings may join, a second daemon of the same user may not.
 *
 * A socket that was inherited is one for all workers: each watches a duplicate of its descriptor,
 * and whoever comes first accepts. Of a few clients one worker may get all (16 on two workers:
 * 69,000 small requests a second at worst, 75,000 when even). Siblings by SO_REUSEPORT would be
 * even, but each has a backlog of its own that ends with us: clients in it would be reset at every
 * restart. Main thread, before workers.
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
