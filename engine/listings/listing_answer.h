// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a mirror answered for a page, or the catalogue had of it: from the bytes to a listing. Made
 * and freed on the flight thread by engine/listings/sources.c, read on the compute lane.
 *
 *     r = listing_answer_new(...)                  flight thread
 *     listing_answer_take_row | _take_head, _take_data ...
 *     listing_answer_read(r)                       compute lane; false: the job is posted again
 *     listing_answer_keep(r, ...) | listing_answer_free(r)
 */
#include "base/buf.h"
#include "base/digest.h"
#include "engine/listings/shrink_guard.h"
#include "engine/listings/sources.h"
#include "engine/loop/memory.h"
#include "engine/mirrors/origins.h"
#include "index/changes.h"

enum { LISTING_ANSWER_DETAIL_BYTES = 256 };

/* Where a mirror has a file that does not lie at its path. */
struct link_place {
    char *path, *url;
};

struct listing_answer {
    struct job job;
    struct listings *listings;
    struct source *source;
    const struct origin *origin;
    const struct mirror *mirror;
    size_t had;                 /* files of the last good listing; or 0 */
    struct listing_ref *before; /* the listing before, or NULL */
    char *page;
    bool is_list; /* it is a project list */
    bool stored;  /* it came from the catalogue */
    bool is_html; /* HTML was asked for, because the mirror refuses JSON */
    /* what the mirror said: */
    int status, error, retry_after_s, max_age_s;
    char *etag, *date, *url;
    char detail[LISTING_ANSWER_DETAIL_BYTES];
    struct buf body; /* packed, when it came from the catalogue */
    struct memory_claim claim;
    bool is_unpacked;
    /* received: bytes so far, for any thread; length: -1 when not known */
    _Atomic int64_t received, length;
    int64_t counted;          /* its part of the engine's fetched_bytes */
    _Atomic int64_t heard_ms; /* when the last byte came, or when it was asked for */
    int64_t started_ms;
    int64_t head_ms; /* when the header section came; 0: it did not */
    int64_t fetched_s;
    /* what was read: */
    struct listing_ref *listing;
    struct changes changes; /* differences of `listing` from `before` */
    /* so many links lead out of the origin that it is no listing; `detail` says where */
    bool is_lost;
    size_t elsewhere, near; /* links that lead out of the origin, and links that do not */
    char hosts[LISTING_ANSWER_DETAIL_BYTES];
    struct link_place *places; /* files that do not lie at their path */
    size_t place_count;
    bool is_web_page;             /* a web page came instead of a listing: */
    char page_sha256[SHA256_HEX]; /* see portal_begins_page */
    struct shrink_guard_facts facts;
    char sha256[SHA256_HEX];
    struct buf packed; /* the body, packed for the catalogue */
};

/* The value of Accept for a mirror's pages, and the one for mirrors that refuse JSON. */
extern const char listing_answer_html[];
const char *listing_answer_accept(const struct mirror *mirror);

/* NULL when out of memory. `source` is for the caller
 * alone. */
struct listing_answer *listing_answer_new(struct listings *listings, struct source *source,
                                          const struct origin *origin, const struct mirror *mirror,
                                          const char *page, bool is_list);
void listing_answer_free(struct listing_answer *listing_answer);

/* Take what the catalogue has stored, and the head of a mirror's answer. For
 * catalogue_get_listing and a fetch_sink, whose context is the answer. */
int listing_answer_take_row(void *listing_answer, const struct catalogue_listing *row);
int listing_answer_take_head(void *listing_answer, const struct fetch_head *head);
/* Takes a part of the body; takes over the slab. */
void listing_answer_take_data(void *listing_answer, struct slab *slab, int64_t offset);

/* Reads all that has come into error, status and listing; packs a new body and frees the plain
 * one. On the compute lane, as `job`. False: it waits for memory, and the job is posted again. */
bool listing_answer_read(struct listing_answer *listing_answer);
/* Reads the unpacked body of a 200: listing, facts, sha256. Any error of listing_parse.
 * ERROR_BAD_LISTING also for a page that lists nothing of what was asked for, or that has lost
 * its links (is_lost). */
int listing_answer_parse(struct listing_answer *listing_answer);
/* Whether a status other than 200 means that the mirror has no such page. */
bool listing_answer_says_missing(const struct listing_answer *listing_answer);
/* Stores the answer; a 304 only confirms the row. Takes it over and frees it. The strings of origin
 * and mirror are the configuration's, so the source may go meanwhile. */
void listing_answer_keep(struct listing_answer *listing_answer);
