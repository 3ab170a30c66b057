// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Services, and a pointer to the data of each room. A room that has a handle of its own includes
 * services.h in its place. */
#include "engine/loop/services.h"

struct delisted;
struct dates;
struct directories;
struct channel_roots;
struct channels;
struct evidences;
struct eviction;
struct files;
struct heads;
struct kept_table;
struct metadata;
struct pages;
struct project_lists;
struct ranges;
struct refusals;
struct remembered_links;
struct renewals;
struct scrub;
struct sources;

struct engine {
    struct services services;
    struct services *s; /* those */

    struct files *files;
    struct kept_table *kept;     /* flight thread */
    struct evidences *evidences; /* flight thread */
    struct renewals *renewals;   /* flight thread */
    struct eviction *eviction;   /* flight thread */
    struct refusals *refusals;   /* flight thread */
    struct scrub *scrub;
    struct metadata *metadata;
    struct directories *directories;
    struct ranges *ranges;          /* flight thread */
    struct heads *heads;            /* flight thread */
    struct sources *sources;        /* flight thread */
    struct remembered_links *links; /* flight thread */
    struct channels *channels;
    struct channel_roots *channel_roots;
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
