// SPDX-License-Identifier: Apache-2.0
#include "engine/flight/extents.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void extents_release(struct extents *set)
{
    free(set->list);
    *set = (struct extents){0};
}

/* The index of the first extent that ends at `at` or later; set->count when there is none. */
static size_t find(const struct extents *set, int64_t at)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->list[middle].to < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Doubles the room, so that many small additions cost little. */
static int make_room(struct extents *set)
{
    if (set->count < set->room)
        return 0;
    size_t room = set->room ? 2 * set->room : 4;
    struct extent *list = realloc(set->list, room * sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    set->list = list;
    set->room = room;
    return 0;
}

int extents_add(struct extents *set, int64_t from, int64_t to)
{
    if (from >= to)
        return 0;
    size_t first = find(set, from), last = first;
    while (last < set->count && set->list[last].from <= to)
        last++; /* [first, last) touch the new range and merge with it */
    if (first == last) {
        int r = make_room(set);
        if (r)
            return r;
        memmove(set->list + first + 1, set->list + first,
                (set->count - first) * sizeof(*set->list));
        set->list[first] = (struct extent){from, to};
        set->count++;
        return 0;
    }
    if (from < set->list[first].from)
        set->list[first].from = from;
    if (set->list[last - 1].to > to)
        to = set->list[last - 1].to;
    set->list[first].to = to;
    memmove(set->list + first + 1, set->list + last, (set->count - last) * sizeof(*set->list));
    set->count -= last - first - 1;
    return 0;
}

int64_t extents_end(const struct extents *set, int64_t at)
{
    for (size_t i = find(set, at); i < set->count && set->list[i].from <= at; i++)
        if (set->list[i].to > at)
            return set->list[i].to;
    return at;
}

bool extents_missing(const struct extents *set, int64_t from, int64_t to, struct extent *ret)
{
    int64_t start = extents_end(set, from);
    if (start >= to)
        return false;
    size_t next = find(set, start);
    while (next < set->count && set->list[next].from <= start)
        next++;
    if (next < set->count && set->list[next].from < to)
        to = set->list[next].from;
    *ret = (struct extent){start, to};
    return true;
}

void extents_widen(const struct extents *set, int64_t unit, struct extent *run)
{
    int64_t low = run->from / unit * unit;
    int64_t high = (run->to + unit - 1) / unit * unit;
    int64_t end = extents_end(set, run->from);
    struct extent hole;
    while (low < run->from && extents_missing(set, low, run->from, &hole))
        low = hole.to;
    run->from = low;
    run->to = high < end ? high : end;
}

int64_t extents_total(const struct extents *set)
{
    int64_t total = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->list[i].to - set->list[i].from;
    return total;
}
