// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes contradict what a page claims of them. Before any mirror is blamed the page is loaded
 * again.
 *
 *     pages_recheck -> load forced (once in FORCE_EVERY_MS) -> load ended, or RECHECK_MS -> done
 *         | loaded a moment ago, and no load runs: false, `done` never comes
 *
 * Until its claims change the page is doubted: a client's request has it loaded again after 2 s,
 * then less and less often. Bytes are held back until `done`, so its wait has a limit. Flight
 * thread.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"

enum { RECHECK_MS = 8000 };

struct recheck {
    struct page_entry *page_entry; /* a reference */
    int64_t until_ms;
    void (*done)(void *context);
    void *context;
    struct recheck *next;
};

/* A load that runs already serves as the recheck; its answer is as new as another one's. */
bool pages_recheck(struct pages *pages, const struct origin *origin, const char *path,
                   void (*done)(void *context), void *context)
{
    int64_t now_ms = clock_monotonic_ms();
    struct page_entry *s = pages_entry_of(pages, origin, path);
    if (s)
        page_entry_doubt(s);
    bool may = s && page_entry_may_force(s, now_ms);
    struct recheck *r = s && (may || s->stage != PAGE_IDLE) ? calloc(1, sizeof(*r)) : NULL;
    if (!r) {
        if (s)
            page_entry_unref(s);
        return false;
    }
    *r = (struct recheck){s, now_ms + RECHECK_MS, done, context, pages->rechecks};
    pages->rechecks = r;
    if (may)
        page_load(pages, s, true, NULL);
    return true;
}

/* Those that have ended are collected first: `done` may begin another recheck. */
void page_rechecks_tick(struct pages *pages, int64_t now_ms)
{
    struct recheck *ended = NULL;
    for (struct recheck **p = &pages->rechecks; *p;) {
        struct recheck *r = *p;
        if (r->page_entry->stage != PAGE_IDLE && now_ms < r->until_ms && !pages->s->stopping) {
            p = &r->next;
            continue;
        }
        *p = r->next;
        r->next = ended;
        ended = r;
    }
    while (ended) {
        struct recheck *r = ended;
        ended = r->next;
        page_entry_unref(r->page_entry);
        r->done(r->context);
        free(r);
    }
}
