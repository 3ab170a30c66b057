// SPDX-License-Identifier: Apache-2.0
/*
 * The states of a peer. Its worker sets all of them except the step from SERVED to WAITING, which
 * the sweep thread takes.
 *
 *     WAITING    between requests, or sending one: a byte beyond `bytes` starts the request's time
 *     ASKING     headers are there; how long the answer takes is not judged here
 *     SERVED     sent; the next sweep notes the bytes received so far and makes it WAITING
 *
 * One lock guards the list and the table of addresses. A peer leaves under that lock before MHD
 * closes its descriptor, so the sweep never shuts down a descriptor that was reused.
 */
#include "server/connections.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/connection.h"

enum { WAITING, ASKING, SERVED };
/* An address has at least SHARE_MIN connections; a sweep runs at least once a second. */
enum { SHARE_MIN = 256, TICK_MAX_MS = 1000, TICKS_PER_TIMEOUT = 4 };

/* One client by its key. It lives from its first open connection to its last. */
struct peer_address {
    struct in6_addr key; /* IPv4 mapped; of IPv6 the first half */
    unsigned count;
    unsigned limit;
    bool is_reported;
    UT_hash_handle hh;
};

/* `lock` guards the list and the table. */
struct connections {
    struct connections_options options;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool is_stopping;
    pthread_t thread;
    struct peer *list;
    struct peer_address *addresses;
    const struct network_list *proxies; /* or NULL */
};

unsigned connections_share(unsigned connections, bool stands_for_many)
{
    unsigned most = connections - connections / 8;
    unsigned quarter = connections / 4;
    if (stands_for_many || quarter > most)
        return most;
    if (quarter < SHARE_MIN)
        quarter = SHARE_MIN;
    return quarter > most ? most : quarter;
}

/* ------------------------------------------------------------------ addresses */

/* Needs the lock, like the next functions. NULL: no connection of this address is open, or there
 * was no memory for its entry. */
static struct peer_address *address_find(struct connections *connections,
                                         const struct sockaddr *address)
{
    struct in6_addr client;
    struct peer_address *found = NULL;
    if (!address || !network_address(address, &client))
        return NULL;
    struct in6_addr key = connection_key(&client);
    HASH_FIND(hh, connections->addresses, &key, sizeof(key), found);
    return found;
}

/* Needs the lock. */
static bool stands_for_many(const struct connections *connections, const struct in6_addr *client)
{
    return network_is_loopback(client) ||
           (connections->proxies && network_list_has(connections->proxies, client));
}

/* Returns NULL when out of memory; the connection then enters uncounted, because refusing it helps
 * nobody. */
static struct peer_address *address_add(struct connections *connections,
                                        const struct sockaddr *address)
{
    struct in6_addr client;
    struct peer_address *new = calloc(1, sizeof(*new));
    if (!new || !network_address(address, &client)) {
        free(new);
        return NULL;
    }
    new->key = connection_key(&client);
    new->limit = connections->options.client_limit;
    if (!new->limit)
        new->limit = connections_share(connections->options.connections,
                                       stands_for_many(connections, &client));
    HASH_ADD(hh, connections->addresses, key, sizeof(new->key), new);
    return new;
}

/* `address` may be NULL. */
static void address_write(const struct peer_address *address, char ret[INET6_ADDRSTRLEN])
{
    if (address)
        network_address_write(&address->key, ret);
    else
        memcpy(ret, "-", 2);
}

/* One warning for each time that an address fills up. `is_reported` clears at half the limit, so a
 * client at the limit does not fill the log. */
bool connections_admits(struct connections *connections, const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN];
    pthread_mutex_lock(&connections->lock);
    struct peer_address *found = address_find(connections, address);
    bool is_full = found && found->count >= found->limit;
    bool reports = is_full && !found->is_reported;
    if (reports) {
        found->is_reported = true;
        address_write(found, text);
    }
    pthread_mutex_unlock(&connections->lock);
    if (reports)
        log_warning("too many connections from one client; new ones are refused client=%s", text);
    return !is_full;
}

void connections_trust(struct connections *connections, const struct network_list *proxies)
{
    pthread_mutex_lock(&connections->lock);
    connections->proxies = proxies;
    pthread_mutex_unlock(&connections->lock);
}

/* ------------------------------------------------------------------ peers */

void connections_enter(struct connections *connections, struct peer *peer, int fd,
                       const struct sockaddr *address)
{
    *peer = (struct peer){.fd = fd, .state = WAITING, .since_ms = clock_monotonic_ms()};
    pthread_mutex_lock(&connections->lock);
    peer->address = address_find(connections, address);
    if (!peer->address && address)
        peer->address = address_add(connections, address);
    if (peer->address)
        peer->address->count++;
    DL_APPEND(connections->list, peer);
    pthread_mutex_unlock(&connections->lock);
}

/* The address is forgotten with its last connection. */
void connections_leave(struct connections *connections, struct peer *peer)
{
    struct peer_address *address = peer->address;
    pthread_mutex_lock(&connections->lock);
    DL_DELETE(connections->list, peer);
    if (address && --address->count == 0) {
        HASH_DEL(connections->addresses, address);
        free(address);
    } else if (address && address->count < address->limit / 2) {
        address->is_reported = false;
    }
    pthread_mutex_unlock(&connections->lock);
}

void connections_watch(struct connections *connections, struct peer *peer,
                       bool (*is_lost)(void *arg), void *arg)
{
    pthread_mutex_lock(&connections->lock);
    peer->is_lost = is_lost;
    peer->arg = arg;
    pthread_mutex_unlock(&connections->lock);
}

void connections_unwatch(struct connections *connections, struct peer *peer)
{
    if (peer->is_lost)
        connections_watch(connections, peer, NULL, NULL);
}

void peer_asks(struct peer *peer)
{
    atomic_store(&peer->state, ASKING);
}

void peer_is_served(struct peer *peer)
{
    atomic_store(&peer->state, SERVED);
}

/* ------------------------------------------------------------------ sweep */

/* The kernel counts bytes that the worker has not read yet, so this needs no help from MHD. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ? 0 : info.tcpi_bytes_received;
}

/* Whether the peer has been sending headers for too long. No new byte since the last look restarts
 * the clock: MHD's own idle timeout ends such connections. */
static bool peer_is_late(struct peer *peer, int64_t now_ms, int timeout_ms)
{
    int served = SERVED;
    if (atomic_load(&peer->state) == ASKING)
        return false;
    uint64_t bytes = bytes_received(peer->fd);
    if (atomic_compare_exchange_strong(&peer->state, &served, WAITING))
        peer->bytes = bytes;
    if (peer->bytes == bytes)
        peer->since_ms = now_ms;
    return now_ms - peer->since_ms >= timeout_ms;
}

/* shutdown() makes the worker see the end of the connection and close it. The list's lock keeps the
 * descriptor from being reused meanwhile. */
static void sweep(struct connections *connections, int64_t now_ms)
{
    char text[INET6_ADDRSTRLEN];
    struct peer *peer;
    DL_FOREACH(connections->list, peer)
    {
        if (peer->is_lost && peer->is_lost(peer->arg))
            (void)shutdown(peer->fd, SHUT_RDWR);
        if (!peer_is_late(peer, now_ms, connections->options.header_timeout_ms))
            continue;
        (void)shutdown(peer->fd, SHUT_RDWR);
        peer->since_ms = now_ms;
        address_write(peer->address, text);
        log_info("dropped a client that did not finish its request client=%s", text);
    }
}

/* A quarter of the timeout between looks: a client is dropped at most that much too late. */
static void *connections_run(void *cls)
{
    struct connections *connections = cls;
    int tick_ms = connections->options.header_timeout_ms / TICKS_PER_TIMEOUT + 1;
    if (tick_ms > TICK_MAX_MS)
        tick_ms = TICK_MAX_MS;
    pthread_mutex_lock(&connections->lock);
    while (!connections->is_stopping) {
        (void)thread_wait_until(&connections->stopped, &connections->lock,
                                clock_monotonic_ms() + tick_ms);
        sweep(connections, clock_monotonic_ms());
    }
    pthread_mutex_unlock(&connections->lock);
    return NULL;
}

/* Its own thread: MHD's workers never look at a connection that sends nothing. */
int connections_new(const struct connections_options *options, struct connections **ret)
{
    struct connections *connections = calloc(1, sizeof(*connections));
    if (!connections)
        return ERROR_NO_MEMORY;
    connections->options = *options;
    pthread_mutex_init(&connections->lock, NULL);
    thread_condition_init(&connections->stopped);
    if (pthread_create(&connections->thread, NULL, connections_run, connections)) {
        pthread_cond_destroy(&connections->stopped);
        pthread_mutex_destroy(&connections->lock);
        free(connections);
        return ERROR_NO_MEMORY;
    }
    *ret = connections;
    return 0;
}

void connections_free(struct connections *connections)
{
    if (!connections)
        return;
    pthread_mutex_lock(&connections->lock);
    connections->is_stopping = true;
    pthread_cond_signal(&connections->stopped);
    pthread_mutex_unlock(&connections->lock);
    pthread_join(connections->thread, NULL);
    pthread_cond_destroy(&connections->stopped);
    pthread_mutex_destroy(&connections->lock);
    free(connections);
}
