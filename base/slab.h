// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A fixed pool of equal blocks that carry received bytes from the transfer thread to the code that
 * stores them. The pool limits how much is received: when it is empty, slab_get returns NULL and
 * the transfer pauses. When a slab returns to a pool that refused someone, on_available is called
 * once, on the thread that returned it. Any thread.
 *
 * The pool is fair. All takers of one `group` (a mirror) hold at most as many slabs as are free, so
 * a single group gets half of the pool. All takers of one `share` (a file) hold at most as many as
 * their group may still take, so a single file gets a third. A file that is stored slowly thus
 * leaves slabs for other files of its mirror, and a mirror leaves some for others. 0 has no limit.
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
    bool is_taken;     /* the pool's, like the next line */
    uint64_t share, group;
};

int slab_pool_new(unsigned count, struct slab_pool **ret_pool);
void slab_pool_free(struct slab_pool *pool); /* every slab must be back; NULL is legal */

/* At most one observer; set it before the first slab_get. */
void slab_pool_observe(struct slab_pool *pool, void (*on_available)(void *context), void *context);

/* NULL when this share or group may take none. The new slab's len is 0. */
struct slab *slab_get(struct slab_pool *pool, uint64_t share, uint64_t group);
void slab_put(struct slab *slab); /* NULL is legal */
/* How many slabs are in use. */
unsigned slab_pool_taken(struct slab_pool *pool);
