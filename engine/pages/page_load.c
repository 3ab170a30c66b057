// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/folders/directory.h"
#include "engine/listings/channels.h"
#include "engine/listings/ranges.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/metadata/metadata.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/page_policy.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"

enum {
    MISSING_MS = 60000, /* how long "no such project" stands */
    RETRY_MS = 5000,    /* how soon mirrors are asked again after all of them have failed */
    UNAVAILABLE_MS = 1000,
    LATEST_MS = PAGE_FIRST_MS - 1000, /* when a first page is published with what there is */
    REFUSED_MS = 10 * 1000, /* a refusal that took long stands longer: a client tries six times */
    LONG_MS = 2000,
    PARTS_WAIT_MS = 9000,
    PARTS_MOST = 1000, /* projects on a flat page */
    LEFT_MS = 500,
    UNWANTED_MS = 5000, /* a client that was told to come again does so within two seconds */
    BUILDS_MOST = 2,    /* as many as the compute lane has threads */
};

static void check(struct pages *pages, struct page_entry *s);
static bool settle_owner(struct pages *pages, struct page_entry *s);
static void end_build(struct build *b);

/* A load runs that has not published yet. */
static bool is_unanswered(const struct page_entry *s)
{
    return s->stage != PAGE_IDLE && s->stage < PAGE_PUBLISHED;
}

static void set_life(struct page_entry *s, bool stale, int64_t expires_ms)
{
    int64_t over_ms = s->page ? page_policy_over_ms(s->page) : INT64_MAX;
    s->stale = stale;
    s->expires_ms = expires_ms < over_ms ? expires_ms : over_ms;
}

/* A page that a mirror lists shows that its channel exists. */
static void note_channel(struct pages *pages, const struct page_entry *s, const struct page *page)
{
    if (page && page->outcome == OUTCOME_OK && page->mirrors[0] && s->origin &&
        origin_has_channel(s->origin, s->index))
        channels_listed(pages->listings, s->origin, s->index);
}

/* Puts a page in place and answers all waiters. page NULL: the page that is there stands. */
static void publish(struct pages *pages, struct page_entry *s, struct page *page, bool stale,
                    int64_t expires_ms)
{
    note_channel(pages, s, page);
    pthread_mutex_lock(&s->waiters.lock);
    struct page *old = s->page;
    /* equal pages keep their bytes, and with them replies that are under way; the lock keeps
     * requests from taking a reference meanwhile */
    if (old && page && built_is_same(old, page)) {
        old = page;
    } else if (page) {
        pages->bytes += built_useful_bytes(page);
        s->page = page;
        page_entry_count(pages, s);
    } else {
        old = NULL;
    }
    if (old && old != page)
        pages->bytes -= built_useful_bytes(old);
    set_life(s, stale, expires_ms);
    s->answers++;
    pthread_mutex_unlock(&s->waiters.lock);
    s->stage = PAGE_PUBLISHED;
    s->wanted = false; /* late mirrors may take minutes; meanwhile the others may be asked again */
    built_leave(old);
    waitlist_wake(&s->waiters, 0, INT64_MAX);
}

/* Nothing has changed. A load answers once: requests that come later wait for the next load. */
static void confirm(struct pages *pages, struct page_entry *s, bool stale, int64_t expires_ms)
{
    if (s->stage < PAGE_PUBLISHED) {
        publish(pages, s, NULL, stale, expires_ms);
        return;
    }
    pthread_mutex_lock(&s->waiters.lock);
    set_life(s, stale, expires_ms);
    pthread_mutex_unlock(&s->waiters.lock);
}

/* Gives back the reference of the load, so the entry may be gone afterwards. */
static void finish_load(struct pages *pages, struct page_entry *s)
{
    struct page_entry **p = &pages->loading;
    while (*p && *p != s)
        p = &(*p)->next_loading;
    if (*p)
        *p = s->next_loading;
    s->stage = PAGE_IDLE;
    s->wanted = false;
    page_entry_drop_parts(s);
    page_entry_unref(s);
}

/* A refusal for want of an answer is no page. */
static bool has_page(const struct page_entry *s)
{
    return s->page && (s->page->outcome == OUTCOME_OK || s->page->outcome == OUTCOME_NO_PROJECT);
}

/* A build has failed, for want of memory. The page that is there stays; the next load builds
 * again. */
static struct page *keep_old(struct page_entry *s, struct page *page, bool *stale,
                             int64_t *expires_ms)
{
    *stale = true;
    *expires_ms = clock_monotonic_ms() + (has_page(s) ? RETRY_MS : UNAVAILABLE_MS);
    if (page)
        page->retry_after_s = 1;
    if (!has_page(s))
        return page;
    page_unref(page);
    return NULL;
}

/* Mirrors claim other digests now, so the doubt is over. */
static void judge_doubt(struct page_entry *s, const struct build *b)
{
    for (size_t i = 0; s->doubt_wait_ms && i < b->merge.count; i++)
        if (b->merge.files[i].learns)
            s->doubt_wait_ms = 0;
}

/* The build comes back. Three outcomes: it is discarded, mirrors are asked for more, or it is
 * published. */
static void built(struct build *b)
{
    struct pages *pages = b->pages;
    struct page_entry *s = b->owner;
    end_build(b);
    if (s->stage <= PAGE_OWNER || s->is_outdated || b->origin != s->origin || delisted_is_over(b)) {
        build_free(b); /* another page is wanted by now */
        s->build = NULL;
        s->built_version = 0;
        check(pages, s);
        page_entry_unref(s);
        return;
    }
    /* mirrors are asked for what is missing: the page waits for the answers, what was learned
     * does not */
    if (page_asks(pages, s, b)) {
        build_remember(b);
        s->build = NULL;
        s->stage = PAGE_PROBING;
        s->built_version = 0;
        page_entry_unref(s);
        return;
    }
    struct page_tally t = page_tally(pages, s);
    int64_t now_ms = clock_monotonic_ms();
    /* its life: while a mirror confirms it, page_refresh; else it is asked for again soon */
    bool stale = s->source_count && !t.confirmed;
    int64_t expires_ms =
        t.confirmed ? t.confirmed_ms + pages->s->options.page_refresh_ms : now_ms + RETRY_MS;
    bool runs = t.pending || t.late || s->inquiry; /* their end sets another time */
    struct page *page = b->page;
    b->page = NULL;
    s->has_failed = !page || page->outcome == OUTCOME_UNAVAILABLE;
    if (s->has_failed)
        page = keep_old(s, page, &stale, &expires_ms);
    if (page && s->inquiry && s->inquiry_is_worth) { /* the inquiry began after this build */
        page->incomplete = true;
        page->max_age_s = PAGE_INCOMPLETE_AGE_S;
    }
    if (page && page->outcome == OUTCOME_NO_PROJECT && expires_ms > now_ms + MISSING_MS)
        expires_ms = now_ms + MISSING_MS;
    if (page && page->incomplete && !runs)
        expires_ms = now_ms + PAGE_INCOMPLETE_AGE_S * 1000;
    /* a mirror that mixes projects may be attacked, or attack */
    if (b->merge.foreign) {
        log_repeated(LOG_LEVEL_WARNING,
                     "files of other projects left out origin=%s project=%s count=%zu",
                     b->origin->name, b->project, b->merge.foreign);
        (void)problems_note(pages->s, "foreign-files", b->origin->name, b->project,
                            "%zu files of other projects on its page are left out",
                            b->merge.foreign);
    } else if (b->kind == BUILD_PROJECT) {
        problems_over(pages->s, "foreign-files", b->origin->name, b->project);
    }
    if (b->kind == BUILD_PROJECT) {
        dates_note(pages, b->origin->name, b->index, b->project, b->merge.dates);
        judge_doubt(s, b);
        /* before the page is seen: a client that then asks for a file finds its digest */
        build_remember(b);
    } else {
        build_free(b);
    }
    publish(pages, s, page, stale, expires_ms);
    s->build = NULL;
    check(pages, s);
    page_entry_unref(s);
    pages_source_settled(pages); /* a flat page may wait for this one */
}

/* Few builds are on the lane at a time. The others wait here, where clients take turns and a
 * stop does not wait for them. When memory is short, one build at a time. */
static void next_builds(struct pages *pages)
{
    struct turn *next;
    while ((next = turns_next(pages->builds, pages->s->is_short ? 1 : BUILDS_MOST))) {
        struct build *b = container_of(next, struct build, turn);
        build_start(b);
    }
}

static void end_build(struct build *b)
{
    turns_end(b->pages->builds, &b->turn);
    next_builds(b->pages);
}

void page_builds_drop(struct pages *p)
{
    struct turn *next;
    while (p->builds && (next = turns_next(p->builds, UINT_MAX / 2))) {
        struct build *b = container_of(next, struct build, turn);
        struct page_entry *s = b->owner;
        turns_end(p->builds, next);
        build_free(b);
        page_entry_unref(s);
    }
    turns_free(p->builds);
}

/* Takes a reference for the build, which its end gives back. */
static void begin_build(struct page_entry *s, struct build *b, void (*done)(struct build *))
{
    struct turns *turns = b->pages->builds;
    b->owner = s;
    b->done = done;
    s->build = b;
    s->is_outdated = false;
    s->refs++;
    /* the client's turn: a client with many pages does not hold up others */
    int r = turns_take(turns, &b->turn, s->client, BUILDS_MOST);
    if (r == TURN_REFUSED)
        r = turns_take(turns, &b->turn, 0, BUILDS_MOST); /* as background: after all clients */
    if (r != TURN_WAITS)
        build_start(b);
}

/* Whether nobody wants the build that waits for its turn. Only the table, the load and the build
 * refer to the entry. A client came for it, got no page, and has left or did not come again. */
static bool is_unwanted(struct page_entry *s, int64_t now_ms)
{
    return s->build && s->build->turn.waits && s->refs <= 3 && !s->page && s->visited &&
           now_ms - s->used_ms >= (s->is_left ? LEFT_MS : UNWANTED_MS) &&
           !waitlist_has_any(&s->waiters);
}

/* Ends the load without an answer; the next request begins another. */
static void drop_build(struct pages *pages, struct page_entry *s, int64_t used_ms)
{
    struct build *b = s->build;
    turns_end(pages->builds, &b->turn);
    build_free(b);
    s->build = NULL;
    s->built_version = 0;
    pages->dropped++;
    finish_load(pages, s);
    if (s->used_ms != used_ms ||
        waitlist_has_any(&s->waiters)) /* a client came that saw the load still running */
        page_entry_post_load(pages, s, false, NULL);
    page_entry_unref(s);
}

void page_builds_sweep(struct pages *pages, int64_t now_ms)
{
    for (struct page_entry *s = pages->loading, *next; s; s = next) {
        next = s->next_loading;
        int64_t used_ms = s->used_ms;
        if (is_unwanted(s, now_ms))
            drop_build(pages, s, used_ms);
    }
    next_builds(pages);
}

/* --------------------------------------------------------------- flat pages */

/* The names of a flat page are known: their pages are loaded as for a client. The names of a
 * flat page have come. */
static void named(struct build *b)
{
    struct pages *pages = b->pages;
    struct page_entry *s = b->owner;
    end_build(b);
    s->build = NULL;
    page_entry_drop_parts(s);
    if (s->stage <= PAGE_OWNER) {
        build_free(b);
        check(pages, s);
        page_entry_unref(s);
        return;
    }
    if (b->name_count <= PARTS_MOST)
        s->parts = calloc(b->name_count + 1, sizeof(struct page_entry *));
    /* too many names: no parts, and the flat page stays empty */
    for (size_t i = 0; s->parts && i < b->name_count; i++) {
        const struct page_query query = {.index = s->index, .project = b->names[i]};
        struct page_entry *part = pages_entry(pages, &query);
        if (part)
            s->parts[s->part_count++] = part;
    }
    s->has_parts = true;
    for (size_t i = 0; i < s->part_count; i++) {
        s->parts[i]->used_ms = clock_monotonic_ms();
        s->parts[i]->asked = true;
        page_load(pages, s->parts[i], false, NULL);
    }
    build_free(b);
    check(pages, s);
    page_entry_unref(s);
}

/* Whether the pages of all projects are there, or have had their time. Begins to look for the
 * parts when the listings have changed. */
static bool has_parts(struct pages *pages, struct page_entry *s, const struct page_tally *t)
{
    if (!s->has_parts || s->parts_version != t->listings_version) {
        struct build *b = page_build_new(pages, s, BUILD_NAMES);
        s->parts_version = t->listings_version;
        if (b) {
            page_add_names(pages, s, b);
            begin_build(s, b, named);
        }
        return false;
    }
    for (size_t i = 0; i < s->part_count; i++)
        if (is_unanswered(s->parts[i]))
            return clock_monotonic_ms() - s->began_ms >= PARTS_WAIT_MS;
    return true;
}

/* A first page waits for further mirrors up to listing_timeout, but never so long that a client
 * gives up. */
static bool is_time(const struct pages *pages, const struct page_entry *s,
                    const struct page_tally *t)
{
    int64_t waited_ms = clock_monotonic_ms() - s->began_ms;
    int most_ms = pages->s->options.listing_timeout_ms;
    if (!t->answered && s->source_count) /* as long as some mirror may still answer */
        return !t->pending && !t->late;
    /* Every mirror's last listing is there: a newer one is waited for as a refresh is. */
    if (!t->unknown && waited_ms >= PAGE_REFRESH_WAIT_MS)
        return true;
    return !t->pending || waited_ms >= (most_ms < LATEST_MS ? most_ms : LATEST_MS);
}

/* Tells apart a loop, silence, and mirrors that failed. */
static void refuse(struct pages *pages, struct page_entry *s, const struct page_tally *t)
{
    int64_t now_ms = clock_monotonic_ms();
    enum outcome outcome = OUTCOME_UNAVAILABLE;
    if (t->looped == s->source_count)
        outcome = OUTCOME_LOOP;
    else if (t->silent == s->source_count)
        outcome = OUTCOME_SILENT;
    bool soon = now_ms - s->began_ms < LONG_MS || t->retry_after_s;
    struct page *page = built_refusal(pages, outcome, t->failures);
    if (page)
        page->retry_after_s = t->retry_after_s;
    publish(pages, s, page, true, now_ms + (soon ? UNAVAILABLE_MS : REFUSED_MS));
}

/* No mirror has ever answered, neither now nor before. */
static void refuse_all(struct pages *pages, struct page_entry *s, const struct page_tally *t)
{
    if (has_page(s)) /* the page that is there stays */
        confirm(pages, s, true, clock_monotonic_ms() + RETRY_MS);
    else
        refuse(pages, s, t);
}

/* Whether a build would bring anything: compares the versions of the last build with those of
 * now. */
static bool needs_build(const struct pages *pages, const struct page_entry *s,
                        const struct page_tally *t)
{
    if (!s->page || (s->has_failed && is_unanswered(s)) || s->built_version != t->version + 1 ||
        page_policy_is_over(s->page) ||
        ((s->project || s->flat) &&
         (s->built_metadata != metadata_version(pages->metadata) ||
          s->built_held != delisted_version(pages, s->origin, s->project))))
        return true;
    if (s->is_askable && s->visited && !s->has_inquired)
        return true;
    if (!s->project && !s->flat) /* a list also shows names that became known in other ways */
        return is_unanswered(s);
    return s->page->incomplete != (t->missing > 0);
}

/* Moves a load on: builds, publishes, or ends it. Runs whenever a source has settled, a build is
 * done, and on the tick. */
static void check(struct pages *pages, struct page_entry *s)
{
    if (s->stage == PAGE_IDLE || s->build || pages->s->stopping ||
        (s->stage == PAGE_OWNER && !settle_owner(pages, s)))
        return;
    struct page_tally t = page_tally(pages, s);
    if (is_unanswered(s) && (!is_time(pages, s, &t) || page_awaits(pages, s)))
        return;
    bool runs = t.pending || t.late;
    /* after the answer: only a late mirror's news, and not while others are still coming */
    bool has_news = t.answered && s->built_version != t.version + 1 && !s->flat;
    if (!is_unanswered(s) && (s->inquiry || (runs && !has_news)))
        return;
    if (!t.answered && s->source_count) {
        refuse_all(pages, s, &t);
    } else if (s->flat && !has_parts(pages, s, &t)) {
        return;
    } else if (needs_build(pages, s, &t)) {
        struct build *b = page_build(pages, s, &t);
        if (b)
            begin_build(s, b, built);
        return;
    } else {
        confirm(pages, s, !t.confirmed,
                t.confirmed ? t.confirmed_ms + pages->s->options.page_refresh_ms
                            : clock_monotonic_ms() + RETRY_MS);
    }
    if (!runs && !s->inquiry)
        finish_load(pages, s);
}

/* For clients whose time is over: their page is still on its way, or its refresh takes long.
 * Where all mirrors are silent, new requests are told so at once, for a while. */
void page_answer_waiters(struct pages *pages, struct page_entry *s, int64_t now_ms)
{
    if (!waitlist_is_due(&s->waiters, now_ms))
        return;
    if (s->page && s->page->outcome == OUTCOME_OK) {
        s->hasty_until_ms = now_ms + RETRY_MS;
    } else {
        struct page_tally t = page_tally(pages, s);
        if (s->source_count && !t.answered && !t.moving) {
            refuse(pages, s, &t);
            return;
        }
        pthread_mutex_lock(&s->waiters.lock);
        str_copy(s->progress, sizeof(s->progress), t.failures);
        pthread_mutex_unlock(&s->waiters.lock);
    }
    waitlist_expire(&s->waiters, now_ms);
}

void pages_source_settled(struct pages *pages)
{
    project_lists_check(pages);
    channels_check(pages->listings);
    channel_roots_check(pages->listings, clock_monotonic_ms());
    for (struct page_entry *s = pages->loading, *next; s; s = next) {
        next = s->next_loading;
        check(pages, s);
    }
}

/* Where there is no page and all mirrors are backing off, one try is worth the wait. */
static void want_sources(struct pages *pages, struct page_entry *s, const char *channel, bool force)
{
    const struct origin *origin = s->origin;
    const struct asker by = {s->via, s->client};
    bool alone = !s->page && mirrors_is_backing_off(pages->s->mirrors, origin);
    s->source_count = 0;
    for (unsigned m = 0; m < origin->mirror_count && m < MERGE_SOURCES; m++) {
        struct source *source = sources_get(pages->listings, origin, m, channel, s->project);
        if (!source)
            continue;
        s->sources[s->source_count++] = source;
        /* the project list has just asked for the very same page */
        bool again = force && !(origin->owns_listed && origin->mirrors[m].layout != LAYOUT_SIMPLE);
        (void)source_want(source, again, alone, &by);
    }
}

/* A reload came: the old rules allowed this page and the new ones do not. */
static void refuse_load(struct pages *pages, struct page_entry *s, enum outcome outcome,
                        const char *detail)
{
    s->source_count = 0;
    publish(pages, s, built_refusal(pages, outcome, detail), false, clock_monotonic_ms());
    finish_load(pages, s);
}

/* No one knows which origin owns the project. The page that is there stays, and no other origin
 * is asked: it might serve a name that is not its own. */
static void refuse_unknown(struct pages *pages, struct page_entry *s, const struct origin *origin,
                           const char *channel)
{
    char detail[768];
    int64_t now_ms = clock_monotonic_ms();
    const char *why = project_list_failure(pages, origin, channel);
    (void)snprintf(detail, sizeof(detail), "whether %s has %.200s is not known yet (%s)",
                   origin->name, s->project, why[0] ? why : "no answer yet");
    if (s->page && s->page->outcome == OUTCOME_OK)
        confirm(pages, s, true, now_ms + RETRY_MS);
    else
        publish(pages, s, built_refusal(pages, OUTCOME_UNAVAILABLE, detail), true,
                now_ms + UNAVAILABLE_MS);
    finish_load(pages, s);
}

/* Finds the origin that answers, and asks its mirrors. False: it is not known yet, or the load
 * has ended with a refusal. */
static bool settle_owner(struct pages *pages, struct page_entry *s)
{
    struct index_view view;
    const struct origin *origin = NULL;
    if (origins_index(mirrors_origins(pages->s->mirrors), s->index, &view)) {
        refuse_load(pages, s, OUTCOME_NO_INDEX, "no such index");
        return false;
    }
    /* a list can do without names that are late; a project's owner must be known */
    bool waits =
        s->project || clock_monotonic_ms() - s->began_ms < pages->s->options.listing_timeout_ms;
    if (waits && page_awaits_project_lists(pages, s, &view))
        return false;
    if (!s->project) {
        origin = view.origins[0];
    } else if (project_list_owner(pages, &view, s->project, &origin)) {
        refuse_unknown(pages, s, origin, view.channel);
        return false;
    }
    /* an official page needs a public site to link to */
    if (!origin || (s->official && s->project && !origin->canonical)) {
        refuse_load(pages, s, OUTCOME_NO_PROJECT, page_entry_no_owner);
        return false;
    }
    s->stage = PAGE_FETCHING;
    s->origin = origin;
    /* a PyPI mirror's list of everything is too long to be of use: names that are known are
     * shown */
    if (s->project || s->flat || view.channel || !origin_owns_rest(origin) || origin->directory)
        want_sources(pages, s, view.channel, s->forces);
    return true;
}

/* A second call while a load runs begins it anew: its waiters then get the newer answer. */
void page_load(struct pages *pages, struct page_entry *s, bool force, const struct asker *by)
{
    struct index_view view;
    if (pages->s->stopping) {
        s->wanted = false;
        waitlist_close(&s->waiters); /* requests that came after pages_stop */
        return;
    }
    if (!is_unanswered(s)) /* else a client has waited since then */
        s->began_ms = clock_monotonic_ms();
    if (s->stage == PAGE_IDLE) {
        s->has_inquired = s->inquiry != NULL;
        s->inquires_on = false;
        s->refs++;
        s->next_loading = pages->loading;
        pages->loading = s;
    }
    s->stage = PAGE_OWNER;
    if (s->visited && !s->was_visited) /* its mirrors may be asked about its files now */
        s->built_version = 0;
    s->was_visited = s->visited;
    s->source_count = 0;
    s->forces = force;
    free(s->via);
    s->via = str_dup(by ? by->via : NULL);
    s->client = by ? by->client : 0;
    if (origins_index(mirrors_origins(pages->s->mirrors), s->index, &view) == 0)
        page_want_project_lists(pages, s, &view, force, by);
    if (settle_owner(pages, s))
        check(pages, s);
}
