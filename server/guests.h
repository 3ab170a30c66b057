// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Every open connection, so that nobody takes them all: an address (of IPv6 its /64, which one
 * machine may have for itself) has a limited number, and who sends a request's headers a byte at a
 * time is dropped when they are not there after a while. MHD only knows a time without any byte.
 *
 *     guests_new(&options, &guests);         with a thread of its own
 *     guests_admits(guests, address)         before a connection is taken
 *     guests_enter(guests, &guest, fd, address);
 *     guest_asks(&guest);                    for each request, when its headers are there
 *     guest_is_served(&guest);               and when its answer has been sent
 *     guests_leave(guests, &guest);          before the descriptor is closed
 *     guests_free(guests);                   after the last has left
 *
 * Any thread; the calls for one guest are its worker's.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct guests;

struct guests_options {
    unsigned connections;  /* that there may be in all; see guests_share */
    unsigned client_limit; /* of one address; 0: its share */
    int header_timeout_ms; /* from a request's first byte to the end of its headers */
};

/* A connection; all private. */
struct guest {
    struct guest *prev;
    struct guest *next;
    struct guest_address *address;
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
unsigned guests_share(unsigned connections, bool is_loopback);

/* ERROR_NO_MEMORY. */
int guests_new(const struct guests_options *options, struct guests **ret);
void guests_free(struct guests *guests); /* NULL is legal */

bool guests_admits(struct guests *guests, const struct sockaddr *address);
/* `address` NULL: not counted. */
void guests_enter(struct guests *guests, struct guest *guest, int fd,
                  const struct sockaddr *address);
void guests_leave(struct guests *guests, struct guest *guest);

/* Until guests_unwatch `is_lost` is asked about once a second, on another thread; true drops the
 * guest: for what MHD would wait for in vain. */
void guests_watch(struct guests *guests, struct guest *guest, bool (*is_lost)(void *arg),
                  void *arg);
void guests_unwatch(struct guests *guests, struct guest *guest); /* also when not watched */

void guest_asks(struct guest *guest);
void guest_is_served(struct guest *guest);
