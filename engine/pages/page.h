// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Pages, for the callers of the engine: part of engine/engine.h. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/loop/options.h"
#include "engine/loop/wait.h"
#include "index/page.h"

struct page_facts;
struct pages;

enum page_coding { PAGE_IDENTITY, PAGE_GZIP, PAGE_ZSTD };
enum { PAGE_CODINGS = 3 };

struct page_body {
    const char *data; /* NULL where there is no such form: small pages are not coded */
    size_t len;
    char etag[40]; /* strong, with quotes */
    /* the server's own: set once by compare-and-swap; engine_on_page_free says what becomes of
     * it */
    _Atomic(void *) attachment;
};

/* Immutable but for the attachments; counted by reference. */
struct page {
    enum outcome outcome;
    const char
        *detail; /* for people, when the outcome is not OUTCOME_OK: which mirror failed, and how */
    const char *mirrors;      /* the mirrors that list it, comma-separated; "" when none */
    int max_age_s;            /* for Cache-Control */
    int retry_after_s;        /* of a refusal: when it is worth asking again; or 0 */
    bool incomplete;          /* a mirror that names digests has not answered yet */
    int64_t last_serial;      /* PyPI's serial, when a mirror has told it; else 0 */
    struct page_facts *facts; /* where there are policies (engine/pages/page_policy.h); else NULL */
    struct page_body body[PAGE_FORMATS][PAGE_CODINGS];
};

struct page_query {
    const char *index;     /* "" is /simple/ */
    const char *project;   /* normalised; NULL: the project list */
    bool flat;             /* project NULL: the flat page, which is HTML alone */
    bool official;         /* links lead to the public site, not to this daemon */
    bool refresh;          /* the client said no-cache */
    const char *via;       /* the client's Via, or NULL */
    const char *seen_from; /* the index from whose pages the links are seen; NULL: `index` */
    int64_t until_ms;      /* no wait goes beyond this; 0: a page's own limits alone */
    uint64_t client;       /* clients with the same number share turns at mirrors; 0: no client */
};

/* MISS: a mirror has confirmed the page for this very request. STALE: the page is older than
 * page_refresh, and no mirror has confirmed it since. */
enum page_state { PAGE_HIT, PAGE_MISS, PAGE_STALE };

/* 0: *ret_page is a reference of the caller's, and *ret_state says how it came. ENGINE_WAIT: for
 * at most twelve seconds. ERROR_NO_MEMORY. `waited`: the waiter has waited for this very answer
 * before. */
int pages_open(struct pages *pages, const struct page_query *query, struct waiter *waiter,
               bool waited, struct page **ret_page, enum page_state *ret_state);
/* The page that would list a file, if it is in memory: a reference of the caller's, or NULL.
 * Asks no mirror and never waits. */
struct page *pages_peek(struct pages *pages, const char *origin, const char *path);
/* Any thread. NULL is legal. */
void page_unref(struct page *page);
/* Whether a reply should give the page up: it is out of date, and too many such pages are held
 * by slow clients. Any thread. */
bool page_is_unwanted(const struct page *page);
