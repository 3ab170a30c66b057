// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A look at every mirror and folder, for `wheelyard doctor`. Of a mirror: one page, and of one
 * wheel that it lists a HEAD and a range of DIAGNOSE_BYTES at most. Three requests each, all
 * mirrors at once, by the transfer thread with its proxy, CA and address rules. What comes is
 * looked at and forgotten: nothing of it enters pages, files or the budget.
 *
 *     struct examination *x;
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
    const char *index;   /* the channel to look at, for origins that have it; "": any */
    const char *project; /* to look for; NULL: one that the origin owns, or pip */
    int limit_ms;        /* of all requests together */
};

/* One request. */
struct diagnosed_step {
    bool asked;
    int status;                 /* HTTP; 0: none came */
    int error;                  /* 0: all is as it should be */
    char detail[DIAGNOSE_TEXT]; /* of an error, for people */
    char host[DIAGNOSE_TEXT];   /* who answered in the end, after redirects; "" */
    int64_t took_ms;
};

struct diagnosed {
    const struct origin *origin; /* good as long as the engine is */
    const struct mirror *mirror;
    const char *project;
    /* URLs, without credentials: */
    char *page; /* of the listing; NULL: no channel is known that could be asked for */
    char *file; /* of a listed wheel at this mirror; NULL: none */
    /* ERROR_GONE: the mirror has no such page; ERROR_BAD_LISTING: that is none. */
    struct diagnosed_step listing, head, range;
    size_t file_count, digest_count;     /* of the listing; with a SHA-256 */
    size_t elsewhere_count;              /* files that lie nowhere in the origin; */
    char elsewhere_hosts[DIAGNOSE_TEXT]; /* where: "https://h/", ... quoted */
    int64_t rate_bytes_s;                /* of the range; -1: too little came to tell */
    int64_t skew_s;                      /* its clock less ours */
    bool has_clock;
    bool is_out; /* for wrong bytes: nobody is sent there */
    char last_error[DIAGNOSE_TEXT];
};

struct diagnosis {
    struct diagnosed *list; /* in the configured order */
    size_t count;
    struct diagnosed_folder *folders;
    size_t folder_count;
    /* of the daemon, as now in force */
    const struct origins *origins; /* good as long as the engine is */
    const char *cache_dir;
    int64_t max_size, min_free; /* bytes */
    bool has_room;              /* for something new, be it that something old goes */
};

/* ERROR_STOPPING when *stop is set. */
int engine_diagnose(struct engine *engine, const struct diagnose_options *options,
                    const _Atomic bool *stop, struct diagnosis **ret);
void diagnosis_free(struct diagnosis *diagnosis); /* NULL is legal */
