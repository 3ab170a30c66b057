// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A set of byte ranges: which bytes of a file are there. Sorted, disjoint, merged where they touch.
 * Ranges are half open, [from, to). Pure; the owner locks.
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

void extents_release(struct extents *set); /* leaves it empty and usable */

/* Adds a range; ERROR_NO_MEMORY leaves the set as it was. Empty ranges are fine. */
int extents_add(struct extents *set, int64_t from, int64_t to);

/* Where the run of present bytes that begins at `at` ends; `at` itself when that byte is missing.
 */
int64_t extents_end(const struct extents *set, int64_t at);

/* The first missing run within [from, to); false when nothing is missing there. */
bool extents_missing(const struct extents *set, int64_t from, int64_t to, struct extent *ret);

/* Makes a run that is present longer: to multiples of `unit`, as far as its neighbours are there.
 */
void extents_widen(const struct extents *set, int64_t unit, struct extent *run);

int64_t extents_total(const struct extents *set); /* bytes present */
