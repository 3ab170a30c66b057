// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A slot holds what an index says of a project. A request finds a page there, or waits on the slot
 * while the flight thread loads it:
 *
 *     engine_page --no page, or old--> load: sources are made ready --> build --> publish, wake
 *
 * A load publishes when every mirror has answered or failed; after listing_timeout with what there
 * is, and then once more for each late mirror that has come. It goes on however long that takes,
 * also when nobody waits any more: a client waits for PAGE_FIRST_MS, is told how far the page has
 * come, and finds it at its next try. Only what is still waiting to be built, and was not asked for
 * again, is given up: listings are kept, so the next who asks has it built.
 */
/* pages.c has the table and answers requests (any thread); page_load.c loads (flight thread). */
#include <uthash.h>

#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/built.h"
#include "engine/pages/page.h"

struct page_entry {
    char *key;
    char *index, *project; /* project NULL: the list, or */
    unsigned up;           /* how many folders deeper than /simple/ its pages stand */
    bool flat;             /* all projects of the first origin on one page */
    bool official;         /* hrefs as the public site has them */
    _Atomic int refs;
    struct waitlist waiters; /* its lock guards `page` as well */
    struct page *page;
    _Atomic int64_t expires_ms, used_ms, forced_ms;
    _Atomic uint64_t answers; /* how often a load has come to an end */
    _Atomic bool asked;       /* by a client, not only for a digest */
    _Atomic bool visited;     /* itself, not only as a part of a flat page */
    _Atomic bool is_askable;  /* there are files about which mirrors may be asked */
    _Atomic bool is_left;     /* who waited has hung up, and nobody has come since */
    _Atomic bool wanted;      /* a load is posted or running */
    /* Bytes have contradicted what it claims, and it claims the same since: a client's request has
     * it asked for again. When next, and how long after that; 0: it is not doubted. */
    _Atomic int64_t doubt_ms, doubt_wait_ms;
    _Atomic int64_t hasty_until_ms; /* a refresh was waited for in vain: until then nobody does */
    bool stale;                     /* under the lock */
    char progress[256];   /* likewise: what a client is told that has waited long enough */
    _Atomic bool renewed; /* a mirror has confirmed it since its load began */
    /* flight thread: */
    struct source *sources[MERGE_SOURCES];
    unsigned source_count;
    const struct origin *origin;
    uint64_t built_version, built_metadata, built_held;
    int64_t began_ms, ranges_ms; /* ranges_ms: until when it waits to know of ranges */
    bool loading, building, published;
    size_t counted;            /* in the pages' refused_bytes */
    bool has_failed;           /* the last build */
    struct build *waiting;     /* the build that waits for its turn, or NULL */
    bool is_outdated;          /* what is being built must not be shown */
    bool awaits_owner, forces; /* it is not known yet which origin answers; the load was forced */
    char *via;                 /* of the request that began it; while awaits_owner */
    uint64_t client;
    struct inquiry *inquiry;   /* mirrors are being asked about its files */
    bool has_inquired;         /* in this load, */
    bool inquires_on;          /* and about further files of the page: the answers were of use */
    bool was_visited;          /* in an earlier one */
    bool inquiry_is_worth;     /* the page says more with the answers */
    struct page_entry **parts; /* of a flat page: those of the projects; referenced */
    size_t part_count;
    bool has_parts;         /* they were found in this load, */
    uint64_t parts_version; /* in these listings */
    struct page_entry *next_loading;
    UT_hash_handle hh;
};

struct pages {
    pthread_rwlock_t lock;
    struct page_entry *table;
    struct page_entry *loading; /* flight thread */
    struct recheck *rechecks;   /* flight thread: page_recheck.c */
    pthread_mutex_t orphan_lock;
    struct built_page *orphans; /* no slot has them any more, but replies do; oldest first */
    _Atomic size_t orphan_bytes;
    int64_t swept_ms;
    struct turns *builds;         /* those that wait for the compute lane; flight thread */
    uint64_t dropped;             /* builds that nobody waited for any more; flight thread */
    _Atomic size_t bytes;         /* of pages that are useful */
    _Atomic size_t refused_bytes; /* of slots that have none, and of refusals */
    _Atomic size_t most_refused;
};

/* ---- pages.c */
/* The slot of a page, made when it is asked for the first time; a reference. NULL when out of
 * memory, or when strangers are waiting for too many names. */
struct page_entry *pages_entry(struct pages *pages, const struct page_query *query);
/* The slot of the page that lists a path, likewise; NULL also when there is no such page. */
struct page_entry *pages_entry_of(struct engine *engine, const struct origin *origin,
                                  const char *path);
/* Whether the page may be asked for in spite of what there is, and then it counts as having been.
 */
bool page_entry_may_force(struct page_entry *page_entry, int64_t now_ms);
/* Bytes contradict what the page says. */
void page_entry_doubt(struct page_entry *page_entry);
void page_entry_unref(struct page_entry *page_entry);
/* What it takes without a page is another amount now. Flight thread, or under the table's lock for
 * writing. */
void page_entry_count(struct pages *pages, struct page_entry *page_entry);
/* A project of an origin without channels has the same page below every index: the query asks for
 * the one that all of them share whose links are as deep. */
void pages_share(struct engine *engine, const struct origin *owner, struct page_query *query);
void page_entry_drop_parts(struct page_entry *page_entry);
/* Least recently used pages go until there are so many bytes of them. Flight thread. */
void pages_evict(struct engine *engine, size_t most);
extern const char page_entry_no_owner[]; /* what a refusal says */
/* The page as it is now, a reference, or NULL. Any thread. */
struct page *page_entry_page(struct page_entry *page_entry, bool *ret_stale);
/* Has the flight thread load it. Any thread. */
void page_entry_post_load(struct engine *engine, struct page_entry *page_entry, bool force,
                          const struct asker *by);

/* ---- page_load.c: on the flight thread */
/* Begins to load, or asks more of the load that runs; ends in an answer. */
void page_load(struct engine *engine, struct page_entry *page_entry, bool force,
               const struct asker *by);

/* Gives up what waits to be built and nobody waits for any more. */
void page_builds_sweep(struct engine *engine, int64_t now_ms);
/* At the end: what waits to be built is given up. */
void page_builds_drop(struct pages *pages);
/* Answers the clients whose time is over while their page is on its way. */
void page_answer_waiters(struct engine *engine, struct page_entry *page_entry, int64_t now_ms);

enum {
    PAGE_FIRST_MS = 12 * 1000,   /* a client waits so long for a page: pip gives up after 15 s */
    PAGE_REFRESH_WAIT_MS = 1000, /* and so long for a newer one */
    PAGE_INCOMPLETE_AGE_S = 10,
    PAGE_SOON_S = 2, /* a mirror's Retry-After of no more is passed on */
};

/* ---- page_tally.c: on the flight thread */
struct page_tally {
    unsigned pending, late; /* fetches that are waited for, and that are not but go on */
    unsigned unknown;       /* of those that are waited for: nothing is stored of what it lists */
    unsigned answered, confirmed, missing;
    unsigned looped;   /* they ask us */
    unsigned silent;   /* no byte came for long */
    unsigned moving;   /* fetches that are not silent */
    int retry_after_s; /* when a mirror wants to be asked again, soon; or 0 */
    int64_t confirmed_ms;
    uint64_t version, listings_version; /* with the parts of a flat page, and without */
    char failures[512];
};
struct page_tally page_tally(struct engine *engine, struct page_entry *page_entry);

/* ---- page_build.c: on the flight thread */
/* A build of the slot's page, or of something else that its listings tell; NULL: out of memory. */
struct build *page_build(struct engine *engine, struct page_entry *page_entry,
                         const struct page_tally *tally);
struct build *page_build_new(struct engine *engine, const struct page_entry *page_entry,
                             enum build_kind kind);
/* Names that the index has besides those that the build's listings tell. */
void page_add_names(struct engine *engine, const struct page_entry *page_entry,
                    struct build *build);

/* ---- page_recheck.c: on the flight thread */
void page_rechecks_tick(struct engine *engine, int64_t now_ms);

/* ---- page_owner.c: on the flight thread */
/* Asks for the rosters that decide which origin answers; whether one of them is being loaded. */
void slot_want_project_lists(struct engine *engine, struct page_entry *page_entry,
                             const struct index_view *view, bool force, const struct asker *by);
bool slot_awaits_project_lists(struct engine *engine, const struct page_entry *page_entry,
                               const struct index_view *view);

/* ---- page_asks.c: on the flight thread */
/* Asks mirrors for what a build found missing; true: it is to be built again with the answers,
 * which page_awaits waits for. pages_source_settled follows each of them. */
bool page_asks(struct engine *engine, struct page_entry *page_entry, const struct build *build);
/* Whether a page that nobody has seen yet waits: a moment to know who honours ranges, and as long
 * as mirrors tell about its files. */
bool page_awaits(const struct engine *engine, const struct page_entry *page_entry);
