// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a slab: free, taken by slab_get on the transfer thread, filled, handed to a disk
 * lane, written, and returned by slab_put. All memory is allocated at start, so receiving never
 * fails for lack of memory in the middle of a file.
 *
 * One lock guards the list and the counts. on_available is called outside of it, because it wakes
 * the transfer thread.
 */
#include "base/slab.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"

/* The slabs stand after the struct, their bytes in one block of memory. */
struct slab_pool {
    pthread_mutex_t lock;
    struct slab *free;
    bool starved; /* a taker was refused since the last on_available */
    void (*on_available)(void *context);
    void *context;
    uint8_t *memory;
    unsigned count, free_count;
    struct slab slabs[];
};

/* The slabs are carved from one allocation, so the whole cost is known at start. */
int slab_pool_new(unsigned count, struct slab_pool **ret_pool)
{
    struct slab_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(pool->slabs[0]));
    if (!pool)
        return ERROR_NO_MEMORY;
    pool->memory = malloc((size_t)count * SLAB_BYTES);
    if (!pool->memory) {
        free(pool);
        return ERROR_NO_MEMORY;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pool->count = pool->free_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct slab *slab = &pool->slabs[i];
        *slab = (struct slab){.data = pool->memory + (size_t)i * SLAB_BYTES, .pool = pool};
        slab->next = pool->free;
        pool->free = slab;
    }
    *ret_pool = pool;
    return 0;
}

void slab_pool_free(struct slab_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_destroy(&pool->lock);
    free(pool->memory);
    free(pool);
}

void slab_pool_observe(struct slab_pool *pool, void (*on_available)(void *context), void *context)
{
    pool->on_available = on_available;
    pool->context = context;
}

/* Called once per 256 KiB: counting a hundred slabs is cheap compared to copying one. */
static bool has_its_share(const struct slab_pool *pool, uint64_t share, uint64_t group)
{
    unsigned of_share = 0, of_group = 0;
    for (unsigned i = 0; i < pool->count; i++) {
        const struct slab *slab = &pool->slabs[i];
        of_share += slab->is_taken && slab->share == share;
        of_group += slab->is_taken && slab->group == group;
    }
    unsigned free_count = pool->free_count;
    if (group && of_group >= free_count)
        return true;
    return share && of_share >= free_count - (group ? of_group : 0);
}

/* A refusal is remembered, so that the next slab_put tells the observer. */
struct slab *slab_get(struct slab_pool *pool, uint64_t share, uint64_t group)
{
    pthread_mutex_lock(&pool->lock);
    struct slab *slab = has_its_share(pool, share, group) ? NULL : pool->free;
    if (slab) {
        pool->free = slab->next;
        pool->free_count--;
        slab->is_taken = true;
        slab->share = share;
        slab->group = group;
    } else {
        pool->starved = true;
    }
    pthread_mutex_unlock(&pool->lock);
    if (slab) {
        slab->len = 0;
        slab->next = NULL;
    }
    return slab;
}

/* Tells the observer once per shortage, not once per slab. */
void slab_put(struct slab *slab)
{
    if (!slab)
        return;
    struct slab_pool *pool = slab->pool;
    pthread_mutex_lock(&pool->lock);
    slab->next = pool->free;
    pool->free = slab;
    pool->free_count++;
    slab->is_taken = false;
    bool tell = pool->starved && pool->on_available;
    pool->starved = false;
    pthread_mutex_unlock(&pool->lock);
    if (tell)
        pool->on_available(pool->context);
}

unsigned slab_pool_taken(struct slab_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    unsigned taken = pool->count - pool->free_count;
    pthread_mutex_unlock(&pool->lock);
    return taken;
}
