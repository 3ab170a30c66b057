// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The engine: pages and files for whoever asks, from memory, disk or a mirror. It joins index/,
 * cache/ and upstream/, owns every thread but the HTTP workers and main, and knows no HTTP reply.
 *
 *     engine_open(&options, &engine);
 *     r = engine_page(engine, &query, waiter, &page);       any thread, never blocks
 *     if (r == ENGINE_WAIT) ... the waiter was suspended; when resumed, ask again
 *     r = engine_file(engine, &query, waiter, &file);       the same way
 *     engine_stop(engine);          resumes every waiter; from then on calls fail with
 * ERROR_STOPPING engine_free(engine);          after the last page_unref and file_close
 *
 * An answer is a page or file even when it is a refusal: look at its `outcome` first.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/loop/wait.h"
#include "engine/mirrors/origins.h"
#include "index/page.h"

struct engine;

struct engine_options {
    const struct origins *origins; /* must outlive the engine */
    const char *cache_dir;
    const char *user_agent;
    const char *instance;   /* random, names this daemon in Via */
    const char *proxy;      /* or NULL */
    const char *no_proxy;   /* or NULL */
    const char *ca_file;    /* or NULL */
    int64_t max_size;       /* bytes */
    int64_t min_free;       /* bytes */
    int64_t page_memory;    /* bytes of built pages kept */
    int64_t max_memory;     /* bytes the process may have for itself, all in all */
    int listing_timeout_ms; /* how long a first publication waits for further mirrors */
    int page_refresh_ms;
    int connect_timeout_ms;
    int stall_timeout_ms;
    int connections_per_mirror;
    int connections_per_file; /* to one mirror, for one file */
    int scrub_after_ms;       /* how long a blob that was compared with its digest is left alone */
};

/* ERROR_IN_USE: another daemon has the cache directory. ERROR_READ_ONLY,
 * ERROR_DENIED: it cannot be written. */
int engine_open(const struct engine_options *options, struct engine **ret);
/*
 * Takes over other origins, and max_size, min_free, page_memory, max_memory, page_refresh_ms,
 * connections_per_mirror and connections_per_file; the other options need a new engine. What begins
 * from now on goes by them; flights go on with the mirrors they began with, so the old origins must
 * outlive the engine, too. The very same origins again leave pages alone. Blocks until the flight
 * thread has done it: main thread. On failure nothing changes.
 */
int engine_reload(struct engine *engine, const struct engine_options *options);
void engine_stop(struct engine *engine);
void engine_free(struct engine *engine);

enum { ENGINE_WAIT = 1 };

enum outcome {
    OUTCOME_OK,
    OUTCOME_NO_INDEX,    /* 400: no such index or channel */
    OUTCOME_NO_PROJECT,  /* 404 */
    OUTCOME_NO_FILE,     /* 404: every mirror that answered says it is gone */
    OUTCOME_UNAVAILABLE, /* 503: no mirror answered for a page, nothing stored; or it is on its way
                          */
    OUTCOME_BROKEN,      /* 502: mirrors failed */
    OUTCOME_SILENT,      /* 504: mirrors were silent */
    OUTCOME_LOOP,        /* 508 */
    OUTCOME_STOPPING,    /* 503: shutting down */
};

/* ------------------------------------------------------------------ pages */

enum page_coding { PAGE_IDENTITY, PAGE_GZIP, PAGE_ZSTD };
enum { PAGE_CODINGS = 3 };

struct page_body {
    const char *data; /* NULL where there is no such form: small pages are not coded */
    size_t len;
    char etag[40];              /* strong, with quotes */
    _Atomic(void *) attachment; /* the server's own: set once by compare-and-swap, freed by
                                   engine_options-independent hook below */
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
/* Called with an attachment when its page goes; set once, before the first engine_page. */
void engine_on_page_free(struct engine *engine, void (*free_attachment)(void *attachment));

/* ---------------------------------------------------------------- indexes */

/* Appends which indexes and channels there are, and which of them was meant by `typed`: "; did you
 * mean cu126? there are simple, cpu, cu126". Of channels those that a mirror has listed; before
 * there is one the patterns of the configuration. Any thread. */
void engine_say_indexes(struct engine *engine, const char *typed, struct buf *to);
/* Has the root pages of mirrors read, of which each is kept as any page is. ENGINE_WAIT: for a
 * second at most; do not ask twice. 0: that was done before, or cannot be. Any thread. */
int engine_ask_roots(struct engine *engine, struct waiter *waiter);
/* Appends the channels that mirrors have listed or name on their root pages, as JSON objects
 * between commas. Any thread. */
void engine_write_channels(struct engine *engine, struct buf *to);

/* ------------------------------------------------------------------ files */

enum {
    FILE_DETAIL = 512,          /* room for a file's detail */
    FILE_STATUS_LINE_MS = 9000, /* how long a status line may take; clients give up after ten */
};
enum file_state { FILE_HIT, FILE_PARTIAL, FILE_MISS, FILE_PASS };
enum file_use {
    FILE_USE_HEAD,
    FILE_USE_RANGE,
    FILE_USE_WHOLE
}; /* WHOLE: a 200, or an open-ended `N-` */

struct file_query {
    const char *origin;
    const char *path; /* decoded key */
    enum file_use use;
    bool waited; /* this very request was suspended for the answer: FILE_MISS, not FILE_PARTIAL */
    const char *via; /* or NULL */
    bool refresh;    /* the client said no-cache: what was refused before is asked for again */
};

struct file; /* a handle on one file; belongs to one connection at a time */

struct file_facts {
    enum outcome outcome;
    const char *detail; /* when not OUTCOME_OK */
    int64_t size;       /* -1: not known yet (then only a plain 200 is possible) */
    const char *etag;   /* strong, with quotes */
    bool immutable;     /* under a digest that an authority names, and verified */
    enum file_state state;
};

/* 0: *ret is open (file_close it) and its facts are known. ENGINE_WAIT. ERROR_NO_MEMORY. When the
 * waiter's time is over (`until_ms`) it is refused: OUTCOME_SILENT names the silent mirrors. */
int engine_file(struct engine *engine, const struct file_query *query, struct waiter *waiter,
                struct file **ret);
const struct file_facts *file_facts(const struct file *file);
/* Names of the mirrors the bytes come from so far, comma-separated, into ret. */
void file_mirrors(struct file *file, char *ret, size_t size);

/* Says which bytes will be read, [from, to), before the first file_read; to = -1 when the size is
 * unknown. */
int file_select(struct file *file, int64_t from, int64_t to, enum file_use use);
/* Waits until there is something to send of what was selected, so that the status line is true; of
 * a whole file that is held back to its last byte (64 KiB and less) until it is verified. After the
 * waiter's time only until a mirror has sent a first byte. 0: look at the outcome again.
 * ENGINE_WAIT: ask again when resumed. FILE_CHANGED: close it, and ask engine_file anew. < 0: an
 * error. For a caller that has sent nothing yet. */
enum { FILE_CHANGED = 2 };
int file_begin(struct file *file, struct waiter *waiter);
/* The bytes of a complete blob that is in memory, as one read-only mapping that lives until
 * file_close; NULL otherwise. */
const void *file_mapping(struct file *file);
/* Whether somebody cut the file short behind our back: what is left of its mapping can never be
 * sent. Any thread. */
bool file_is_short(const struct file *file);
/* Reads at `offset` what is there, at most `size` bytes: > 0 bytes read; 0: the waiter was
 * suspended, ask again when resumed; FILE_END: the file ends here (only of unknown size); < 0: the
 * reply must be cut. */
enum { FILE_END = -1000 };
int64_t file_read(struct file *file, int64_t offset, void *data, size_t size,
                  struct waiter *waiter);
void file_close(struct file *file);

/* ----------------------------------------------------------------- status */

/* Suspends the waiter until the status is taken anew (ENGINE_WAIT); 0 when the engine is stopping.
 */
int engine_refresh_status(struct engine *engine, struct waiter *waiter);
/* Appends the members of /-/status that are the engine's, ready to stand between braces, as they
 * were at the last refresh or tick (250 ms). Any thread. */
void engine_write_status(struct engine *engine, struct buf *to);
/* Whether port-independent start is done (catalogue open). */
bool engine_is_ready(struct engine *engine);
