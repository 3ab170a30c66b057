// SPDX-License-Identifier: Apache-2.0
#include "engine/files/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/blame.h"
#include "engine/files/files_state.h"
#include "engine/files/reserve.h"
#include "engine/files/saved.h"
#include "engine/listings/link_places.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"
#include "engine/mirrors/portal_report.h"

/*
 * The way of a transfer's bytes:
 *
 *     flight thread     receive_start [-> begin_run (reader lane)] -> receive_fetch
 *     transfer thread   on_head: the facts go to the flight thread, which judges them (answer_run)
 *                       on_data: slabs are held until the verdict, then go to the writer lane
 *     writer lane       write_run: writes what is missing, and reports it (written_run)
 *     transfer thread   on_done -> writer lane, after the last write -> receive_done
 *
 * A receiver lives from receive_start to receive_done, in the list of its download. It may be begun
 * again once, when its mirror's page names another address (receive_page.c). A rejected answer
 * frees its slabs and cancels the transfer. Labels lie: the first bytes show whether a body is a
 * web page, or coded (awaits_bytes).
 */
enum { RATE_LEAST_BYTES = 1 << 20 };

/* A slab that came: held for the verdict, or on its way to the writer lane. */
struct held_slab {
    struct job job;
    struct receiver *receiver;
    struct slab *slab;
    int64_t offset;
    struct held_slab *next;
};

/* News of bytes on disk, on the way to the flight thread. */
struct written {
    struct job job;
    struct receiver *receiver;
    int64_t from, to;
    int error;
};

/* Counts what has come since the last call. A long transfer shows while it runs. */
static void count(struct receiver *t)
{
    int64_t more = t->bytes - t->counted_bytes;
    t->counted_bytes += more;
    budget_count_bytes(t->files->s->budget, t->counted_mirror, more);
    counters_add(&t->files->s->counters, COUNT_FETCHED_BYTES, more);
}

/* Bytes for an older partial are ignored: a cut has forgotten them. */
static void written_run(struct job *job)
{
    struct written *w = container_of(job, struct written, job);
    struct receiver *t = w->receiver;
    struct download *dl = t->download;
    count(t);
    if (!dl->over && t->partial == dl->partial) {
        if (w->error) {
            flight_on_disk_error(dl->flight, w->error);
        } else {
            (void)extents_add(&dl->present, w->from, w->to);
            if (dl->progress)
                progress_publish(dl->progress, w->from, w->to);
            flight_on_bytes(dl->flight, t->number, w->from, w->to);
            struct flight_view view;
            flight_view(dl->flight, &view);
            if (dl->progress)
                dl->progress->senders |= view.senders;
        }
        download_drain(dl);
        if (t->need == BUDGET_BRIEF && !t->had_turn && downloads_somebody_waits(t->files))
            downloads_retry_soon(t->files); /* the turn of this transfer may be over */
    }
    free(w);
}

static void report(struct receiver *t, int64_t from, int64_t to, int error)
{
    struct written *w = calloc(1, sizeof(*w));
    if (!w)
        abort(); /* a lost report would leave readers waiting for ever */
    *w = (struct written){.job.run = written_run, .receiver = t, .from = from, .to = to};
    w->error = error;
    loop_post(t->files->s, &w->job);
}

/* On the writer lane. Another transfer may have written some of these bytes: only the missing ones
 * are written. */
static void write_run(struct job *job)
{
    struct held_slab *h = container_of(job, struct held_slab, job);
    struct receiver *t = h->receiver;
    int64_t end = h->offset + (int64_t)h->slab->len;
    struct extent run;
    for (int64_t at = h->offset; partial_claim(t->partial, at, end, &run); at = run.to) {
        int r = file_write_at(t->partial->fd, h->slab->data + (run.from - h->offset),
                              (size_t)(run.to - run.from), run.from);
        if (r == 0)
            saved_mark(t->partial, run.from, run.to, t->mirror);
        report(t, run.from, run.to, r);
    }
    slab_put(h->slab);
    free(h);
}

/* -------------------------------------------------------- transfer thread */

static bool sends(int status)
{
    return status == 200 || status == 206;
}

/* The answer goes to the flight thread, for its verdict. */
static void post_answer(struct receiver *t)
{
    t->awaits_bytes = false;
    t->answered = true;
    loop_post(t->files->s, &t->answer);
}

/* A HEAD, or an answer without suspicious labels, is judged at once. Otherwise the first bytes are
 * needed. */
static int on_head(void *context, const struct fetch_head *head)
{
    struct receiver *t = context;
    t->head_ms = clock_monotonic_ms();
    t->facts = (struct flight_answer){.status = head->status,
                                      .total = head->total,
                                      .from = head->from,
                                      .is_framed = head->is_framed,
                                      .ranges = head->ranges};
    t->etag = str_dup(head->etag);
    t->date = str_dup(head->last_modified);
    t->retry_after_s = head->retry_after_s;
    t->is_web_page = portal_is_web_page(head->content_type);
    if (t->is_web_page)
        t->stranger = portal_stranger(mirrors_origins(t->files->s->mirrors), head->final_url);
    t->is_labelled = head->is_labelled && !t->is_gzip;
    t->awaits_bytes = sends(head->status) && (t->is_labelled || t->is_web_page);
    if (t->head && sends(head->status) && t->is_labelled)
        t->facts.total = -1; /* it may be the length of the coded body */
    if (t->head || !t->awaits_bytes)
        post_answer(t);
    return 0;
}

/* A label alone proves nothing. But labelled bytes that begin as gzip does, under a name that does
 * not end so, were coded on the way. They are not the file's bytes, and their length is not its
 * length. */
static bool is_coded(const struct slab *slab, int64_t offset)
{
    return offset == 0 && slab->len >= 2 && slab->data[0] == 0x1f && slab->data[1] == 0x8b;
}

/* A body that is labelled as a web page, and is one, is not the file. Its first bytes go to
 * blame.c, which compares them with other pages to recognise a captive portal. */
static bool is_page(struct receiver *t, const struct slab *slab, int64_t offset)
{
    return t->is_web_page && offset == 0 &&
           portal_begins_page(slab->data, slab->len, t->page_sha256);
}

/* Whether the bytes are to be taken. The first of them decide about the answer. */
static bool takes(struct receiver *t, const struct slab *slab, int64_t offset)
{
    if (t->awaits_bytes) {
        t->is_page = is_page(t, slab, offset);
        t->is_coded = !t->is_page && t->is_labelled && is_coded(slab, offset);
        if (t->is_page || t->is_coded)
            fetcher_cancel(t->files->s->fetcher, t->fetch);
        else
            post_answer(t);
    }
    t->awaits_bytes = false;
    return !t->is_coded && !t->is_page;
}

/* Called for each slab. Without a verdict yet, slabs are held; the pool's size bounds how many. */
static void on_data(void *context, struct slab *slab, int64_t offset)
{
    struct receiver *t = context;
    struct held_slab *h = takes(t, slab, offset) ? calloc(1, sizeof(*h)) : NULL;
    if (!h || !t->partial) {
        slab_put(slab);
        free(h);
        return;
    }
    *h = (struct held_slab){.job.run = write_run, .receiver = t, .slab = slab, .offset = offset};
    t->bytes += (int64_t)slab->len;
    int64_t end = offset + (int64_t)slab->len;
    pthread_mutex_lock(&t->lock);
    enum verdict verdict = t->verdict;
    if (verdict == VERDICT_NONE) {
        *t->held_last = h;
        t->held_last = &h->next;
    } else if (verdict == VERDICT_ACCEPTED) {
        lane_post(t->partial->writer, &h->job);
    }
    pthread_mutex_unlock(&t->lock);
    if (verdict == VERDICT_REJECTED) {
        slab_put(slab);
        free(h);
    }
    if (end >= t->limit) /* the flight thread gets these bytes, and stops the transfer also */
        fetcher_cancel(t->files->s->fetcher, t->fetch);
}

/* On the writer lane, so after the last write. */
static void done_behind_writes(struct job *job)
{
    struct receiver *t = container_of(job, struct receiver, done);
    job->run = receive_done;
    loop_post(t->files->s, job);
}

static void post_done(struct receiver *t)
{
    t->done.run = done_behind_writes;
    if (t->partial)
        lane_post(t->partial->writer, &t->done);
    else
        done_behind_writes(&t->done);
}

/* When the verdict is still open, `pronounce` posts the end instead. */
static void on_done(void *context, int error, const char *detail)
{
    struct receiver *t = context;
    t->error = t->is_coded || t->is_page ? ERROR_UPSTREAM_BROKEN : error;
    t->detail = strdup(t->is_coded ? "a coded body" : detail);
    if (t->awaits_bytes && !error)
        post_answer(t);
    pthread_mutex_lock(&t->lock);
    t->ended = true;
    bool post = !t->answered || t->verdict != VERDICT_NONE;
    pthread_mutex_unlock(&t->lock);
    if (post)
        post_done(t);
}

static const struct fetch_sink sink = {on_head, on_data, on_done};

/* ---------------------------------------------------------- flight thread */

/* `origin` is the download's: after a reload its mirrors still have the old numbers. */
static const struct mirror *mirror_of(const struct receiver *t, const struct origin *origin)
{
    return &origin->mirrors[t->mirror];
}

/* Unknown validators are never the same. */
static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Whether the answer is of the same version as the present bytes. */
static bool has_same_validator(const struct download *dl, const struct receiver *t)
{
    if (!dl->has_validator)
        return true;
    if (dl->validator_etag && str_starts(dl->validator_etag, "\""))
        return is_same(dl->validator_etag, t->etag);
    return dl->validator_mirror == t->mirror && is_same(dl->validator_date, t->date);
}

/* The name that the mirror gives to its version; or NULL. */
static const char *validator_of(const struct receiver *t)
{
    return t->etag ? t->etag : t->date;
}

/* The bytes that come now are of this version. Later answers are held to it. */
static void keep_base(struct download *dl, const struct receiver *t)
{
    free(dl->validator_etag);
    free(dl->validator_date);
    dl->has_validator = true;
    dl->validator_mirror = t->mirror;
    dl->validator_etag = str_dup(t->etag);
    dl->validator_date = str_dup(t->date);
    saved_rebase(dl);
}

/* A status that this mirror uses for "not here" counts as 404. */
static int plain_status(const struct mirror *mirror, int status)
{
    for (const int *m = mirror->missing; m && *m; m++)
        if (*m == status)
            return 404;
    return status;
}

/* What the flight is not asked: it knows neither labels, nor pages, nor earlier copies. Then the
 * flight judges. */
static int judge(struct receiver *t)
{
    struct download *dl = t->download;
    if (dl->over || t->stopped)
        return ERROR_STOPPING;
    t->facts.status = plain_status(mirror_of(t, dl->origin), t->facts.status);
    if (sends(t->facts.status) && is_same(dl->wrong_under[t->mirror], validator_of(t))) {
        t->was_wrong = true;
        flight_on_still_wrong(dl->flight, t->mirror);
        return ERROR_UPSTREAM_BROKEN;
    }
    if (receive_asks_page(t))
        return ERROR_STOPPING;
    if (t->head && t->is_web_page && sends(t->facts.status)) {
        t->facts.status = 405; /* the first byte, asked for next, shows what it is */
        return ERROR_UPSTREAM_STATUS;
    }
    t->facts.same_validator = has_same_validator(dl, t);
    t->facts.has_strong = t->etag && str_starts(t->etag, "\"");
    if (t->facts.status == 200 && t->facts.total == 0 && !claim_set_counts(dl->claims)) {
        /* No wheel is empty, nor is METADATA. Some mirrors answer HEAD so, and mean nothing. */
        t->says_empty = true;
        t->facts.status = t->head ? 405 : 200;
        return t->head ? ERROR_UPSTREAM_STATUS : ERROR_UPSTREAM_BROKEN;
    }
    int r = flight_on_answer(dl->flight, t->number, &t->facts);
    if (r)
        return r;
    if (!t->is_web_page)
        portal_report_gone(t->files->s);
    if (!dl->name_validator)
        dl->name_validator = str_dup(validator_of(t));
    if (!t->head) {
        free(dl->sent_under[t->mirror]);
        dl->sent_under[t->mirror] = str_dup(validator_of(t));
        dl->web_pages &= ~(1u << t->mirror);
        dl->web_pages |= t->is_web_page ? 1u << t->mirror : 0;
        free(dl->stranger[t->mirror]);
        dl->stranger[t->mirror] = str_dup(t->stranger);
    }
    if (!t->head && (!dl->has_validator || !t->facts.same_validator))
        keep_base(dl, t);
    if (dl->progress) /* the mirror is named before its first byte comes */
        dl->progress->senders |= 1u << t->mirror;
    return 0;
}

/* The verdict: held slabs are written, or freed. Slabs that come later follow it. */
static void pronounce(struct receiver *t, enum verdict verdict)
{
    struct held_slab *list = NULL;
    pthread_mutex_lock(&t->lock);
    t->verdict = verdict;
    bool post = t->ended;
    for (struct held_slab *h = t->held, *next; h; h = next) {
        next = h->next;
        if (verdict == VERDICT_ACCEPTED) {
            lane_post(t->partial->writer, &h->job);
        } else {
            h->next = list;
            list = h;
        }
    }
    t->held = NULL;
    t->held_last = &t->held;
    pthread_mutex_unlock(&t->lock);
    while (list) {
        struct held_slab *h = list;
        list = h->next;
        slab_put(h->slab);
        free(h);
    }
    if (post)
        post_done(t);
}

/* On the flight thread: the verdict on an answer, and what follows from it. */
static void answer_run(struct job *job)
{
    struct receiver *t = container_of(job, struct receiver, answer);
    int r = judge(t);
    t->verdict_error = r;
    if (r)
        fetcher_cancel(t->files->s->fetcher, t->fetch);
    pronounce(t, r ? VERDICT_REJECTED : VERDICT_ACCEPTED);
    download_drain(t->download);
    saved_begin(t->download);
}

/* What the end says about the mirror's health. Not every failure is the mirror's. */
static void account(struct receiver *t, int error, const char *detail)
{
    struct budget *budget = t->files->s->budget;
    size_t mirror = t->counted_mirror;
    int64_t now_ms = clock_monotonic_ms();
    budget_end(budget, mirror, t->need);
    count(t);
    if (t->head_ms)
        budget_count_answer(budget, mirror, t->head_ms - t->started_ms);
    if (t->yielded && t->bytes >= RATE_LEAST_BYTES) /* so fast it was while it ran */
        budget_succeeded(budget, mirror, t->bytes, now_ms - t->started_ms, now_ms);
    if (error == ERROR_STOPPING || error == ERROR_NO_MEMORY) /* not the mirror's fault */
        return;
    if (error == ERROR_FORBIDDEN_ADDRESS)
        budget_remark(budget, mirror, detail);
    if (t->is_page || error == ERROR_FORBIDDEN_ADDRESS) /* nor is a captive portal */
        return;
    if (error == 0 || error == ERROR_GONE)
        budget_succeeded(budget, mirror, t->bytes, now_ms - t->started_ms, now_ms);
    else if (t->head && t->facts.status >= 400 && t->facts.status < 500)
        return; /* some mirrors refuse HEAD, but serve the file */
    else if (t->facts.status == 416 && t->from == 0 && t->to >= 0)
        return; /* every mirror refuses a range of an empty file */
    else if (!t->verdict_error || error == ERROR_UPSTREAM_STATUS)
        budget_failed(budget, mirror, detail, t->retry_after_s, now_ms);
}

/* Why the flight, or the daemon before it, refused the answer: for the log and the client. */
static const char *verdict_text(const struct receiver *t)
{
    if (t->says_empty)
        return "an empty body";
    if (t->was_wrong)
        return t->download->why_refused;
    return t->verdict_error == ERROR_UPSTREAM_BROKEN
               ? "another file than the first answer's, or no range"
               : "";
}

/* With the last job of the transfer. Slabs that still wait go back to the pool. */
static void receive_free(struct receiver *t)
{
    for (struct held_slab *h = t->held, *next; h; h = next) { /* no answer came to judge them by */
        next = h->next;
        slab_put(h->slab);
        free(h);
    }
    partial_unref(t->partial);
    pthread_mutex_destroy(&t->lock);
    free(t->etag);
    free(t->date);
    free(t->detail);
    free(t->stranger);
    free(t->url);
    free(t);
}

/* Repeated lines are counted instead of written: a broken mirror fails often. */
static void log_failure(const struct download *dl, const struct receiver *t, const char *what)
{
    log_repeated(LOG_LEVEL_INFO, "transfer failed mirror=%s path=%s/%s error=\"%s\"",
                 mirror_of(t, dl->origin)->name, dl->origin->name, dl->path, what);
}

/* The detail names the mirror, because a client may read it after several mirrors have failed. */
static void tell_flight(struct download *dl, struct receiver *t, int error, const char *what)
{
    auto_free char *detail = str_printf("%s: %s", mirror_of(t, dl->origin)->name, what);
    if (error && error != ERROR_STOPPING)
        log_failure(dl, t, what);
    flight_on_ended(dl->flight, t->number, error, t->facts.status, detail ? detail : what);
}

/* The end of a transfer: the budget, the log and the flight hear how it went. */
void receive_done(struct job *job)
{
    struct receiver *t = container_of(job, struct receiver, done);
    struct files *files = t->files;
    struct download *dl = t->download;
    if (receive_awaits_page(t))
        return;
    int error = t->verdict_error ? t->verdict_error : t->error;
    const char *what = t->detail ? t->detail : error_text(error);
    char status[FLIGHT_DETAIL];
    if (t->is_page) {
        blame_web_page(dl, t->mirror, t->facts.total, t->page_sha256, t->stranger);
        what = "a web page came instead of the file";
    } else if (!t->says_empty &&
               (t->verdict_error == ERROR_GONE || t->verdict_error == ERROR_UPSTREAM_STATUS ||
                t->verdict_error == ERROR_LOOP)) {
        (void)snprintf(status, sizeof(status), "HTTP %d", t->facts.status);
        if (t->verdict_error != ERROR_LOOP)
            links_add_trouble(files->listings, dl->origin, t->mirror, dl->path, status,
                              sizeof(status));
        what = status;
    } else if (t->verdict_error) {
        what = verdict_text(t);
    }
    account(t, error, what);
    LL_DELETE(dl->receivers, t);
    if (!t->stopped && !dl->over)
        tell_flight(dl, t, error, what);
    download_drain(dl);
    download_unref(dl);
    receive_free(t);
    downloads_retry_asks(files);
}

/* ------------------------------------------------------------------ begin */

/* The address is looked up each time, because a page may have named another one. */
void receive_fetch(struct receiver *t)
{
    struct download *dl = t->download;
    const struct origin *origin = dl->origin;
    free(t->url);
    t->url = links_file_url(t->files->listings, origin, t->mirror, dl->path);
    auto_free char *via = mirrors_via(t->files->s->mirrors, dl->via);
    struct fetch_request request = {.url = t->url ? t->url : "",
                                    .head = t->head,
                                    .from = t->from > 0 || t->to >= 0 ? t->from : -1,
                                    .to = t->to >= 0 ? t->to - 1 : -1,
                                    .via = via,
                                    .max_bytes = INT64_MAX,
                                    .redirects = mirror_redirects(mirror_of(t, origin)),
                                    .patience_ms = mirrors_patience_ms(mirror_of(t, origin)),
                                    .share = (uintptr_t)dl,
                                    .mirror = (uintptr_t)mirror_of(t, origin)};
    if (t->resume && dl->validator_etag && dl->validator_mirror == t->mirror &&
        str_starts(dl->validator_etag, "\""))
        request.if_range = dl->validator_etag;
    t->is_gzip = str_ends(dl->path, "gz");
    t->started_ms = clock_monotonic_ms();
    t->fetch = fetcher_start(t->files->s->fetcher, &request, &sink, t);
}

/* The making of a partial: the first transfer of a download waits for it. */
struct begin_partial {
    struct job job;
    struct receiver *receiver;
    int error, fd;
    char *name;
};

/* The partial is made, or the disk failed. */
static void begun_run(struct job *job)
{
    struct begin_partial *b = container_of(job, struct begin_partial, job);
    struct receiver *t = b->receiver;
    struct download *dl = t->download;
    struct files *files = t->files;
    if (b->error == 0 && !dl->over && !dl->partial) {
        b->error = partial_new(b->fd, b->name, dl->writer, files->s->cleaner, &dl->partial);
        b->fd = -1;
        b->name = NULL;
        if (b->error == 0 && dl->progress)
            dl->progress->partial = partial_ref(dl->partial);
    }
    if (!dl->over)
        reserve_begin(dl);
    if (b->fd >= 0) { /* another transfer was faster, or the download is over */
        (void)close(b->fd);
        download_discard(files, b->name);
    }
    int error = b->error;
    free(b);
    if (error && !dl->over) {
        flight_on_disk_error(dl->flight, error);
        download_drain(dl);
    }
    if (dl->over || t->stopped || error) {
        t->error = ERROR_STOPPING;
        receive_done(&t->done);
        return;
    }
    t->partial = partial_ref(t->download->partial);
    receive_fetch(t);
}

static void begin_run(struct job *job)
{
    struct begin_partial *b = container_of(job, struct begin_partial, job);
    b->error = store_begin(b->receiver->files->s->store, &b->name, &b->fd);
    job->run = begun_run;
    loop_post(b->receiver->files->s, job);
}

/* A transfer that begins again starts without any facts of its first answer. */
void receive_reset(struct receiver *t)
{
    t->answer.run = answer_run;
    t->done.run = done_behind_writes;
    t->held_last = &t->held;
    t->retry_after_s = -1;
    t->head_ms = 0;
    t->verdict = VERDICT_NONE;
    t->verdict_error = t->error = 0;
    t->answered = t->ended = t->is_coded = t->is_page = false;
}

/* The first transfer of a download makes its partial before it begins. */
void receive_start(struct download *dl, const struct flight_command *c)
{
    struct receiver *t = calloc(1, sizeof(*t));
    struct begin_partial *b = calloc(1, sizeof(*b));
    if (!t || !b)
        abort(); /* as in report() */
    struct files *files = dl->files;
    pthread_mutex_init(&t->lock, NULL);
    t->download = dl;
    t->files = files;
    t->number = c->transfer;
    t->mirror = c->mirror;
    t->counted_mirror = mirrors_number(files->s->mirrors, dl->origin, c->mirror);
    t->head = c->head;
    t->from = c->from;
    t->to = c->to;
    t->resume = c->resume;
    t->limit = INT64_MAX;
    t->started_ms = clock_monotonic_ms();
    receive_reset(t);
    t->need = c->head || !download_is_counted(dl) ? BUDGET_FREE
              : dl->brief[c->slot]                ? BUDGET_BRIEF
                                                  : BUDGET_BULK;
    t->rank = dl->rank[c->slot];
    budget_begin(files->s->budget, t->counted_mirror, t->need);
    LL_PREPEND(dl->receivers, t);
    download_ref(dl);
    if (t->head || dl->partial || dl->facts_only) {
        t->partial = dl->partial ? partial_ref(dl->partial) : NULL;
        free(b);
        receive_fetch(t);
        return;
    }
    *b = (struct begin_partial){.job.run = begin_run, .receiver = t, .fd = -1};
    lane_post(files->s->reader, &b->job);
}

static void stop_one(struct receiver *t)
{
    t->stopped = true;
    if (t->fetch)
        fetcher_cancel(t->files->s->fetcher, t->fetch);
    receive_stop_waiting(t);
}

/* The mirror lost a race. The log says why, because a stop alone would not. */
static void note_outrun(struct download *dl, const struct receiver *t,
                        const struct flight_command *c)
{
    log_failure(dl, t, c->detail);
    budget_outrun(dl->files->s->budget, t->counted_mirror, c->detail, c->rate,
                  clock_monotonic_ms());
}

/* Its bytes that are under way still count; receive_done comes later, as for any other end. */
void receive_stop(struct download *dl, const struct flight_command *c)
{
    for (struct receiver *t = dl->receivers; t; t = t->next) {
        if (t->number != c->transfer)
            continue;
        if (c->error)
            note_outrun(dl, t, c);
        stop_one(t);
    }
}

/* The transfer thread reads the limit with each slab, so no job is needed. */
void receive_limit(struct download *dl, uint64_t number, int64_t to)
{
    for (struct receiver *t = dl->receivers; t; t = t->next)
        if (t->number == number)
            t->limit = to;
}

/* Their ends come later; each holds a reference to the download. */
void receive_stop_all(struct download *dl)
{
    for (struct receiver *t = dl->receivers; t; t = t->next)
        stop_one(t);
}
