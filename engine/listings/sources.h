// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A source: one listing page of one mirror. It is fetched (conditionally where possible), parsed on
 * the compute lane, and stored in the catalogue as received. It leaves memory when nobody has used
 * it for a while, sooner where all listings together take more than page_memory; the catalogue has
 * it then. All of it belongs to the flight thread. pages_source_settled tells those that wait for a
 * source.
 *
 * A page that is no listing, or a mirror that does not answer, never replaces what is known. The
 * source keeps its last good listing and says in `failure` what went wrong.
 */
#include "engine/listings/listings.h"
#include "engine/mirrors/origins.h"
#include "index/listing.h"

struct sources;

/* A listing that several threads use: counted by reference, and never changed. */
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
    bool is_silent; /* a fetch has brought no byte for long: that counts as a failure */
    int status;     /* 200: a listing; 404: the mirror has no such page; 0: nothing is known */
    struct listing_ref *listing; /* of a 200, when it is in memory; a borrowed reference */
    int64_t confirmed_ms; /* when the mirror last said so (monotonic; below 0 for an earlier run) */
    bool is_provisional;  /* its mirror, a wheelyard, will soon have more to say */
    uint64_t version;     /* grows with every change of content */
    int error;            /* of the last attempt; 0 when it succeeded or there was none */
    int retry_after_s;    /* what the mirror asked for with it, or -1 */
    const char *failure;  /* "aliyun: HTTP 503" */
};

/* The source of a project's page at a mirror (project NULL: of the project list). NULL when out
 * of memory. It lives until sources_tick finds it unused. */
struct source *sources_get(struct listings *listings, const struct origin *origin, unsigned mirror,
                           const char *channel, const char *project);
/* The source of a mirror's root page, which names its channels. NULL also where the template has
 * no channel. Its failures say nothing of the mirror. */
struct source *sources_get_root(struct listings *listings, const struct origin *origin,
                                unsigned mirror);
/* The same, but NULL when nobody has asked for that page: a look must not fill the table. */
struct source *sources_find(struct listings *listings, const struct origin *origin, unsigned mirror,
                            const char *channel, const char *project);
/* Its listing, if that is in memory: a reference, or NULL; NULL for NULL. */
struct listing_ref *source_listing(struct source *source);
/* What is wrong with its links, as the last answer had it; or NULL. */
const char *source_lost_links(const struct source *source);
/* Makes it ready: loads what is stored, and asks the mirror when that is older than
 * page_refresh, or `force`. A mirror that is backing off is asked only if `alone`. False when
 * there is nothing to wait for. */
bool source_want(struct source *source, bool force, bool alone, const struct asker *by);
/* The same at once and for the page's links alone; once in a while. */
bool source_want_links(struct source *source);
/* What is known now. Counts as a use. */
void source_view(struct source *source, struct source_view *ret);
/* Whether a fetch has taken longer than listing_timeout: those that have something else wait for
 * it no longer. It goes on, for a slow mirror is not a dead one. If no byte came in that time,
 * that counts as a failure of the mirror. To be called on each tick by those that wait. */
bool source_check_late(struct source *source);
/* Appends, after "; " where something stands already, what a fetch does that runs ("aliyun: 1000 of
 * 2000 bytes"), or why the last one failed. Nothing where neither is so. */
void source_write_trouble(const struct source *source, const struct source_view *view, char *to,
                          size_t size);

enum {
    SOURCE_MOST_MS = 10 * 60 * 1000, /* how long a page may take while bytes come */
    SOURCE_ANSWER_MS = 45 * 1000,    /* how long its first byte may take */
};

/* Drops all listings that nobody uses. */
void sources_shrink(struct listings *listings);
/* About what all listings take in memory, in bytes. */
size_t sources_bytes(const struct listings *listings);

int sources_new(struct sources **ret);
void sources_free(struct sources *sources);
void sources_tick(struct listings *listings, int64_t now_ms);
