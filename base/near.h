// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * "Did you mean": finds the name that a user who mistyped one most likely meant. Pure; any thread.
 *
 *     struct near near = {.typed = "max_sise"};
 *     near_offer(&near, "max_size");                   for each name that exists
 *     if (near.best) ... "did you mean max_size?" ...
 */
#include <stddef.h>

struct near {
    const char *typed;
    const char *best; /* the nearest name so far; NULL: none is near enough. Borrowed */
    size_t distance;  /* of `best` */
};

void near_offer(struct near *near, const char *name);

/* The same for a NULL-terminated list; NULL when no name is near. */
const char *near_find(const char *typed, const char *const *names);

/* How many letters must be added, removed, changed or swapped with their neighbour. Capitals count
 * as small letters, '_' as '-'. NEAR_FAR when a name is longer than NEAR_BYTES_MAX. */
enum { NEAR_BYTES_MAX = 64, NEAR_FAR = 1000 };
size_t near_distance(const char *a, const char *b);
