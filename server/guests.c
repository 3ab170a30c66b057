// SPDX-License-Identifier: Apache-2.0
/*
 * The states of a guest, set by its worker but for the one that the sweep sets:
 *
 *     WAITING    between requests, or sending one: bytes beyond `bytes` begin a request's time
 *     ASKING     headers are there; how long the answer takes is not our business
 *     SERVED     sent; the next sweep notes what had come by then and makes it WAITING
 */
#include "server/guests.h"

#include <arpa/inet.h>
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
enum { SHARE_MIN = 256, TICK_MAX_MS = 1000, TICKS_PER_TIMEOUT = 4 };

struct guest_address {
    struct in6_addr key; /* IPv4 mapped; of IPv6 the first half */
    unsigned count;
    unsigned limit;
    bool is_reported;
    UT_hash_handle hh;
};

struct guests {
    struct guests_options options;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool is_stopping;
    pthread_t thread;
    struct guest *list;
    struct guest_address *addresses;
};

unsigned guests_share(unsigned connections, bool is_loopback)
{
    unsigned most = connections - connections / 8;
    unsigned quarter = connections / 4;
    if (is_loopback || quarter > most)
        return most;
    if (quarter < SHARE_MIN)
        quarter = SHARE_MIN;
    return quarter > most ? most : quarter;
}

/* ------------------------------------------------------------------ addresses */

/* Under the lock, as what follows. NULL where there is none, or no memory for one. */
static struct guest_address *address_find(struct guests *guests, const struct sockaddr *address)
{
    struct in6_addr key;
    struct guest_address *found = NULL;
    if (address && connection_key(address, &key))
        HASH_FIND(hh, guests->addresses, &key, sizeof(key), found);
    return found;
}

static struct guest_address *address_add(struct guests *guests, const struct sockaddr *address)
{
    struct guest_address *new = calloc(1, sizeof(*new));
    if (!new || !connection_key(address, &new->key)) {
        free(new);
        return NULL;
    }
    new->limit = guests->options.client_limit;
    if (!new->limit)
        new->limit =
            guests_share(guests->options.connections, connection_address_is_loopback(address));
    HASH_ADD(hh, guests->addresses, key, sizeof(new->key), new);
    return new;
}

static void address_print(const struct guest_address *address, char ret[INET6_ADDRSTRLEN])
{
    if (!address || !inet_ntop(AF_INET6, &address->key, ret, INET6_ADDRSTRLEN))
        memcpy(ret, "-", 2);
}

bool guests_admits(struct guests *guests, const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN];
    pthread_mutex_lock(&guests->lock);
    struct guest_address *found = address_find(guests, address);
    bool is_full = found && found->count >= found->limit;
    bool reports = is_full && !found->is_reported;
    if (reports) {
        found->is_reported = true;
        address_print(found, text);
    }
    pthread_mutex_unlock(&guests->lock);
    if (reports)
        log_warning("too many connections of one client, no more for now client=%s", text);
    return !is_full;
}

/* ------------------------------------------------------------------ guests */

void guests_enter(struct guests *guests, struct guest *guest, int fd,
                  const struct sockaddr *address)
{
    *guest = (struct guest){.fd = fd, .state = WAITING, .since_ms = clock_monotonic_ms()};
    pthread_mutex_lock(&guests->lock);
    guest->address = address_find(guests, address);
    if (!guest->address && address)
        guest->address = address_add(guests, address);
    if (guest->address)
        guest->address->count++;
    DL_APPEND(guests->list, guest);
    pthread_mutex_unlock(&guests->lock);
}

void guests_leave(struct guests *guests, struct guest *guest)
{
    struct guest_address *address = guest->address;
    pthread_mutex_lock(&guests->lock);
    DL_DELETE(guests->list, guest);
    if (address && --address->count == 0) {
        HASH_DEL(guests->addresses, address);
        free(address);
    } else if (address && address->count < address->limit / 2) {
        address->is_reported = false;
    }
    pthread_mutex_unlock(&guests->lock);
}

void guests_watch(struct guests *guests, struct guest *guest, bool (*is_lost)(void *arg), void *arg)
{
    pthread_mutex_lock(&guests->lock);
    guest->is_lost = is_lost;
    guest->arg = arg;
    pthread_mutex_unlock(&guests->lock);
}

void guests_unwatch(struct guests *guests, struct guest *guest)
{
    if (guest->is_lost)
        guests_watch(guests, guest, NULL, NULL);
}

void guest_asks(struct guest *guest)
{
    atomic_store(&guest->state, ASKING);
}

void guest_is_served(struct guest *guest)
{
    atomic_store(&guest->state, SERVED);
}

/* ------------------------------------------------------------------ sweep */

static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ? 0 : info.tcpi_bytes_received;
}

/* Whether it has been sending headers for too long. */
static bool guest_is_late(struct guest *guest, int64_t now_ms, int timeout_ms)
{
    int served = SERVED;
    if (atomic_load(&guest->state) == ASKING)
        return false;
    uint64_t bytes = bytes_received(guest->fd);
    if (atomic_compare_exchange_strong(&guest->state, &served, WAITING))
        guest->bytes = bytes;
    if (guest->bytes == bytes)
        guest->since_ms = now_ms;
    return now_ms - guest->since_ms >= timeout_ms;
}

/* The worker sees the end of the connection and closes it; under the lock its descriptor cannot
 * have become another's. */
static void sweep(struct guests *guests, int64_t now_ms)
{
    char text[INET6_ADDRSTRLEN];
    struct guest *guest;
    DL_FOREACH(guests->list, guest)
    {
        if (guest->is_lost && guest->is_lost(guest->arg))
            (void)shutdown(guest->fd, SHUT_RDWR);
        if (!guest_is_late(guest, now_ms, guests->options.header_timeout_ms))
            continue;
        (void)shutdown(guest->fd, SHUT_RDWR);
        guest->since_ms = now_ms;
        address_print(guest->address, text);
        log_info("dropped a client that did not finish its request client=%s", text);
    }
}

static void *guests_run(void *cls)
{
    struct guests *guests = cls;
    int tick_ms = guests->options.header_timeout_ms / TICKS_PER_TIMEOUT + 1;
    if (tick_ms > TICK_MAX_MS)
        tick_ms = TICK_MAX_MS;
    pthread_mutex_lock(&guests->lock);
    while (!guests->is_stopping) {
        (void)thread_wait_until(&guests->stopped, &guests->lock, clock_monotonic_ms() + tick_ms);
        sweep(guests, clock_monotonic_ms());
    }
    pthread_mutex_unlock(&guests->lock);
    return NULL;
}

int guests_new(const struct guests_options *options, struct guests **ret)
{
    struct guests *guests = calloc(1, sizeof(*guests));
    if (!guests)
        return ERROR_NO_MEMORY;
    guests->options = *options;
    pthread_mutex_init(&guests->lock, NULL);
    thread_condition_init(&guests->stopped);
    if (pthread_create(&guests->thread, NULL, guests_run, guests)) {
        pthread_cond_destroy(&guests->stopped);
        pthread_mutex_destroy(&guests->lock);
        free(guests);
        return ERROR_NO_MEMORY;
    }
    *ret = guests;
    return 0;
}

void guests_free(struct guests *guests)
{
    if (!guests)
        return;
    pthread_mutex_lock(&guests->lock);
    guests->is_stopping = true;
    pthread_cond_signal(&guests->stopped);
    pthread_mutex_unlock(&guests->lock);
    pthread_join(guests->thread, NULL);
    pthread_cond_destroy(&guests->stopped);
    pthread_mutex_destroy(&guests->lock);
    free(guests);
}
