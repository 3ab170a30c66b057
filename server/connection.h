// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One client's connection: as a waiter of the engine, and the few calls that touch its socket.
 * Suspending and resuming keep the rules of engine/loop/wait.h: one resume for each suspend, and
 * MHD's own lock below the wait list's lock. The waiter's functions run on any thread, all others
 * on the connection's worker. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/loop/wait.h"

struct connection {
    struct MHD_Connection *mhd;
    int fd;
    struct waiter waiter;
};

/* How many connections of this process are suspended now. Any thread. */
long connection_waiting(void);

void connection_init(struct connection *connection, struct MHD_Connection *mhd);

/* The client's address; NULL where it has none. */
const struct sockaddr *connection_address(struct MHD_Connection *mhd);
int connection_fd(struct MHD_Connection *mhd);

/* Call it once for each new connection. It bounds the bytes that a bulk client on loopback has in
 * flight, so that its worker also serves the others. */
void connection_tune(struct MHD_Connection *mhd);

/* The key by which clients are told apart: an IPv4 address as it is, or the first half of an IPv6
 * address, because one machine may own a whole /64. */
struct in6_addr connection_key(const struct in6_addr *address);
/* The key as a number that is never 0. */
uint64_t connection_client_id(const struct in6_addr *address);

/* Call it just before a body ends with an error; MHD then gives up the connection at once. */
void connection_end(struct connection *connection);

/* Ends the connection with a reset. For a body of unknown length, because a client of HTTP/1.0
 * would take a plain end for a complete body. */
void connection_reset(struct connection *connection);
