// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Services, and a pointer to the data of each room. A room that has a handle of its own includes
 * services.h in its place. */
#include "engine/loop/services.h"

struct delisted;
struct dates;
struct folders;
struct files;
struct listings;
struct metadata;
struct pages;
struct project_lists;

struct engine {
    struct services services;
    struct services *s; /* those */

    struct listings *listings;
    struct files *files;
    struct metadata *metadata;
    struct folders *folders;
    struct delisted *delisted; /* flight thread */
    struct dates *dates;       /* flight thread */
    struct pages *pages;
    struct project_lists *project_lists;
    void (*free_attachment)(void *attachment);

    _Atomic bool ready;
    pthread_mutex_t status_lock;
    struct buf status; /* the members of a JSON object */
    struct waitlist status_waiters;
    _Atomic uint64_t status_count; /* snapshots taken so far */
};
