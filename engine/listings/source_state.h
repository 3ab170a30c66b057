// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of a source, shared by sources.c (table, what is wanted, time) and source_fetch.c
 * (from the catalogue and the mirror to what a listing says). Flight thread. */
#include <uthash.h>

#include "engine/listings/listing_answer.h"
#include "engine/listings/sources.h"
#include "engine/listings/turns.h"
#include "engine/mirrors/origins.h"

struct source {
    struct engine *engine;
    const struct origin *origin;
    unsigned mirror;
    bool is_list; /* a list of projects, or of channels: */
    bool is_root;
    char *page; /* URL: the key, with origin (one generation's) and mirror in front */
    char *key;
    enum source_state state;
    bool asked_catalogue, fetch_next;
    bool wants_html;                /* JSON was refused */
    bool fetch_alone;               /* ... even if the mirror is backing off */
    bool is_forced;                 /* the next fetch is to go past caches on the way */
    bool has_row;                   /* the catalogue knows the page */
    int64_t fetch_ms;               /* when it began, or began to wait for its turn */
    struct turn turn;               /* at the mirror */
    struct turns *turns;            /* which it is of */
    struct listing_answer *fetched; /* what comes of it; while SOURCE_FETCHING */
    bool is_late;                   /* others wait for it no longer */
    bool is_silent;                 /* it has not begun to answer, or has stopped: a failure */
    bool is_probe;                  /* nobody asked for it */
    int status;
    struct listing_ref *listing;
    size_t listing_bytes;
    char *etag, *date, *url;
    char *via; /* of the request that asked last, or NULL */
    uint64_t client;
    char body_sha256[SHA256_HEX];
    int64_t confirmed_ms, used_ms;
    int64_t links_ms; /* when it was asked for its links alone; 0 never */
    int64_t life_ms;  /* shorter than page_refresh, as its mirror says; or 0 */
    uint64_t version;
    int error, retry_after_s;
    bool has_lost_links; /* that is what `failure` says, behind the mirror's name */
    char failure[LISTING_ANSWER_DETAIL_BYTES];
    struct shrink_guard_facts facts; /* of the last good listing */
    bool is_good;                    /* there is one: it is stored, and not easily replaced */
    struct shrink_guard shrink_guard;
    UT_hash_handle hh;
};

struct sources {
    struct source *table;
    uint64_t last_version; /* never given twice, also when a source comes back */
    size_t bytes;          /* of listings in memory */
    int64_t swept_ms, probed_ms;
    struct turns **turns; /* by the mirror's number */
    size_t turn_count;
    struct turns *loads;         /* from the catalogue */
    struct html_only *html_only; /* mirrors that refuse JSON, by their template */
};

const struct mirror *source_mirror(const struct source *source);
/* Its mirror has HTML and refuses JSON: pages of it are asked for so from now on. */
void sources_note_html(struct source *source);
bool sources_has_html_only(const struct source *source);

/* ---- source_fetch.c */
/* Loads what is stored, then goes on as fetch_next says. */
void source_load(struct source *source);
/* Asks the mirror when it is its turn. */
void source_fetch(struct source *source);
struct turns *source_turns(struct engine *engine, size_t mirror); /* NULL: out of memory */
/* Asks the mirror, unless it is backing off and another may answer. */
void source_try_fetch(struct source *source, bool alone);
void source_set_listing(struct source *source, struct listing_ref *listing, size_t bytes);
