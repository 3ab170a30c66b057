// SPDX-License-Identifier: Apache-2.0
/*
 * A connection moves between two states, and MHD holds them:
 *
 * - running: its worker calls the engine for it;
 * - suspended: the engine's wait list holds it, and MHD does not look at its socket.
 *
 * The worker suspends it under the wait list's lock. The engine's thread resumes it, or a tick does
 * after `until_ms`. Only MHD ends it.
 */
#include "server/connection.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lane.h"
#include "base/network.h"

/* A larger send buffer lets one bulk client keep its worker busy for tens of milliseconds. */
enum { LOOPBACK_SEND_BYTES = 256 << 10 };

static struct connection *connection_of(struct waiter *waiter)
{
    return container_of(waiter, struct connection, waiter);
}

/* Connections that are suspended now. */
static _Atomic long waiting;

static void connection_suspend(struct waiter *waiter)
{
    atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
    MHD_suspend_connection(connection_of(waiter)->mhd);
}

long connection_waiting(void)
{
    return atomic_load_explicit(&waiting, memory_order_relaxed);
}

static void connection_resume(struct waiter *waiter)
{
    atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
    MHD_resume_connection(connection_of(waiter)->mhd);
}

/* MHD looks at neither the end nor an error of a suspended socket, so the wait list asks here. */
static bool connection_is_gone(struct waiter *waiter)
{
    struct pollfd client = {.fd = connection_of(waiter)->fd, .events = POLLRDHUP};
    return poll(&client, 1, 0) > 0; /* POLLRDHUP also shows after unread pipelined requests */
}

static const struct waiter_class connection_class = {
    .suspend = connection_suspend,
    .resume = connection_resume,
    .is_gone = connection_is_gone,
};

int connection_fd(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

const struct sockaddr *connection_address(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

void connection_init(struct connection *connection, struct MHD_Connection *mhd)
{
    *connection = (struct connection){
        .mhd = mhd,
        .fd = connection_fd(mhd),
        .waiter = {.class = &connection_class},
    };
}

/* Loopback and IPv4 addresses count as a whole; of other IPv6 addresses only the /64. */
struct in6_addr connection_key(const struct in6_addr *address)
{
    struct in6_addr key = *address;
    if (!network_is_loopback(address) && !IN6_IS_ADDR_V4MAPPED(address))
        memset(&key.s6_addr[sizeof(key) / 2], 0, sizeof(key) / 2);
    return key;
}

/* FNV-1a: the engine only needs to tell clients apart, and a collision costs nothing but fairness.
 */
uint64_t connection_client_id(const struct in6_addr *address)
{
    struct in6_addr key = connection_key(address);
    uint64_t id = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < sizeof(key); i++)
        id = (id ^ key.s6_addr[i]) * 0x100000001b3ull;
    return id ? id : 1;
}

void connection_tune(struct MHD_Connection *mhd)
{
    const struct sockaddr *address = connection_address(mhd);
    struct in6_addr client;
    int bytes = LOOPBACK_SEND_BYTES;
    if (address && network_address(address, &client) && network_is_loopback(&client))
        (void)setsockopt(connection_fd(mhd), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* MHD 0.9 closes a connection whose body failed, but cleans it up late. Every connection that was
 * idle for longer must go first, which may take a minute. MHD looks at connections with a time
 * limit of their own whenever it wakes, so this one gets such a limit. */
void connection_end(struct connection *connection)
{
    (void)MHD_set_connection_option(connection->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
}

/* connect() to AF_UNSPEC makes the kernel drop a TCP connection with RST. */
void connection_reset(struct connection *connection)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(connection->fd, &nowhere, sizeof(nowhere));
}
