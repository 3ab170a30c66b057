// SPDX-License-Identifier: Apache-2.0
#include "engine/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/directory.h"
#include "engine/receipt.h"
#include "engine/suspect.h"

enum {
    KEEP_LISTING_MS = 120 * 1000, /* unused in memory; the catalogue has it */
    KEEP_SOURCE_MS = 3600 * 1000,
    KEEP_MISSING_MS = 60 * 1000, /* strangers may ask for any name */
    KEEP_CROWDED_MS = 2000,      /* beyond page_memory; who waits for others uses his every tick */
    SWEEP_MS = 5000,
    SWEEP_CROWDED_MS = 1000,
    PROBE_EVERY_MS = 1000,
    KEEP_PROBING_MS = 600 * 1000,
};

struct source {
    struct engine *engine;
    const struct origin *origin;
    unsigned mirror;
    bool is_list; /* a list of projects */
    char *page;   /* URL: the key, with origin (one generation's) and mirror in front */
    char *key;
    enum source_state state;
    bool asked_catalogue, fetch_next;
    bool fetch_alone; /* ... even if the mirror is backing off */
    bool has_row;     /* the catalogue knows the page */
    uint64_t fetch;   /* the transfer's number */
    int64_t fetch_ms; /* when it began */
    bool is_late;     /* it has had its time */
    bool is_probe;    /* nobody asked for it */
    int status;
    struct listing_ref *listing;
    size_t listing_bytes; /* of the page it was read from: about as many as it takes in memory */
    char *etag, *date, *url;
    char *via; /* of the request that asked last, or NULL */
    char body_sha256[SHA256_HEX];
    int64_t confirmed_ms, used_ms;
    int64_t life_ms; /* shorter than page_refresh, as its mirror says; or 0 */
    uint64_t version;
    int error;
    char failure[RECEIPT_DETAIL_BYTES];
    struct suspect_facts facts; /* of the last good listing */
    bool is_good;               /* there is one: it is stored, and not easily replaced */
    struct suspect suspect;
    UT_hash_handle hh;
};

struct sources {
    struct source *table;
    uint64_t last_version; /* never given twice, also when a source comes back */
    size_t bytes;          /* of listings in memory */
    int64_t swept_ms, probed_ms;
};

struct listing_ref *listing_ref_new(struct listing *listing)
{
    struct listing_ref *ref = calloc(1, sizeof(*ref));
    if (ref)
        *ref = (struct listing_ref){.refs = 1, .listing = listing};
    else
        listing_free(listing);
    return ref;
}

struct listing_ref *listing_ref_get(struct listing_ref *ref)
{
    ref->refs++;
    return ref;
}

void listing_ref_put(struct listing_ref *ref)
{
    if (!ref || --ref->refs > 0)
        return;
    listing_free(ref->listing);
    free(ref);
}

static const struct mirror *mirror_of(const struct source *s)
{
    return &s->origin->mirrors[s->mirror];
}

/* ------------------------------------------------------------------ table */

int sources_new(struct engine *e, struct sources **ret)
{
    (void)e;
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

static void source_free(struct source *s)
{
    listing_ref_put(s->listing);
    free(s->page);
    free(s->key);
    free(s->etag);
    free(s->date);
    free(s->url);
    free(s->via);
    free(s);
}

void sources_free(struct sources *sources)
{
    struct source *s, *next;
    if (!sources)
        return;
    HASH_ITER(hh, sources->table, s, next)
    {
        HASH_DEL(sources->table, s);
        source_free(s);
    }
    free(sources);
}

/* A mirror's list of projects stands where its project pages do, one level up. */
static char *page_url(const struct mirror *mirror, const char *channel, const char *project)
{
    static const char any[] = "any-project";
    char *url = mirror_page_url(mirror, channel, project ? project : any);
    char *at = url && !project ? strstr(url, any) : NULL;
    if (at)
        *at = '\0';
    return url;
}

struct listing_ref *sources_peek(struct engine *e, const struct origin *origin, unsigned mirror,
                                 const char *channel, const char *project)
{
    auto_free char *url = page_url(&origin->mirrors[mirror], channel, project);
    auto_free char *key = url ? str_printf("%p %u %s", (const void *)origin, mirror, url) : NULL;
    struct source *s = NULL;
    if (key)
        HASH_FIND_STR(e->sources->table, key, s);
    return s && s->listing ? listing_ref_get(s->listing) : NULL;
}

struct source *sources_get(struct engine *e, const struct origin *origin, unsigned mirror,
                           const char *channel, const char *project)
{
    auto_free char *url = page_url(&origin->mirrors[mirror], channel, project);
    auto_free char *key = url ? str_printf("%p %u %s", (const void *)origin, mirror, url) : NULL;
    struct source *s = NULL;
    if (!key)
        return NULL;
    HASH_FIND_STR(e->sources->table, key, s);
    if (s)
        return s;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->engine = e;
    s->origin = origin;
    s->mirror = mirror;
    s->is_list = !project && origin->mirrors[mirror].layout == LAYOUT_SIMPLE;
    s->page = url;
    s->key = key;
    url = key = NULL;
    s->confirmed_ms = INT64_MIN / 2;
    HASH_ADD_KEYPTR(hh, e->sources->table, s->key, strlen(s->key), s);
    return s;
}

void source_view(struct source *s, struct source_view *ret)
{
    s->used_ms = clock_monotonic_ms();
    if (s->origin->directory) {
        directory_view(s->engine, s->origin, ret);
        return;
    }
    *ret = (struct source_view){.state = s->state,
                                .is_late = s->is_late,
                                .status = s->status,
                                .listing = s->listing,
                                .confirmed_ms = s->confirmed_ms,
                                .is_provisional = s->life_ms > 0,
                                .version = s->version,
                                .error = s->error,
                                .failure = s->failure};
}

/* ----------------------------------------------------------------- parsing */

static struct receipt *make_receipt(struct source *s)
{
    return receipt_new(s->engine, s, mirror_of(s), s->page, s->is_list);
}

static void settle_run(struct job *job);

/* On the compute lane. */
static void parse_run(struct job *job)
{
    struct receipt *r = container_of(job, struct receipt, job);
    receipt_read(r);
    job->run = settle_run;
    core_post(r->engine, job);
}

/* ---------------------------------------------------------------- settling */

static void replace(char **to, char **from)
{
    free(*to);
    *to = *from;
    *from = NULL;
}

/* Whether the answer must not replace what is known; puts it where an administrator finds it. */
static bool is_doubtful(struct source *s, const struct receipt *r)
{
    const struct suspect_facts *good = s->is_good ? &s->facts : NULL;
    if (!suspect_holds(&s->suspect, good, &r->facts, clock_monotonic_ms()))
        return false;
    const char *name = mirror_of(s)->name;
    s->error = ERROR_BAD_LISTING;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: lists %zu where it listed %zu%s", name,
                   r->facts.count, good ? good->count : 0,
                   r->facts.is_cut ? ", and ends in the middle" : "");
    log_warning("listing doubtful url=%s %s", s->page, s->failure);
    core_problem(s->engine, "listing-shrunk", s->origin->name, s->page, "%s; %s", s->failure,
                 good ? "what was known stays" : "shown until there is better");
    return true;
}

static void set_listing(struct source *s, struct listing_ref *listing, size_t bytes)
{
    s->engine->sources->bytes += bytes - s->listing_bytes;
    s->listing_bytes = bytes;
    listing_ref_put(s->listing);
    s->listing = listing;
}

static void take_content(struct source *s, struct receipt *r)
{
    if (s->status != r->status || strcmp(s->body_sha256, r->sha256) != 0)
        s->version = ++s->engine->sources->last_version;
    memcpy(s->body_sha256, r->sha256, sizeof(s->body_sha256));
    s->status = r->status;
    set_listing(s, r->listing, r->listing ? r->body.len : 0);
    r->listing = NULL;
}

static void fail(struct source *s, int error, const char *detail, int retry_after_s)
{
    struct engine *e = s->engine;
    const char *name = mirror_of(s)->name;
    s->error = error;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: %.200s", name, detail);
    log_info("listing failed mirror=%s url=%s error=\"%s\"", name, s->page, detail);
    if (error == ERROR_LOOP) /* it is well, and only cannot help whoever it asks itself */
        return;
    budget_page_failed(e->budget, core_mirror(e, s->origin, s->mirror), detail, retry_after_s,
                       clock_monotonic_ms());
}

static void note_failure(struct source *s, const struct receipt *r)
{
    struct engine *e = s->engine;
    const char *name = mirror_of(s)->name;
    if (r->error == ERROR_STOPPING)
        return;
    if (r->error == ERROR_BAD_LISTING)
        core_problem(e, "bad-listing", s->origin->name, s->page,
                     "%s answered with a page that lists nothing", name);
    if (!s->is_late) /* else that counts already */
        fail(s, r->error, r->detail, r->retry_after_s);
}

bool source_check_late(struct source *s)
{
    int limit_ms = s->engine->options.listing_timeout_ms;
    int patience_ms = core_patience_ms(mirror_of(s));
    if (limit_ms < patience_ms)
        limit_ms = patience_ms;
    if (s->state != SOURCE_FETCHING || s->is_late || clock_monotonic_ms() - s->fetch_ms < limit_ms)
        return s->is_late;
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "not complete after %d ms", limit_ms);
    s->is_late = true;
    fail(s, ERROR_TIMEOUT, detail, -1);
    return true;
}

void source_give_up(struct source *s)
{
    if (s->state == SOURCE_FETCHING)
        fetcher_cancel(s->engine->fetcher, s->fetch);
}

static void start_fetch(struct source *s);
static void start_load(struct source *s);

/* Asks the mirror, unless it is backing off and another may answer. */
static void try_fetch(struct source *s, bool alone)
{
    struct engine *e = s->engine;
    int64_t now_ms = clock_monotonic_ms();
    size_t number = core_mirror(e, s->origin, s->mirror);
    if (alone || !budget_is_backing_off(e->budget, number, now_ms)) {
        start_fetch(s);
        return;
    }
    struct budget_view view;
    budget_view(e->budget, number, now_ms, &view);
    s->error = ERROR_UNREACHABLE;
    (void)snprintf(s->failure, sizeof(s->failure), "%s: backing off after %.160s",
                   mirror_of(s)->name, view.last_error);
}

static void go_idle(struct source *s)
{
    s->state = SOURCE_IDLE;
    s->is_late = false;
    if (s->fetch_next) {
        s->fetch_next = false;
        try_fetch(s, s->fetch_alone);
    }
    if (s->state == SOURCE_IDLE)
        pages_source_settled(s->engine);
}

static void settle_stored(struct source *s, struct receipt *r)
{
    s->has_row = r->error != ERROR_GONE;
    if (r->error == 0 && (r->status == 200 || r->status == 404)) {
        take_content(s, r);
        s->is_good = s->status == 200;
        s->facts = r->facts;
        replace(&s->etag, &r->etag);
        replace(&s->date, &r->date);
        replace(&s->url, &r->url);
        int64_t age_ms = (clock_real_s() - r->fetched_s) * 1000;
        int64_t then_ms = clock_monotonic_ms() - (age_ms > 0 ? age_ms : 0);
        if (then_ms > s->confirmed_ms)
            s->confirmed_ms = then_ms;
    } else {
        s->status = 0; /* nothing stored, or nothing usable: ask without validators */
        s->is_good = false;
    }
    bool fresh = clock_monotonic_ms() - s->confirmed_ms < s->engine->options.page_refresh_ms;
    s->fetch_next |= !fresh || s->status == 0;
    receipt_free(r);
    go_idle(s);
}

/* A parent says by a short life that its own page will have more to say. */
static void note_life(struct source *s, const struct receipt *r)
{
    int64_t life_ms = (int64_t)r->max_age_s * 1000;
    bool shorter =
        mirror_of(s)->parent && life_ms > 0 && life_ms < s->engine->options.page_refresh_ms;
    s->life_ms = shorter ? life_ms : 0;
}

static void settle_fetched(struct source *s, struct receipt *r)
{
    struct engine *e = s->engine;
    if (r->error) {
        note_failure(s, r);
        receipt_free(r);
        go_idle(s);
        return;
    }
    s->error = 0;
    s->failure[0] = '\0';
    budget_page_succeeded(e->budget, core_mirror(e, s->origin, s->mirror));
    if (r->status != 304 && is_doubtful(s, r)) {
        if (!s->is_good) /* better than nothing, and not to be kept */
            take_content(s, r);
        receipt_free(r);
        go_idle(s);
        return;
    }
    s->confirmed_ms = clock_monotonic_ms();
    note_life(s, r);
    if (r->status == 304) {
        s->suspect = (struct suspect){0};
        receipt_keep(r, s->origin->name, true);
        s->state = SOURCE_IDLE;
        if (s->status == 200 && !s->listing)
            start_load(s);
        if (s->state == SOURCE_IDLE)
            go_idle(s);
        return;
    }
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
        receipt_keep(r, s->origin->name, false);
    } else {
        receipt_free(r); /* that a page was never there need not be remembered for good */
    }
    go_idle(s);
}

static void settle_run(struct job *job)
{
    struct receipt *r = container_of(job, struct receipt, job);
    if (r->stored)
        settle_stored(r->source, r);
    else
        settle_fetched(r->source, r);
}

/* ----------------------------------------------------------------- loading */

static void load_run(struct job *job)
{
    struct receipt *r = container_of(job, struct receipt, job);
    const struct source *s = r->source;
    r->error = catalogue_get_listing(r->engine->catalogue, s->origin->name, mirror_of(s)->name,
                                     s->page, receipt_take_row, r);
    if (r->error == CATALOGUE_MISSING)
        r->error = ERROR_GONE;
    job->run = parse_run;
    lane_post(r->engine->compute, job);
}

static void start_load(struct source *s)
{
    struct receipt *r = make_receipt(s);
    if (!r)
        return;
    s->state = SOURCE_LOADING;
    s->asked_catalogue = true;
    r->stored = true;
    r->job.run = load_run;
    lane_post(s->engine->catalogue_lane, &r->job);
}

/* ---------------------------------------------------------------- fetching */

static void on_data(void *context, struct slab *slab, int64_t offset)
{
    struct receipt *r = context;
    (void)offset;
    buf_add(&r->body, slab->data, slab->len);
    slab_put(slab);
}

static void on_done(void *context, int error, const char *detail)
{
    struct receipt *r = context;
    r->error = error ? error : r->body.error;
    if (r->error && r->error != ERROR_UPSTREAM_STATUS && r->error != ERROR_LOOP)
        str_copy(r->detail, sizeof(r->detail), detail);
    r->job.run = parse_run;
    lane_post(r->engine->compute, &r->job);
}

static const struct fetch_sink sink = {receipt_take_head, on_data, on_done};

static void start_fetch(struct source *s)
{
    struct receipt *r = make_receipt(s);
    if (!r)
        return;
    auto_free char *via = core_via(s->engine, s->via);
    bool conditional = s->is_good && s->status == 200;
    struct fetch_request request = {.url = s->page,
                                    .is_page = true,
                                    .from = -1,
                                    .to = -1,
                                    .accept = receipt_accept(mirror_of(s)),
                                    .if_none_match = conditional ? s->etag : NULL,
                                    .if_modified_since = conditional ? s->date : NULL,
                                    .via = via ? via : s->engine->via,
                                    .max_bytes = LISTING_MAX_BYTES,
                                    .patience_ms = core_patience_ms(mirror_of(s)),
                                    .share = (uintptr_t)s};
    s->state = SOURCE_FETCHING;
    s->is_probe = false;
    s->fetch_ms = clock_monotonic_ms();
    s->fetch = fetcher_start(s->engine->fetcher, &request, &sink, r);
}

bool source_want(struct source *s, bool force, bool alone, const char *via)
{
    struct engine *e = s->engine;
    int64_t now_ms = clock_monotonic_ms();
    s->used_ms = now_ms;
    if (s->origin->directory) {
        struct source_view view;
        if (force)
            directory_look(e, s->origin);
        directory_view(e, s->origin, &view);
        return view.state != SOURCE_IDLE;
    }
    if (s->state == SOURCE_IDLE) { /* the chain of whoever makes it fetch */
        free(s->via);
        s->via = str_dup(via);
    }
    if (s->state != SOURCE_IDLE) {
        s->fetch_next |= force && s->state == SOURCE_LOADING;
        s->fetch_alone |= alone;
        s->is_probe = false;
        return true;
    }
    if (!s->asked_catalogue || (s->status == 200 && !s->listing)) {
        s->fetch_next = force;
        s->fetch_alone = alone;
        start_load(s);
        return s->state != SOURCE_IDLE;
    }
    int64_t refresh_ms = s->life_ms ? s->life_ms : e->options.page_refresh_ms;
    bool old = now_ms - s->confirmed_ms >= refresh_ms;
    if (s->suspect.times) /* it has just been asked, in vain */
        old = now_ms - s->suspect.last_ms >=
              (refresh_ms < SUSPECT_RETRY_MS ? refresh_ms : SUSPECT_RETRY_MS);
    if (!old && !force)
        return false;
    try_fetch(s, alone);
    return s->state != SOURCE_IDLE;
}

/* -------------------------------------------------------------------- tick */

static bool is_crowded(const struct engine *e)
{
    return e->sources->bytes > (size_t)e->options.page_memory;
}

static void sweep(struct engine *e, int64_t now_ms)
{
    struct source *s, *next;
    int64_t keep_ms = is_crowded(e) ? KEEP_CROWDED_MS : KEEP_LISTING_MS;
    HASH_ITER(hh, e->sources->table, s, next)
    {
        int64_t idle_ms = now_ms - s->used_ms;
        bool is_good = s->status == 200;
        if (s->state != SOURCE_IDLE || idle_ms < (is_good ? keep_ms : KEEP_MISSING_MS))
            continue;
        set_listing(s, NULL, 0);
        if (is_good && idle_ms < KEEP_SOURCE_MS)
            continue;
        HASH_DEL(e->sources->table, s);
        source_free(s);
    }
}

/* Asks mirrors that have failed for a page again, so that no client has to find out that they are
 * back. */
static void probe(struct engine *e, int64_t now_ms)
{
    struct source *s, *next;
    HASH_ITER(hh, e->sources->table, s, next)
    {
        if (s->is_probe && source_check_late(s))
            source_give_up(s);
        size_t number = core_mirror(e, s->origin, s->mirror);
        if (s->state != SOURCE_IDLE || !s->asked_catalogue ||
            now_ms - s->used_ms >= KEEP_PROBING_MS || !core_has_mirror(e, number) ||
            !budget_wants_probe(e->budget, number, now_ms))
            continue;
        start_fetch(s);
        s->is_probe = true;
    }
}

void sources_tick(struct engine *e, int64_t now_ms)
{
    if (now_ms - e->sources->probed_ms >= PROBE_EVERY_MS) {
        e->sources->probed_ms = now_ms;
        probe(e, now_ms);
    }
    if (now_ms - e->sources->swept_ms >= (is_crowded(e) ? SWEEP_CROWDED_MS : SWEEP_MS)) {
        e->sources->swept_ms = now_ms;
        sweep(e, now_ms);
    }
}

size_t sources_bytes(const struct engine *e)
{
    return e->sources->bytes;
}
