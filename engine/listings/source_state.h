// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of a source, for sources.c (the table, what is wanted, time) and source_fetch.c
 * (from catalogue and mirror to a listing). Flight thread. */
#include <uthash.h>

#include "engine/listings/listing_answer.h"
#include "engine/listings/sources.h"
#include "engine/listings/turns.h"
#include "engine/mirrors/origins.h"

struct source {
    struct listings *listings;
    const struct origin *origin;
    unsigned mirror;
    bool is_list; /* a project list, or a list of channels: */
    bool is_root;
    char *page; /* URL; origin (of one generation), mirror and it are the key */
    char *key;
    enum source_state state;
    bool asked_catalogue, fetch_next;
    bool wants_html;                /* the mirror refuses JSON */
    bool fetch_alone;               /* the fetch may go to a mirror that is backing off */
    bool is_forced;                 /* the next fetch goes past caches on the way */
    bool has_row;                   /* the catalogue knows the page */
    int64_t fetch_ms;               /* when the fetch began, or began to wait for its turn */
    struct turn turn;               /* for a place at the mirror, or for a load */
    struct turns *turns;            /* where the turn is */
    struct listing_answer *fetched; /* the answer on its way; while SOURCE_FETCHING */
    bool is_late;                   /* others wait for it no longer */
    bool is_silent;                 /* no byte has come for long: a failure */
    bool is_probe;                  /* no client has asked for it */
    int status;
    struct listing_ref *listing;
    size_t listing_bytes;
    char *etag, *date, *url;
    char *via; /* of the last request, or NULL */
    uint64_t client;
    char body_sha256[SHA256_HEX];
    int64_t confirmed_ms, used_ms;
    int64_t links_ms; /* when it was last fetched for its links alone; 0: never */
    int64_t life_ms;  /* shorter than page_refresh, as the mirror says; or 0 */
    uint64_t version;
    int error, retry_after_s;
    bool has_lost_links; /* `failure` tells of lost links, after the mirror's name */
    char failure[LISTING_ANSWER_DETAIL_BYTES];
    struct shrink_guard_facts facts; /* of the last good listing */
    /* there is a last good listing: it is stored, and not easily replaced */
    bool is_good;
    struct shrink_guard shrink_guard;
    UT_hash_handle hh;
};

/* A mirror, by its number in the budget. */
struct listed_mirror {
    struct turns *turns; /* of its fetches */
    bool refuses_json;   /* it has HTML: its pages are asked for as HTML from now on */
};

struct sources {
    struct source *table;
    uint64_t last_version; /* never given twice, even when a source is dropped and made again */
    size_t bytes;          /* of listings in memory */
    int64_t swept_ms, probed_ms;
    struct listed_mirror *mirrors;
    size_t mirror_count;
    struct turns *loads; /* of loads from the catalogue */
};

const struct mirror *source_mirror(const struct source *source);
/* What is known of the source's mirror. Valid until the next call; NULL when out of memory. */
struct listed_mirror *source_listed_mirror(const struct source *source);

/* ---- source_fetch.c */
/* Loads what is stored, then fetches as fetch_next says. */
void source_load(struct source *source);
/* Asks the mirror, when it is the source's turn. */
void source_fetch(struct source *source);
/* The same, unless the mirror is backing off and another may answer. */
void source_try_fetch(struct source *source, bool alone);
/* Takes over the reference, and gives back the one before. */
void source_set_listing(struct source *source, struct listing_ref *listing, size_t bytes);
