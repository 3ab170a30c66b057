// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A look at every mirror and folder, for `wheelyard doctor`. A mirror is asked for three things:
 * one page, and of one wheel on that page a HEAD and a range of at most DIAGNOSE_BYTES. All mirrors
 * are asked at once, by the transfer thread with its proxy, CA and address rules. What comes is
 * judged and forgotten: nothing of it enters pages, files or the budget. An offline daemon asks none.
 *
 *     struct diagnosis *x;
 *     r = engine_diagnose(engine, &options, stop, &x);         blocks: limit_ms at most, on a lane
 *     for (i < x->count) ... x->list[i] ...
 *     diagnosis_free(x);
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/folders/diagnosed_folder.h"
#include "engine/mirrors/origins.h"

struct engine;

enum { DIAGNOSE_BYTES = 1 << 20, DIAGNOSE_MS = 2000, DIAGNOSE_TEXT = 256 };

struct diagnose_options {
    const char *index;   /* the channel to ask for, at origins that have it; "": any channel */
    const char *project; /* the project to ask for; NULL: a name that the origin owns, or pip */
    int limit_ms;        /* for all requests together */
};

/* One request. */
struct diagnosed_step {
    bool asked;
    int status;                 /* the HTTP status; 0: no answer came */
    int error;                  /* 0: the answer is as it should be */
    char detail[DIAGNOSE_TEXT]; /* what the error says to people */
    char host[DIAGNOSE_TEXT];   /* the host that answered in the end, after redirects; "" */
    int64_t took_ms;
};

struct diagnosed {
    const struct origin *origin; /* valid as long as the engine is */
    const struct mirror *mirror;
    const char *project;
    /* URLs, without credentials: */
    char *page; /* of the listing; NULL: no channel is known that could be asked for */
    char *file; /* of a listed wheel at this mirror; NULL: it lists none */
    /* ERROR_GONE: the mirror has no such page. ERROR_BAD_LISTING: the page is no listing. */
    struct diagnosed_step listing, head, range;
    size_t file_count, digest_count;     /* of the listing; files with a digest */
    size_t elsewhere_count;              /* files that no prefix of the origin covers; */
    char elsewhere_hosts[DIAGNOSE_TEXT]; /* their hosts: "https://h/", ... quoted */
    int64_t rate_bytes_s;                /* of the range; -1: too few bytes came to tell */
    int64_t skew_s;                      /* the mirror's clock less this machine's */
    bool has_clock;
    bool is_out; /* it sent wrong bytes, so the budget leaves it out */
    char last_error[DIAGNOSE_TEXT];
};

struct diagnosis {
    struct diagnosed *list; /* in the configured order */
    size_t count;
    struct diagnosed_folder *folders;
    size_t folder_count;
    /* of the daemon, as in force now */
    const struct origins *origins; /* valid as long as the engine is */
    const char *cache_dir;
    int64_t max_size, min_free; /* bytes */
    bool has_room;              /* for a new file, if need be after an old one has gone */
    bool is_offline;            /* then no mirror was asked, and `list` is empty */
    int64_t listed_s;           /* when a mirror last confirmed a listing; 0: never */
};

/* Blocks. ERROR_STOPPING when *stop is set. ERROR_NO_MEMORY. */
int engine_diagnose(struct engine *engine, const struct diagnose_options *options,
                    const _Atomic bool *stop, struct diagnosis **ret);
void diagnosis_free(struct diagnosis *diagnosis); /* NULL is legal */
