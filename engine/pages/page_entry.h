// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A page entry holds what an index says of a project. A request finds a page there, or waits on the
 * entry while the flight thread loads it. The life of a load, enum page_stage:
 *
 *     IDLE --page_load--> OWNER --the origin that answers is known: settle_owner--> FETCHING
 *     FETCHING --all mirrors have answered, or it is time: check--> a build runs
 *         a build ends --page_asks: an answer would say more--> PROBING --page_awaits--> a build
 * runs a build ends ------------------------------------------------> PUBLISHED PUBLISHED --a late
 * mirror has news--> a build runs --> PUBLISHED PUBLISHED --nothing is late--> IDLE OWNER --no
 * origin answers, or it cannot be known--> a refusal is published --> IDLE
 *
 * A build is no stage, but `build`: a load may begin anew while a build is on its lanes. That build
 * comes back to whatever stage there is then, and is thrown away when it fits no longer.
 *
 * A load publishes when every mirror has answered or failed. After listing_timeout it publishes
 * what there is, and then once more for each late mirror that has come. It goes on however long
 * that takes, also when no client waits any more: a client waits for PAGE_FIRST_MS, is told how far
 * the load is, and finds the page at its next try. Only a build that still waits for its turn is
 * given up, when no client has asked again. The listings stay, so the next request has it built at
 * once.
 *
 * pages.c has the table; page_answer.c answers requests (any thread); page_load.c loads (flight
 * thread). A reference is held by the table, each load, each build and each request.
 */
#include <uthash.h>

#include "engine/mirrors/origins.h"
#include "engine/pages/built.h"
#include "engine/pages/page.h"
#include "engine/pages/pages_state.h"

enum page_stage {
    PAGE_IDLE,
    PAGE_OWNER,     /* which origin answers is not known yet; no sources are asked */
    PAGE_FETCHING,  /* its mirrors are asked, or it is being built for the first time */
    PAGE_PROBING,   /* a build found something missing that mirrors may tell */
    PAGE_PUBLISHED, /* the load has answered; late mirrors may still come */
};

struct page_entry {
    char *key;
    char *index, *project; /* project NULL: the project list, or */
    unsigned up;           /* how many folders deeper than /simple/ its pages stand */
    bool flat;             /* the flat page: all projects of the first origin */
    bool official;         /* links lead to the public site */
    _Atomic int refs;
    struct waitlist waiters; /* its lock also guards `page` */
    struct page *page;
    _Atomic int64_t expires_ms, used_ms, forced_ms;
    _Atomic uint64_t answers; /* how many loads have ended in an answer */
    _Atomic bool asked;       /* by a client, not only for a digest */
    _Atomic bool visited;     /* for its own sake, not only as a part of a flat page */
    _Atomic bool is_askable;  /* mirrors can be asked about some of its files */
    _Atomic bool is_left;     /* the clients that waited have left, and none has come since */
    _Atomic bool wanted;      /* a load is posted or running */
    /* Bytes have contradicted what the page claims, and it still claims the same: a request has
     * it loaded again. doubt_ms: at which time; doubt_wait_ms: how long after the last time. 0:
     * it is not doubted. */
    _Atomic int64_t doubt_ms, doubt_wait_ms;
    /* requests have waited for a newer page in vain: until then none waits */
    _Atomic int64_t hasty_until_ms;
    bool stale; /* under the lock */
    /* under the lock: how far the load is, for a client that has waited long enough */
    char progress[256];
    _Atomic bool renewed; /* a mirror has confirmed the page since its load began */
    /* flight thread: */
    struct source *sources[MERGE_SOURCES];
    unsigned source_count;
    const struct origin *origin;
    uint64_t built_version, built_metadata, built_held;
    int64_t began_ms;
    int64_t answers_ms; /* until then a first page waits for what mirrors were asked about files */
    enum page_stage stage;
    size_t counted;  /* its part of refused_bytes */
    bool has_failed; /* the last build failed */
    /* waits for its turn or is on its lanes, or NULL; only `turn` may be read of it */
    struct build *build;
    bool is_outdated; /* that build must not be shown */
    bool forces;      /* the load was forced */
    char *via;        /* of the request that began the load */
    uint64_t client;
    struct pages *pages;
    struct inquiry *inquiry;   /* the inquiry that runs, or NULL */
    bool has_inquired;         /* an inquiry began in this load */
    bool inquires_on;          /* its answers were of use, so it may go on with further files */
    bool was_visited;          /* as of an earlier load */
    bool inquiry_is_worth;     /* the page says more with the answers */
    struct page_entry **parts; /* of a flat page: entries of its projects, as references */
    size_t part_count;
    bool has_parts;         /* the parts were found in this load, */
    uint64_t parts_version; /* in these listings */
    struct page_entry *next_loading;
    UT_hash_handle hh;
};

/* ---- pages.c */
/* The entry of a page, added at the first request; a reference. NULL when out of memory, or when
 * clients wait for too many names. */
struct page_entry *pages_entry(struct pages *pages, const struct page_query *query);
/* The entry of the page that lists a path; a reference. NULL also when there is no such page. */
struct page_entry *pages_entry_of(struct pages *pages, const struct origin *origin,
                                  const char *path);
/* Whether a load may be forced now. True counts as the last time. */
bool page_entry_may_force(struct page_entry *page_entry, int64_t now_ms);
/* Notes that bytes contradict what the page says. */
void page_entry_doubt(struct page_entry *page_entry);
void page_entry_unref(struct page_entry *page_entry);
/* Counts again what the entry takes without a useful page. Flight thread, or under the table's
 * lock for writing. */
void page_entry_count(struct pages *pages, struct page_entry *page_entry);
/* A project of an origin without channels has the same page in every index. The query then asks
 * for the one entry that these indexes share, if their links are as deep. */
void pages_share(struct pages *pages, const struct origin *owner, struct page_query *query);
void page_entry_drop_parts(struct page_entry *page_entry);
/* Drops least recently used pages until they take `most` bytes. Flight thread. */
void pages_evict(struct pages *pages, size_t most);
extern const char page_entry_no_owner[]; /* what the refusal says */
/* The page as it is now: a reference, or NULL. Any thread. */
struct page *page_entry_page(struct page_entry *page_entry, bool *ret_stale);
/* Has the flight thread load the page. Any thread. */
void page_entry_post_load(struct pages *pages, struct page_entry *page_entry, bool force,
                          const struct asker *by);

/* ---- page_answer.c */
/* engine_page for an entry that is known. Any thread. */
int page_entry_answer(struct pages *pages, struct page_entry *page_entry,
                      const struct page_query *query, struct waiter *waiter, bool waited,
                      struct page **ret_page, enum page_state *ret_state);

/* ---- page_load.c: on the flight thread */
/* Begins a load, or asks more of the load that runs. It ends in an answer. */
void page_load(struct pages *pages, struct page_entry *page_entry, bool force,
               const struct asker *by);

/* Gives up builds that wait for their turn and that no client wants any more. */
void page_builds_sweep(struct pages *pages, int64_t now_ms);
/* At the end: gives up all builds that wait for their turn. */
void page_builds_drop(struct pages *pages);
/* Answers the clients whose time is over while the load runs. */
void page_answer_waiters(struct pages *pages, struct page_entry *page_entry, int64_t now_ms);

enum {
    PAGE_FIRST_MS = 12 * 1000,   /* how long a client waits for a page: pip gives up after 15 s */
    PAGE_REFRESH_WAIT_MS = 1000, /* how long it waits for a newer one */
    PAGE_INCOMPLETE_AGE_S = 10,
    PAGE_SOON_S = 2, /* a mirror's Retry-After up to this is passed on */
};

/* ---- page_tally.c: on the flight thread */
struct page_tally {
    /* fetches that are waited for; those that go on without being waited for */
    unsigned pending, late;
    unsigned unknown; /* of those that are waited for: nothing is stored of what it lists */
    unsigned answered, confirmed, missing;
    unsigned looped;   /* mirrors that ask this daemon */
    unsigned silent;   /* mirrors that sent no byte for long */
    unsigned moving;   /* fetches that are not silent */
    int retry_after_s; /* when a mirror wants to be asked again soon; or 0 */
    int64_t confirmed_ms;
    uint64_t version, listings_version; /* with the parts of a flat page, and without them */
    char failures[512];
};
struct page_tally page_tally(struct pages *pages, struct page_entry *page_entry);

/* ---- page_build.c: on the flight thread */
/* A build of the entry's page, or of something else that its listings tell. NULL when out of
 * memory. */
struct build *page_build(struct pages *pages, struct page_entry *page_entry,
                         const struct page_tally *tally);
struct build *page_build_new(struct pages *pages, const struct page_entry *page_entry,
                             enum build_kind kind);
/* Adds names of the index that the build's listings do not tell. */
void page_add_names(struct pages *pages, const struct page_entry *page_entry, struct build *build);

/* ---- page_recheck.c: on the flight thread */
void page_rechecks_tick(struct pages *pages, int64_t now_ms);

/* ---- page_owner.c: on the flight thread */
/* Has the project lists loaded that decide which origin answers. */
void page_want_project_lists(struct pages *pages, struct page_entry *page_entry,
                             const struct index_view *view, bool force, const struct asker *by);
/* Whether one of those lists is still being loaded. */
bool page_awaits_project_lists(struct pages *pages, const struct page_entry *page_entry,
                               const struct index_view *view);

/* ---- page_asks.c: on the flight thread */
/* Asks mirrors for what a build found missing. True: the page is to be built again with the
 * answers, which page_awaits waits for. pages_source_settled follows each answer. */
bool page_asks(struct pages *pages, struct page_entry *page_entry, const struct build *build);
/* Whether a page that nobody has seen yet waits: a moment to know who honours ranges, and as
 * long as answers about its files keep coming. */
bool page_awaits(const struct pages *pages, const struct page_entry *page_entry);
