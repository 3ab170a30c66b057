// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * "Did you mean": the name that somebody who typed another one most likely meant. Pure; any thread.
 *
 *     struct near near = {.typed = "max_sise"};
 *     near_offer(&near, "max_size");                   each name that there is
 *     if (near.best) ... "did you mean max_size?" ...
 */
#include <stddef.h>

struct near {
    const char *typed;
    const char *best; /* the nearest name offered; NULL: none is near enough. Borrowed */
    size_t distance;  /* of `best` */
};

void near_offer(struct near *near, const char *name);

/* The same for a list that ends with NULL; NULL when none is near. */
const char *near_find(const char *typed, const char *const *names);

/* How many letters must be added, taken out, changed or swapped with their neighbour. Capitals
 * count as small letters, '_' as '-'. NEAR_FAR when either name is longer than NEAR_BYTES_MAX. */
enum { NEAR_BYTES_MAX = 64, NEAR_FAR = 1000 };
size_t near_distance(const char *a, const char *b);
