// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A receipt: the bytes of a mirror's page on their way, fetched or loaded from the catalogue, to
 * what they say. Made and freed on the flight thread by engine/listings/sources.c, read on the
 * compute lane.
 */
#include "base/buf.h"
#include "base/digest.h"
#include "engine/listings/shrink_guard.h"
#include "engine/listings/sources.h"
#include "engine/loop/memory.h"
#include "engine/mirrors/origins.h"
#include "index/changes.h"

enum { LISTING_ANSWER_DETAIL_BYTES = 256 };

/* Where a mirror has a file that is not where its path says. */
struct link_place {
    char *path, *url;
};

struct listing_answer {
    struct job job;
    struct engine *engine;
    struct source *source;
    const struct origin *origin;
    const struct mirror *mirror;
    size_t had;                 /* files of the last good page; 0 */
    struct listing_ref *before; /* what the page said before, or NULL */
    const char *page;           /* the source's */
    bool is_list;               /* a list of projects */
    bool stored;                /* came from the catalogue */
    bool is_html;               /* was asked for as such: as JSON it is refused */
    /* what the mirror said */
    int status, error, retry_after_s, max_age_s;
    char *etag, *date, *url;
    char detail[LISTING_ANSWER_DETAIL_BYTES];
    struct buf body; /* of the catalogue: packed */
    struct memory_claim claim;
    bool is_unpacked;
    _Atomic int64_t received, length; /* so far, any thread; length -1: not known */
    int64_t counted;                  /* in the engine's fetched_bytes */
    _Atomic int64_t heard_ms;         /* when a byte came last, or when it was asked for */
    int64_t started_ms;
    int64_t fetched_s;
    /* what was read */
    struct listing_ref *listing;
    struct changes changes; /* since `before`; of `listing` */
    bool is_lost; /* so many links lead out of the origin that it is no page; `detail` says where */
    size_t elsewhere, near; /* links that do, and that do not */
    char hosts[LISTING_ANSWER_DETAIL_BYTES];
    struct link_place *places; /* files that are not asked for by their path */
    size_t place_count;
    bool is_web_page;             /* instead of a listing: */
    char page_sha256[SHA256_HEX]; /* see portal_begins_page */
    struct shrink_guard_facts facts;
    char sha256[SHA256_HEX];
    struct buf packed; /* the body, gzip */
};

/* What a mirror's pages are asked for as: the value of Accept; and where JSON is refused. */
extern const char listing_answer_html[];
const char *listing_answer_accept(const struct mirror *mirror);

/* NULL when out of memory. `page` must live as long as the receipt; `source` is for who made it. */
struct listing_answer *listing_answer_new(struct engine *engine, struct source *source,
                                          const struct origin *origin, const struct mirror *mirror,
                                          const char *page, bool is_list);
void listing_answer_free(struct listing_answer *listing_answer);

/* What the catalogue has stored, and what a mirror's answer says: for catalogue_get_listing and a
 * fetch_sink, whose context is the receipt. */
int listing_answer_take_row(void *listing_answer, const struct catalogue_listing *row);
int listing_answer_take_head(void *listing_answer, const struct fetch_head *head);
/* The body of what a mirror answers; takes over the slab. */
void listing_answer_take_data(void *listing_answer, struct slab *slab, int64_t offset);

/* Reads all that has come, into error, status and what was read; packs a new body, and drops the
 * body itself. On the compute lane, as `job`; false: it waits for memory, and the job is posted
 * again. */
bool listing_answer_read(struct listing_answer *listing_answer);
/* Reads the body of a 200: listing, facts, sha256. Any error of listing_parse; ERROR_BAD_LISTING
 * also for a page that lists nothing of what was asked for, or has lost its links (is_lost). */
int listing_answer_parse(struct listing_answer *listing_answer); /* its body is unpacked */
/* Whether another status than 200 means that the mirror has no such page. */
bool listing_answer_says_missing(const struct listing_answer *listing_answer);
/* Stores what was fetched, or only that the mirror confirms it; takes over and frees. `origin` is
 * the configuration's. */
void listing_answer_keep(struct listing_answer *listing_answer, const char *origin,
                         bool confirm_only);
