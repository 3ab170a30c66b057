// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which digests a page shows: what the sources of a merge say of its files, together with what is
 * remembered, under the rule of engine/claims/claims.h. Private to merge.c; pure, compute lane.
 *
 *     saying_begin(s, input, merge)
 *     saying_note(s, file, mirror, listed) ...    each link, as it is taken
 *     saying_settle(s, first_row, context)        then all files: what is believed, what is new
 *     saying_release(s)
 */
#include "engine/pages/merge.h"

enum { SAYING_NO_MIRROR = MERGE_SOURCES }; /* what the daemon holds says so itself */

struct said {
    size_t next; /* 1 and more: the next claim of the same file; 0: none */
    unsigned mirror;
    const char *digests, *metadata; /* or NULL */
};

struct saying {
    const struct merge_input *input;
    struct merge *merge;
    struct said *list;
    size_t count;
    unsigned heard;                /* mirrors whose page is among the sources */
    int64_t said_s[MERGE_SOURCES]; /* when that page was read, by mirror */
    bool is_site[MERGE_SOURCES];   /* by mirror */
};

void saying_begin(struct saying *saying, const struct merge_input *input, struct merge *merge);
int saying_note(struct saying *saying, struct merge_file *file, unsigned mirror,
                const struct listed_file *listed);
/* `first_row` finds where the rows of a path begin in input->remembered; -1: there are none.
 * ERROR_NO_MEMORY. */
int saying_settle(struct saying *saying, long (*first_row)(void *context, const char *path),
                  void *context);
void saying_release(struct saying *saying);
