// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What changed between two readings of one page: the files whose row now has another size or date.
 * A size or date that one reading lacks does not count as changed; neither does a file that only
 * one reading lists. Files are compared by path (engine/mirrors/links.h). Of a file that a page
 * lists twice the first row counts.
 *
 *     changes_find(before, after, &c) --> c.paths[0 .. c.count) --> changes_release(&c)
 *
 * Pure; any thread. The paths belong to `after` and live as long as it.
 */
#include <stddef.h>

struct listing;

struct changes {
    const char **paths; /* ascending */
    size_t count;
};

/* ERROR_NO_MEMORY. */
int changes_find(const struct listing *before, const struct listing *after, struct changes *ret);
void changes_release(struct changes *changes);
