// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Building pages: from listings to the bytes of every form, with what was learned on the way.
 * build_run's work is pure CPU (compute lane) between two visits to the catalogue thread.
 */
#include "engine/listings/sources.h"
#include "engine/listings/turns.h"
#include "engine/loop/memory.h"
#include "engine/loop/options.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/merge.h"
#include "engine/pages/page.h"

struct built_page; /* a page with its reference count and memory */

/* A page that refuses; NULL when out of memory. */
struct page *built_refusal(struct engine *engine, enum outcome outcome, const char *detail);
struct page *built_ref(struct page *page);
/* Gives back a slot's reference; NULL is legal. As long as replies have the page, clients that do
 * not read, it counts as an orphan. */
void built_leave(struct page *page);
/* Orphans beyond so many bytes become unwanted, the oldest first. */
void built_judge_orphans(struct engine *engine, size_t most);
size_t built_bytes(const struct page *page);
/* The same; 0 of a refusal. */
static inline size_t built_useful_bytes(const struct page *page)
{
    return page->outcome == OUTCOME_OK ? built_bytes(page) : 0;
}
/* Whether two pages say the same in every form. */
bool built_is_same(const struct page *a, const struct page *b);

enum { BUILD_NAMES_MOST = 100000 }; /* that mirrors list, doubles included; else ERROR_TOO_BIG */
enum { ASKABLE_MOST = 128 };        /* files of one page, in one load */

enum build_kind {
    BUILD_PROJECT, /* the page of `project` */
    BUILD_LIST,    /* the list of projects */
    BUILD_NAMES,   /* no page: `names`, those that the origin lists and owns, and `known` */
    BUILD_FLAT,    /* the flat page of `parts` */
};

struct build {
    struct job job;
    struct turn turn; /* its owner's */
    struct memory_claim claim;
    enum build_kind kind;
    struct engine *engine;
    void *owner;                       /* the slot; back on the flight thread */
    void (*done)(struct build *build); /* on the flight thread; build_free there */
    const struct origin *origin;
    char *index, *channel, *project;
    struct listing_ref *listings[MERGE_SOURCES];
    unsigned mirrors[MERGE_SOURCES];
    int64_t said_s[MERGE_SOURCES]; /* when the mirror last said so */
    unsigned count;
    bool official; /* hrefs of the origin's canonical site */
    unsigned up;   /* how many folders deeper than /simple/ the page stands */
    bool incomplete, makes_metadata, has_no_memory;
    bool only_held; /* offline: what mirrors list does not count, only what we have */
    int max_age_s;
    struct delisted_file *held; /* see engine/pages/delisted.h */
    size_t held_count;
    bool is_heard; /* of every mirror it is known what it lists */
    char **known;  /* names that count besides those listed; owned */
    size_t known_count;
    char missing_detail[512]; /* what to say when nobody lists the project */
    /* results */
    struct page *page;
    struct merge merge;
    struct merge_claim *remembered; /* copies */
    size_t remembered_count;
    struct merge_made *made; /* copies */
    size_t made_count;
    struct merge_first_seen *sightings; /* copies */
    size_t first_seen_count;
    const struct merge_file **askable; /* of the merge: mirrors may be asked about them */
    size_t askable_count;
    bool is_askable_worth; /* ... and a page that waits for the answers says more */
    char **names;          /* ascending, each once; owned */
    size_t name_count;
    struct build **parts; /* BUILD_PROJECT, never started; owned */
    size_t part_count;
};

void build_start(struct build *build); /* takes over; `done` follows */
void build_free(struct build *build);
/* Queues what mirrors say now and did not say before, and which files are new to us. Flight
 * thread. */
void build_remember(struct build *build);
