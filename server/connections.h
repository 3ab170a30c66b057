// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A list of all open connections, so that no client takes them all. One address has a limited
 * number of connections (of IPv6 its /64, which one machine may own). A client that sends its
 * headers one byte at a time is dropped after header_timeout_ms; MHD itself only limits the time
 * without any byte.
 *
 *     connections_new(&options, &connections);           starts a thread
 *     connections_admits(connections, address)           before a connection is accepted
 *     connections_enter(connections, &peer, fd, address);
 *     peer_asks(&peer);              for each request, when its headers are there
 *     peer_is_served(&peer);         when its answer has been sent
 *     connections_leave(connections, &peer);             before the descriptor is closed
 *     connections_free(connections);                     after the last peer has left
 *
 * Any thread; the calls for one peer are made by its worker.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/network.h"

struct connections;

struct connections_options {
    unsigned connections;  /* the most there may be in all; see connections_share */
    unsigned client_limit; /* of one address; 0: its share */
    int header_timeout_ms; /* from a request's first byte to the end of its headers */
};

/* A connection; all private. */
struct peer {
    struct peer *prev;
    struct peer *next;
    struct peer_address *address;
    int fd;
    _Atomic int state;
    uint64_t bytes;   /* received before it began to send headers */
    int64_t since_ms; /* when it was first seen to send headers */
    bool (*is_lost)(void *arg);
    void *arg;
};

/* How many of `connections` one address may have: a quarter, but enough for a dozen busy clients
 * that share one router, and never all. Loopback and trusted proxies stand for many clients, so
 * they get seven eighths. An administrator may need the rest to look at the daemon. */
unsigned connections_share(unsigned connections, bool stands_for_many);

/* ERROR_NO_MEMORY. */
int connections_new(const struct connections_options *options, struct connections **ret);
void connections_free(struct connections *connections); /* NULL is legal */

/* From now on these proxies get the share of loopback, because each stands for many clients. The
 * list must outlive `connections`; NULL: there are none. */
void connections_trust(struct connections *connections, const struct network_list *proxies);

bool connections_admits(struct connections *connections, const struct sockaddr *address);
/* `address` NULL: not counted. */
void connections_enter(struct connections *connections, struct peer *peer, int fd,
                       const struct sockaddr *address);
void connections_leave(struct connections *connections, struct peer *peer);

/* Until connections_unwatch, a thread calls `is_lost` once a second and drops the peer when it
 * returns true. This ends connections for which MHD would wait in vain. */
void connections_watch(struct connections *connections, struct peer *peer,
                       bool (*is_lost)(void *arg), void *arg);
void connections_unwatch(struct connections *connections,
                         struct peer *peer); /* also when not watched */

void peer_asks(struct peer *peer);
void peer_is_served(struct peer *peer);
