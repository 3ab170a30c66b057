// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of engine/metadata/metadata.h: metadata.c's, and the list of what is being made:
 * extract.c's. */
#include <uthash.h>

#include "engine/loop/options.h"
#include "engine/metadata/metadata.h"

enum metadata_stage { META_LOOKING, META_ELSEWHERE, META_EXTRACTING, META_MADE, META_FAILED };

struct meta {
    char *key; /* origin NUL path of the wheel NUL */
    size_t key_len;
    int64_t id; /* never given twice; what its waiters want */
    enum metadata_stage stage;
    bool asked_mirrors; /* for a .metadata of theirs, in vain */
    bool refuted;       /* the wheel was another while it was looked up or made: to be done again */
    struct document *text;
    char sha256[SHA256_HEX]; /* of the text */
    char *authority;         /* digests that are claimed of it (index/digests.h), or NULL */
    char mirrors[256];
    enum outcome outcome;
    char detail[512];
    int64_t began_ms, until_ms, used_ms;
    UT_hash_handle hh;
};

struct metadata {
    struct waitlist waiters; /* its lock guards the table and what is in it */
    struct meta *table;
    int64_t last_id;
    size_t bytes; /* of texts */
    /* flight thread: */
    struct extract *running, *queued;
    unsigned running_count;
    uint64_t version;
    int64_t swept_ms;
};
