// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes contradict what a page claims of them: before anybody is blamed the page is asked for
 * again, at most once in FORCE_EVERY_MS, as for a client's no-cache. Until it changes it is
 * doubted: a client that asks for the page has it asked for again after 2 s, then ever more seldom.
 * Whoever waits for that is told when the load has come to an end, or had its time: bytes are being
 * held back meanwhile.
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

bool pages_recheck(struct engine *e, const struct origin *origin, const char *path,
                   void (*done)(void *context), void *context)
{
    int64_t now_ms = clock_monotonic_ms();
    struct page_entry *s = pages_entry_of(e, origin, path);
    if (s)
        page_entry_doubt(s);
    bool may = s && page_entry_may_force(s, now_ms);
    struct recheck *r = s && (may || s->loading) ? calloc(1, sizeof(*r)) : NULL;
    if (!r) {
        if (s)
            page_entry_unref(s);
        return false;
    }
    *r = (struct recheck){s, now_ms + RECHECK_MS, done, context, e->pages->rechecks};
    e->pages->rechecks = r;
    if (may)
        page_load(e, s, true, NULL);
    return true;
}

void page_rechecks_tick(struct engine *e, int64_t now_ms)
{
    struct recheck *ended = NULL;
    for (struct recheck **p = &e->pages->rechecks; *p;) {
        struct recheck *r = *p;
        if (r->page_entry->loading && now_ms < r->until_ms && !e->stopping) {
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
