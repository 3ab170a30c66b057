// SPDX-License-Identifier: Apache-2.0
/*
 * The life of what was evicted:
 *
 *     evicted    a ring remembers the key's hash, its bytes and the time; the oldest one is lost
 *     kept       the same key is fetched: within EARLY_S that is one refetch
 *     thrashing  REFETCHES_LEAST refetches within DAY_S: the problem is noted, with a size
 *     over       a day without a refetch
 *
 * The size: a cache that evicts what was not used for longest would still have held the file, had
 * it had room for everything that went since. Each file of the ring counts once.
 */
#include "engine/files/thrashing.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/files/files_state.h"
#include "engine/loop/key.h"
#include "engine/loop/problems.h"

enum { REMEMBERED = 1024, REFETCHES_LEAST = 3, DAY_S = 24 * 3600, EARLY_S = 7 * DAY_S };

static const int64_t gigabyte = 1000 * 1000 * 1000;

/* One eviction; number 0: this place is free. */
struct gone {
    uint64_t key, number;
    int64_t bytes, when_s;
};

struct thrashing {
    struct gone gone[REMEMBERED];
    uint64_t last; /* number of the newest eviction */
    int64_t
        refetch[REFETCHES_LEAST]; /* when the newest refetches were, the newest first; 0: none */
    int64_t wanted;               /* the largest max_size that one of them asked for */
    bool is_noted;
};

int thrashing_new(struct thrashing **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

void thrashing_free(struct thrashing *t)
{
    free(t);
}

/* Two keys with one hash would make one refetch too many, which changes a figure by one. */
static struct gone *find(struct thrashing *t, uint64_t key)
{
    for (struct gone *g = t->gone; g < t->gone + REMEMBERED; g++)
        if (g->number && g->key == key)
            return g;
    return NULL;
}

/* The place for one more: its own, a free one, or that of the oldest eviction. */
static struct gone *place_for(struct thrashing *t, uint64_t key)
{
    struct gone *oldest = find(t, key);
    for (struct gone *g = t->gone; !oldest && g < t->gone + REMEMBERED; g++)
        if (!g->number)
            oldest = g;
    if (oldest)
        return oldest;
    oldest = t->gone;
    for (struct gone *g = t->gone; g < t->gone + REMEMBERED; g++)
        if (g->number < oldest->number)
            oldest = g;
    return oldest;
}

void thrashing_evicted(struct files *files, uint64_t key, int64_t bytes, int64_t used_s)
{
    struct thrashing *t = files->thrashing;
    int64_t now_s = clock_real_s();
    *place_for(t, key) = (struct gone){key, ++t->last, bytes, now_s};
    counters_add(&files->s->counters, COUNT_EVICTIONS, 1);
    counters_add(&files->s->counters, COUNT_EVICTED_BYTES, bytes);
    counters_add(&files->s->counters, COUNT_EVICTED_IDLE_S, now_s > used_s ? now_s - used_s : 0);
}

/* Everything that went since, itself as well, beside what is held now. */
static int64_t size_for(struct files *files, const struct gone *back)
{
    int64_t bytes = files->s->options.max_size;
    for (const struct gone *g = files->thrashing->gone; g < files->thrashing->gone + REMEMBERED;
         g++)
        if (g->number >= back->number)
            bytes += g->bytes;
    return bytes;
}

static void note(struct files *files, int64_t size)
{
    struct thrashing *t = files->thrashing;
    int64_t now_s = clock_real_s();
    for (unsigned i = REFETCHES_LEAST - 1; i > 0; i--)
        t->refetch[i] = t->refetch[i - 1];
    t->refetch[0] = now_s;
    if (size > t->wanted)
        t->wanted = size;
    if (now_s - t->refetch[REFETCHES_LEAST - 1] > DAY_S)
        return;
    t->is_noted = true;
    if (t->wanted >= gigabyte)
        (void)problems_note(files->s, "thrashing", "", "",
                            "files are thrown out and fetched again soon after: the cache is too "
                            "small; max_size = \"%" PRId64 "GB\" would hold them",
                            (t->wanted + gigabyte - 1) / gigabyte);
    else
        (void)problems_note(files->s, "thrashing", "", "",
                            "files are thrown out and fetched again soon after: the cache is too "
                            "small; max_size = \"%" PRId64 "KB\" would hold them",
                            (t->wanted + 999) / 1000);
}

void thrashing_kept(struct files *files, const struct entry *entry)
{
    struct gone *back = find(files->thrashing, key_hash(entry->key, entry->key_len));
    if (!back)
        return;
    if (clock_real_s() - back->when_s <= EARLY_S) {
        counters_add(&files->s->counters, COUNT_REFETCHES, 1);
        counters_add(&files->s->counters, COUNT_REFETCHED_BYTES, entry->size);
        note(files, size_for(files, back));
    }
    *back = (struct gone){0};
}

void thrashing_tick(struct files *files)
{
    struct thrashing *t = files->thrashing;
    if (!t->is_noted || clock_real_s() - t->refetch[0] <= DAY_S)
        return;
    t->is_noted = false;
    t->wanted = 0;
    problems_over(files->s, "thrashing", "", "");
}
