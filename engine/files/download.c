// SPDX-License-Identifier: Apache-2.0
#include "engine/files/download.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/blame.h"
#include "engine/files/file.h"
#include "engine/files/files_state.h"
#include "engine/files/judge.h"
#include "engine/files/reserve.h"
#include "engine/files/saved.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/portal.h"

/*
 * A download carries out what its flight decides. download_drain takes the commands one by one: the
 * simple ones are carried out here, the others by receive.c, hashing.c, judge.c, blame.c, saved.c,
 * reserve.c and commit.c.
 *
 * The progress of a download is what its readers see. Its life:
 *
 *     OPENING     size and ETag are unknown; clients wait for them ("interest")
 *     KNOWN       on_known, or download_know_from_row: readers take bytes as they come
 *     CLOSED      on_cut (a new progress takes its place) or on_fail (it answers for a second more)
 *     ASK_AGAIN   on_end: the bytes are in a blob, or nowhere; each reader looks the file up again
 *
 * Everything runs on the flight thread.
 */

enum {
    PART_BYTES = 1 << 20, /* the room that is made at once for a range reader */
};

/* marks the flight's reader numbers of clients that wait for the facts */
static const uint64_t INTEREST = 1ull << 63;

/* ------------------------------------------------------------- references */

/* Flight thread, as is download_unref: the count needs no atomic. */
void download_ref(struct download *dl)
{
    dl->refs++;
}

/* Jobs may hold the last reference, long after the download is over. */
void download_unref(struct download *dl)
{
    if (--dl->refs > 0)
        return;
    hashing_abandon(dl);
    flight_free(dl->flight);
    extents_release(&dl->present);
    partial_unref(dl->partial);
    progress_unref(dl->progress);
    claim_set_unref(dl->claims);
    free(dl->path);
    free(dl->learned);
    free(dl->via);
    free(dl->why_refused);
    free(dl->why_portal);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        free(dl->sent_under[m]);
        free(dl->wrong_under[m]);
        free(dl->stranger[m]);
    }
    free(dl->name_validator);
    free(dl->validator_etag);
    free(dl->validator_date);
    free(dl->row_etag);
    free(dl);
}

/* METADATA is a few KiB: waiting for a connection would take longer than the transfer. */
bool download_is_counted(const struct download *dl)
{
    return !str_ends(dl->path, ".metadata");
}

/* --------------------------------------------------------------- progress */

/* The entry gets a reference of its own, so new clients find this progress at once. */
void download_set_progress(struct download *dl, struct progress *progress)
{
    progress->download = dl;
    progress->partial = dl->partial ? partial_ref(dl->partial) : NULL;
    progress_unref(dl->progress);
    dl->progress = progress;
    files_set_progress(dl->files, dl->entry, progress_ref(progress));
}

/* The download has no progress until the next reader comes; its old readers keep theirs. */
static void release_progress(struct download *dl)
{
    if (dl->progress)
        dl->progress->download = NULL;
    progress_unref(dl->progress);
    dl->progress = NULL;
}

/* Fills in what holds for the file as a whole. */
static void fill_progress(const struct download *dl, struct progress *progress)
{
    progress->authoritative = download_is_vouched(dl);
    if (!progress->claims) {
        progress->claims = claim_set_ref(dl->claims);
        progress->claims_version = dl->claims_version;
    }
    memcpy(progress->etag, dl->etag, sizeof(progress->etag));
    progress->blamed = blame_bars(dl);
}

/* Publishes the present bytes in a new progress: after a cut, or when a reader comes to a parked
 * download whose last readers failed. The facts are only told when there are bytes that they belong
 * to. */
void download_take_progress(struct download *dl, struct progress *progress)
{
    for (size_t i = 0; i < dl->present.count; i++)
        progress_publish(progress, dl->present.list[i].from, dl->present.list[i].to);
    progress->had_bytes = dl->present.count > 0;
    if (dl->etag[0] && dl->present.count) {
        struct flight_view view;
        flight_view(dl->flight, &view);
        fill_progress(dl, progress);
        progress->limit = view.released;
        progress->senders = view.senders;
        progress_know(progress, view.size);
    }
    download_set_progress(dl, progress);
}

int download_renew_progress(struct download *dl)
{
    struct progress *progress;
    int r = progress_new(dl->origin, &progress);
    if (r == 0)
        download_take_progress(dl, progress);
    return r;
}

/* What clients are told: the status of the reply follows from it. */
static enum outcome outcome_of(int error)
{
    switch (error) {
    case ERROR_GONE:
        return OUTCOME_NO_FILE;
    case ERROR_TIMEOUT:
        return OUTCOME_SILENT;
    case ERROR_LOOP:
        return OUTCOME_LOOP;
    case ERROR_STOPPING:
        return OUTCOME_STOPPING;
    default:
        return OUTCOME_BROKEN;
    }
}

/* ------------------------------------------------------------------ facts */

/* The ETag must be the same for the same bytes, also after a restart. In this order: the promised
 * one, the claimed digest, or a hash over size and the mirror's validator. */
static void choose_etag(struct download *dl, int64_t size, char *ret, size_t ret_size)
{
    if (dl->row_etag && (dl->row_size == size || dl->row_size < 0)) {
        str_copy(ret, ret_size, dl->row_etag);
        return;
    }
    if (dl->sha256[0]) {
        (void)snprintf(ret, ret_size, "\"sha256-%s\"", dl->sha256);
        return;
    }
    /* a mirror without validator may send other bytes next time, so the ETag is unique */
    char now[48];
    (void)snprintf(now, sizeof(now), "%" PRId64 " %" PRId64, clock_real_s(), clock_monotonic_ms());
    auto_free char *seed = str_printf("%s/%s %" PRId64 " %s", dl->origin->name, dl->path, size,
                                      dl->name_validator ? dl->name_validator : now);
    char hex[SHA256_HEX];
    if (!seed || sha256_of(seed, strlen(seed), hex))
        return;
    (void)snprintf(ret, ret_size, "\"%" PRIx64 "-%.24s\"", (uint64_t)size, hex);
}

void download_add_interest(struct download *dl, enum file_use use)
{
    bool whole = use == FILE_USE_WHOLE && !dl->facts_only;
    enum flight_use as = whole ? FLIGHT_WHOLE : FLIGHT_HEAD;
    flight_on_reader(dl->flight, INTEREST | dl->last_interest++, as, 0, -1);
}

/* Clients that waited for the facts are no readers; they come back as readers of a range or the
 * whole. */
static void forget_interest(struct download *dl)
{
    for (; dl->first_interest < dl->last_interest; dl->first_interest++)
        flight_on_reader_left(dl->flight, INTEREST | dl->first_interest);
}

/* After a cut or a park the flight asks anew. */
static void forget_asks(struct download *dl)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        dl->asking[i] = false;
}

/* Whether the rest of the file fits: above min_free, and below max_size. For a whole-file reader
 * the space is made and reserved. A range reader needs room only for a part. HEAD needs none. */
static bool has_room(struct download *dl, int64_t size)
{
    struct files *files = dl->files;
    int64_t more = size - extents_total(&dl->present);
    if (files_disk_fails(files))
        return false;
    if (dl->interest == FILE_USE_HEAD)
        return eviction_could_make(files, more, dl);
    if (dl->interest == FILE_USE_RANGE)
        return eviction_could_make(files, more, dl) &&
               eviction_make(files, more < PART_BYTES ? more : PART_BYTES, dl);
    if (!dl->reserved && !eviction_make(files, more, dl))
        return false;
    dl->reserved = size;
    return true;
}

/* The limit that leaves no room. */
static int refusal(const struct download *dl, int64_t size)
{
    if (files_disk_fails(dl->files))
        return dl->files->disk_error;
    return eviction_refusal(dl->files, size - extents_total(&dl->present));
}

/* A whole-file reader has come: space is made in the cache first, then asked of the disk. */
static void on_reserve(struct download *dl, int64_t size)
{
    dl->interest = FILE_USE_WHOLE;
    if (has_room(dl, size)) {
        reserve_begin(dl);
        return;
    }
    dl->no_room = true;
    flight_on_disk_error(dl->flight, refusal(dl, size));
}

/* An unread file must not hold disk that others need. */
static void on_park(struct download *dl)
{
    forget_asks(dl);
    reserve_give_back(dl);
    dl->parked_s = clock_real_s();
    dl->parked_after = ++dl->files->uses;
}

/* Readers are answered from here on. When there is no room the flight fails, and each reader gets a
 * passthrough of its own. */
static void on_known(struct download *dl, int64_t size)
{
    struct progress *progress = dl->progress;
    if (!progress) /* its readers failed a moment ago */
        return;
    choose_etag(dl, size, dl->etag, sizeof(dl->etag));
    fill_progress(dl, progress);
    progress->size = size;
    progress->unkept = size < 0 && !claim_set_counts(dl->claims);
    if (!dl->entry->is_renewal)
        commit_facts(dl); /* also when it is passed through: the next download must say the same */
    dl->no_room = size < 0 ? dl->facts_only : size > 0 && !has_room(dl, size);
    if (dl->no_room) {
        flight_on_disk_error(dl->flight, size < 0 ? ERROR_NO_SPACE : refusal(dl, size));
        return;
    }
    dl->facts_only = false;
    progress_know(progress, size);
    forget_interest(dl);
}

/* The catalogue knows size and ETag, so readers are answered before any mirror is. */
void download_know_from_row(struct download *dl)
{
    str_copy(dl->etag, sizeof(dl->etag), dl->row_etag);
    fill_progress(dl, dl->progress);
    dl->progress->size = dl->row_size;
    dl->no_room = dl->row_size > 0 && !has_room(dl, dl->row_size);
    if (dl->no_room)
        flight_on_disk_error(dl->flight, refusal(dl, dl->row_size));
    else
        progress_know(dl->progress, dl->row_size);
}

struct discard_partial {
    struct job job;
    struct store *store;
    char *name;
};

static void discard_run(struct job *job)
{
    struct discard_partial *d = container_of(job, struct discard_partial, job);
    store_discard(d->store, d->name);
    free(d->name);
    free(d);
}

/* Takes over the name. The cleaner lane unlinks the file, because that can take time. */
void download_discard(struct files *files, char *name)
{
    struct discard_partial *d = name ? calloc(1, sizeof(*d)) : NULL;
    if (!d) { /* the next start removes it */
        free(name);
        return;
    }
    *d = (struct discard_partial){{discard_run, NULL}, files->s->store, name};
    lane_post(files->s->cleaner, &d->job);
}

/* The flight has forgotten the bytes, or left them: with them go map and reservation. */
static void drop_partial(struct download *dl, bool unlink_it)
{
    if (unlink_it && dl->partial)
        download_discard(dl->files, strdup(dl->partial->name));
    partial_unref(dl->partial);
    dl->partial = NULL;
    dl->reserved = 0;
    dl->has_map = dl->is_allocated = false;
    extents_release(&dl->present);
}

/* The bytes were wrong, or a mirror has another version. Every reader is cut, and the fetch begins
 * anew. */
static void on_cut(struct download *dl, int error)
{
    log_warning("readers cut path=%s/%s reason=\"%s\"", dl->origin->name, dl->path,
                error_text(error));
    if (!dl->entry->is_renewal)
        dl->files->s->events->file_refuted(dl->files->s, dl->origin->name, dl->path, NULL);
    hashing_abandon(dl);
    drop_partial(dl, true);
    dl->has_validator = false;
    dl->etag[0] = '\0';
    if (!claim_set_counts(
            dl->claims)) { /* another version needs another ETag, also when its size is the same */
        free(dl->row_etag);
        free(dl->name_validator);
        dl->row_etag = dl->name_validator = NULL;
    }
    struct progress *old = dl->progress ? progress_ref(dl->progress) : NULL;
    if (!old) /* its readers failed a moment ago, and their progress is retired in time */
        return;
    old->download = NULL;
    /* First the new progress: a cut client asks again at once, and must not find the old one. */
    (void)download_renew_progress(dl);
    progress_close(old, PROGRESS_CLOSED, outcome_of(error), error_text(error));
    progress_unref(old);
}

static bool is_disk_error(int error)
{
    return error_is_space(error) || error == ERROR_IO || error == ERROR_READ_ONLY ||
           error == ERROR_DENIED;
}

/* An earlier reason to fail, where that is also why this flight fails. */
static const char *detail_of(const struct download *dl, const struct flight_command *c)
{
    if (dl->why_portal && !is_disk_error(c->error))
        return dl->why_portal;
    return c->refusals && dl->why_refused ? dl->why_refused : c->detail;
}

/* Readers get an error, or a passthrough when only the disk failed. Both outcomes answer new
 * clients for a second, so that a crowd of clients does not ask a broken mirror again and again. */
static void on_fail(struct download *dl, const struct flight_command *c)
{
    struct progress *progress = dl->progress;
    blame_failed(dl, c);
    if (!progress)
        return;
    bool disk = is_disk_error(c->error);
    bool usual = c->error == ERROR_STOPPING || c->error == ERROR_GONE || dl->no_room;
    log_line(usual ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
             "%s path=%s/%s reason=\"%s\" detail=\"%s\"", disk ? "not kept" : "fetch failed",
             dl->origin->name, dl->path, error_text(c->error), detail_of(dl, c));
    /* A client that waits only for the facts asks again: then the flight uses no disk. */
    bool again =
        disk && progress->state == PROGRESS_OPENING && !progress->etag[0] && !dl->facts_only;
    progress->wants_passthrough = disk && progress->etag[0];
    if (disk) {
        if (!dl->no_room)
            files_note_disk_error(dl->files, c->error);
        problems_note(dl->files->s, "not-kept", dl->origin->name, dl->path, "%s: passed through",
                      error_text(c->error));
    }
    if (c->doubted)
        commit_forget_facts(dl);
    forget_interest(dl);
    if (again)
        return; /* FLIGHT_END follows, and says so */
    /* Looking again is cheap when a bad copy may be corrected, or a captive portal may be gone. */
    progress->is_brief = !disk && (c->refusals || portal_is_open(dl->files->s->portal));
    progress_close(progress, PROGRESS_CLOSED, outcome_of(c->error), detail_of(dl, c));
    files_note_failure(dl->files, dl->entry);
    release_progress(dl);
}

/* The partial stays, and the entry names it: the next download of the file resumes it. */
static void leave_partial(struct download *dl)
{
    struct entry *entry = dl->entry;
    free(entry->leftover);
    entry->leftover = strdup(dl->partial->name);
    struct flight_view view;
    flight_view(dl->flight, &view);
    entry->leftover_size = view.size;
    entry->leftover_present = view.present;
    entry->leftover_bytes = view.present + map_size(view.size);
    entry->leftover_s = clock_real_s();
    entry->used_after = ++dl->files->uses;
    entry->leftover_writer = dl->partial->writer;
    reserve_give_back(dl);
    if (!dl->files->s->stopping) /* at the stop, queued writes still belong to the last sync */
        partial_leave(dl->partial);
    drop_partial(dl, !entry->leftover);
}

/* Ends the download in an order that the readers can follow: first the table, then the wake-up. */
static void on_end(struct download *dl, bool keep)
{
    struct files *files = dl->files;
    struct entry *entry = dl->entry;
    struct progress *progress = dl->progress ? progress_ref(dl->progress) : NULL;
    struct flight_view view;
    flight_view(dl->flight, &view);
    receive_stop_all(dl);
    hashing_abandon(dl);
    /* another download must not write into space that this one is still giving back */
    if (keep && dl->has_map && (!dl->giving_back || files->s->stopping))
        leave_partial(dl);
    else
        drop_partial(dl, !dl->committed);
    dl->over = true;
    dl->entry = NULL;
    entry->download = NULL;
    release_progress(dl);
    DL_DELETE(files->download, dl);
    if (entry->leftover && !entry->is_failed)
        files_set_progress(files, entry, NULL);
    else if (!entry->sha256[0] && !entry->is_failed)
        files_drop(files, entry);
    /* Last, because a client that is woken must not find this download again. */
    if (progress && view.verified && progress->state != PROGRESS_OPENING)
        progress_release(progress, INT64_MAX, view.size);
    else if (progress && progress->state != PROGRESS_CLOSED)
        progress_close(progress, PROGRESS_ASK_AGAIN, OUTCOME_OK, "");
    progress_unref(progress);
    download_unref(dl);
}

/* Its readers are gone, so no client notices. */
void download_forget(struct download *dl, bool keep)
{
    download_ref(dl);
    on_end(dl, keep);
    download_unref(dl);
}

/* Carries out the commands in order. An event that is raised meanwhile only appends to the queue,
 * so this loop is the one place where commands run. FLIGHT_END stops it. */
void download_drain(struct download *dl)
{
    struct flight_command c;
    download_ref(dl); /* on_end drops the reference of the list */
    while (!dl->over && dl->flight && flight_next(dl->flight, &c)) {
        switch (c.type) {
        case FLIGHT_ASK:
            download_ask(dl, &c);
            break;
        case FLIGHT_START:
            receive_start(dl, &c);
            break;
        case FLIGHT_STOP:
            receive_stop(dl, &c);
            break;
        case FLIGHT_LIMIT:
            receive_limit(dl, c.transfer, c.to);
            break;
        case FLIGHT_KNOWN:
            on_known(dl, c.size);
            break;
        case FLIGHT_RELEASE:
            /* on_end tells the readers */
            if (dl->progress && !(dl->progress->unkept && c.to == INT64_MAX))
                progress_release(dl->progress, c.to, c.size);
            break;
        case FLIGHT_DROP:
            dl->asking[c.slot] = false;
            break;
        case FLIGHT_RESERVE:
            on_reserve(dl, c.size);
            break;
        case FLIGHT_SYNC:
            saved_sync(dl);
            break;
        case FLIGHT_HASH:
            hashing_start(dl, &c);
            break;
        case FLIGHT_JUDGE:
            judge_start(dl, &c);
            break;
        case FLIGHT_CUT:
            forget_asks(dl);
            on_cut(dl, c.error);
            break;
        case FLIGHT_REFUSE:
            blame_refuse(dl, &c);
            break;
        case FLIGHT_COMMIT:
            blame_settle(dl, &c);
            commit_start(dl, &c);
            break;
        case FLIGHT_FAIL:
            on_fail(dl, &c);
            break;
        case FLIGHT_PARK:
            on_park(dl);
            break;
        case FLIGHT_END:
            on_end(dl, c.keep);
            break;
        }
    }
    download_unref(dl);
}
