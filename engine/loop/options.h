// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What an engine is told when it opens, and how its answers end. */
#include <stdbool.h>
#include <stdint.h>

struct origins;

struct engine_options {
    const struct origins *origins; /* must outlive the engine */
    const char *cache_dir;
    const char *user_agent;
    const char *instance;    /* random; names this daemon in Via */
    const char *proxy;       /* or NULL */
    const char *no_proxy;    /* or NULL */
    const char *ca_file;     /* or NULL */
    const char *credentials; /* netrc file of the mirrors, or NULL */
    int64_t max_size;        /* bytes */
    int64_t min_free;        /* bytes */
    int64_t page_memory;     /* bytes of built pages in memory */
    int64_t max_memory;      /* bytes that the process may have for itself, all in all */
    bool offline;            /* no mirror is ever asked: pages list what is held, and folders */
    int listing_timeout_ms; /* how long the first publication of a page waits for further mirrors */
    int page_refresh_ms;
    int connect_timeout_ms;
    int stall_timeout_ms;
    int connections_per_mirror;
    int connections_per_file; /* to one mirror, for one file */
    /* a blob that was compared with its digest is left alone for so long */
    int scrub_after_ms;
};

enum { ENGINE_WAIT = 1 };

enum outcome {
    OUTCOME_OK,
    OUTCOME_NO_INDEX,   /* 400: no such index or channel */
    OUTCOME_NO_PROJECT, /* 404 */
    OUTCOME_NO_FILE,    /* 404: every mirror that answered says that it has no such file */
    /* 503: no mirror answered for a page and none is stored, or the page is on its way */
    OUTCOME_UNAVAILABLE,
    OUTCOME_BROKEN,    /* 502: mirrors failed */
    OUTCOME_SILENT,    /* 504: mirrors were silent */
    OUTCOME_LOOP,      /* 508: the mirror that was asked asks this daemon */
    OUTCOME_STOPPING,  /* 503: shutting down */
    OUTCOME_FORBIDDEN, /* 403: a policy refuses it */
};
