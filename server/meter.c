// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of counters, each on cache lines of its own. A thread takes the next block with its first
 * request and keeps it. With more threads than blocks some share one; the additions are atomic, so
 * that costs time and no counts. Counters only grow, and they live as long as the daemon.
 */
#include "server/meter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

enum { BLOCKS = 16, LINE_BYTES = 64 };

const int meter_bound_ms[METER_BOUNDS] = {1,   5,   10,   25,   50,    100,
                                          250, 500, 1000, 2500, 10000, 60000};

/* The members of struct meter_sums as one row of counters. */
enum { COUNTERS = sizeof(struct meter_sums) / sizeof(uint64_t) };

struct block {
    _Alignas(LINE_BYTES) _Atomic uint64_t counter[COUNTERS];
};

struct meter {
    struct block block[BLOCKS];
};

static _Atomic unsigned threads;
static _Thread_local unsigned own_block; /* 0: none yet; else its number and one */

int meter_new(struct meter **ret)
{
    struct meter *meter = aligned_alloc(LINE_BYTES, sizeof(*meter));
    if (!meter)
        return ERROR_NO_MEMORY;
    memset(meter, 0, sizeof(*meter));
    *ret = meter;
    return 0;
}

void meter_free(struct meter *meter)
{
    free(meter);
}

static struct block *block_of_thread(struct meter *meter)
{
    if (!own_block)
        own_block = atomic_fetch_add(&threads, 1) % BLOCKS + 1;
    return &meter->block[own_block - 1];
}

/* `offset`: of the counter in struct meter_sums. */
static void add(struct block *block, size_t offset, uint64_t n)
{
    atomic_fetch_add_explicit(&block->counter[offset / sizeof(uint64_t)], n, memory_order_relaxed);
}

static unsigned bucket_of(int64_t ms)
{
    unsigned i = 0;
    while (i < METER_BOUNDS && ms > meter_bound_ms[i])
        i++;
    return i;
}

#define COUNTER(member) offsetof(struct meter_sums, member)

static size_t cell(size_t table, enum meter_route route, enum meter_cache cache)
{
    return table + ((size_t)route * METER_CACHES + cache) * sizeof(uint64_t);
}

/* A request that was never answered has no time to its first byte. */
void meter_count(struct meter *meter, const struct meter_seen *seen)
{
    struct block *block = block_of_thread(meter);
    size_t route = (size_t)seen->route * sizeof(uint64_t);
    add(block, cell(COUNTER(requests), seen->route, seen->cache), 1);
    if (seen->bytes > 0)
        add(block, cell(COUNTER(bytes), seen->route, seen->cache), (uint64_t)seen->bytes);
    if (seen->status >= 500)
        add(block, COUNTER(failed) + route, 1);
    if (!seen->is_complete)
        add(block, COUNTER(cut) + route, 1);
    if (!seen->status)
        return;
    add(block,
        COUNTER(bucket) + route * METER_BUCKETS + bucket_of(seen->first_ms) * sizeof(uint64_t), 1);
    add(block, COUNTER(first_ms) + route, (uint64_t)seen->first_ms);
}

void meter_read(struct meter *meter, struct meter_sums *ret)
{
    uint64_t sums[COUNTERS] = {0};
    for (size_t b = 0; b < BLOCKS; b++)
        for (size_t i = 0; i < COUNTERS; i++)
            sums[i] += atomic_load_explicit(&meter->block[b].counter[i], memory_order_relaxed);
    memcpy(ret, sums, sizeof(*ret));
}

/* ------------------------------------------------------------------ labels */

enum meter_route meter_route_of(const struct route *route)
{
    switch (route->kind) {
    case ROUTE_HOME:
        return METER_HOME;
    case ROUTE_PAGE:
        return METER_PAGE;
    case ROUTE_FILE:
        return str_ends(route->path, ".metadata") ? METER_METADATA : METER_FILE;
    case ROUTE_HEALTH:
    case ROUTE_READY:
    case ROUTE_STATUS:
    case ROUTE_METRICS:
    case ROUTE_INDEXES:
    case ROUTE_CLAIMS:
        return METER_STATUS;
    case ROUTE_NO_INDEX:
    case ROUTE_MOVED:
    case ROUTE_NONE:
    case ROUTE_MALFORMED:
    case ROUTE_TOO_LONG:
        break;
    }
    return METER_OTHER;
}

static const char *const route_names[METER_ROUTES] = {
    [METER_HOME] = "home",         [METER_PAGE] = "page",     [METER_FILE] = "file",
    [METER_METADATA] = "metadata", [METER_STATUS] = "status", [METER_OTHER] = "other"};

static const char *const cache_names[METER_CACHES] = {
    [METER_HIT] = "hit",     [METER_PARTIAL] = "partial", [METER_MISS] = "miss",
    [METER_STALE] = "stale", [METER_PASS] = "pass",       [METER_NONE] = "none"};

enum meter_cache meter_cache_of(const char *word)
{
    enum meter_cache cache = METER_HIT;
    while (word && cache < METER_NONE && strcmp(word, cache_names[cache]) != 0)
        cache++;
    return word ? cache : METER_NONE;
}

const char *meter_route_name(enum meter_route route)
{
    return route_names[route];
}

const char *meter_cache_name(enum meter_cache cache)
{
    return cache_names[cache];
}
