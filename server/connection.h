// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A client's connection as the engine's waits see it, and the few things that are done to its
 * socket. Suspending and resuming keep the rules of engine/loop/wait.h: one resume for each
 * suspend, and MHD's own lock below the list's. All but the waiter's own functions: on the
 * connection's worker.
 */
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

enum { CONNECTION_CLIENT_SIZE = 64 }; /* room for an address */

void connection_init(struct connection *connection, struct MHD_Connection *mhd);

/* The client's address; NULL where it has none. */
const struct sockaddr *connection_address(struct MHD_Connection *mhd);
int connection_fd(struct MHD_Connection *mhd);
bool connection_address_is_loopback(const struct sockaddr *address);

/* Called once for each connection that arrives: bounds what a bulk client on loopback can have in
 * flight, so that its worker goes round to the others. */
void connection_tune(struct MHD_Connection *mhd);

/* Who is behind an address: IPv4 mapped, of IPv6 the first half, which one machine may have for
 * itself. False where it is neither. */
bool connection_key(const struct sockaddr *address, struct in6_addr *ret);
/* The same as a number, never 0. */
uint64_t connection_client_id(const struct connection *connection);

void connection_client(const struct connection *connection, char ret[CONNECTION_CLIENT_SIZE]);

/* Just before a body is ended with an error: the connection is then given up at once. */
void connection_end(struct connection *connection);

/* Ends the connection with a reset: for a body of unknown length, whose plain end would look
 * complete to a client of HTTP/1.0. */
void connection_reset(struct connection *connection);
