// SPDX-License-Identifier: Apache-2.0
/*
 * How a source gets its listing: from the catalogue, then from its mirror.
 *
 *     IDLE --source_load--> LOADING:  turn -> catalogue lane -> compute lane -> settle_stored -->
 * IDLE IDLE --source_fetch-> FETCHING: turn -> transfer thread -> compute lane -> settle_fetched
 * --> IDLE
 *
 * The flight thread moves every state. A turn comes first: few loads run at a time, and few fetches
 * from one mirror, so that clients share them. The answer under way (`fetched`) outlives nothing:
 * it comes back as a job, and is stored or freed.
 *
 * A fetch is late after listing_timeout: others wait for it no longer, and it goes on. It is silent
 * when no byte has come by then: that counts as a failure. Whatever fails, the last good listing
 * stays.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/source_state.h"
#include "engine/loop/key.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/portal.h"
#include "engine/mirrors/portal_report.h"

enum {
    PARENT_PAGE_MS = 13 * 1000, /* a parent answers after twelve seconds at most */
    /* loads at once: a stored page takes memory, packed, while it waits to be parsed */
    LOADS_MOST = 4,
};

/* ------------------------------------------------------------------ answers */

/* The answer keeps a reference to the last listing, to find what has changed. */
static struct listing_answer *make_listing_answer(struct source *s)
{
    struct listing_answer *r =
        listing_answer_new(s->listings, s, s->origin, source_mirror(s), s->page, s->is_list);
    if (r && s->is_good && source_mirror(s)->layout == LAYOUT_SIMPLE)
        r->had = s->facts.count;
    if (r && s->listing && !s->is_list)
        r->before = listing_ref_get(s->listing);
    return r;
}

static void settle_run(struct job *job);

/* On the compute lane. */
static void parse_run(struct job *job)
{
    struct listing_answer *r = container_of(job, struct listing_answer, job);
    if (!listing_answer_read(r))
        return;
    job->run = settle_run;
    loop_post(r->listings->s, job);
}

/* ---------------------------------------------------------- settled answers */

static void replace(char **to, char **from)
{
    free(*to);
    *to = *from;
    *from = NULL;
}

/* Whether the answer must not replace what is known; then it is noted as a problem. */
static bool is_doubtful(struct source *s, const struct listing_answer *r)
{
    const struct shrink_guard_facts *good = s->is_good ? &s->facts : NULL;
    if (!shrink_guard_holds(&s->shrink_guard, good, &r->facts, clock_monotonic_ms()))
        return false;
    const char *name = source_mirror(s)->name;
    s->error = ERROR_BAD_LISTING;
    s->has_lost_links = false;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: lists %zu, and listed %zu before%s", name,
                   r->facts.count, good ? good->count : 0,
                   r->facts.is_cut ? "; the page ends in the middle" : "");
    log_repeated(LOG_LEVEL_WARNING, "listing doubtful url=%s %s", s->page, s->failure);
    problems_note(s->listings->s, "listing-shrunk", s->origin->name, s->page, "%s; %s", s->failure,
                  good ? "the last good listing stays" : "it is shown until there is a better one");
    return true;
}

/* Keeps count of what all listings take in memory. */
void source_set_listing(struct source *s, struct listing_ref *listing, size_t bytes)
{
    s->listings->sources->bytes += bytes - s->listing_bytes;
    s->listing_bytes = bytes;
    listing_ref_put(s->listing);
    s->listing = listing;
}

/* The version changes only with the content, so an equal page builds nothing anew. */
static void take_content(struct source *s, struct listing_answer *r)
{
    if (s->status != r->status || strcmp(s->body_sha256, r->sha256) != 0)
        s->version = ++s->listings->sources->last_version;
    memcpy(s->body_sha256, r->sha256, sizeof(s->body_sha256));
    s->status = r->status;
    source_set_listing(s, r->listing, r->listing ? r->listing->listing->bytes : 0);
    r->listing = NULL;
}

/* `is_well`: the mirror is fine, and only this page is of no use. Pages that fail cost the
 * mirror its health, unless the failure is not its own. */
static void fail(struct source *s, int error, const char *detail, int retry_after_s, bool is_well)
{
    struct listings *listings = s->listings;
    const char *name = source_mirror(s)->name;
    s->error = error;
    s->has_lost_links = false;
    s->retry_after_s = retry_after_s;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: %.200s", name, detail);
    log_repeated(LOG_LEVEL_INFO, "listing failed mirror=%s url=%s error=\"%s\"", name, s->page,
                 detail);
    /* a loop, or memory that is missing here, says nothing of the mirror's other pages */
    if (is_well || error == ERROR_LOOP || error == ERROR_NO_MEMORY || error == ERROR_TOO_BIG)
        return;
    size_t number = mirrors_number(listings->s->mirrors, s->origin, s->mirror);
    if (error == ERROR_FORBIDDEN_ADDRESS || error == ERROR_BAD_LISTING)
        budget_remark(listings->s->budget, number,
                      detail); /* a captive portal answers like that, and fast */
    else
        budget_page_failed(listings->s->budget, number, detail, retry_after_s,
                           clock_monotonic_ms());
}

/* A captive portal's page in the place of a listing says nothing of the mirror. */
static bool is_portal(struct source *s, const struct listing_answer *r)
{
    const char *name = source_mirror(s)->name;
    auto_free char *stranger = portal_stranger(mirrors_origins(s->listings->s->mirrors), r->url);
    const struct web_page page = {.mirror = name,
                                  .place = "listing",
                                  .asked = key_hash(name, strlen(name)),
                                  .size = -1,
                                  .sha256 = r->page_sha256,
                                  .stranger = stranger};
    char why[LISTING_ANSWER_DETAIL_BYTES];
    if (!portal_report(s->listings->s, &page, why, sizeof(why)))
        return false;
    if (!s->is_silent)
        fail(s, r->error, why, -1, true);
    return true;
}

/* One place decides what a failure means for the source, the problems and the mirror's health. */
static void note_failure(struct source *s, const struct listing_answer *r)
{
    struct listings *listings = s->listings;
    const char *name = source_mirror(s)->name;
    if (r->error == ERROR_STOPPING)
        return;
    if (s->is_root) { /* many mirrors have no root page */
        s->error = r->error;
        log_repeated(LOG_LEVEL_INFO, "no root page mirror=%s url=%s error=\"%s\"", name, s->page,
                     r->detail);
        return;
    }
    if (r->is_web_page && is_portal(s, r))
        return;
    if (r->is_lost)
        problems_note(listings->s, "links-elsewhere", s->origin->name, s->page, "%s: %s", name,
                      r->detail);
    else if (r->error == ERROR_BAD_LISTING)
        problems_note(listings->s, "bad-listing", s->origin->name, s->page,
                      "%s answered with a page that lists nothing", name);
    if (s->is_silent) /* silence has already counted as a failure */
        return;
    fail(s, r->error, r->detail, r->retry_after_s, r->is_lost);
    s->has_lost_links = r->is_lost;
}

/* How long others wait for a fetch. A parent answers a slow page after twelve seconds. */
static int limit_ms(const struct source *s)
{
    int patience_ms = source_mirror(s)->parent ? PARENT_PAGE_MS : 0;
    int limit_ms = s->listings->s->options.listing_timeout_ms;
    return limit_ms > patience_ms ? limit_ms : patience_ms;
}

/* A fetch that waits for its turn at a mirror that gives no sign of life is waited for in vain. */
static void note_backing_off(struct source *s, int64_t now_ms)
{
    struct budget_view view;
    size_t number = mirrors_number(s->listings->s->mirrors, s->origin, s->mirror);
    if (!budget_is_backing_off(s->listings->s->budget, number, now_ms))
        return;
    budget_view(s->listings->s->budget, number, now_ms, &view);
    s->is_silent = true;
    s->error = ERROR_TIMEOUT;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: %.160s", source_mirror(s)->name,
                   view.last_error);
}

/* A slow mirror is not a dead one: while bytes come, it is well. Runs on the tick of those that
 * wait. A silent fetch goes on, and may still succeed. */
static void check_silent(struct source *s, int64_t now_ms)
{
    char detail[64];
    int most_ms = limit_ms(s);
    if (s->turn.waits)
        note_backing_off(s, now_ms);
    if (s->is_silent || !s->fetched || s->fetched->received ||
        now_ms - s->fetched->heard_ms < most_ms)
        return;
    (void)snprintf(detail, sizeof(detail), "no byte for %d ms", most_ms);
    s->is_silent = true;
    fail(s, ERROR_TIMEOUT, detail, -1, false);
}

/* Never late again once it has ended: go_idle clears it. */
bool source_check_late(struct source *s)
{
    int64_t now_ms = clock_monotonic_ms();
    if (s->state != SOURCE_FETCHING)
        return false;
    s->is_late |= now_ms - s->fetch_ms >= limit_ms(s);
    if (s->is_late)
        check_silent(s, now_ms);
    return s->is_late;
}

/* Appends "aliyun: 1000 of 2000 bytes" for a fetch that runs, or "aliyun: no answer yet". */
static void write_progress(const struct source *s, char *to, size_t size)
{
    size_t len = strlen(to);
    const char *name = source_mirror(s)->name;
    int64_t received = s->fetched ? s->fetched->received : 0;
    int64_t length = s->fetched ? s->fetched->length : -1;
    if (s->turn.waits)
        (void)snprintf(to + len, size - len, "%s: waits for its turn", name);
    else if (!received)
        (void)snprintf(to + len, size - len, "%s: no answer yet", name);
    else if (length < 0)
        (void)snprintf(to + len, size - len, "%s: %" PRId64 " bytes so far", name, received);
    else
        (void)snprintf(to + len, size - len, "%s: %" PRId64 " of %" PRId64 " bytes", name, received,
                       length);
}

/* Stored listings are all that there will be. A page that is not stored lists nothing. */
static void settle_offline(struct source *s)
{
    s->confirmed_ms = clock_monotonic_ms();
    if (s->status)
        return;
    s->status = 404;
    s->version = ++s->listings->sources->last_version;
}

void source_write_trouble(const struct source *s, const struct source_view *v, char *to,
                          size_t size)
{
    bool runs = v->state != SOURCE_IDLE && !v->is_silent;
    size_t len = strlen(to);
    if ((!runs && !v->error) || len + 3 > size)
        return;
    if (len)
        str_copy(to + len, size - len, "; ");
    if (runs)
        write_progress(s, to, size);
    else
        str_copy(to + strlen(to), size - strlen(to), v->failure);
}

/* Asks the mirror, unless it is backing off and another may answer. */
void source_try_fetch(struct source *s, bool alone)
{
    struct listings *listings = s->listings;
    if (listings->s->options.offline) {
        settle_offline(s);
        return;
    }
    int64_t now_ms = clock_monotonic_ms();
    size_t number = mirrors_number(listings->s->mirrors, s->origin, s->mirror);
    if (alone || !budget_is_backing_off(listings->s->budget, number, now_ms)) {
        source_fetch(s);
        return;
    }
    struct budget_view view;
    budget_view(listings->s->budget, number, now_ms, &view);
    s->error = ERROR_UNREACHABLE;
    s->has_lost_links = false;
    s->retry_after_s = -1;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: backing off after %.160s",
                   source_mirror(s)->name, view.last_error);
}

/* A fetch that was wanted while the source loaded begins now. Only an idle source tells its
 * waiters. */
static void go_idle(struct source *s)
{
    s->state = SOURCE_IDLE;
    s->is_late = s->is_silent = false;
    if (s->fetch_next) {
        s->fetch_next = false;
        source_try_fetch(s, s->fetch_alone);
    }
    if (s->state == SOURCE_IDLE)
        s->listings->s->events->source_settled(s->listings->s);
}

/* Without memory the source is idle again, and the next wish tries once more. */
static void begin_load(struct source *s);

/* The place goes to the next source that waits to be loaded. */
static void end_load(struct source *s)
{
    struct turns *loads = s->listings->sources->loads;
    struct turn *next;
    turns_end(loads, &s->turn);
    while ((next = turns_next(loads, LOADS_MOST)))
        begin_load(container_of(next, struct source, turn));
}

/* A stored listing is as old as its row says; an old one is shown and fetched anew. */
static void settle_stored(struct source *s, struct listing_answer *r)
{
    end_load(s);
    s->has_row = r->error != ERROR_GONE;
    if (r->error == 0 && (r->status == 200 || r->status == 404)) {
        take_content(s, r);
        s->is_good = s->status == 200;
        s->facts = r->facts;
        replace(&s->etag, &r->etag);
        replace(&s->date, &r->date);
        replace(&s->url, &r->url);
        /* real time, because the row may be of an earlier run; a clock that was set back counts
         * as age 0 */
        int64_t age_ms = (clock_real_s() - r->fetched_s) * 1000;
        int64_t then_ms = clock_monotonic_ms() - (age_ms > 0 ? age_ms : 0);
        if (then_ms > s->confirmed_ms)
            s->confirmed_ms = then_ms;
    } else {
        s->status = 0; /* nothing usable is stored, so the mirror is asked without validators */
        s->is_good = false;
    }
    /* a stored listing that is old, or none, is followed by a fetch */
    bool fresh = clock_monotonic_ms() - s->confirmed_ms < s->listings->s->options.page_refresh_ms;
    s->fetch_next |= !fresh || s->status == 0;
    listing_answer_free(r);
    go_idle(s);
}

/* A parent with a page of a short life will have more to say: ours lives as shortly then. */
static void note_life(struct source *s, const struct listing_answer *r)
{
    int64_t life_ms = (int64_t)r->max_age_s * 1000;
    bool shorter = source_mirror(s)->parent && life_ms > 0 &&
                   life_ms < s->listings->s->options.page_refresh_ms;
    s->life_ms = shorter ? life_ms : 0;
}

/* Asks conditionally only where a good listing is stored: a 304 must have something to confirm. */
static void begin_fetch(struct source *s);

/* The place at the mirror goes to another page. */
static void end_turn(struct source *s)
{
    struct turns *turns = s->turns;
    struct turn *next;
    turns_end(turns, &s->turn);
    while ((next = turns_next(turns, (unsigned)s->listings->s->options.connections_per_mirror)))
        begin_fetch(container_of(next, struct source, turn));
}

/* Some mirrors that have HTML answer a request for JSON with an error. They are asked once more,
 * for HTML, before that counts. What they say to HTML is final. */
static bool asks_otherwise(struct source *s, const struct listing_answer *r)
{
    static const int about_form[] = {400, 403, 405, 406, 415, 500, 501};
    bool is_refused = false;
    for (size_t i = 0; i < sizeof(about_form) / sizeof(about_form[0]); i++)
        is_refused |= r->status == about_form[i];
    if (r->error != ERROR_UPSTREAM_STATUS || r->is_html || !is_refused ||
        source_mirror(s)->layout != LAYOUT_SIMPLE)
        return false;
    s->wants_html = true;
    return true;
}

/* The figures of the mirror, whatever becomes of its answer. */
static void count(const struct source *s, const struct listing_answer *r)
{
    struct services *services = s->listings->s;
    size_t number = mirrors_number(services->mirrors, s->origin, s->mirror);
    budget_count_bytes(services->budget, number, r->received);
    counters_add(&services->counters, COUNT_FETCHED_BYTES, r->received);
    if (r->head_ms)
        budget_count_answer(services->budget, number, r->head_ms - r->started_ms);
}

/* The order matters: first the turn goes on to others, then failures, doubts and 304 each end
 * here, and at last the new content takes over. */
static void settle_fetched(struct source *s, struct listing_answer *r)
{
    struct listings *listings = s->listings;
    struct listed_mirror *mirror = source_listed_mirror(s);
    s->fetched = NULL;
    count(s, r);
    end_turn(s);
    /* no failure yet: the mirror is asked once more, for HTML */
    if (asks_otherwise(s, r)) {
        listing_answer_free(r);
        s->state = SOURCE_IDLE;
        source_fetch(s);
        if (s->state == SOURCE_IDLE)
            go_idle(s);
        return;
    }
    if (r->is_html && r->error)
        s->wants_html = false;
    else if (r->is_html && mirror)
        mirror->refuses_json = true;
    if (r->error) {
        note_failure(s, r);
        listing_answer_free(r);
        go_idle(s);
        return;
    }
    portal_report_gone(listings->s);
    s->error = 0;
    s->has_lost_links = false;
    s->retry_after_s = -1;
    s->failure[0] = '\0';
    problems_over(listings->s, "links-elsewhere", s->origin->name, s->page);
    budget_page_succeeded(listings->s->budget,
                          mirrors_number(listings->s->mirrors, s->origin, s->mirror));
    /* a doubtful answer is used only where there is nothing better */
    if (r->status != 304 && is_doubtful(s, r)) {
        if (!s->is_good) /* better than nothing, but not to be stored */
            take_content(s, r);
        listing_answer_free(r);
        go_idle(s);
        return;
    }
    s->confirmed_ms = clock_monotonic_ms();
    note_life(s, r);
    if (r->status == 304) {
        s->shrink_guard = (struct shrink_guard){0};
        listing_answer_keep(r);
        s->state = SOURCE_IDLE;
        /* the listing is confirmed, but not in memory */
        if (s->status == 200 && !s->listing)
            source_load(s);
        if (s->state == SOURCE_IDLE)
            go_idle(s);
        return;
    }
    /* before the new listing takes over: files compare their rows with it */
    listings->s->events->rows_changed(listings->s, s->origin, s->mirror, r->changes.paths,
                                      r->changes.count);
    take_content(s, r);
    s->is_good = s->status == 200;
    s->facts = r->facts;
    free(s->etag);
    free(s->date);
    free(s->url);
    s->etag = str_dup(r->etag);
    s->date = str_dup(r->date);
    s->url = str_dup(r->url);
    if (s->status == 200 || s->has_row) {
        s->has_row = true;
        listing_answer_keep(r);
    } else {
        listing_answer_free(r); /* that a page never existed need not be remembered */
    }
    go_idle(s);
}

static void settle_run(struct job *job)
{
    struct listing_answer *r = container_of(job, struct listing_answer, job);
    if (r->stored)
        settle_stored(r->source, r);
    else
        settle_fetched(r->source, r);
}

/* -------------------------------------------------------------------- loads */

static void load_run(struct job *job)
{
    struct listing_answer *r = container_of(job, struct listing_answer, job);
    const struct source *s = r->source;
    r->error = catalogue_get_listing(r->listings->s->catalogue, s->origin->name,
                                     source_mirror(s)->name, s->page, listing_answer_take_row, r);
    if (r->error == CATALOGUE_MISSING)
        r->error = ERROR_GONE;
    job->run = parse_run;
    lane_post(r->listings->s->compute, job);
}

static void begin_load(struct source *s)
{
    struct listing_answer *r = make_listing_answer(s);
    if (!r) {
        turns_end(s->turns, &s->turn);
        s->state = SOURCE_IDLE;
        return;
    }
    r->stored = true;
    r->job.run = load_run;
    lane_post(s->listings->s->catalogue_lane, &r->job);
}

/* The turn is the client's, so a client with many pages does not hold up others. */
void source_load(struct source *s)
{
    s->turns = s->listings->sources->loads;
    int r = turns_take(s->turns, &s->turn, s->client, LOADS_MOST);
    if (r == TURN_REFUSED)
        r = turns_take(s->turns, &s->turn, 0, LOADS_MOST); /* as background: after all clients */
    if (r == TURN_REFUSED)
        return;
    s->state = SOURCE_LOADING;
    s->asked_catalogue = true;
    if (r == TURN_NOW)
        begin_load(s);
}

/* ------------------------------------------------------------------ fetches */

/* On the transfer thread. The compute lane reads even an answer with an error: its job leads
 * back. */
static void on_done(void *context, int error, const char *detail)
{
    struct listing_answer *r = context;
    r->error = error ? error : r->body.error;
    if (r->error && r->error != ERROR_UPSTREAM_STATUS && r->error != ERROR_LOOP)
        str_copy(r->detail, sizeof(r->detail), error ? detail : error_text(r->error));
    r->job.run = parse_run;
    lane_post(r->listings->s->compute, &r->job);
}

static const struct fetch_sink sink = {listing_answer_take_head, listing_answer_take_data, on_done};

static void begin_fetch(struct source *s)
{
    struct listing_answer *r = make_listing_answer(s);
    if (!r) {
        turns_end(s->turns, &s->turn);
        s->state = SOURCE_IDLE;
        return;
    }
    auto_free char *via = mirrors_via(s->listings->s->mirrors, s->via);
    const struct listed_mirror *mirror = source_listed_mirror(s);
    bool conditional = s->is_good && s->status == 200;
    r->is_html = s->wants_html || (mirror && mirror->refuses_json);
    struct fetch_request request = {.url = s->page,
                                    .is_page = true,
                                    .from = -1,
                                    .to = -1,
                                    .accept = r->is_html ? listing_answer_html
                                                         : listing_answer_accept(source_mirror(s)),
                                    .if_none_match = conditional ? s->etag : NULL,
                                    .if_modified_since = conditional ? s->date : NULL,
                                    .via = via ? via : s->listings->s->via,
                                    .no_cache = s->is_forced,
                                    .redirects = mirror_redirects(source_mirror(s)),
                                    .max_bytes = LISTING_MAX_BYTES,
                                    .answer_ms = SOURCE_ANSWER_MS,
                                    .patience_ms = mirrors_patience_ms(source_mirror(s)),
                                    .share = (uintptr_t)s,
                                    .mirror = (uintptr_t)source_mirror(s)};
    s->fetched = r;
    s->is_silent = false;
    s->fetch_ms = clock_monotonic_ms();
    (void)fetcher_start(s->listings->s->fetcher, &request, &sink, r);
}

/* A client with too many waiting pages is refused here, and told so by the failure. */
void source_fetch(struct source *s)
{
    unsigned most = (unsigned)s->listings->s->options.connections_per_mirror;
    struct listed_mirror *mirror = source_listed_mirror(s);
    s->turns = mirror ? mirror->turns : NULL;
    int r = s->turns ? turns_take(s->turns, &s->turn, s->client, most) : TURN_REFUSED;
    if (r == TURN_REFUSED) {
        s->error = ERROR_UNREACHABLE;
        (void)snprintf(s->failure, sizeof(s->failure), "%s: too many pages wait for one client",
                       source_mirror(s)->name);
        return;
    }
    s->state = SOURCE_FETCHING;
    s->is_probe = false;
    s->fetch_ms = clock_monotonic_ms();
    if (r == TURN_NOW)
        begin_fetch(s);
}
