// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Every open connection, so that nobody takes them all: an address (of IPv6 its /64, which one
 * machine may have for itself) has a limited number, and who sends a request's headers a byte at a
 * time is dropped when they are not there after a while. MHD only knows a time without any byte.
 *
 *     connections_new(&options, &guests);         with a thread of its own
 *     connections_admits(guests, address)         before a connection is taken
 *     connections_enter(guests, &guest, fd, address);
 *     peer_asks(&guest);                    for each request, when its headers are there
 *     peer_is_served(&guest);               and when its answer has been sent
 *     connections_leave(guests, &guest);          before the descriptor is closed
 *     connections_free(guests);                   after the last has left
 *
 * Any thread; the calls for one guest are its worker's.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct connections;

struct connections_options {
    unsigned connections;  /* that there may be in all; see connections_share */
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
    uint64_t bytes;   /* received when it began to wait */
    int64_t since_ms; /* since when it has been known to send headers */
    bool (*is_lost)(void *arg);
    void *arg;
};

/* How many of `connections` one address may have: a quarter, but enough for a dozen busy clients
 * behind one router, and never all. Loopback is this machine's users, or a proxy in front of
 * everybody: all but what a hand needs to see what is wrong. */
unsigned connections_share(unsigned connections, bool is_loopback);

/* ERROR_NO_MEMORY. */
int connections_new(const struct connections_options *options, struct connections **ret);
void connections_free(struct connections *connections); /* NULL is legal */

bool connections_admits(struct connections *connections, const struct sockaddr *address);
/* `address` NULL: not counted. */
void connections_enter(struct connections *connections, struct peer *peer, int fd,
                       const struct sockaddr *address);
void connections_leave(struct connections *connections, struct peer *peer);

/* Until connections_unwatch `is_lost` is asked about once a second, on another thread; true drops
 * the guest: for what MHD would wait for in vain. */
void connections_watch(struct connections *connections, struct peer *peer,
                       bool (*is_lost)(void *arg), void *arg);
void connections_unwatch(struct connections *connections,
                         struct peer *peer); /* also when not watched */

void peer_asks(struct peer *peer);
void peer_is_served(struct peer *peer);
