// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Services, and a pointer to the data of each room. A room that has a handle of its own includes
 * services.h in its place. */
#include "engine/loop/services.h"

struct delisted;
struct dates;
struct directories;
struct evidences;
struct eviction;
struct files;
struct kept_table;
struct listings;
struct metadata;
struct pages;
struct project_lists;
struct refusals;
struct renewals;
struct scrub;

struct engine {
    struct services services;
    struct services *s; /* those */

    struct listings *listings;
    struct files *files;
    struct kept_table *kept;     /* flight thread */
    struct evidences *evidences; /* flight thread */
    struct renewals *renewals;   /* flight thread */
    struct eviction *eviction;   /* flight thread */
    struct refusals *refusals;   /* flight thread */
    struct scrub *scrub;
    struct metadata *metadata;
    struct directories *directories;
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
