// SPDX-License-Identifier: Apache-2.0
/*
 * Answers one request for a page: with the page that is there, after a wait, or with a refusal.
 * HTTP workers run this; nothing here blocks.
 *
 *     no index of that name, no owner ........................ a refusal at once
 *     a page that will do .................................... that page
 *     none that will do: need_of says which is needed ........ suspended, and a load is posted
 *     woken by publish ....................................... the page, whatever it is
 *     until_ms is over ....................................... the old page, or "ask again"
 *
 * The worker asks a second time after each wake-up (`waited`), and then takes what is there. Only
 * the atomics of the page entry are touched here, and its page under the lock of its waitlist.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/listings/channels.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/project_list.h"

enum {
    FORCE_EVERY_MS = 30000, /* no-cache counts at most so often per page */
    /* a doubted page is loaded again after the first, then after twice as long each time */
    DOUBT_LEAST_MS = 2000,
    DOUBT_MOST_MS = 60000,
};

const char page_entry_no_owner[] = "no origin of this index has that project";

/* What a request waits for when the page that is there will not do. */
enum need {
    NEED_NOTHING,
    NEED_PAGE,    /* any page: there is none */
    NEED_ANSWER,  /* the answer of a load that begins now */
    NEED_REFRESH, /* a newer page, for a moment */
    NEED_NEWS,    /* the answer of a load, whatever the age of the page */
};

struct awaited {
    struct page_entry *page_entry;
    uint64_t answers;
    bool any; /* any page will do */
};

static bool is_answered(void *arg)
{
    struct awaited *a = arg;
    return a->any ? a->page_entry->page != NULL : a->page_entry->answers != a->answers;
}

/* Suspends the waiter until the page entry has what is needed. At waiter->until_ms
 * page_answer_waiters resumes it. */
static int await(struct pages *pages, struct page_entry *s, enum need need, const struct asker *by,
                 struct waiter *waiter)
{
    struct awaited a = {s, s->answers, need == NEED_PAGE};
    page_entry_post_load(pages, s, need == NEED_ANSWER || need == NEED_NEWS, by);
    return waitlist_join(&s->waiters, waiter, is_answered, &a) == WAIT_SUSPENDED ? ENGINE_WAIT : 0;
}

static int refuse(struct pages *pages, enum outcome outcome, const char *detail, struct page **ret,
                  enum page_state *ret_state)
{
    *ret_state = PAGE_HIT;
    struct page *page = built_refusal(pages, outcome, detail);
    if (!page)
        return ERROR_NO_MEMORY;
    *ret = page;
    return 0;
}

/* A client's no-cache is honoured once in FORCE_EVERY_MS. The first load does not count. */
bool page_entry_may_force(struct page_entry *s, int64_t now_ms)
{
    int64_t last_ms = s->forced_ms;
    return now_ms - last_ms >= FORCE_EVERY_MS &&
           atomic_compare_exchange_strong(&s->forced_ms, &last_ms, now_ms);
}

void page_entry_doubt(struct page_entry *s)
{
    if (s->doubt_wait_ms)
        return;
    s->doubt_ms = clock_monotonic_ms() + DOUBT_LEAST_MS;
    s->doubt_wait_ms = DOUBT_LEAST_MS;
}

/* A page is doubted after a file was refused to a client. That client's next request has it
 * loaded again: the index may be corrected by now. */
static bool is_doubt_due(struct page_entry *s, int64_t now_ms)
{
    int64_t due_ms = s->doubt_ms, wait_ms = s->doubt_wait_ms;
    if (!wait_ms || now_ms < due_ms)
        return false;
    wait_ms = wait_ms < DOUBT_MOST_MS / 2 ? 2 * wait_ms : DOUBT_MOST_MS;
    if (!atomic_compare_exchange_strong(&s->doubt_ms, &due_ms, now_ms + wait_ms))
        return false;
    s->doubt_wait_ms = wait_ms;
    return true;
}

/* A page within its life needs nothing, unless the client forces it or bytes have contradicted
 * it. */
static enum need need_of(struct page_entry *s, const struct page *page, bool refresh,
                         int64_t now_ms)
{
    if (!page)
        return NEED_PAGE;
    bool expired = now_ms >= s->expires_ms;
    if ((expired && page->outcome != OUTCOME_OK) /* a refusal stands for its time only */
        || (refresh && page_entry_may_force(s, now_ms)))
        return NEED_ANSWER;
    if (is_doubt_due(s, now_ms))
        return NEED_NEWS;
    return expired && now_ms >= s->hasty_until_ms ? NEED_REFRESH : NEED_NOTHING;
}

/* A refusal after which the client should ask again at once. */
static int refuse_for_now(struct pages *pages, const char *detail, struct page **ret,
                          enum page_state *ret_state)
{
    int r = refuse(pages, OUTCOME_UNAVAILABLE, detail, ret, ret_state);
    if (r == 0)
        (*ret)->retry_after_s = 1;
    return r;
}

/* The client has waited long enough and there is no page: tells how far its load has come. */
static int refuse_late(struct pages *pages, struct page_entry *s, struct page **ret,
                       enum page_state *ret_state)
{
    char detail[sizeof(s->progress) + 64];
    pthread_mutex_lock(&s->waiters.lock);
    (void)snprintf(detail, sizeof(detail), "the page is on its way, ask again%s%s%s",
                   s->progress[0] ? " (" : "", s->progress, s->progress[0] ? ")" : "");
    pthread_mutex_unlock(&s->waiters.lock);
    return refuse_for_now(pages, detail, ret, ret_state);
}

/* The first pass decides what is needed and may suspend. The second pass takes what there is. */
int page_entry_answer(struct pages *pages, struct page_entry *s, const struct page_query *query,
                      struct waiter *waiter, bool waited, struct page **ret,
                      enum page_state *ret_state)
{
    int64_t now_ms = clock_monotonic_ms();
    bool stale = false;
    const struct asker by = {query->via, query->client};
    s->used_ms = now_ms;
    if (!waited)
        s->is_left = false;
    s->asked = true;
    /* the first visit may bring dates and sizes: until now no mirror was asked about them */
    bool is_first = !atomic_exchange(&s->visited, true);
    struct page *page = page_entry_page(s, &stale);
    /* a new page would take memory that the process does not have */
    if (!page && !waited && pages->s->is_short)
        return refuse_for_now(pages, "too much is asked for at once: memory is short (max_memory)",
                              ret, ret_state);
    enum need need = waited ? NEED_NOTHING : need_of(s, page, query->refresh, now_ms);
    if (need)
        waiter->until_ms = now_ms + (need >= NEED_REFRESH ? PAGE_REFRESH_WAIT_MS : PAGE_FIRST_MS);
    if (need && query->until_ms && waiter->until_ms > query->until_ms)
        waiter->until_ms = query->until_ms;
    bool over = waited && waiter_is_late(waiter);
    if (waited && !page && !over) /* the page was dropped again */
        need = NEED_PAGE;
    if (need) {
        page_unref(page);
        if (await(pages, s, need, &by, waiter) == ENGINE_WAIT)
            return ENGINE_WAIT;
        waited = true;
        page = page_entry_page(s, &stale); /* the load ended before the waiter was suspended */
    }
    bool expired = page && now_ms >= s->expires_ms;
    if (over && (!page || (expired && page->outcome != OUTCOME_OK))) {
        page_unref(page);
        return refuse_late(pages, s, ret, ret_state);
    }
    if (!page)
        return refuse(pages, OUTCOME_STOPPING, "shutting down", ret, ret_state);
    if (!waited && (expired || (is_first && s->is_askable)))
        page_entry_post_load(pages, s, false, &by); /* the old page answers while the load runs */
    *ret = page;
    bool renewed = waited && !over && s->renewed;
    *ret_state = stale ? PAGE_STALE : renewed ? PAGE_MISS : expired ? PAGE_STALE : PAGE_HIT;
    return 0;
}

/* A name that a pattern of the configuration allows and no mirror has. */
static int refuse_channel(struct pages *pages, const char *name, const struct origin *origin,
                          struct page **ret, enum page_state *ret_state)
{
    auto_buf struct buf detail;
    buf_init(&detail, 4096);
    buf_printf(&detail, "there is no index %s: no mirror of %s has such a channel", name,
               origin->name);
    channels_say(pages->listings, name, &detail);
    return refuse(pages, OUTCOME_NO_INDEX, detail.error ? "no such index" : detail.data, ret,
                  ret_state);
}

/* Whether the index exists. 0: yes, or nobody can say. ENGINE_WAIT. NO_CHANNEL. */
enum { NO_CHANNEL = 100 };
static int look_at_channel(struct pages *pages, const struct index_view *view,
                           struct waiter *waiter)
{
    enum channel_state state;
    int r = channels_look(pages->listings, view->origins[0], view->channel, waiter, &state);
    return r ? r : state == CHANNEL_MISSING ? NO_CHANNEL : 0;
}

/* The owner is looked up before the page: a name without an owner costs neither memory nor a
 * load. */
int pages_open(struct pages *pages, const struct page_query *query, struct waiter *waiter,
               bool waited, struct page **ret, enum page_state *ret_state)
{
    struct index_view view;
    const struct origin *owner = NULL;
    if (pages->s->stopping)
        return refuse(pages, OUTCOME_STOPPING, "shutting down", ret, ret_state);
    if (origins_index(mirrors_origins(pages->s->mirrors), query->index, &view))
        return refuse(pages, OUTCOME_NO_INDEX, "no such index", ret, ret_state);
    if (query->flat && !view.channel && origin_owns_rest(view.origins[0]) &&
        !view.origins[0]->directory)
        return refuse(pages, OUTCOME_NO_PROJECT,
                      "this index has too many projects for one page; it has them below simple/",
                      ret, ret_state);
    bool known = query->project && project_list_owner(pages, &view, query->project, &owner) == 0;
    if (known && !owner)
        return refuse(pages, OUTCOME_NO_PROJECT, page_entry_no_owner, ret, ret_state);
    if (query->official && owner && !owner->canonical)
        return refuse(pages, OUTCOME_NO_PROJECT, "its origin has no public site", ret, ret_state);
    /* a page of the channel's own origin tells more than a probe */
    bool own = owner && owner == view.origins[0];
    int r = view.channel && !own ? look_at_channel(pages, &view, waiter) : 0;
    if (r == ENGINE_WAIT)
        return r;
    if (r == NO_CHANNEL)
        return refuse_channel(pages, query->index, view.origins[0], ret, ret_state);
    /* indexes with the same owner and depth share one page */
    struct page_query shared = *query;
    if (known)
        pages_share(pages, owner, &shared);
    struct page_entry *s = pages_entry(pages, &shared);
    if (!s)
        return refuse(pages, OUTCOME_UNAVAILABLE, "too many pages are being asked for", ret,
                      ret_state);
    bool for_page = waited && waiter->until_ms; /* it waited for the page, not for the channel */
    r = page_entry_answer(pages, s, query, waiter, for_page, ret, ret_state);
    page_entry_unref(s);
    if (r || !view.channel || !own || (*ret)->outcome != OUTCOME_NO_PROJECT)
        return r;
    r = look_at_channel(pages, &view, waiter);
    if (r)
        page_unref(*ret);
    return r == NO_CHANNEL ? refuse_channel(pages, query->index, owner, ret, ret_state) : r;
}
