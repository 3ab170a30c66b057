// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/blame.h"
#include "engine/files/claim_answer.h"
#include "engine/files/download.h"
#include "engine/files/file.h"
#include "engine/files/files_state.h"
#include "engine/files/kept.h"
#include "engine/files/kept_check.h"
#include "engine/files/passthrough.h"
#include "engine/files/saved.h"
#include "engine/listings/link_places.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"

/*
 * Opening and ending downloads.
 *
 * A file is opened in one of two ways. A blob is opened on a disk lane, compared with the claims
 * when none has agreed with it yet, and handed to the entry:
 *
 *     downloads_open -> open_run (reader lane) -> opened_run [-> compared] -> hand_over
 *
 * Any other file, also one whose blob turns out to be gone, is looked up and fetched:
 *
 *     downloads_open [-> behind_writes_run (writer lane)] -> lookup_run (catalogue lane)
 *     -> lookup_done -> begin_flight -> ... -> FLIGHT_END
 *
 * Both ways are a struct download, so that clients which come meanwhile find one progress to wait
 * for. Four times a second downloads_tick gives each flight the time, wakes clients that have left,
 * and ends parked downloads when there are too many. Flight thread, except for the jobs.
 */

enum {
    SWEEP_MS = 1000,  /* how often departed clients are looked for */
    FAILED_MS = 1000, /* how long a failure also answers clients that come later */
    /* how long a mirror that sent wrong bytes of a file is asked for it last */
    BLAME_S = 30 * 24 * 3600,
    DOWNLOADS_MOST = 512, /* beyond this, unread downloads are ended: each holds a descriptor */
};

/* ------------------------------------------------------ catalogue look-up */

/* What is gathered before the flight begins, or to open a blob. Lanes fill it in, one after the
 * other; the flight thread takes from it what the download needs. */
struct lookup {
    struct job job;
    struct download *download;
    char *origin, *path;
    char *file;        /* the path; of `.metadata`, the path of its wheel */
    struct blob *blob; /* of a file that is held */
    char *leftover;    /* name of the partial that is left of the file, or NULL */
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
    char *places[FLIGHT_MIRRORS]; /* where the mirrors have the file, when it is not at its path */
};

/* Takes over the promised size and ETag. A refuted blob's promise is void. */
static int on_file_row(void *context, const struct catalogue_file *file)
{
    struct lookup *l = context;
    bool is_gone = file->blob && !file->authoritative; /* or about to be gone: files_refute */
    /* without an ETag nobody knows whether the next bytes are the same */
    if (!file->etag || is_gone)
        return 0;
    l->size = file->size;
    l->etag = str_dup(file->etag);
    return 0;
}

/* Blame of a mirror fades: an old row does not count. */
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

/* The newest place of each mirror comes first, and stays. */
static int on_place_row(void *context, const struct catalogue_place *place)
{
    struct lookup *l = context;
    for (unsigned m = 0; m < l->mirrors->mirror_count; m++)
        if (!l->places[m] && strcmp(l->mirrors->mirrors[m].name, place->mirror) == 0)
            l->places[m] = str_dup(place->url);
    return 0;
}

/* Addresses that pages told before a restart; a newer page replaces them. */
static void remember_places(const struct lookup *l)
{
    for (unsigned m = 0; m < l->mirrors->mirror_count && m < FLIGHT_MIRRORS; m++)
        if (l->places[m])
            links_remember(l->download->files->listings, l->origin, l->mirrors->mirrors[m].name,
                           l->file, l->places[m]);
}

/* All that is known goes into the flight's options. From here on events move the download. */
static void begin_flight(struct lookup *l)
{
    remember_places(l);
    struct download *dl = l->download;
    dl->row_size = l->size;
    dl->row_etag = l->etag;
    l->etag = NULL;
    dl->blamed = l->blamed;
    download_set_claims(dl, l->claims, l->claims_version);
    if (dl->learned) /* a page was read meanwhile */
        download_take_learned(dl);
    download_forget_old_promise(dl);
    size_t present_count = 0;
    auto_free struct flight_run *present =
        l->is_found ? leftover_take(dl, &l->found, &present_count) : NULL;
    l->is_found = false;
    dl->parked_s = clock_real_s(); /* the flight may begin parked */
    dl->parked_after = ++dl->files->uses;
    /* Without a claimed digest the size of old bytes is not told before a mirror has confirmed
     * them. */
    bool vouched = claim_set_counts(dl->claims) || (dl->learned && dl->learned[0]);
    bool known = dl->row_etag && dl->row_size >= 0 && (!present || vouched);
    struct flight_options options = {.mirrors = (unsigned)dl->origin->mirror_count,
                                     .size = dl->row_size,
                                     .is_known = known,
                                     .now_ms = clock_monotonic_ms(),
                                     .connections =
                                         (unsigned)dl->files->s->options.connections_per_file,
                                     .is_vouched = vouched,
                                     .present = present,
                                     .present_count = present_count};
    blame_recall(dl, &options);
    if (flight_new(&options, &dl->flight))
        abort(); /* without a flight nobody would ever answer the readers */
    if (known) {
        download_know_from_row(dl);
    } else {
        /* Without any room the file is passed through: this flight asks only for the facts. */
        int64_t free_bytes = store_free_bytes(dl->files->s->store);
        dl->facts_only = files_disk_fails(dl->files) ||
                         (free_bytes >= 0 && free_bytes < dl->files->s->options.min_free);
        download_add_interest(dl, dl->interest);
    }
    dl->files->s->events->file_begun(dl->files->s, dl->origin, dl->path, vouched);
    download_drain(dl);
}

static void lookup_free(struct lookup *l)
{
    blob_unref(l->blob);
    claim_set_unref(l->claims);
    download_unref(l->download);
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

/* On the flight thread. The download may have been stopped meanwhile. */
static void lookup_done(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    if (!l->download->over)
        begin_flight(l);
    lookup_free(l);
}

/* Reads everything in one job. A leftover that cannot be opened is removed. */
static void lookup_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    struct files *files = l->download->files;
    l->size = -1;
    l->now_s = clock_real_s();
    if (!l->is_renewal) /* what was promised belongs to the old bytes */
        (void)catalogue_get_file(files->s->catalogue, l->origin, l->path, on_file_row, l);
    l->claims = claim_set_load(files->s->catalogue, l->download->origin, l->path);
    (void)catalogue_each_blame(files->s->catalogue, on_blame_row, l);
    (void)catalogue_each_place(files->s->catalogue, l->origin, l->file, on_place_row, l);
    l->is_found = l->leftover && saved_open(files, l->leftover, &l->found) == 0;
    if (l->leftover && !l->is_found)
        store_discard(files->s->store, l->leftover);
    job->run = lookup_done;
    loop_post(files->s, job);
}

/* On the writer lane of a leftover: writes of the earlier download are on the disk after this job.
 */
static void behind_writes_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    job->run = lookup_run;
    lane_post(l->download->files->s->catalogue_lane, job);
}

/* The row exists, but not the blob: the file is fetched again. */
static void blob_is_missing(struct lookup *l)
{
    struct download *dl = l->download;
    log_warning("blob is gone path=%s/%s sha256=%s", l->origin, l->path, dl->entry->sha256);
    problems_note(dl->files->s, "blob-missing", l->origin, l->path, "%s is no longer in the cache",
                  dl->entry->sha256);
    kept_drop(dl->files, dl->entry);
    dl->files->s->events->file_gone(dl->files->s, dl->entry);
    dl->entry->sha256[0] = '\0';
    l->job.run = lookup_run;
    lane_post(dl->files->s->catalogue_lane, &l->job);
}

/* A flight without mirrors gives the commands that end a download. */
static void end_without_flight(struct download *dl)
{
    if (flight_new(&(struct flight_options){.mirrors = 0, .size = -1}, &dl->flight))
        abort();
    flight_on_stop(dl->flight);
}

/* The progress of an opening ends here, and with it the download. */
static void end_opening(struct download *dl, enum progress_state state, enum outcome outcome,
                        const char *detail)
{
    struct progress *progress = dl->progress;
    dl->progress = NULL;
    progress->download = NULL;
    progress_close(progress, state, outcome, detail);
    progress_unref(progress);
    end_without_flight(dl);
    download_drain(dl);
}

/* There is no descriptor or no memory; the blob itself is sound. */
static void cannot_open(struct download *dl, int error)
{
    log_error("cannot open blob path=%s/%s error=\"%s\"", dl->origin->name, dl->path,
              error_text(error));
    files_note_failure(dl->files, dl->entry);
    end_opening(dl, PROGRESS_CLOSED, OUTCOME_BROKEN, error_text(error));
}

/* The entry has the blob, and waiting clients look it up again. */
static void hand_over(struct download *dl, struct lookup *l)
{
    files_set_blob(dl->files, dl->entry, l->blob);
    l->blob = NULL;
    end_opening(dl, PROGRESS_ASK_AGAIN, OUTCOME_OK, "");
    blobs_close_idle(dl->files);
}

/* Whether the blob is gone, has another length, or was refuted while it was opened. */
static bool is_lost(const struct lookup *l)
{
    const struct entry *entry = l->download->entry;
    return l->error == STORE_MISSING || l->error == ERROR_CORRUPT || !entry->sha256[0] ||
           (l->blob && l->blob->size != entry->size);
}

/* The end of opening: the blob is handed over, fetched again, or the failure is told. */
static void settle_opened(struct lookup *l)
{
    struct download *dl = l->download;
    if (!dl->over && is_lost(l)) {
        blob_is_missing(l);
        return;
    }
    if (!dl->over && l->error)
        cannot_open(dl, l->error);
    else if (!dl->over)
        hand_over(dl, l);
    lookup_free(l);
}

/* A kept blob that contradicts the claims of today is put aside, and the file is fetched again. */
static void refute_kept(struct lookup *l, const struct claim_set *set)
{
    struct download *dl = l->download;
    char expected[256];
    claim_set_describe(set, expected, sizeof(expected));
    blob_unref(l->blob);
    l->blob = NULL;
    files_refute(dl->files, dl->entry, expected);
    l->job.run = lookup_run;
    lane_post(dl->files->s->catalogue_lane, &l->job);
}

/* The claims were compared while the blob was open. It may be refuted or gone by now. */
static void compared(void *context, int error, enum claims_verdict verdict,
                     const struct claim_set *set)
{
    struct lookup *l = context;
    struct download *dl = l->download;
    bool is_held = !dl->over && !is_lost(l);
    l->error = error;
    if (is_held && error == 0 && verdict == CLAIMS_REFUSE) {
        refute_kept(l, set);
        return;
    }
    if (is_held && error == 0)
        files_set_authority(dl->files, dl->entry, verdict == CLAIMS_AGREE);
    settle_opened(l);
}

/* No claim has agreed with this blob yet: it is compared with the claims of today before any client
 * reads it. */
static bool begin_comparing(struct lookup *l)
{
    struct download *dl = l->download;
    return !dl->over && !l->error && !is_lost(l) && !dl->entry->authoritative &&
           kept_check_start(dl->files, dl->origin, dl->entry, l->blob, compared, l);
}

/* On the flight thread: the blob is open, or the error says why not. */
static void opened_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    if (!begin_comparing(l))
        settle_opened(l);
}

static void open_run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    l->error = blob_open(l->download->files, l->sha256, &l->blob);
    job->run = opened_run;
    loop_post(l->download->files->s, job);
}

/* Copies everything that a lane needs: the download itself belongs to the flight thread. */
static struct lookup *lookup_new(struct download *dl)
{
    struct lookup *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->download = dl;
    l->mirrors = dl->origin;
    l->claims_version = dl->files->s->claims_version;
    l->origin = strdup(dl->origin->name);
    l->path = strdup(dl->path);
    l->file = links_file_of(dl->path);
    if (!l->origin || !l->path || !l->file)
        abort();
    download_ref(dl);
    return l;
}

/* The lane with the shortest queue; of equal ones, each in turn. A slow disk under one file must
 * not delay another. */
static struct lane *choose_writer(struct files *files)
{
    unsigned turn = files->writer_turn++;
    struct lane *best = files->s->writers[turn % WRITER_LANES];
    for (unsigned i = 1; i < WRITER_LANES; i++) {
        struct lane *other = files->s->writers[(turn + i) % WRITER_LANES];
        if (lane_depth(other) < lane_depth(best))
            best = other;
    }
    return best;
}

/* Nothing may be missing here: clients already wait for the progress, so lack of memory ends the
 * process. */
void downloads_open(struct files *files, struct entry *entry, enum file_use use, const char *via,
                    bool refresh)
{
    struct download *dl = calloc(1, sizeof(*dl));
    if (!dl || !(dl->path = strdup(entry->path)))
        abort();
    dl->files = files;
    dl->entry = entry;
    /* the origin that the client found: after a reload, the new one */
    dl->origin = entry->progress->origin;
    dl->refs = 1;
    dl->writer = choose_writer(files);
    dl->interest = use;
    dl->via = str_dup(via);
    dl->refresh = refresh;
    dl->progress = progress_ref(entry->progress);
    dl->progress->download = dl;
    entry->download = dl;
    DL_PREPEND(files->download, dl);

    struct lookup *l = lookup_new(dl);
    if (entry->sha256[0]) {
        memcpy(l->sha256, entry->sha256, sizeof(l->sha256));
        l->job.run = open_run;
        lane_post(files->s->reader, &l->job);
    } else {
        l->is_renewal = entry->is_renewal;
        l->leftover = entry->leftover;
        entry->leftover = NULL;
        bool is_written = !l->leftover || !entry->leftover_writer;
        l->job.run = is_written ? lookup_run : behind_writes_run;
        lane_post(is_written ? files->s->catalogue_lane : entry->leftover_writer, &l->job);
    }
}

/* ---------------------------------------------------------------- readers */

/* A client waits for the facts. Before the flight begins, only the widest use is remembered. */
void downloads_interest(struct progress *progress, enum file_use use)
{
    struct download *dl = progress->download;
    if (!dl)
        return;
    if (use > dl->interest)
        dl->interest = use;
    if (dl->flight && progress->state == PROGRESS_OPENING) {
        download_add_interest(dl, use);
        download_drain(dl);
    }
}

/* A reader that comes before the flight does not count yet; it waits for the facts first. */
void downloads_reader(struct progress *progress, uint64_t reader, enum file_use use, int64_t from,
                      int64_t to)
{
    struct download *dl = progress->download;
    if (!dl || !dl->flight)
        return;
    flight_on_reader(dl->flight, reader, use == FILE_USE_WHOLE ? FLIGHT_WHOLE : FLIGHT_RANGE, from,
                     to);
    download_drain(dl);
}

/* The flight decides what becomes of a download that nobody reads. */
void downloads_reader_left(struct progress *progress, uint64_t reader)
{
    struct download *dl = progress->download;
    if (!dl || !dl->flight)
        return;
    flight_on_reader_left(dl->flight, reader);
    download_drain(dl);
}

/* Refused mirrors may be right by the new claim, so they are asked again. */
void downloads_learn_claims(struct entry *entry, const char *agreed)
{
    struct download *dl = entry->download;
    if (!dl || dl->committed)
        return;
    free(dl->learned);
    dl->learned = strdup(agreed ? agreed : "");
    if (!dl->learned || !dl->flight)
        return;
    download_take_learned(dl);
    blame_allow(dl, ~0u);
    flight_on_vouched(dl->flight);
    download_drain(dl);
}

/* ---------------------------------------------------------------- time */

/* Gives the flight the time, and what its mirrors bring a second over all files. */
static void tick_one(struct download *dl, int64_t now_ms)
{
    if (!dl->flight)
        return;
    size_t numbers[FLIGHT_MIRRORS];
    int64_t rates[FLIGHT_MIRRORS];
    unsigned count = mirrors_of_origin(dl->files->s->mirrors, dl->origin, numbers);
    for (unsigned m = 0; m < count; m++)
        rates[m] = budget_rate(dl->files->s->budget, numbers[m], now_ms);
    blame_on_tick(dl, now_ms);
    flight_on_tick(dl->flight, now_ms, rates);
    download_drain(dl);
}

/* Mirrors that were asked and have not sent a byte yet. */
static unsigned silent_mirrors(const struct download *dl)
{
    unsigned silent = 0;
    for (const struct receiver *t = dl->receivers; t; t = t->next)
        if (!t->stopped && t->bytes == 0)
            silent |= 1u << t->mirror;
    return silent;
}

/* Clients that are suspended cannot notice that they have left, or that their time is over: this
 * wakes them. */
static void sweep(struct download *dl, int64_t now_ms)
{
    if (dl->over || !dl->progress)
        return;
    progress_note(dl->progress, silent_mirrors(dl), dl->flight ? flight_detail(dl->flight) : "");
    waitlist_expire(&dl->progress->waiters, now_ms);
    if (now_ms - dl->swept_ms >= SWEEP_MS) {
        dl->swept_ms = now_ms;
        (void)waitlist_sweep(&dl->progress->waiters);
    }
}

/* A failure has answered for a second: from now on the file is tried again. */
static void retire_failure(struct files *files, struct entry *entry)
{
    struct download *dl = entry->download;
    entry->is_failed = false;
    if (!entry->progress || entry->progress->state != PROGRESS_CLOSED)
        /* late bytes completed the file and it was kept: the progress is another download's */
        return;
    if (dl && !dl->progress && download_renew_progress(dl) == 0)
        return;
    if (dl || entry->sha256[0] || entry->leftover)
        files_set_progress(files, entry, NULL);
    else
        files_drop(files, entry);
}

/* Each entry leaves the list when its second is over. */
static void retire_failures(struct files *files, int64_t now_ms)
{
    struct entry **p = &files->failed;
    while (*p) {
        struct entry *entry = *p;
        if (entry->progress && now_ms - entry->progress->closed_ms < FAILED_MS) {
            p = &entry->next_failed;
            continue;
        }
        *p = entry->next_failed;
        retire_failure(files, entry);
    }
}

void downloads_forget_failures(struct files *files)
{
    int64_t long_ago_ms = clock_monotonic_ms() - FAILED_MS;
    for (struct entry *entry = files->failed; entry; entry = entry->next_failed)
        if (entry->progress && entry->progress->closed_ms > long_ago_ms)
            entry->progress->closed_ms = long_ago_ms;
}

/* The promise is void. A progress that failed under it is retired now, so that the next client
 * begins anew. */
void downloads_forget_size(struct files *files, const char *origin, const char *path, int64_t size)
{
    int64_t now_ms = clock_monotonic_ms();
    struct entry *entry = files_look_up(files, origin, path);
    struct progress *progress = entry ? entry->progress : NULL;
    bool ours =
        progress && entry->is_failed && progress->wants_passthrough && progress->size == size;
    if (entry && (entry->download || entry->sha256[0] || (progress && !ours)))
        return;
    log_warning("a size is contradicted path=%s/%s bytes=%" PRId64, origin, path, size);
    commit_forget_promise(files, origin, path);
    if (entry && entry->leftover) /* its map promises the same size */
        files_drop_leftover(files, entry);
    if (ours) {
        progress->closed_ms = now_ms - FAILED_MS;
        retire_failures(files, now_ms);
    }
}

/* Whether the bytes on disk can be left to a later download: nobody reads, and no job is under way.
 * Each job would hold a reference. */
static bool can_be_left(const struct download *dl)
{
    struct flight_view view;
    if (!dl->flight || dl->refs > 1)
        return false;
    flight_view(dl->flight, &view);
    return view.parked && !view.readers;
}

/* Whether a reload brought other mirrors, which the next client should get. */
static bool is_outdated(const struct download *dl)
{
    return origins_find(mirrors_origins(dl->files->s->mirrors), dl->origin->name) != dl->origin;
}

/* Clients could otherwise leave one parked download for each file that exists. The newest are first
 * in the list, so the oldest go. */
static void leave_parked(struct files *files)
{
    unsigned count = 0;
    for (struct download *dl = files->download, *next; dl; dl = next) {
        next = dl->next;
        if ((++count > DOWNLOADS_MOST || is_outdated(dl)) && can_be_left(dl))
            download_forget(dl, true);
    }
}

/* Downloads may end during the walk; a reference keeps the current one, and its place in the list,
 * valid. */
void downloads_tick(struct files *files, int64_t now_ms)
{
    for (struct download *dl = files->download, *next; dl; dl = next) {
        download_ref(dl); /* its end, or room made for it, may end its neighbour */
        tick_one(dl, now_ms);
        receive_look_at_pages(dl, now_ms);
        sweep(dl, now_ms);
        next = dl->over ? files->download : dl->next;
        download_unref(dl);
    }
    passthrough_sweep(files);
    downloads_retry_asks(files);
    leave_parked(files);
    retire_failures(files, now_ms);
}

/* Each flight syncs what it has, and ends. After this no download exists. */
void downloads_stop(struct files *files)
{
    while (files->download) {
        struct download *dl = files->download;
        if (!dl->flight)
            end_without_flight(dl);
        else
            flight_on_stop(dl->flight);
        download_drain(dl);
    }
}

unsigned downloads_count(const struct files *files)
{
    unsigned count = 0;
    for (const struct download *dl = files->download; dl; dl = dl->next)
        count++;
    return count;
}

/* A JSON list of the mirrors in a bit set. */
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

/* One JSON object for each flight: what `wheelyard status` and the page for people show. */
void downloads_write_status(struct files *files, struct buf *to)
{
    for (struct download *dl = files->download; dl; dl = dl->next) {
        struct flight_view view;
        if (!dl->flight)
            continue;
        flight_view(dl->flight, &view);
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "origin", dl->origin->name);
        json_write_member(to, "path", dl->path);
        json_write_name(to, "bytes");
        buf_printf(to, "%" PRId64, view.present);
        if (view.size >= 0) {
            json_write_name(to, "size");
            buf_printf(to, "%" PRId64, view.size);
        }
        json_write_name(to, "readers");
        buf_printf(to, "%u", view.readers);
        json_write_name(to, "mirrors");
        write_names(dl->origin, view.senders, to);
        if (claim_set_counts(dl->claims))
            claim_set_write(dl->claims, to);
        buf_putc(to, '}');
    }
}
