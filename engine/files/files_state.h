// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of the room's handle: the table of files, and what each module keeps. `lock` guards
 * the table (entry.h). */
#include "engine/files/entry.h"

struct listings;
struct thrashing;

struct files {
    struct services *s;
    struct listings *listings;
    struct kept_table *kept; /* flight thread, as are these: */
    struct evidences *evidences;
    struct renewals *renewals;
    struct eviction *eviction;
    struct thrashing *thrashing;
    struct refusals *refusals;
    struct scrub *scrub;
    pthread_rwlock_t lock;
    struct entry *table;
    _Atomic uint64_t last_reader;
    _Atomic uint64_t uses;
    struct download *download; /* flight thread, as are these: */
    struct entry *failed;
    unsigned writer_turn;
    struct job retry; /* engine/files/sharing.c */
    bool retry_posted;
    uint64_t asks;              /* counts asks for a mirror */
    struct passthrough *passes; /* passthroughs whose source may still bring something */
    int64_t touched_ms;
    int disk_error; /* why nothing is kept until disk_error_ms */
    int64_t disk_error_ms;
    size_t open_most, open_count; /* how many blobs entries may hold open, and do */
};
