// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A set of byte ranges: which bytes of a file are present. The ranges are sorted and disjoint;
 * ranges that touch are merged. Ranges are half open, [from, to). The set is pure: the owner locks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent {
    int64_t from, to;
};

struct extents {
    struct extent *list;
    size_t count, room;
};

void extents_release(struct extents *set); /* leaves the set empty and usable */

/* Adds a range. ERROR_NO_MEMORY leaves the set as it was. An empty range is legal. */
int extents_add(struct extents *set, int64_t from, int64_t to);

/* The end of the run of present bytes that contains `at`; `at` itself when that byte is missing. */
int64_t extents_end(const struct extents *set, int64_t at);

/* The first missing run within [from, to). False when nothing is missing there. */
bool extents_missing(const struct extents *set, int64_t from, int64_t to, struct extent *ret);

/* Widens a run of present bytes to multiples of `unit`, as far as the bytes beside it are present.
 */
void extents_widen(const struct extents *set, int64_t unit, struct extent *run);

int64_t extents_total(const struct extents *set); /* bytes present */
