// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of the room's handle: the table of page entries (page_entry.h), and what each module
 * keeps. `lock` guards the table. */
#include "engine/pages/pages.h"

struct built_page;
struct dates;
struct delisted;
struct page_entry;
struct project_lists;
struct recheck;

struct pages {
    struct services *s;
    struct listings *listings;
    struct files *files;
    struct metadata *metadata;
    struct delisted *delisted; /* flight thread */
    struct dates *dates;       /* flight thread */
    struct project_lists *project_lists;
    void (*free_attachment)(void *attachment);
    pthread_rwlock_t lock;
    struct page_entry *table;
    struct page_entry *loading; /* flight thread */
    struct recheck *rechecks;   /* flight thread: page_recheck.c */
    pthread_mutex_t orphan_lock;
    struct built_page *orphans; /* pages that replies hold and no entry does, the oldest first */
    _Atomic size_t orphan_bytes;
    int64_t swept_ms;
    struct turns *builds;         /* builds that wait for the compute lane; flight thread */
    uint64_t dropped;             /* builds that were given up; flight thread */
    _Atomic size_t bytes;         /* of useful pages */
    _Atomic size_t refused_bytes; /* of refusals, and of entries without a page */
    _Atomic size_t most_refused;
};
