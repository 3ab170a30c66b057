// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Building pages: from listings to the bytes of every form, with what was learned on the way.
 *
 *     b = page_build(...)          flight thread (engine/pages/page_entry.h)
 *     build_start(b)               takes over; catalogue lane, then compute lane
 *     done(b)                      flight thread: b->page, or b->names, and what is new
 *     build_remember(b)            writes down what is new, and frees it; or build_free(b)
 *
 * A build that fails still ends in `done`: its page is a refusal, or NULL without memory.
 */
#include "engine/listings/sources.h"
#include "engine/listings/turns.h"
#include "engine/loop/memory.h"
#include "engine/loop/options.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/merge.h"
#include "engine/pages/page.h"
#include "engine/policy/policy_views.h"

struct built_page; /* a page with its reference count and its memory */

/* A page that is a refusal; NULL when out of memory. */
struct page *built_refusal(struct pages *pages, enum outcome outcome, const char *detail);
struct page *built_ref(struct page *page);
/* Gives back the reference of a page entry; NULL is legal. While replies still send the page to
 * clients that do not read, it counts as an orphan. */
void built_leave(struct page *page);
/* Marks orphans beyond `most` bytes as unwanted, the oldest first. */
void built_judge_orphans(struct pages *pages, size_t most);
/* What a page takes in memory, in bytes. */
size_t built_bytes(const struct page *page);
/* The same; 0 for a refusal. */
static inline size_t built_useful_bytes(const struct page *page)
{
    return page->outcome == OUTCOME_OK ? built_bytes(page) : 0;
}
/* Whether two pages say the same in every form. */
bool built_is_same(const struct page *a, const struct page *b);

enum { BUILD_NAMES_MOST = 100000 }; /* that mirrors list, doubles counted; more are ERROR_TOO_BIG */
enum { ASKABLE_MOST = 128 };        /* files of one page that one load asks about */

enum build_kind {
    BUILD_PROJECT, /* the page of `project` */
    BUILD_LIST,    /* the list of projects */
    BUILD_NAMES,   /* no page, but `names`: those that the origin lists and owns, and `known` */
    BUILD_FLAT,    /* the flat page of `parts` */
};

struct build {
    struct job job;
    struct turn turn; /* the owner's turn to build */
    struct memory_claim claim;
    enum build_kind kind;
    struct pages *pages;
    /* the page entry or project list; it has the build back on the flight thread */
    void *owner;
    /* on the flight thread, which calls build_free or build_remember */
    void (*done)(struct build *build);
    const struct origin *origin;
    char *index, *channel, *project;
    struct listing_ref *listings[MERGE_SOURCES];
    unsigned mirrors[MERGE_SOURCES];
    int64_t said_s[MERGE_SOURCES]; /* when each mirror last said so */
    unsigned count;
    bool official; /* links lead to the origin's canonical site */
    unsigned up;   /* how many folders deeper than /simple/ the page stands */
    bool incomplete, makes_metadata, has_no_memory;
    bool only_held; /* offline: what mirrors list does not count, only what we have */
    int max_age_s;
    struct delisted_file *held; /* see engine/pages/delisted.h */
    size_t held_count;
    bool is_heard; /* every mirror of the origin has answered */
    char **known;  /* further names of projects; owned */
    size_t known_count;
    struct policy_view policies; /* that hold for the index */
    bool notes_facts;            /* there are policies, so the page remembers facts of its files */
    int64_t hidden_until_s;      /* when the first file that is hidden for its age is old enough */
    char missing_detail[512];    /* what the page says when no mirror lists the project */
    /* results: */
    struct page *page;
    struct merge merge;
    struct merge_claim *remembered; /* copies */
    size_t remembered_count;
    struct merge_made *made; /* copies */
    size_t made_count;
    struct merge_first_seen *first_seen; /* copies */
    size_t first_seen_count;
    const struct merge_file **askable; /* files of the merge that mirrors may be asked about */
    size_t askable_count;
    bool is_askable_worth; /* a page that waits for those answers says more */
    char **names;          /* ascending, each once; owned */
    size_t name_count;
    struct build **parts; /* of BUILD_FLAT: builds of its projects, never started; owned */
    size_t part_count;
};

void build_start(struct build *build); /* Takes over the build; `done` follows. */
void build_free(struct build *build);
/* Writes down what mirrors say now and did not say before, and which files are new. Takes over
 * the build. Flight thread. */
void build_remember(struct build *build);
