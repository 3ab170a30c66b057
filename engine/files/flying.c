// SPDX-License-Identifier: Apache-2.0
#include "engine/files/flying.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/blame.h"
#include "engine/files/file.h"
#include "engine/files/judge.h"
#include "engine/files/reserve.h"
#include "engine/files/saved.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/portal.h"

enum {
    PART_BYTES = 1 << 20, /* room that is made for who reads a part */
};

static const uint64_t INTEREST = 1ull << 63; /* reader numbers of those that wait for the facts */

/* --------------------------------------------------------------- refs */

void flying_ref(struct flying *fl)
{
    fl->refs++;
}

void flying_unref(struct flying *fl)
{
    if (--fl->refs > 0)
        return;
    hashing_abandon(fl);
    flight_free(fl->flight);
    extents_release(&fl->present);
    partial_unref(fl->partial);
    board_unref(fl->board);
    claim_set_unref(fl->claims);
    free(fl->path);
    free(fl->learned);
    free(fl->via);
    free(fl->why_refused);
    free(fl->why_portal);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        free(fl->sent_under[m]);
        free(fl->wrong_under[m]);
        free(fl->stranger[m]);
    }
    free(fl->name_validator);
    free(fl->validator_etag);
    free(fl->validator_date);
    free(fl->row_etag);
    free(fl);
}

bool flying_is_counted(const struct flying *fl)
{
    return !str_ends(fl->path, ".metadata");
}

/* ------------------------------------------------------------------ boards */

void flying_put_board(struct flying *fl, struct board *board)
{
    board->flying = fl;
    board->partial = fl->partial ? partial_ref(fl->partial) : NULL;
    board_unref(fl->board);
    fl->board = board;
    files_set_board(fl->engine, fl->entry, board_ref(board));
}

static void release_board(struct flying *fl)
{
    if (fl->board)
        fl->board->flying = NULL;
    board_unref(fl->board);
    fl->board = NULL;
}

/* What a board says of the file as such. */
static void fill_board(const struct flying *fl, struct board *board)
{
    board->authoritative = flying_is_vouched(fl);
    if (!board->claims) {
        board->claims = claim_set_ref(fl->claims);
        board->claims_version = fl->claims_version;
    }
    memcpy(board->etag, fl->etag, sizeof(board->etag));
    board->blamed = blame_bars(fl);
}

/* A fresh board over the partial that is there: after a cut, or when somebody comes to a parked
 * flight whose last readers were failed. */
void flying_take_board(struct flying *fl, struct board *board)
{
    for (size_t i = 0; i < fl->present.count; i++)
        board_publish(board, fl->present.list[i].from, fl->present.list[i].to);
    board->had_bytes = fl->present.count > 0;
    if (fl->etag[0] && fl->present.count) {
        struct flight_view view;
        flight_view(fl->flight, &view);
        fill_board(fl, board);
        board->limit = view.released;
        board->senders = view.senders;
        board_know(board, view.size);
    }
    flying_put_board(fl, board);
}

int flying_renew_board(struct flying *fl)
{
    struct board *board;
    int r = board_new(fl->origin, &board);
    if (r == 0)
        flying_take_board(fl, board);
    return r;
}

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

/* ---------------------------------------------------------------- commands */

static void choose_etag(struct flying *fl, int64_t size, char *ret, size_t ret_size)
{
    if (fl->row_etag && (fl->row_size == size || fl->row_size < 0)) {
        str_copy(ret, ret_size, fl->row_etag);
        return;
    }
    if (fl->sha256[0]) {
        (void)snprintf(ret, ret_size, "\"sha256-%s\"", fl->sha256);
        return;
    }
    char now[48]; /* where the mirror has no name for its bytes, the next may be others */
    (void)snprintf(now, sizeof(now), "%" PRId64 " %" PRId64, clock_real_s(), clock_monotonic_ms());
    auto_free char *seed = str_printf("%s/%s %" PRId64 " %s", fl->origin->name, fl->path, size,
                                      fl->name_validator ? fl->name_validator : now);
    char hex[SHA256_HEX];
    if (!seed || sha256_of(seed, strlen(seed), hex))
        return;
    (void)snprintf(ret, ret_size, "\"%" PRIx64 "-%.24s\"", (uint64_t)size, hex);
}

void flying_add_interest(struct flying *fl, enum file_use use)
{
    bool whole = use == FILE_USE_WHOLE && !fl->facts_only;
    enum flight_use as = whole ? FLIGHT_WHOLE : FLIGHT_HEAD;
    flight_on_reader(fl->flight, INTEREST | fl->last_interest++, as, 0, -1);
}

static void forget_interest(struct flying *fl)
{
    for (; fl->first_interest < fl->last_interest; fl->first_interest++)
        flight_on_reader_left(fl->flight, INTEREST | fl->first_interest);
}

static void forget_asks(struct flying *fl)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        fl->asking[i] = false;
}

/* Whether the rest of the file fits: above the disk's floor and below the cache's ceiling. Who has
 * come to read all of it has room made; for a part there need be room for a part. */
static bool has_room(struct flying *fl, int64_t size)
{
    struct engine *e = fl->engine;
    int64_t more = size - extents_total(&fl->present);
    if (files_disk_fails(e))
        return false;
    if (fl->interest == FILE_USE_HEAD)
        return space_could_make(e, more, fl);
    if (fl->interest == FILE_USE_RANGE)
        return space_could_make(e, more, fl) &&
               space_make(e, more < PART_BYTES ? more : PART_BYTES, fl);
    if (!fl->reserved && !space_make(e, more, fl))
        return false;
    fl->reserved = size;
    return true;
}

/* Why there is none. */
static int refusal(const struct flying *fl, int64_t size)
{
    if (files_disk_fails(fl->engine))
        return fl->engine->files->disk_error;
    return space_refusal(fl->engine, size - extents_total(&fl->present));
}

/* In time for who reads all of it: what was promised is asked of the disk. */
static void on_reserve(struct flying *fl, int64_t size)
{
    fl->interest = FILE_USE_WHOLE;
    if (has_room(fl, size)) {
        reserve_begin(fl);
        return;
    }
    fl->no_room = true;
    flight_on_disk_error(fl->flight, refusal(fl, size));
}

static void on_park(struct flying *fl)
{
    forget_asks(fl);
    reserve_give_back(fl);
    fl->parked_s = clock_real_s();
    fl->parked_after = ++fl->engine->files->uses;
}

static void on_known(struct flying *fl, int64_t size)
{
    struct board *board = fl->board;
    if (!board) /* its readers failed a moment ago */
        return;
    choose_etag(fl, size, fl->etag, sizeof(fl->etag));
    fill_board(fl, board);
    board->size = size;
    board->unkept = size < 0 && !claim_set_counts(fl->claims);
    if (!fl->entry->is_renewal)
        commit_facts(fl); /* also of what passes by: the next flight must say the same */
    fl->no_room = size < 0 ? fl->facts_only : size > 0 && !has_room(fl, size);
    if (fl->no_room) {
        flight_on_disk_error(fl->flight, size < 0 ? ERROR_NO_SPACE : refusal(fl, size));
        return;
    }
    fl->facts_only = false;
    board_know(board, size);
    forget_interest(fl);
}

void flying_know_from_row(struct flying *fl)
{
    str_copy(fl->etag, sizeof(fl->etag), fl->row_etag);
    fill_board(fl, fl->board);
    fl->board->size = fl->row_size;
    fl->no_room = fl->row_size > 0 && !has_room(fl, fl->row_size);
    if (fl->no_room)
        flight_on_disk_error(fl->flight, refusal(fl, fl->row_size));
    else
        board_know(fl->board, fl->row_size);
}

struct discard {
    struct job job;
    struct store *store;
    char *name;
};

static void discard_run(struct job *job)
{
    struct discard *d = container_of(job, struct discard, job);
    store_discard(d->store, d->name);
    free(d->name);
    free(d);
}

void flying_discard(struct engine *e, char *name)
{
    struct discard *d = name ? calloc(1, sizeof(*d)) : NULL;
    if (!d) { /* the next start removes it */
        free(name);
        return;
    }
    *d = (struct discard){{discard_run, NULL}, e->store, name};
    lane_post(e->cleaner, &d->job);
}

static void drop_partial(struct flying *fl, bool unlink_it)
{
    if (unlink_it && fl->partial)
        flying_discard(fl->engine, strdup(fl->partial->name));
    partial_unref(fl->partial);
    fl->partial = NULL;
    fl->reserved = 0;
    fl->has_map = fl->is_allocated = false;
    extents_release(&fl->present);
}

static void on_cut(struct flying *fl, int error)
{
    log_warning("readers cut path=%s/%s reason=\"%s\"", fl->origin->name, fl->path,
                error_text(error));
    if (!fl->entry->is_renewal)
        fl->engine->events->file_refuted(fl->engine, fl->origin->name, fl->path, NULL);
    hashing_abandon(fl);
    drop_partial(fl, true);
    fl->has_validator = false;
    fl->etag[0] = '\0';
    if (!claim_set_counts(
            fl->claims)) { /* another version of the file has another ETag, also at the same size */
        free(fl->row_etag);
        free(fl->name_validator);
        fl->row_etag = fl->name_validator = NULL;
    }
    struct board *old = fl->board ? board_ref(fl->board) : NULL;
    if (!old) /* its readers failed a moment ago, and their board is retired in time */
        return;
    old->flying = NULL;
    /* The new board first: who is cut asks again at once, and must not find the old one. */
    (void)flying_renew_board(fl);
    board_close(old, BOARD_CLOSED, outcome_of(error), error_text(error));
    board_unref(old);
}

static bool is_disk_error(int error)
{
    return error_is_space(error) || error == ERROR_IO || error == ERROR_READ_ONLY ||
           error == ERROR_DENIED;
}

/* Why an earlier flight failed, where that is why this one does. */
static const char *detail_of(const struct flying *fl, const struct flight_command *c)
{
    if (fl->why_portal && !is_disk_error(c->error))
        return fl->why_portal;
    return c->refusals && fl->why_refused ? fl->why_refused : c->detail;
}

static void on_fail(struct flying *fl, const struct flight_command *c)
{
    struct board *board = fl->board;
    blame_failed(fl, c);
    if (!board)
        return;
    bool disk = is_disk_error(c->error);
    bool usual = c->error == ERROR_STOPPING || c->error == ERROR_GONE || fl->no_room;
    log_line(usual ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
             "%s path=%s/%s reason=\"%s\" detail=\"%s\"", disk ? "not kept" : "fetch failed",
             fl->origin->name, fl->path, error_text(c->error), detail_of(fl, c));
    /* Who waits for the facts alone asks again, and then nothing is asked of the disk. */
    bool again = disk && board->state == BOARD_OPENING && !board->etag[0] && !fl->facts_only;
    board->wants_pass = disk && board->etag[0];
    if (disk) {
        if (!fl->no_room)
            files_note_disk_error(fl->engine, c->error);
        core_problem(fl->engine, "not-kept", fl->origin->name, fl->path, "%s: passed through",
                     error_text(c->error));
    }
    if (c->doubted)
        commit_forget_facts(fl);
    forget_interest(fl);
    if (again)
        return; /* the end, which follows, says so */
    /* To look whether a bad copy was replaced, or a captive portal has gone, costs little. */
    board->is_brief = !disk && (c->refusals || portal_is_open(fl->engine->portal));
    board_close(board, BOARD_CLOSED, outcome_of(c->error), detail_of(fl, c));
    files_note_failure(fl->engine, fl->entry);
    release_board(fl);
}

/* The bytes stay, and the entry knows where: until somebody asks for the file again. */
static void leave_partial(struct flying *fl)
{
    struct entry *entry = fl->entry;
    free(entry->leftover);
    entry->leftover = strdup(fl->partial->name);
    struct flight_view view;
    flight_view(fl->flight, &view);
    entry->leftover_size = view.size;
    entry->leftover_present = view.present;
    entry->leftover_bytes = view.present + map_size(view.size);
    entry->leftover_s = clock_real_s();
    entry->used_after = ++fl->engine->files->uses;
    entry->leftover_writer = fl->partial->writer;
    reserve_give_back(fl);
    if (!fl->engine->stopping) /* else what is in the queue comes into the last sync */
        partial_leave(fl->partial);
    drop_partial(fl, !entry->leftover);
}

static void on_end(struct flying *fl, bool keep)
{
    struct engine *e = fl->engine;
    struct entry *entry = fl->entry;
    struct files *files = e->files;
    struct board *board = fl->board ? board_ref(fl->board) : NULL;
    struct flight_view view;
    flight_view(fl->flight, &view);
    feed_stop_all(fl);
    hashing_abandon(fl);
    /* Nobody may write behind what is being given back, but by this flight. */
    if (keep && fl->has_map && (!fl->giving_back || e->stopping))
        leave_partial(fl);
    else
        drop_partial(fl, !fl->committed);
    fl->over = true;
    fl->entry = NULL;
    entry->flying = NULL;
    release_board(fl);
    if (fl->prev)
        fl->prev->next = fl->next;
    else
        files->flying = fl->next;
    if (fl->next)
        fl->next->prev = fl->prev;
    if (entry->leftover && !entry->is_failed)
        files_set_board(e, entry, NULL);
    else if (!entry->sha256[0] && !entry->is_failed)
        files_drop(e, entry);
    /* Last, so that whoever is woken does not find this flight again. */
    if (board && view.verified && board->state != BOARD_OPENING)
        board_release(board, INT64_MAX, view.size);
    else if (board && board->state != BOARD_CLOSED)
        board_close(board, BOARD_ASK_AGAIN, OUTCOME_OK, "");
    board_unref(board);
    flying_unref(fl);
}

void flying_forget(struct flying *fl, bool keep)
{
    flying_ref(fl);
    on_end(fl, keep);
    flying_unref(fl);
}

void flying_drain(struct flying *fl)
{
    struct flight_command c;
    flying_ref(fl); /* the end takes the list's */
    while (!fl->over && fl->flight && flight_next(fl->flight, &c)) {
        switch (c.type) {
        case FLIGHT_ASK:
            flying_ask(fl, &c);
            break;
        case FLIGHT_START:
            feed_start(fl, &c);
            break;
        case FLIGHT_STOP:
            feed_stop(fl, &c);
            break;
        case FLIGHT_LIMIT:
            feed_limit(fl, c.transfer, c.to);
            break;
        case FLIGHT_KNOWN:
            on_known(fl, c.size);
            break;
        case FLIGHT_RELEASE:
            if (fl->board && !(fl->board->unkept && c.to == INT64_MAX)) /* see on_end */
                board_release(fl->board, c.to, c.size);
            break;
        case FLIGHT_DROP:
            fl->asking[c.slot] = false;
            break;
        case FLIGHT_RESERVE:
            on_reserve(fl, c.size);
            break;
        case FLIGHT_SYNC:
            saved_sync(fl);
            break;
        case FLIGHT_HASH:
            hashing_start(fl, &c);
            break;
        case FLIGHT_JUDGE:
            judge_start(fl, &c);
            break;
        case FLIGHT_CUT:
            forget_asks(fl);
            on_cut(fl, c.error);
            break;
        case FLIGHT_REFUSE:
            blame_refuse(fl, &c);
            break;
        case FLIGHT_COMMIT:
            blame_settle(fl, &c);
            commit_start(fl, &c);
            break;
        case FLIGHT_FAIL:
            on_fail(fl, &c);
            break;
        case FLIGHT_PARK:
            on_park(fl);
            break;
        case FLIGHT_END:
            on_end(fl, c.keep);
            break;
        }
    }
    flying_unref(fl);
}
