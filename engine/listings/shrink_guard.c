// SPDX-License-Identifier: Apache-2.0
/*
 * Guards a good listing against an answer that is probably an accident.
 *
 *     quiet --a doubtful answer--> suspected --the same, often and long enough--> quiet: believed
 *                                     +-----an answer that is not doubtful------------> quiet
 *
 * Sets are compared by a sum of hashes, so the order of links does not matter. Pure.
 */
#include "engine/listings/shrink_guard.h"

/* The 64-bit FNV-1a hash, continued over several texts. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ull;
    return (hash ^ 0xff) * 0x100000001b3ull;
}

static uint64_t hash_link(const char *url, const char *sha256)
{
    return hash_text(hash_text(0xcbf29ce484222325ull, url), sha256);
}

void shrink_guard_look(const struct listing *l, struct shrink_guard_facts *ret)
{
    struct shrink_guard_facts facts = {.count = l->file_count, .is_cut = l->is_cut};
    for (size_t i = 0; i < l->file_count; i++) {
        /* a signature in the query differs each time */
        const char *link = l->files[i].path ? l->files[i].path : l->files[i].url;
        facts.set += hash_link(link, l->files[i].digests);
    }
    for (size_t i = 0; i < l->project_count; i++)
        facts.set += hash_link(l->projects[i], NULL);
    if (!l->file_count)
        facts.count = l->project_count;
    *ret = facts;
}

/* A listing that ends in the middle, or that has lost more than half of its files. */
static bool is_doubted_shrink(const struct shrink_guard_facts *good,
                              const struct shrink_guard_facts *fresh)
{
    if (!good)
        return fresh->is_cut;
    if (good->count >= SHRINK_GUARD_FILES && fresh->count < (good->count + 1) / 2)
        return true;
    return fresh->is_cut && !good->is_cut; /* else this mirror's pages simply end so */
}

bool shrink_guard_holds(struct shrink_guard *s, const struct shrink_guard_facts *good,
                        const struct shrink_guard_facts *fresh, int64_t now_ms)
{
    if (!is_doubted_shrink(good, fresh)) {
        *s = (struct shrink_guard){0};
        return false;
    }
    bool is_same = s->times && s->facts.set == fresh->set && s->facts.count == fresh->count;
    if (!is_same)
        *s = (struct shrink_guard){.since_ms = now_ms};
    s->facts = *fresh;
    s->times++;
    s->last_ms = now_ms;
    if (s->times < SHRINK_GUARD_TIMES || now_ms - s->since_ms < SHRINK_GUARD_MS)
        return true;
    *s = (struct shrink_guard){0};
    return false;
}
