// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/blame.h"
#include "engine/files/claim_answer.h"
#include "engine/files/file.h"
#include "engine/files/flying.h"
#include "engine/files/kept_check.h"
#include "engine/files/pass.h"
#include "engine/files/saved.h"
#include "engine/listings/link_places.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"

/*
 * Opening a file: a blob that we hold is opened on a disk lane; for anything else the catalogue is
 * asked what is known (ETag, digest, blame), and a flight begins with that.
 */

enum {
    SWEEP_MS = 1000,          /* how often departed clients are looked for */
    FAILED_MS = 1000,         /* how long a failure is the answer for newcomers, too */
    BLAME_S = 30 * 24 * 3600, /* how long who sent wrong bytes of a file is asked for it last */
    FLIGHTS_MOST = 512, /* beyond, those that nobody reads are forgotten: each holds a descriptor */
};

/* ------------------------------------------------------ looking it up */

struct lookup {
    struct job job;
    struct flying *flying;
    char *origin, *path;
    char *file;        /* the path, of `.metadata` its wheel's */
    struct blob *blob; /* of a file we hold */
    char *leftover;    /* name of a partial of this file, or NULL */
    struct leftover found;
    bool is_found, is_renewal;
    int error;
    const struct origin *mirrors;
    /* what the catalogue says: */
    char sha256[SHA256_HEX]; /* of the blob */
    int64_t size, now_s;
    char *etag;
    struct claim_set *claims;
    uint64_t claims_version;
    unsigned blamed;
    char *places[FLIGHT_MIRRORS]; /* where the mirrors have it, when that is not by its path */
};

static int on_file_row(void *context, const struct catalogue_file *file)
{
    struct lookup *l = context;
    bool is_gone = file->blob && !file->authoritative; /* or about to be: see drop_blob */
    if (!file->etag || is_gone) /* nobody knows whether the bytes that come next are the same */
        return 0;
    l->size = file->size;
    l->etag = str_dup(file->etag);
    return 0;
}

static int on_blame_row(void *context, const char *origin, const char *path, const char *mirror,
                        const char *validator, int64_t when_s)
{
    struct lookup *l = context;
    (void)validator;
    if (l->now_s - when_s > BLAME_S || strcmp(origin, l->origin) != 0 || strcmp(path, l->path) != 0)
        return 0;
    for (unsigned m = 0; m < l->mirrors->mirror_count; m++)
        if (strcmp(l->mirrors->mirrors[m].name, mirror) == 0)
            l->blamed |= 1u << m;
    return 0;
}

static int on_place_row(void *context, const struct catalogue_place *place)
{
    struct lookup *l = context;
    for (unsigned m = 0; m < l->mirrors->mirror_count; m++)
        if (!l->places[m] && strcmp(l->mirrors->mirrors[m].name, place->mirror) == 0)
            l->places[m] = str_dup(place->url);
    return 0;
}

static void remember_places(const struct lookup *l)
{
    for (unsigned m = 0; m < l->mirrors->mirror_count && m < FLIGHT_MIRRORS; m++)
        if (l->places[m])
            links_remember(l->flying->engine, l->origin, l->mirrors->mirrors[m].name, l->file,
                           l->places[m]);
}

static void begin_flight(struct lookup *l)
{
    remember_places(l);
    struct flying *fl = l->flying;
    fl->row_size = l->size;
    fl->row_etag = l->etag;
    l->etag = NULL;
    fl->blamed = l->blamed;
    flying_set_claims(fl, l->claims, l->claims_version);
    if (fl->learned) /* a page spoke meanwhile */
        flying_take_learned(fl);
    flying_forget_old_promise(fl);
    size_t present_count = 0;
    auto_free struct flight_run *present =
        l->is_found ? leftover_take(fl, &l->found, &present_count) : NULL;
    l->is_found = false;
    fl->parked_s = clock_real_s(); /* it may be born so */
    fl->parked_after = ++fl->engine->files->uses;
    /* Without a digest nobody is told of old bytes before a mirror has said that they are of the
     * file of today. */
    bool vouched = claim_set_counts(fl->claims) || (fl->learned && fl->learned[0]);
    bool known = fl->row_etag && fl->row_size >= 0 && (!present || vouched);
    struct flight_options options = {.mirrors = (unsigned)fl->origin->mirror_count,
                                     .size = fl->row_size,
                                     .is_known = known,
                                     .now_ms = clock_monotonic_ms(),
                                     .connections =
                                         (unsigned)fl->engine->options.connections_per_file,
                                     .is_vouched = vouched,
                                     .present = present,
                                     .present_count = present_count};
    blame_recall(fl, &options);
    if (flight_new(&options, &fl->flight))
        abort(); /* without it nobody would ever answer the readers */
    if (known) {
        flying_know_from_row(fl);
    } else {
        /* Without room for anything the bytes will pass by: only the facts are asked for here. */
        int64_t free_bytes = store_free_bytes(fl->engine->store);
        fl->facts_only = files_disk_fails(fl->engine) ||
                         (free_bytes >= 0 && free_bytes < fl->engine->options.min_free);
        flying_add_interest(fl, fl->interest);
    }
    fl->engine->events->file_begun(fl->engine, fl->origin, fl->path, vouched);
    flying_drain(fl);
}

static void lookup_free(struct lookup *l)
{
    blob_unref(l->blob);
    claim_set_unref(l->claims);
    flying_unref(l->flying);
    free(l->origin);
    free(l->path);
    free(l->file);
    free(l->etag);
    free(l->leftover);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        free(l->places[m]);
    if (l->is_found)
        leftover_release(&l->found);
    free(l);
}

static void lookup_done(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    if (!l->flying->over)
        begin_flight(l);
    lookup_free(l);
}

static void lookup_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    struct engine *e = l->flying->engine;
    l->size = -1;
    l->now_s = clock_real_s();
    if (!l->is_renewal) /* what was told is told of the old bytes */
        (void)catalogue_get_file(e->catalogue, l->origin, l->path, on_file_row, l);
    l->claims = claim_set_load(e->catalogue, l->flying->origin, l->path);
    (void)catalogue_each_blame(e->catalogue, on_blame_row, l);
    (void)catalogue_each_place(e->catalogue, l->origin, l->file, on_place_row, l);
    l->is_found = l->leftover && saved_open(e, l->leftover, &l->found) == 0;
    if (l->leftover && !l->is_found)
        store_discard(e->store, l->leftover);
    job->run = lookup_done;
    core_post(e, job);
}

/* On the lane that wrote a leftover: what an earlier flight had under way is on the disk. */
static void behind_writes_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    job->run = lookup_run;
    lane_post(l->flying->engine->catalogue_lane, job);
}

/* The blob's row without its file: it has to be fetched again. */
static void blob_is_missing(struct lookup *l)
{
    struct flying *fl = l->flying;
    log_warning("blob is gone path=%s/%s sha256=%s", l->origin, l->path, fl->entry->sha256);
    core_problem(fl->engine, "blob-missing", l->origin, l->path, "%s is not in the cache any more",
                 fl->entry->sha256);
    space_drop(fl->engine, fl->entry->sha256);
    fl->engine->events->file_gone(fl->engine, fl->entry);
    fl->entry->sha256[0] = '\0';
    l->job.run = lookup_run;
    lane_post(fl->engine->catalogue_lane, &l->job);
}

static void end_without_flight(struct flying *fl)
{
    if (flight_new(&(struct flight_options){.mirrors = 0, .size = -1}, &fl->flight))
        abort();
    flight_on_stop(fl->flight);
}

/* No descriptor, no memory: the blob is there all the same. */
static void cannot_open(struct flying *fl, int error)
{
    log_error("cannot open blob path=%s/%s error=\"%s\"", fl->origin->name, fl->path,
              error_text(error));
    struct board *board = fl->board;
    fl->board = NULL;
    board->flying = NULL;
    board_close(board, BOARD_CLOSED, OUTCOME_BROKEN, error_text(error));
    board_unref(board);
    files_note_failure(fl->engine, fl->entry);
    end_without_flight(fl);
    flying_drain(fl);
}

static void hand_over(struct flying *fl, struct lookup *l)
{
    struct board *board = fl->board;
    fl->board = NULL;
    files_set_blob(fl->engine, fl->entry, l->blob);
    l->blob = NULL;
    board->flying = NULL;
    board_close(board, BOARD_ASK_AGAIN, OUTCOME_OK, "");
    board_unref(board);
    end_without_flight(fl);
    flying_drain(fl);
    blobs_close_idle(fl->engine);
}

/* Gone, not what it was, or refuted while it was opened. */
static bool is_lost(const struct lookup *l)
{
    const struct entry *entry = l->flying->entry;
    return l->error == STORE_MISSING || l->error == ERROR_CORRUPT || !entry->sha256[0] ||
           (l->blob && l->blob->size != entry->size);
}

/* It was opened, compared, or found to be wrong: the end of opening. */
static void settle_opened(struct lookup *l)
{
    struct flying *fl = l->flying;
    if (!fl->over && is_lost(l)) {
        blob_is_missing(l);
        return;
    }
    if (!fl->over && l->error)
        cannot_open(fl, l->error);
    else if (!fl->over)
        hand_over(fl, l);
    lookup_free(l);
}

/* What was kept without a claim, or under another, is fetched again when it is not what is claimed
 * now. */
static void refute_kept(struct lookup *l, const struct claim_set *set)
{
    struct flying *fl = l->flying;
    char expected[256];
    claim_set_describe(set, expected, sizeof(expected));
    blob_unref(l->blob);
    l->blob = NULL;
    files_refute(fl->engine, fl->entry, expected);
    l->job.run = lookup_run;
    lane_post(fl->engine->catalogue_lane, &l->job);
}

static void compared(void *context, int error, enum claims_verdict verdict,
                     const struct claim_set *set)
{
    struct lookup *l = context;
    struct flying *fl = l->flying;
    bool is_held = !fl->over && !is_lost(l);
    l->error = error;
    if (is_held && error == 0 && verdict == CLAIMS_REFUSE) {
        refute_kept(l, set);
        return;
    }
    if (is_held && error == 0)
        files_set_authority(fl->engine, fl->entry, verdict == CLAIMS_AGREE);
    settle_opened(l);
}

/* No claim has agreed so far with what is kept: it is compared with what is claimed now. */
static bool begin_comparing(struct lookup *l)
{
    struct flying *fl = l->flying;
    return !fl->over && !l->error && !is_lost(l) && !fl->entry->authoritative &&
           kept_check_start(fl->engine, fl->origin, fl->entry, l->blob, compared, l);
}

static void opened_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    if (!begin_comparing(l))
        settle_opened(l);
}

static void open_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    l->error = blob_open(l->flying->engine, l->sha256, &l->blob);
    job->run = opened_run;
    core_post(l->flying->engine, job);
}

static struct lookup *lookup_new(struct flying *fl)
{
    struct lookup *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->flying = fl;
    l->mirrors = fl->origin;
    l->claims_version = fl->engine->claims_version;
    l->origin = strdup(fl->origin->name);
    l->path = strdup(fl->path);
    l->file = links_file_of(fl->path);
    if (!l->origin || !l->path || !l->file)
        abort();
    flying_ref(fl);
    return l;
}

/* The one with the least to do, in turns: another file's slow disk is not ours to wait for. */
static struct lane *choose_writer(struct engine *e)
{
    unsigned turn = e->files->writer_turn++;
    struct lane *best = e->writers[turn % WRITER_LANES];
    for (unsigned i = 1; i < WRITER_LANES; i++) {
        struct lane *other = e->writers[(turn + i) % WRITER_LANES];
        if (lane_depth(other) < lane_depth(best))
            best = other;
    }
    return best;
}

void flights_open(struct engine *e, struct entry *entry, enum file_use use, const char *via,
                  bool refresh)
{
    struct flying *fl = calloc(1, sizeof(*fl));
    if (!fl || !(fl->path = strdup(entry->path)))
        abort();
    fl->engine = e;
    fl->entry = entry;
    fl->origin = entry->board->origin; /* of whoever asked: after a reload, the new one */
    fl->refs = 1;
    fl->writer = choose_writer(e);
    fl->interest = use;
    fl->via = str_dup(via);
    fl->refresh = refresh;
    fl->board = board_ref(entry->board);
    fl->board->flying = fl;
    entry->flying = fl;
    fl->next = e->files->flying;
    if (fl->next)
        fl->next->prev = fl;
    e->files->flying = fl;

    struct lookup *l = lookup_new(fl);
    if (entry->sha256[0]) {
        memcpy(l->sha256, entry->sha256, sizeof(l->sha256));
        l->job.run = open_run;
        lane_post(e->reader, &l->job);
    } else {
        l->is_renewal = entry->is_renewal;
        l->leftover = entry->leftover;
        entry->leftover = NULL;
        bool is_written = !l->leftover || !entry->leftover_writer;
        l->job.run = is_written ? lookup_run : behind_writes_run;
        lane_post(is_written ? e->catalogue_lane : entry->leftover_writer, &l->job);
    }
}

/* ------------------------------------------------------------- readers */

void flights_interest(struct engine *e, struct board *board, enum file_use use)
{
    (void)e;
    struct flying *fl = board->flying;
    if (!fl)
        return;
    if (use > fl->interest)
        fl->interest = use;
    if (fl->flight && board->state == BOARD_OPENING) {
        flying_add_interest(fl, use);
        flying_drain(fl);
    }
}

void flights_reader(struct engine *e, struct board *board, uint64_t reader, enum file_use use,
                    int64_t from, int64_t to)
{
    (void)e;
    struct flying *fl = board->flying;
    if (!fl || !fl->flight)
        return;
    flight_on_reader(fl->flight, reader, use == FILE_USE_WHOLE ? FLIGHT_WHOLE : FLIGHT_RANGE, from,
                     to);
    flying_drain(fl);
}

void flights_reader_left(struct engine *e, struct board *board, uint64_t reader)
{
    (void)e;
    struct flying *fl = board->flying;
    if (!fl || !fl->flight)
        return;
    flight_on_reader_left(fl->flight, reader);
    flying_drain(fl);
}

void flights_learn_claims(struct engine *e, struct entry *entry, const char *agreed)
{
    (void)e;
    struct flying *fl = entry->flying;
    if (!fl || fl->committed)
        return;
    free(fl->learned);
    fl->learned = strdup(agreed ? agreed : "");
    if (!fl->learned || !fl->flight)
        return;
    flying_take_learned(fl);
    blame_allow(fl, ~0u);
    flight_on_vouched(fl->flight);
    flying_drain(fl);
}

/* ---------------------------------------------------------------- time */

static void tick_one(struct flying *fl, int64_t now_ms)
{
    if (!fl->flight)
        return;
    size_t numbers[FLIGHT_MIRRORS];
    int64_t rates[FLIGHT_MIRRORS];
    unsigned count = core_origin_mirrors(fl->engine, fl->origin, numbers);
    for (unsigned m = 0; m < count; m++)
        rates[m] = budget_rate(fl->engine->budget, numbers[m], now_ms);
    blame_on_tick(fl, now_ms);
    flight_on_tick(fl->flight, now_ms, rates);
    flying_drain(fl);
}

/* Mirrors that were asked and have not sent a byte. */
static unsigned silent_mirrors(const struct flying *fl)
{
    unsigned silent = 0;
    for (const struct feed *t = fl->feeds; t; t = t->next)
        if (!t->stopped && t->bytes == 0)
            silent |= 1u << t->mirror;
    return silent;
}

/* While they are suspended nobody else notices that they have left, or that their time is over. */
static void sweep(struct flying *fl, int64_t now_ms)
{
    if (fl->over || !fl->board)
        return;
    board_note(fl->board, silent_mirrors(fl), fl->flight ? flight_detail(fl->flight) : "");
    waitlist_expire(&fl->board->waiters, now_ms);
    if (now_ms - fl->swept_ms >= SWEEP_MS) {
        fl->swept_ms = now_ms;
        (void)waitlist_sweep(&fl->board->waiters);
    }
}

/* A failure was the answer for a while; from now on it is tried again. */
static void retire_failure(struct engine *e, struct entry *entry)
{
    struct flying *fl = entry->flying;
    entry->is_failed = false;
    if (!entry->board || entry->board->state != BOARD_CLOSED)
        return; /* the last bytes came all the same: it was kept, and what is there is another's */
    if (fl && !fl->board && flying_renew_board(fl) == 0)
        return;
    if (fl || entry->sha256[0] || entry->leftover)
        files_set_board(e, entry, NULL);
    else
        files_drop(e, entry);
}

static void retire_failures(struct engine *e, int64_t now_ms)
{
    struct entry **p = &e->files->failed;
    while (*p) {
        struct entry *entry = *p;
        if (entry->board && now_ms - entry->board->closed_ms < FAILED_MS) {
            p = &entry->next_failed;
            continue;
        }
        *p = entry->next_failed;
        retire_failure(e, entry);
    }
}

void flights_forget_failures(struct engine *e)
{
    int64_t long_ago_ms = clock_monotonic_ms() - FAILED_MS;
    for (struct entry *entry = e->files->failed; entry; entry = entry->next_failed)
        if (entry->board && entry->board->closed_ms > long_ago_ms)
            entry->board->closed_ms = long_ago_ms;
}

void flights_forget_size(struct engine *e, const char *origin, const char *path, int64_t size)
{
    int64_t now_ms = clock_monotonic_ms();
    pthread_rwlock_rdlock(&e->files->lock);
    struct entry *entry = files_find(e->files, origin, path);
    pthread_rwlock_unlock(&e->files->lock);
    struct board *board = entry ? entry->board : NULL;
    bool ours = board && entry->is_failed && board->wants_pass && board->size == size;
    if (entry && (entry->flying || entry->sha256[0] || (board && !ours)))
        return;
    log_warning("a size is contradicted path=%s/%s bytes=%" PRId64, origin, path, size);
    commit_forget_promise(e, origin, path);
    if (entry && entry->leftover) /* it tells that size, too */
        files_drop_leftover(e, entry);
    if (ours) {
        board->closed_ms = now_ms - FAILED_MS;
        retire_failures(e, now_ms);
    }
}

/* Whether what is on the disk can be left to a later flight: nobody reads it, and no job of this
 * one, which would each have a reference, writes there any more. */
static bool can_be_left(const struct flying *fl)
{
    struct flight_view view;
    if (!fl->flight || fl->refs > 1)
        return false;
    flight_view(fl->flight, &view);
    return view.parked && !view.readers;
}

/* A reload has brought other mirrors, and who comes next is to have those. */
static bool is_outdated(const struct flying *fl)
{
    return origins_find(core_origins(fl->engine), fl->origin->name) != fl->origin;
}

/* Strangers may leave one flight behind per file that there is. The newest come first. */
static void leave_parked(struct engine *e)
{
    unsigned count = 0;
    for (struct flying *fl = e->files->flying, *next; fl; fl = next) {
        next = fl->next;
        if ((++count > FLIGHTS_MOST || is_outdated(fl)) && can_be_left(fl))
            flying_forget(fl, true);
    }
}

void flights_tick(struct engine *e, int64_t now_ms)
{
    for (struct flying *fl = e->files->flying, *next; fl; fl = next) {
        flying_ref(fl); /* its end, or room made for it, may end its neighbour */
        tick_one(fl, now_ms);
        feed_look_at_pages(fl, now_ms);
        sweep(fl, now_ms);
        next = fl->over ? e->files->flying : fl->next;
        flying_unref(fl);
    }
    pass_sweep(e);
    flights_retry_asks(e);
    leave_parked(e);
    retire_failures(e, now_ms);
}

void flights_stop(struct engine *e)
{
    while (e->files->flying) {
        struct flying *fl = e->files->flying;
        if (!fl->flight)
            end_without_flight(fl);
        else
            flight_on_stop(fl->flight);
        flying_drain(fl);
    }
}

unsigned flights_count(const struct engine *e)
{
    unsigned count = 0;
    for (const struct flying *fl = e->files->flying; fl; fl = fl->next)
        count++;
    return count;
}

static void write_names(const struct origin *origin, unsigned set, struct buf *to)
{
    buf_putc(to, '[');
    for (unsigned m = 0; m < origin->mirror_count; m++)
        if (set & (1u << m)) {
            json_write_comma(to);
            json_write_string(to, origin->mirrors[m].name);
        }
    buf_putc(to, ']');
}

void flights_write_status(struct engine *e, struct buf *to)
{
    for (struct flying *fl = e->files->flying; fl; fl = fl->next) {
        struct flight_view view;
        if (!fl->flight)
            continue;
        flight_view(fl->flight, &view);
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "origin", fl->origin->name);
        json_write_member(to, "path", fl->path);
        json_write_name(to, "bytes");
        buf_printf(to, "%" PRId64, view.present);
        if (view.size >= 0) {
            json_write_name(to, "size");
            buf_printf(to, "%" PRId64, view.size);
        }
        json_write_name(to, "readers");
        buf_printf(to, "%u", view.readers);
        json_write_name(to, "mirrors");
        write_names(fl->origin, view.senders, to);
        if (claim_set_counts(fl->claims))
            claim_set_write(fl->claims, to);
        buf_putc(to, '}');
    }
}
