// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A source: one listing page of one mirror. It is fetched (conditionally where possible), parsed on
 * the compute lane, stored in the catalogue as received, and dropped from memory when nobody has
 * used it for a while, soon where all of them take more than page_memory; the catalogue has it
 * then. All of it belongs to the flight thread; whoever waits for a source is told by
 * pages_source_settled.
 *
 * A page that is no listing, or a mirror that does not answer, never replaces what is known: the
 * source keeps its last good listing and says in `failure` what went wrong.
 */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"
#include "index/listing.h"

struct listing_ref {
    _Atomic int refs;
    struct listing *listing;
};
/* Takes over the listing; NULL when out of memory. */
struct listing_ref *listing_ref_new(struct listing *listing);
struct listing_ref *listing_ref_get(struct listing_ref *ref);
void listing_ref_put(struct listing_ref *ref); /* NULL is legal */

enum source_state {
    SOURCE_IDLE,
    SOURCE_LOADING,  /* from the catalogue */
    SOURCE_FETCHING, /* from the mirror */
};

struct source;

struct source_view {
    enum source_state state;
    bool is_late;             /* fetching, for longer than others wait for it */
    bool is_silent;           /* ... and no byte has come: that counts as a failure */
    int64_t received, length; /* of the page that is being fetched; length -1: not known */
    int status; /* 200: it is a listing; 404: the mirror has no such page; 0: nothing is known */
    struct listing_ref *listing; /* of a 200 that is in memory; a borrowed reference */
    int64_t confirmed_ms; /* when the mirror last said so (monotonic; of an earlier run: below 0 is
                             fine) */
    bool is_provisional;  /* its mirror, a wheelyard, will have more to say of it soon */
    uint64_t version;     /* grows with every change of content */
    int error;            /* of the last attempt; 0 when it succeeded or there was none */
    int retry_after_s;    /* what the mirror asked for with it, or -1 */
    const char *failure;  /* "aliyun: HTTP 503" */
};

/* The source of a project's page (project NULL: of the list of projects) at a mirror; NULL when out
 * of memory. Lives until sources_tick finds it unused. */
struct source *sources_get(struct engine *engine, const struct origin *origin, unsigned mirror,
                           const char *channel, const char *project);
/* The source of a mirror's root page, which names its channels; NULL also where its template has
 * none. How it fares says nothing of the mirror. */
struct source *sources_get_root(struct engine *engine, const struct origin *origin,
                                unsigned mirror);
/* What such a page lists, where that is in memory now: a reference; or NULL. */
struct listing_ref *sources_peek(struct engine *engine, const struct origin *origin,
                                 unsigned mirror, const char *channel, const char *project);
/* What is wrong with such a page that has lost its links, as the last answer had it; or NULL. */
const char *sources_lost_links(struct engine *engine, const struct origin *origin, unsigned mirror,
                               const char *channel, const char *project);
/* Makes it ready: loads what is stored, and asks the mirror when that is older than page_refresh or
 * `force`. A mirror that is backing off is not asked unless `alone`. False when nothing is to be
 * waited for. */
bool source_want(struct source *source, bool force, bool alone, const struct asker *by);
/* The same for its links alone, at once; once in a while. */
bool source_want_links(struct source *source);
void source_view(struct source *source, struct source_view *ret);
/* Whether a fetch has taken longer than listing_timeout, so that those who have something without
 * it wait no longer. It goes on: a slow mirror is not a dead one. Where no byte came for all that
 * time it counts as a failure of the mirror. To be called on the tick by who waits for it. */
bool source_check_late(struct source *source);
/* Appends "aliyun: 1000 of 2000 bytes" of a fetch that is under way, or "aliyun: no answer yet". */
void source_write_progress(const struct source *source, char *to, size_t size);

enum {
    SOURCE_MOST_MS = 10 * 60 * 1000, /* a page may take so long as long as bytes come */
    SOURCE_ANSWER_MS = 45 * 1000,    /* and so long until the first */
};

/* Gives back all listings that nobody is using. */
void sources_shrink(struct engine *engine);
/* What listings take in memory, about. */
size_t sources_bytes(const struct engine *engine);

int sources_new(struct engine *engine, struct sources **ret);
void sources_free(struct sources *sources);
void sources_tick(struct engine *engine, int64_t now_ms);
