// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A fixed pool of equal blocks that carry received bytes from the transfer thread to whoever stores
 * them. The pool is the back-pressure: when it is empty, slab_get says so and the transfer pauses;
 * when a slab comes back to an empty pool, on_available is called once (on the thread that returned
 * it) so that the transfer can go on. Any thread.
 *
 * Fair: all takers of one `group` (a mirror) together hold at most as many slabs as are free, so
 * one group alone gets half of the pool. All takers of one `share` (a file) hold at most as many as
 * their group may still take, so one file alone gets a third. So a file whose bytes are stored
 * slowly leaves some for the pages and other files of its mirror, and a mirror leaves some for the
 * others. 0 has no such limit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLAB_BYTES = 256 << 10 };

struct slab_pool;

struct slab {
    uint8_t *data; /* SLAB_BYTES */
    size_t len;    /* bytes in use */
    struct slab_pool *pool;
    struct slab *next; /* the owner's */
    bool is_taken;     /* the pool's, as is this: */
    uint64_t share, group;
};

int slab_pool_new(unsigned count, struct slab_pool **ret_pool);
void slab_pool_free(struct slab_pool *pool); /* every slab must be back; NULL is legal */

/* At most one observer; set before the first slab_get. */
void slab_pool_observe(struct slab_pool *pool, void (*on_available)(void *context), void *context);

/* NULL when there is none for this share or group; len is 0. */
struct slab *slab_get(struct slab_pool *pool, uint64_t share, uint64_t group);
void slab_put(struct slab *slab); /* NULL is legal */
/* How many are not back. */
unsigned slab_pool_taken(struct slab_pool *pool);
