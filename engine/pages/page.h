// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Pages, for whoever asks: part of engine/engine.h. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/loop/options.h"
#include "engine/loop/wait.h"
#include "index/page.h"

struct engine;

enum page_coding { PAGE_IDENTITY, PAGE_GZIP, PAGE_ZSTD };
enum { PAGE_CODINGS = 3 };

struct page_body {
    const char *data; /* NULL where there is no such form: small pages are not coded */
    size_t len;
    char etag[40];              /* strong, with quotes */
    _Atomic(void *) attachment; /* the server's own: set once by compare-and-swap; goes as
                                   engine_on_page_free says */
};

/* Immutable but for the attachments; shared by reference. */
struct page {
    enum outcome outcome;
    const char
        *detail; /* for people, when the outcome is not OUTCOME_OK: which mirror failed and how */
    const char *mirrors; /* names of who listed it, comma-separated; "" when none */
    int64_t born_ms;     /* clock_monotonic_ms when last confirmed by a mirror */
    int max_age_s;       /* for Cache-Control */
    int retry_after_s;   /* of a refusal: when it is worth to ask again; or 0 */
    bool incomplete;     /* a mirror that names digests has not answered yet */
    int64_t last_serial; /* of PyPI, when a mirror told; else 0 */
    struct page_body body[PAGE_FORMATS][PAGE_CODINGS];
};

struct page_query {
    const char *index;     /* "" is /simple/ */
    const char *project;   /* normalised; NULL asks for the project list */
    bool flat;             /* project NULL: asks for the flat page, which is HTML alone */
    bool official;         /* hrefs lead to the public site, not to us */
    bool refresh;          /* the client said no-cache */
    const char *via;       /* the client's Via, or NULL */
    const char *seen_from; /* an index from whose pages the links are seen; NULL: `index` */
    uint64_t client;       /* whoever has the same shares turns at mirrors; 0: nobody */
};

/* MISS: a mirror has confirmed it for this very request. STALE: older than page_refresh, and no
 * mirror has confirmed it. */
enum page_state { PAGE_HIT, PAGE_MISS, PAGE_STALE };

/* 0: *ret_page is a reference of the caller's; *ret_state says how it came. ENGINE_WAIT: for at
 * most twelve seconds. ERROR_NO_MEMORY. `waited`: the waiter has waited for this very answer
 * before. */
int engine_page(struct engine *engine, const struct page_query *query, struct waiter *waiter,
                bool waited, struct page **ret_page, enum page_state *ret_state);
/* The page that would list a file, as it is in memory: a reference of the caller's, or NULL. Asks
 * nobody and never waits. */
struct page *engine_peek(struct engine *engine, const char *origin, const char *path);
void page_unref(struct page *page);
/* Whether whoever still sends it should give it up: it is out of date, and there are too many of
 * its kind. Any thread. */
bool page_is_unwanted(const struct page *page);
