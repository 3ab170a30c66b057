// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of struct engine, for the files of this folder: services, and each room's handle. */
#include "engine/loop/services.h"

struct files;
struct folders;
struct listings;
struct metadata;
struct pages;

struct engine {
    struct services services;
    struct listings *listings;
    struct files *files;
    struct metadata *metadata;
    struct folders *folders;
    struct pages *pages;

    _Atomic bool ready;
    pthread_mutex_t status_lock;
    struct buf status; /* the members of a JSON object */
    struct waitlist status_waiters;
    _Atomic uint64_t status_count; /* snapshots taken so far */
};
