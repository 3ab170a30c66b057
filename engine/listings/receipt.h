// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A receipt: the bytes of a mirror's page on their way, fetched or loaded from the catalogue, to
 * what they say. Made and freed on the flight thread by engine/listings/sources.c, read on the
 * compute lane.
 */
#include "base/buf.h"
#include "base/digest.h"
#include "engine/listings/sources.h"
#include "engine/listings/suspect.h"
#include "engine/loop/memory.h"
#include "engine/mirrors/origins.h"
#include "index/changes.h"

enum { RECEIPT_DETAIL_BYTES = 256 };

/* Where a mirror has a file that is not where its path says. */
struct link_place {
    char *path, *url;
};

struct receipt {
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
    char detail[RECEIPT_DETAIL_BYTES];
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
    char hosts[RECEIPT_DETAIL_BYTES];
    struct link_place *places; /* files that are not asked for by their path */
    size_t place_count;
    bool is_web_page;             /* instead of a listing: */
    char page_sha256[SHA256_HEX]; /* see portal_begins_page */
    struct suspect_facts facts;
    char sha256[SHA256_HEX];
    struct buf packed; /* the body, gzip */
};

/* What a mirror's pages are asked for as: the value of Accept; and where JSON is refused. */
extern const char receipt_html[];
const char *receipt_accept(const struct mirror *mirror);

/* NULL when out of memory. `page` must live as long as the receipt; `source` is for who made it. */
struct receipt *receipt_new(struct engine *engine, struct source *source,
                            const struct origin *origin, const struct mirror *mirror,
                            const char *page, bool is_list);
void receipt_free(struct receipt *receipt);

/* What the catalogue has stored, and what a mirror's answer says: for catalogue_get_listing and a
 * fetch_sink, whose context is the receipt. */
int receipt_take_row(void *receipt, const struct catalogue_listing *row);
int receipt_take_head(void *receipt, const struct fetch_head *head);
/* The body of what a mirror answers; takes over the slab. */
void receipt_take_data(void *receipt, struct slab *slab, int64_t offset);

/* Reads all that has come, into error, status and what was read; packs a new body, and drops the
 * body itself. On the compute lane, as `job`; false: it waits for memory, and the job is posted
 * again. */
bool receipt_read(struct receipt *receipt);
/* Reads the body of a 200: listing, facts, sha256. Any error of listing_parse; ERROR_BAD_LISTING
 * also for a page that lists nothing of what was asked for, or has lost its links (is_lost). */
int receipt_parse(struct receipt *receipt); /* its body is unpacked */
/* Whether another status than 200 means that the mirror has no such page. */
bool receipt_says_missing(const struct receipt *receipt);
/* Stores what was fetched, or only that the mirror confirms it; takes over and frees. `origin` is
 * the configuration's. */
void receipt_keep(struct receipt *receipt, const char *origin, bool confirm_only);
