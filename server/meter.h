// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The meter: what the HTTP workers count of their requests. A worker counts in a block of its own
 * by relaxed additions, without a lock and without memory, so it waits for nobody. A reader sums
 * the blocks.
 *
 *     meter_new(&meter);
 *     meter_count(meter, &request_seen);      once per request, at its end; any thread
 *     meter_read(meter, &sums);               any thread
 *     meter_free(meter);
 *
 * Routes and cache results are closed lists, so no text of a client is ever a key here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "server/route.h"

enum meter_route {
    METER_HOME,
    METER_PAGE,
    METER_FILE,
    METER_METADATA, /* a file whose path ends in .metadata */
    METER_STATUS,   /* health, ready, status, metrics, indexes, claims */
    METER_OTHER,    /* redirects, and what is refused for its target */
    METER_ROUTES
};

/* The words of X-Cache; none: no cache has a part in the answer. */
enum meter_cache {
    METER_HIT,
    METER_PARTIAL,
    METER_MISS,
    METER_STALE,
    METER_PASS,
    METER_NONE,
    METER_CACHES
};

/* Upper bounds of the histogram in milliseconds; the last bucket has none. */
enum { METER_BOUNDS = 12, METER_BUCKETS = METER_BOUNDS + 1 };
extern const int meter_bound_ms[METER_BOUNDS];

struct meter_seen {
    enum meter_route route;
    enum meter_cache cache;
    unsigned status;  /* 0: no answer was begun */
    int64_t bytes;    /* of body */
    int64_t first_ms; /* from the request line to the status line */
    bool is_complete;
};

struct meter_sums {
    uint64_t requests[METER_ROUTES][METER_CACHES];
    uint64_t bytes[METER_ROUTES][METER_CACHES];
    uint64_t failed[METER_ROUTES]; /* answered with 5xx */
    uint64_t cut[METER_ROUTES];    /* not sent whole */
    uint64_t bucket[METER_ROUTES][METER_BUCKETS];
    uint64_t first_ms[METER_ROUTES]; /* summed */
};

struct meter;

int meter_new(struct meter **ret);
void meter_free(struct meter *meter); /* NULL is legal */
void meter_count(struct meter *meter, const struct meter_seen *seen);
void meter_read(struct meter *meter, struct meter_sums *ret);

enum meter_route meter_route_of(const struct route *route);
/* `word`: a word of X-Cache, or NULL. */
enum meter_cache meter_cache_of(const char *word);
/* The values of the labels. */
const char *meter_route_name(enum meter_route route);
const char *meter_cache_name(enum meter_cache cache);
