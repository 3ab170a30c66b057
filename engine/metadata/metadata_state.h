// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of engine/metadata/metadata.h. The entries belong to metadata.c, the list of
 * extractions to extract.c. */
#include <uthash.h>

#include "engine/loop/options.h"
#include "engine/metadata/metadata.h"

enum metadata_stage { META_LOOKING, META_ELSEWHERE, META_EXTRACTING, META_MADE, META_FAILED };

struct meta {
    char *key; /* origin NUL path of the wheel NUL */
    size_t key_len;
    int64_t id; /* never given twice; the `want` of its waiters */
    enum metadata_stage stage;
    bool asked_mirrors; /* mirrors were asked for the `.metadata` in vain */
    /* the wheel has changed during a look-up or extraction, which has to begin again */
    bool refuted;
    struct document *text;
    char sha256[SHA256_HEX]; /* of the text */
    char *authority;         /* the digests claimed of the text (index/digests.h), or NULL */
    char mirrors[256];
    enum outcome outcome;
    char detail[512];
    int64_t began_ms, until_ms, used_ms;
    UT_hash_handle hh;
};

struct metadata {
    struct services *s;
    struct files *files;
    struct waitlist waiters; /* its lock guards the table and the entries */
    struct meta *table;
    int64_t last_id;
    size_t bytes; /* of texts */
    /* flight thread: */
    struct extract *running, *queued;
    unsigned running_count;
    uint64_t version;
    int64_t swept_ms;
};
