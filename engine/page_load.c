// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/dates.h"
#include "engine/delisted.h"
#include "engine/directory.h"
#include "engine/metadata.h"
#include "engine/ranges.h"
#include "engine/roster.h"
#include "engine/slot.h"

enum {
    MISSING_MS = 60000, /* how long "no such project" stands */
    RETRY_MS = 5000,    /* how soon mirrors are asked again after all have failed */
    UNAVAILABLE_MS = 1000,
    LATEST_MS = 9000, /* a status line within ten seconds, always */
    INCOMPLETE_AGE_S = 10,
    PARTS_MOST = 1000, /* projects on a flat page */
};

static void check(struct engine *e, struct slot *s);
static bool settle_owner(struct engine *e, struct slot *s);

static void set_life(struct slot *s, bool stale, int64_t expires_ms)
{
    s->stale = stale;
    s->expires_ms = expires_ms;
}

/* Answers whoever waits; page NULL: with what is there. */
static void publish(struct engine *e, struct slot *s, struct page *page, bool stale,
                    int64_t expires_ms)
{
    pthread_mutex_lock(&s->waiters.lock);
    struct page *old = s->page;
    if (old && page && built_is_same(old, page)) { /* equal bytes keep their replies */
        old = page;
    } else if (page) {
        e->pages->bytes += built_bytes(page);
        s->page = page;
    } else {
        old = NULL;
    }
    if (old && old != page)
        e->pages->bytes -= built_bytes(old);
    set_life(s, stale, expires_ms);
    s->answers++;
    pthread_mutex_unlock(&s->waiters.lock);
    s->published = true;
    page_unref(old);
    waitlist_wake(&s->waiters, 0, INT64_MAX);
}

/* Nothing has changed. A load answers once: who has come since then waits for the next one. */
static void confirm(struct engine *e, struct slot *s, bool stale, int64_t expires_ms)
{
    if (!s->published) {
        publish(e, s, NULL, stale, expires_ms);
        return;
    }
    pthread_mutex_lock(&s->waiters.lock);
    set_life(s, stale, expires_ms);
    pthread_mutex_unlock(&s->waiters.lock);
}

static void finish_load(struct engine *e, struct slot *s)
{
    struct slot **p = &e->pages->loading;
    while (*p && *p != s)
        p = &(*p)->next_loading;
    if (*p)
        *p = s->next_loading;
    s->loading = false;
    s->wanted = false;
    slot_drop_parts(s);
    slot_unref(s);
}

/* What the sources of a slot say together. */
struct tally {
    unsigned pending, late, answered, confirmed, missing; /* late: nobody waits for it */
    unsigned looped;                                      /* they ask us */
    int64_t confirmed_ms;
    uint64_t version, listings_version; /* with the parts of a flat page, and without */
    char failures[512];
};

/* A project's page as a part of a flat one. */
static void tally_part(struct tally *t, const struct slot *part)
{
    struct source_view v;
    t->version = t->version * 31 + part->built_version;
    for (unsigned i = 0; i < part->source_count; i++)
        source_view(part->sources[i], &v); /* in use, though its own load may be over */
    if (!part->page || part->page->incomplete || part->page->outcome == OUTCOME_UNAVAILABLE)
        t->missing++;
}

static struct tally tally_sources(struct engine *e, struct slot *s)
{
    struct tally t = {.confirmed_ms = INT64_MIN / 2};
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < s->source_count; i++) {
        struct source_view v;
        bool late = source_check_late(s->sources[i]);
        source_view(s->sources[i], &v);
        bool pending = v.state != SOURCE_IDLE && !late;
        t.pending += pending;
        t.late += late;
        t.answered += v.status == 404 || (v.status == 200 && v.listing);
        t.confirmed += now_ms - v.confirmed_ms < e->options.page_refresh_ms;
        t.version = t.version * 31 + v.version;
        if (((pending || late) && s->origin->mirrors[i].layout == LAYOUT_SIMPLE) ||
            v.is_provisional)
            t.missing++;
        t.looped += !pending && v.error == ERROR_LOOP;
        if (v.confirmed_ms > t.confirmed_ms)
            t.confirmed_ms = v.confirmed_ms;
        size_t len = strlen(t.failures);
        if (pending || v.error)
            (void)snprintf(t.failures + len, sizeof(t.failures) - len, "%s%s%s", len ? "; " : "",
                           pending ? s->origin->mirrors[i].name : v.failure,
                           pending ? ": no answer yet" : "");
    }
    t.missing += s->inquiry && s->inquiry_is_worth;
    if (!s->project)
        t.version = t.version * 31 + rosters_version(e);
    t.listings_version = t.version;
    for (size_t i = 0; i < s->part_count; i++)
        tally_part(&t, s->parts[i]);
    return t;
}

static void built(struct build *b)
{
    struct engine *e = b->engine;
    struct slot *s = b->owner;
    if (s->awaits_owner || s->is_outdated || b->origin != s->origin || delisted_is_over(b)) {
        build_free(b); /* another page is wanted by now */
        s->building = false;
        s->built_version = 0;
        check(e, s);
        slot_unref(s);
        return;
    }
    if (page_asks(e, s, b)) {
        build_remember(b);
        s->building = false;
        s->built_version = 0;
        slot_unref(s);
        return;
    }
    struct tally t = tally_sources(e, s);
    int64_t now_ms = clock_monotonic_ms();
    bool stale = s->source_count && !t.confirmed;
    int64_t expires_ms =
        t.confirmed ? t.confirmed_ms + e->options.page_refresh_ms : now_ms + RETRY_MS;
    struct page *page = b->page;
    b->page = NULL;
    if (page && s->inquiry && s->inquiry_is_worth) { /* it has begun behind this build */
        page->incomplete = true;
        page->max_age_s = INCOMPLETE_AGE_S;
    }
    if (page && page->outcome == OUTCOME_NO_PROJECT && expires_ms > now_ms + MISSING_MS)
        expires_ms = now_ms + MISSING_MS;
    if (page && page->incomplete)
        expires_ms = now_ms + INCOMPLETE_AGE_S * 1000;
    if (b->merge.dropped)
        log_info("links elsewhere dropped origin=%s project=%s count=%zu", b->origin->name,
                 b->project, b->merge.dropped);
    if (b->kind == BUILD_PROJECT) {
        dates_note(e, b->origin->name, b->index, b->project, b->merge.dates);
        build_remember(b); /* before the page is seen: whoever asks for a file finds its digest */
    } else {
        build_free(b);
    }
    publish(e, s, page, stale, expires_ms);
    s->building = false;
    check(e, s);
    slot_unref(s);
    pages_source_settled(e); /* a flat page may wait for this one */
}

/* Names that the index can answer for without asking anybody: pages of the last origin we have. */
static void add_known(struct engine *e, struct slot *s, struct build *b)
{
    struct slot *other;
    struct index_view view;
    if (origins_index(core_origins(e), s->index, &view))
        return;
    pthread_rwlock_rdlock(&e->pages->lock);
    b->known = calloc(HASH_COUNT(e->pages->table) + 1, sizeof(*b->known));
    for (other = b->known ? e->pages->table : NULL; other; other = other->hh.next) {
        if (!other->project || !other->page || other->page->outcome != OUTCOME_OK ||
            other->origin != view.origins[view.count - 1])
            continue;
        b->known[b->known_count] = strdup(other->project);
        b->known_count += b->known[b->known_count] != NULL;
    }
    pthread_rwlock_unlock(&e->pages->lock);
}

/* Names of the further origins of the index. */
static void add_listed(struct engine *e, const struct slot *s, struct build *b)
{
    struct index_view view;
    if (origins_index(core_origins(e), s->index, &view))
        return;
    for (size_t i = 1; i < view.count; i++) {
        size_t kept = b->known_count, count = kept;
        if (roster_names(e, view.origins[i], view.channel, &b->known, &count))
            log_warning("names of %s left out: no memory", view.origins[i]->name);
        for (size_t n = kept; n < count; n++) {
            const struct origin *owner = NULL;
            if (roster_owner(e, &view, b->known[n], &owner) == 0 && owner == view.origins[i])
                b->known[kept++] = b->known[n];
            else
                free(b->known[n]);
        }
        b->known_count = kept;
    }
}

static void add_listings(const struct slot *s, struct build *b)
{
    b->is_heard = true;
    for (unsigned i = 0; i < s->source_count; i++) {
        struct source_view v;
        source_view(s->sources[i], &v);
        if (!v.status || (v.status == 200 && !v.listing) || v.error == ERROR_BAD_LISTING)
            b->is_heard = false;
        if (v.status != 200 || !v.listing)
            continue;
        int64_t age_ms = clock_monotonic_ms() - v.confirmed_ms;
        int64_t said_s = clock_real_s() - (age_ms > 0 ? age_ms / 1000 : 0);
        b->mirrors[b->count] = i;
        b->said_s[b->count] = said_s > 0 ? said_s : 0; /* never confirmed: nobody's word of today */
        b->listings[b->count++] = listing_ref_get(v.listing);
    }
}

static struct build *build_new(struct engine *e, const struct slot *s, enum build_kind kind)
{
    struct index_view view;
    struct build *b = calloc(1, sizeof(*b));
    if (!b || origins_index(core_origins(e), s->index, &view)) {
        free(b);
        return NULL;
    }
    b->kind = kind;
    b->official = s->official;
    b->engine = e;
    b->origin = s->origin;
    b->index = strdup(s->index);
    b->channel = view.channel ? strdup(s->index) : NULL;
    b->project = str_dup(s->project);
    b->makes_metadata = ranges_are_honoured(e, s->origin);
    add_listings(s, b);
    delisted_begin(b);
    return b;
}

static void add_parts(struct engine *e, const struct slot *s, struct build *b)
{
    struct index_view view;
    if (origins_index(core_origins(e), s->index, &view))
        return;
    b->parts = calloc(s->part_count + 1, sizeof(struct build *));
    for (size_t i = 0; b->parts && i < s->part_count; i++) {
        const struct slot *part = s->parts[i];
        bool is_now = false; /* else a reload came between */
        for (size_t n = 0; !part->awaits_owner && n < view.count; n++)
            is_now |= view.origins[n] == part->origin;
        if (!is_now)
            continue;
        b->parts[b->part_count] = build_new(e, part, BUILD_PROJECT);
        b->part_count += b->parts[b->part_count] != NULL;
    }
}

static void begin_build(struct slot *s, struct build *b, void (*done)(struct build *))
{
    b->owner = s;
    b->done = done;
    s->building = true;
    s->is_outdated = false;
    s->refs++;
    build_start(b);
}

/* Whether a page shows what lies in a folder, which may be another tomorrow. */
static bool shows_folder(const struct engine *e, const struct slot *s)
{
    struct index_view view;
    bool shows = s->origin->directory;
    if (s->project || origins_index(core_origins(e), s->index, &view))
        return shows;
    for (size_t i = 0; i < view.count; i++)
        shows |= view.origins[i]->directory != NULL;
    return shows;
}

static void build(struct engine *e, struct slot *s, const struct tally *t)
{
    struct build *b = build_new(e, s,
                                s->project ? BUILD_PROJECT
                                : s->flat  ? BUILD_FLAT
                                           : BUILD_LIST);
    if (!b)
        return;
    b->incomplete = t->missing > 0;
    b->max_age_s = e->options.page_refresh_ms / 1000;
    if (b->incomplete || !t->confirmed)
        b->max_age_s = INCOMPLETE_AGE_S;
    if (b->max_age_s > DIRECTORY_AGE_S && shows_folder(e, s))
        b->max_age_s = DIRECTORY_AGE_S;
    (void)snprintf(b->missing_detail, sizeof(b->missing_detail), "%s has no project %s%s%.300s%s",
                   s->origin->name, s->project ? s->project : "",
                   t->failures[0] ? " (no answer from: " : "", t->failures,
                   t->failures[0] ? ")" : "");
    if (b->kind == BUILD_LIST) {
        add_known(e, s, b);
        add_listed(e, s, b);
        if (!origin_owns_rest(b->origin) || b->channel)
            delisted_add_names(b);
    }
    if (b->kind == BUILD_FLAT)
        add_parts(e, s, b);
    s->built_version = t->version + 1;
    s->built_metadata = metadata_version(e);
    s->built_held = delisted_version(e, s->origin, s->project);
    begin_build(s, b, built);
}

/* ------------------------------------------------------------------ parts */

/* The names are there: their pages are loaded as if somebody had asked for them. */
static void named(struct build *b)
{
    struct engine *e = b->engine;
    struct slot *s = b->owner;
    s->building = false;
    slot_drop_parts(s);
    if (s->awaits_owner) {
        build_free(b);
        check(e, s);
        slot_unref(s);
        return;
    }
    if (b->name_count <= PARTS_MOST)
        s->parts = calloc(b->name_count + 1, sizeof(struct slot *));
    for (size_t i = 0; s->parts && i < b->name_count; i++) {
        const struct page_query query = {.index = s->index, .project = b->names[i]};
        struct slot *part = pages_slot(e->pages, &query);
        if (part)
            s->parts[s->part_count++] = part;
    }
    s->has_parts = true;
    for (size_t i = 0; i < s->part_count; i++) {
        s->parts[i]->used_ms = clock_monotonic_ms();
        s->parts[i]->asked = true;
        page_load(e, s->parts[i], false, NULL);
    }
    build_free(b);
    check(e, s);
    slot_unref(s);
}

/* Whether the pages of a flat page's projects are there, or have had their time. */
static bool has_parts(struct engine *e, struct slot *s, const struct tally *t)
{
    if (!s->has_parts || s->parts_version != t->listings_version) {
        struct build *b = build_new(e, s, BUILD_NAMES);
        s->parts_version = t->listings_version;
        if (b) {
            delisted_add_names(b);
            add_listed(e, s, b);
            begin_build(s, b, named);
        }
        return false;
    }
    for (size_t i = 0; i < s->part_count; i++)
        if (s->parts[i]->loading && !s->parts[i]->published)
            return clock_monotonic_ms() - s->began_ms >= LATEST_MS;
    return true;
}

static bool is_time(const struct engine *e, const struct slot *s, const struct tally *t)
{
    int64_t waited_ms = clock_monotonic_ms() - s->began_ms;
    if (!t->pending)
        return true;
    return waited_ms >= (t->answered ? e->options.listing_timeout_ms : LATEST_MS);
}

/* No mirror has ever answered, now or before. */
static void refuse_all(struct engine *e, struct slot *s, const struct tally *t)
{
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < s->source_count; i++)
        if (source_check_late(s->sources[i])) /* another try may do better */
            source_give_up(s->sources[i]);
    if (s->page) /* what is there stays */
        confirm(e, s, true, now_ms + RETRY_MS);
    else
        publish(e, s,
                built_refusal(e, t->looped == s->source_count ? OUTCOME_LOOP : OUTCOME_UNAVAILABLE,
                              t->failures),
                true, now_ms + UNAVAILABLE_MS);
}

static bool needs_build(const struct engine *e, const struct slot *s, const struct tally *t)
{
    if (!s->page || s->built_version != t->version + 1 ||
        ((s->project || s->flat) && (s->built_metadata != metadata_version(e) ||
                                     s->built_held != delisted_version(e, s->origin, s->project))))
        return true;
    if (s->is_askable && s->visited && !s->has_inquired)
        return true;
    if (!s->project && !s->flat) /* a list also shows what became known by other ways */
        return !s->published;
    return s->page->incomplete != (t->missing > 0);
}

/* Publishes when it is time; runs whenever a source has settled, a build is done, and on the tick.
 */
static void check(struct engine *e, struct slot *s)
{
    if (!s->loading || s->building || e->stopping || (s->awaits_owner && !settle_owner(e, s)))
        return;
    struct tally t = tally_sources(e, s);
    if ((!is_time(e, s, &t) && !s->published) || page_awaits(e, s))
        return;
    if (s->published &&
        (t.pending || t.late || s->inquiry)) /* the page changes once, when all have come */
        return;
    if (!t.answered && s->source_count) {
        refuse_all(e, s, &t);
    } else if (s->flat && !has_parts(e, s, &t)) {
        return;
    } else if (needs_build(e, s, &t)) {
        build(e, s, &t);
        return;
    } else {
        confirm(e, s, !t.confirmed,
                t.confirmed ? t.confirmed_ms + e->options.page_refresh_ms
                            : clock_monotonic_ms() + RETRY_MS);
    }
    if (!t.pending && !t.late && !s->inquiry)
        finish_load(e, s);
}

void pages_source_settled(struct engine *e)
{
    rosters_check(e);
    for (struct slot *s = e->pages->loading, *next; s; s = next) {
        next = s->next_loading;
        check(e, s);
    }
}

static void want_sources(struct engine *e, struct slot *s, const char *channel, bool force,
                         const char *via)
{
    const struct origin *origin = s->origin;
    bool alone = !s->page && core_is_backing_off(e, origin);
    s->source_count = 0;
    for (unsigned m = 0; m < origin->mirror_count && m < MERGE_SOURCES; m++) {
        struct source *source = sources_get(e, origin, m, channel, s->project);
        if (!source)
            continue;
        s->sources[s->source_count++] = source;
        /* What the roster was made of has just been asked for. */
        bool again = force && !(origin->owns_listed && origin->mirrors[m].layout != LAYOUT_SIMPLE);
        (void)source_want(source, again, alone, via);
    }
}

/* What was asked for by the rules of before a reload. */
static void refuse_load(struct engine *e, struct slot *s, enum outcome outcome, const char *detail)
{
    s->source_count = 0;
    publish(e, s, built_refusal(e, outcome, detail), false, clock_monotonic_ms());
    if (s->loading)
        finish_load(e, s);
    s->wanted = false;
}

/* Nobody knows who answers: what there is stays, and nobody else is asked. */
static void refuse_unknown(struct engine *e, struct slot *s, const struct origin *origin,
                           const char *channel)
{
    char detail[768];
    int64_t now_ms = clock_monotonic_ms();
    const char *why = roster_failure(e, origin, channel);
    (void)snprintf(detail, sizeof(detail), "whether %s has %.200s is not known yet (%s)",
                   origin->name, s->project, why[0] ? why : "no answer yet");
    if (s->page && s->page->outcome == OUTCOME_OK)
        confirm(e, s, true, now_ms + RETRY_MS);
    else
        publish(e, s, built_refusal(e, OUTCOME_UNAVAILABLE, detail), true, now_ms + UNAVAILABLE_MS);
    finish_load(e, s);
}

/* Finds the origin that answers, and asks its mirrors. False: it is not known yet, or the load has
 * ended with a refusal. */
static bool settle_owner(struct engine *e, struct slot *s)
{
    struct index_view view;
    const struct origin *origin = NULL;
    if (origins_index(core_origins(e), s->index, &view)) {
        refuse_load(e, s, OUTCOME_NO_INDEX, "no such index");
        return false;
    }
    int64_t limit_ms = s->project ? LATEST_MS : e->options.listing_timeout_ms;
    if (clock_monotonic_ms() - s->began_ms < limit_ms && slot_awaits_rosters(e, s, &view))
        return false;
    if (!s->project) {
        origin = view.origins[0];
    } else if (roster_owner(e, &view, s->project, &origin)) {
        refuse_unknown(e, s, origin, view.channel);
        return false;
    }
    if (!origin || (s->official && s->project && !origin->canonical)) {
        refuse_load(e, s, OUTCOME_NO_PROJECT, slot_no_owner);
        return false;
    }
    s->awaits_owner = false;
    s->origin = origin;
    /* The list of everything a PyPI mirror has is too long to be of use: what is known is shown. */
    if (s->project || s->flat || view.channel || !origin_owns_rest(origin) || origin->directory)
        want_sources(e, s, view.channel, s->forces, s->via);
    return true;
}

void page_load(struct engine *e, struct slot *s, bool force, const char *via)
{
    struct index_view view;
    if (e->stopping) {
        s->wanted = false;
        waitlist_close(&s->waiters); /* whoever came behind pages_stop */
        return;
    }
    if (!s->loading || s->published) /* else somebody has waited since then */
        s->began_ms = clock_monotonic_ms();
    s->published = false;
    if (!s->loading) {
        s->loading = true;
        s->has_inquired = s->inquiry != NULL;
        s->inquires_on = false;
        s->refs++;
        s->next_loading = e->pages->loading;
        e->pages->loading = s;
    }
    if (s->visited && !s->was_visited) /* now mirrors may be asked about its files */
        s->built_version = 0;
    s->was_visited = s->visited;
    s->source_count = 0;
    s->awaits_owner = true;
    s->forces = force;
    free(s->via);
    s->via = str_dup(via);
    if (origins_index(core_origins(e), s->index, &view) == 0)
        slot_want_rosters(e, s, &view, force, via);
    if (settle_owner(e, s))
        check(e, s);
}
