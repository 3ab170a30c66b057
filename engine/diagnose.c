// SPDX-License-Identifier: Apache-2.0
#include "engine/diagnose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/gzip.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/url.h"
#include "cache/catalogue.h"
#include "engine/engine_state.h"
#include "engine/files/eviction.h"
#include "engine/folders/directory.h"
#include "engine/listings/listing_answer.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

/*
 * The look at every mirror for the doctor. The caller's thread starts requests and judges answers;
 * the transfer thread reports what comes. A probe is the turn of one mirror:
 *
 *     PROBE_LISTING -> PROBE_HEAD -> PROBE_RANGE -> PROBE_DONE
 *           '--------------'--------- (nothing to go on with) --'
 *
 *     PROBE_LISTING  the page of one project; its last wheel is the file for the next two steps
 *     PROBE_HEAD     HEAD for that wheel
 *     PROBE_RANGE    GET of its first bytes, until DIAGNOSE_BYTES or DIAGNOSE_MS
 *
 * While a transfer runs, the transfer thread owns the fields below `lock`; `ended` gives them back.
 * The caller looks every LOOK_MS at the clock and at *stop. It ends all probes at limit_ms.
 */

enum { LOOK_MS = 100, RATE_LEAST_BYTES = 64 << 10, RATE_LEAST_MS = 1000 };
enum stage { PROBE_LISTING, PROBE_HEAD, PROBE_RANGE, PROBE_DONE };

struct look;

struct probe {
    struct look *look;
    struct diagnosed *to;
    const char *channel;
    enum stage stage;
    uint64_t id;
    int64_t begun_ms;
    bool is_cancelled; /* by this file: it is late, or enough has come */
    /* guarded by look->lock */
    bool ended;
    struct listing_answer *page;
    int64_t received, first_ms, last_ms;
};

struct look {
    struct engine *engine;
    const struct diagnose_options *options;
    const _Atomic bool *stop;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct probe *probes;
    size_t count;
};

/* Each stage has a step of the report; PROBE_DONE never asks for one. */
static struct diagnosed_step *step_of(struct probe *p)
{
    if (p->stage == PROBE_LISTING)
        return &p->to->listing;
    return p->stage == PROBE_HEAD ? &p->to->head : &p->to->range;
}

static void host_of(const char *text, char ret[DIAGNOSE_TEXT])
{
    struct url url;
    if (!text || url_parse(text, &url))
        return;
    str_copy(ret, DIAGNOSE_TEXT, url.host);
    url_release(&url);
}

/* ---------------------------------------------------------- transfer thread */

/* A listing's refusal is read also: its body tells what it means. */
static bool is_wanted(enum stage stage, int status)
{
    if (stage == PROBE_LISTING) /* only the body of a 403 tells whether it means 404 */
        return status == 200 || status == 403 || status == 404 || status == 410;
    return status == 200 || (stage == PROBE_RANGE && status == 206);
}

/* A cache on the way adds to Age the time since Date; some caches write a Date of their own. So
 * the smaller of two differences counts. */
static void note_clock(struct diagnosed *to, const struct fetch_head *head)
{
    int64_t fresh_s = head->date_s - clock_real_s(), kept_s = fresh_s + head->age_s;
    to->has_clock = true;
    to->skew_s = llabs(kept_s) < llabs(fresh_s) ? kept_s : fresh_s;
}

static int on_head(void *context, const struct fetch_head *head)
{
    struct probe *p = context;
    struct diagnosed_step *step = step_of(p);
    pthread_mutex_lock(&p->look->lock);
    step->status = head->status;
    host_of(head->final_url, step->host);
    if (p->stage == PROBE_LISTING) {
        p->page->status = head->status;
        p->page->url = str_dup(head->final_url);
    }
    if (head->date_s >= 0)
        note_clock(p->to, head);
    p->first_ms = p->last_ms = clock_monotonic_ms();
    pthread_mutex_unlock(&p->look->lock);
    return is_wanted(p->stage, head->status) ? 0 : ERROR_UPSTREAM_STATUS;
}

/* Bytes of a listing are collected; of a range they are only counted. */
static void on_data(void *context, struct slab *slab, int64_t offset)
{
    struct probe *p = context;
    (void)offset;
    pthread_mutex_lock(&p->look->lock);
    if (p->stage == PROBE_LISTING)
        buf_add(&p->page->body, slab->data, slab->len);
    p->received += (int64_t)slab->len;
    p->last_ms = clock_monotonic_ms();
    if (p->stage == PROBE_RANGE && p->received >= DIAGNOSE_BYTES)
        pthread_cond_signal(&p->look->change);
    pthread_mutex_unlock(&p->look->lock);
    slab_put(slab);
}

/* A status that is_wanted has refused comes back as ERROR_UPSTREAM_STATUS, and the report says
 * which. */
static void on_done(void *context, int error, const char *detail)
{
    struct probe *p = context;
    struct diagnosed_step *step = step_of(p);
    pthread_mutex_lock(&p->look->lock);
    step->error = error ? error : p->page->body.error;
    if (error == ERROR_UPSTREAM_STATUS)
        (void)snprintf(step->detail, sizeof(step->detail), "HTTP %d", step->status);
    else if (error)
        str_copy(step->detail, sizeof(step->detail), detail);
    p->ended = true;
    pthread_cond_signal(&p->look->change);
    pthread_mutex_unlock(&p->look->lock);
}

static const struct fetch_sink sink = {on_head, on_data, on_done};

/* ----------------------------------------------------------------- requests */

/* Each probe has its own share of the slabs, so a fast mirror does not take them all. */
static void start(struct probe *p, enum stage stage, const char *url)
{
    bool page = stage == PROBE_LISTING;
    struct fetch_request request = {
        .url = url,
        .head = stage == PROBE_HEAD,
        .is_page = page,
        .from = stage == PROBE_RANGE ? 1 : -1,
        .to = stage == PROBE_RANGE ? DIAGNOSE_BYTES : -1,
        .accept = page ? listing_answer_accept(p->to->mirror) : NULL,
        .via = p->look->engine->services.via,
        .redirects = mirror_redirects(p->to->mirror),
        .max_bytes = page ? LISTING_MAX_BYTES : INT64_MAX,
        .share = (uintptr_t)p,
    };
    p->stage = stage;
    p->ended = p->is_cancelled = false;
    p->received = 0;
    p->begun_ms = p->first_ms = p->last_ms = clock_monotonic_ms();
    step_of(p)->asked = true;
    p->id = fetcher_start(p->look->engine->services.fetcher, &request, &sink, p);
}

/* Takes the last wheel of the project, else the last file of the page: it is often the newest. */
static void take_files(struct diagnosed *to, const struct listing *l)
{
    bool found = false;
    for (size_t i = l->file_count; i-- > 0;) {
        const struct listed_file *f = &l->files[i];
        bool is_it = f->kind == FILE_WHEEL && strcmp(f->project, to->project) == 0;
        to->digest_count += f->digests != NULL;
        if (!to->file || (is_it && !found)) {
            free(to->file);
            to->file = f->place ? strdup(f->place) : mirror_file_url(to->mirror, f->path);
            found = is_it;
        }
    }
}

/* Reads the page as a source would. A page that has lost its links still gives a wheel to ask
 * for. */
static int judge_listing(struct probe *p)
{
    int r = gzip_unpack(&p->page->body); /* the body of a 403 is judged also */
    if (p->page->status != 200)
        return listing_answer_says_missing(p->page) ? ERROR_GONE : ERROR_UPSTREAM_STATUS;
    r = r ? ERROR_BAD_LISTING : listing_answer_parse(p->page);
    p->to->elsewhere_count = p->page->elsewhere;
    p->to->file_count = p->page->elsewhere + p->page->near;
    str_copy(p->to->elsewhere_hosts, sizeof(p->to->elsewhere_hosts), p->page->hosts);
    if (r == 0)
        take_files(p->to, p->page->listing->listing);
    return p->page->is_lost ? 0 : r; /* then p->to->elsewhere_hosts says why */
}

static void end_listing(struct probe *p)
{
    struct diagnosed_step *step = &p->to->listing;
    if (step->error == 0 || step->error == ERROR_UPSTREAM_STATUS) {
        step->error = judge_listing(p);
        if (step->status != 200)
            (void)snprintf(step->detail, sizeof(step->detail), "HTTP %d", step->status);
    }
    if (step->error == 0 && p->to->file)
        start(p, PROBE_HEAD, p->to->file);
    else
        p->stage = PROBE_DONE;
}

/* A range that was stopped because enough bytes have come is no error. Too few bytes in too
 * short a time would measure the latency, not the rate. */
static void end_range(struct probe *p)
{
    int64_t ms = p->last_ms - p->first_ms;
    if (p->is_cancelled && p->received > 0)
        p->to->range.error = 0;
    if (p->received >= RATE_LEAST_BYTES || ms >= RATE_LEAST_MS)
        p->to->rate_bytes_s = p->received * 1000 / (ms > 0 ? ms : 1);
    p->stage = PROBE_DONE;
}

/* One transfer has ended in time: the next stage begins, or the probe is done. */
static void go_on(struct probe *p)
{
    step_of(p)->took_ms = clock_monotonic_ms() - p->begun_ms;
    if (p->stage == PROBE_LISTING)
        end_listing(p);
    else if (p->stage == PROBE_HEAD)
        start(p, PROBE_RANGE, p->to->file);
    else
        end_range(p);
}

/* ------------------------------------------------------ the caller's thread */

/* Whether enough bytes have come to tell the rate. Under the lock. */
static bool has_enough(const struct probe *p, int64_t now_ms)
{
    return p->stage == PROBE_RANGE && p->received > 0 &&
           (p->received >= DIAGNOSE_BYTES || now_ms - p->first_ms >= DIAGNOSE_MS);
}

/* A probe whose transfer has ended, or has to be ended. NULL after LOOK_MS without one. */
static struct probe *next_due(struct look *look, bool late, bool *ret_ended)
{
    struct probe *due = NULL;
    pthread_mutex_lock(&look->lock);
    /* looks, sleeps up to LOOK_MS, and looks once more */
    for (int turn = 0; turn < 2 && !due; turn++) {
        if (turn)
            (void)thread_wait_until(&look->change, &look->lock, clock_monotonic_ms() + LOOK_MS);
        int64_t now_ms = clock_monotonic_ms();
        for (size_t i = 0; i < look->count && !due; i++) {
            struct probe *p = &look->probes[i];
            bool ends = p->ended || (!p->is_cancelled && (late || has_enough(p, now_ms)));
            if (p->stage != PROBE_DONE && ends)
                due = p;
        }
    }
    *ret_ended = due && due->ended;
    pthread_mutex_unlock(&look->lock);
    return due;
}

static bool is_running(const struct look *look)
{
    for (size_t i = 0; i < look->count; i++)
        if (look->probes[i].stage != PROBE_DONE)
            return true;
    return false;
}

/* The time is over. What a range has brought until then still gives a rate. */
static void end_late(struct probe *p)
{
    struct diagnosed_step *step = step_of(p);
    if (p->stage != PROBE_RANGE || !p->received) {
        step->error = ERROR_TIMEOUT;
        str_copy(step->detail, sizeof(step->detail), "not done in time");
    }
    step->took_ms = clock_monotonic_ms() - p->begun_ms;
    if (p->stage == PROBE_RANGE)
        end_range(p);
    p->stage = PROBE_DONE;
}

/* Runs until each probe is done. A probe whose transfer is late is cancelled first, and ended
 * when the transfer thread has reported that. */
static void lead(struct look *look)
{
    int64_t until_ms = clock_monotonic_ms() + look->options->limit_ms;
    while (is_running(look)) {
        bool ended, late = *look->stop || clock_monotonic_ms() >= until_ms;
        struct probe *p = next_due(look, late, &ended);
        if (p && ended && late)
            end_late(p);
        else if (p && ended)
            go_on(p);
        else if (p) {
            p->is_cancelled = true;
            fetcher_cancel(look->engine->services.fetcher, p->id);
        }
    }
}

/* ------------------------------------------------------------ start and end */

/* "" where the origin has no channels; NULL where the origin is known by patterns only. A
 * popular channel is likely to have wheels; any named one will do. */
static const char *channel_of(const struct origin *origin, const char *index)
{
    static const char popular[] = "cu126";
    if (!*origin->channels)
        return "";
    if (*index && origin_has_channel(origin, index))
        return index;
    if (origin_has_channel(origin, popular))
        return popular;
    for (char **channel = origin->channels; *channel; channel++)
        if (!strchr(*channel, '*'))
            return *channel;
    return NULL;
}

/* Names that another origin owns are not asked for at this one. */
static const char *project_of(const struct origin *origin, const char *channel, const char *project)
{
    /* a name that a pattern or a list may give to this origin is worth asking for */
    bool may = origin_owns_rest(origin) || origin->owns_listed;
    if (project && (may || origin_owns(origin, channel, project)))
        return project;
    for (char **name = origin->owns; *name; name++)
        if (!strchr(*name, '*'))
            return *name;
    return "pip";
}

/* Copies what only the flight thread may read. On the flight thread. */
static void view_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct diagnosis *x = *(struct diagnosis *const *)call->argument;
    struct engine *e = call->room;
    x->cache_dir = e->services.options.cache_dir;
    x->max_size = e->services.options.max_size;
    x->min_free = e->services.options.min_free;
    x->has_room = eviction_could_make(e->files, DIAGNOSE_BYTES, NULL);
    for (size_t i = 0; i < x->count; i++) {
        struct diagnosed *to = &x->list[i];
        unsigned number = (unsigned)(to->mirror - to->origin->mirrors);
        struct budget_view seen;
        budget_view(e->services.budget, mirrors_number(e->services.mirrors, to->origin, number),
                    clock_monotonic_ms(), &seen);
        to->is_out = seen.state == MIRROR_OUT;
        str_copy(to->last_error, sizeof(to->last_error), seen.last_error);
    }
    sem_post(&call->done);
}

/* Lives on the stack of the thread that waits. */
struct newest {
    struct job job;
    struct catalogue *catalogue;
    int64_t listed_s;
    int result;
    sem_t done;
};

static void newest_run(struct job *job)
{
    struct newest *newest = container_of(job, struct newest, job);
    newest->result = catalogue_newest_listing(newest->catalogue, &newest->listed_s);
    sem_post(&newest->done);
}

static int ask_newest(struct engine *e, int64_t *ret_listed_s)
{
    struct newest newest = {.job.run = newest_run, .catalogue = e->services.catalogue};
    sem_init(&newest.done, 0, 0);
    lane_post(e->services.catalogue_lane, &newest.job);
    while (sem_wait(&newest.done) != 0)
        continue;
    sem_destroy(&newest.done);
    *ret_listed_s = newest.listed_s;
    return newest.result;
}

/* A folder has one mirror that stands for the disk. It answers no request. */
static size_t mirrors_of(const struct look *look, const struct origin *origin)
{
    bool asks = !origin->directory && !look->engine->services.options.offline;
    return asks ? origin->mirror_count : 0;
}

static int look_at_folders(struct engine *e, const struct origins *origins, struct diagnosis *x)
{
    x->folders = calloc(origins->count + 1, sizeof(*x->folders));
    if (!x->folders)
        return ERROR_NO_MEMORY;
    for (size_t o = 0; o < origins->count; o++)
        if (origins->list[o].directory)
            directory_diagnose(e->folders, &origins->list[o], &x->folders[x->folder_count++]);
    return 0;
}

/* One probe for each mirror of each origin, in the configured order. */
static int prepare(struct look *look, const struct origins *origins, struct diagnosis *x)
{
    for (size_t o = 0; o < origins->count; o++)
        look->count += mirrors_of(look, &origins->list[o]);
    x->list = calloc(look->count + 1, sizeof(*x->list));
    look->probes = calloc(look->count + 1, sizeof(*look->probes));
    if (!x->list || !look->probes)
        return ERROR_NO_MEMORY;
    for (size_t o = 0; o < origins->count; o++)
        for (size_t m = 0; m < mirrors_of(look, &origins->list[o]); m++) {
            const struct origin *origin = &origins->list[o];
            const char *channel = channel_of(origin, look->options->index);
            struct diagnosed *to = &x->list[x->count];
            struct probe *p = &look->probes[x->count++];
            *to = (struct diagnosed){.origin = origin,
                                     .mirror = &origin->mirrors[m],
                                     .project = project_of(origin, channel, look->options->project),
                                     .rate_bytes_s = -1};
            *p = (struct probe){.look = look, .to = to, .channel = channel};
        }
    return 0;
}

static void begin(struct probe *p)
{
    struct diagnosed *to = p->to;
    if (p->channel) /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): each probe has one */
        to->page = mirror_page_url(to->mirror, p->channel, to->project);
    if (to->page)
        p->page = listing_answer_new(p->look->engine->listings, NULL, to->origin, to->mirror,
                                     to->page, false);
    if (p->page)
        start(p, PROBE_LISTING, to->page);
    else
        p->stage = PROBE_DONE;
}

/* No answer shows the password of a mirror's URL. */
static void hide_credentials(char **url)
{
    char *shown = NULL;
    if (*url && url_resolve(*url, *url, &shown))
        shown = strdup("?");
    free(*url);
    *url = shown;
}

static void look_release(struct look *look)
{
    for (size_t i = 0; look->probes && i < look->count; i++)
        if (look->probes[i].page)
            listing_answer_free(look->probes[i].page);
    free(look->probes);
    pthread_cond_destroy(&look->change);
    pthread_mutex_destroy(&look->lock);
}

void diagnosis_free(struct diagnosis *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->count; i++) {
        free(x->list[i].page);
        free(x->list[i].file);
    }
    free(x->list);
    free(x->folders);
    free(x);
}

/* The probes end before the folders are looked at: the limit is for requests alone. */
int engine_diagnose(struct engine *e, const struct diagnose_options *options,
                    const _Atomic bool *stop, struct diagnosis **ret)
{
    struct diagnosis *x = calloc(1, sizeof(*x));
    struct look look = {.engine = e, .options = options, .stop = stop};
    if (!x)
        return ERROR_NO_MEMORY;
    pthread_mutex_init(&look.lock, NULL);
    thread_condition_init(&look.change);
    const struct origins *origins = mirrors_origins(e->services.mirrors);
    x->origins = origins;
    x->is_offline = e->services.options.offline;
    int r = prepare(&look, origins, x);
    if (r == 0)
        (void)loop_call(&e->services, view_run, e, &x);
    for (size_t i = 0; r == 0 && i < x->count; i++)
        begin(&look.probes[i]);
    if (r == 0)
        lead(&look);
    if (r == 0)
        r = look_at_folders(e, origins, x);
    if (r == 0)
        r = ask_newest(e, &x->listed_s);
    look_release(&look);
    for (size_t i = 0; i < x->count; i++) {
        hide_credentials(&x->list[i].page);
        hide_credentials(&x->list[i].file);
    }
    if (r == 0 && *stop)
        r = ERROR_STOPPING;
    if (r)
        diagnosis_free(x);
    else
        *ret = x;
    return r;
}
