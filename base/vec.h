// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A list that grows by one element at a time, and whose room follows from its length alone: at 0,
 * 1, 3, 7 ... elements it is full, and gets twice the room. A list that begins as NULL, and to
 * which elements are only added at the end, needs no member for its room.
 *
 *     struct item *list = vec_grow(l->list, l->count, sizeof(*list));
 *     if (!list)
 *         return ERROR_NO_MEMORY;              l->list is as it was
 *     l->list = list;
 *     l->list[l->count++] = item;
 *
 * Pure; any thread.
 */
#include <stdlib.h>

static inline void *vec_grow(void *list, size_t count, size_t size)
{
    return count & (count + 1) ? list : realloc(list, 2 * (count + 1) * size);
}
