// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/flight/flight_state.h"

/*
 * The life of a flight; flight_plan, which is called after almost every event, moves it on.
 *
 *   FILLING     --last byte present, hashed, judged good-->    COMMITTING
 *               --judged bad: FLIGHT_CUT-->                    FILLING, a new attempt
 *               --no reader and much missing, or no mirror-->  PARKED; with no bytes: ENDED
 *   PARKED      --a reader comes, or the last byte-->          FILLING
 *               --no reader for an hour-->                     ENDED
 *   COMMITTING  --flight_on_committed-->                       ENDED
 *   any phase   --flight_on_stop-->                            ENDED
 *   FILLING, PARKED  --flight_on_disk_error-->                 ENDED
 *
 * A slot lives IDLE -> ASKED (for a mirror) -> RUNNING -> IDLE. flight_plan alone takes a slot out
 * of IDLE; an answer, an end, FLIGHT_STOP and FLIGHT_DROP bring it back. FLIGHT_CUT, FLIGHT_FAIL
 * and parking end an attempt: the next one forgets which mirrors failed. Everything runs on the
 * flight thread; nothing here blocks.
 */

/* --------------------------------------------------------------- commands */

/* Appends a command to the queue. Its `size` is the flight's, because most commands tell it. */
struct flight_command *flight_emit(struct flight *f, enum flight_command_type type)
{
    assert(f->queue_count < QUEUE_MOST);
    struct flight_command *c = &f->queue[(f->queue_first + f->queue_count++) % QUEUE_MOST];
    *c = (struct flight_command){.type = type, .size = f->size};
    return c;
}

/* The queue is a ring of fixed size: an event appends a bounded number of commands. */
bool flight_next(struct flight *f, struct flight_command *ret)
{
    if (!f->queue_count)
        return false;
    *ret = f->queue[f->queue_first];
    f->queue_first = (f->queue_first + 1) % QUEUE_MOST;
    f->queue_count--;
    return true;
}

/* ------------------------------------------------------- creation and end */

/* Takes up what an earlier download left. A mirror told its length once, and may have lied. So the
 * length is no promise: where all mirrors have another file now, that file is fetched. */
static int resume(struct flight *f, const struct flight_options *options)
{
    for (size_t i = 0; i < options->present_count; i++) {
        const struct flight_run *run = &options->present[i];
        if (extents_add(&f->present, run->from, run->to))
            return ERROR_NO_MEMORY;
        if (run->mirror < FLIGHT_MIRRORS)
            f->senders |= 1u << run->mirror;
    }
    f->prefix = extents_end(&f->present, 0);
    f->resumed = true;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        flight_begin_round(f, &f->slot[i]);
    f->first_size = -1;
    f->phase = flight_is_whole(f) ? FILLING : PARKED;
    flight_hash_more(f);
    return 0;
}

int flight_new(const struct flight_options *options, struct flight **ret)
{
    struct flight *f = calloc(1, sizeof(*f));
    if (!f)
        return ERROR_NO_MEMORY;
    f->mirrors = options->mirrors;
    f->connections = options->connections ? options->connections : 1;
    f->blamed = options->blamed;
    f->refused = options->refused;
    f->size = options->size;
    /* the claim tells which length is right */
    f->first_size = options->is_vouched ? -1 : options->size;
    f->has_length = options->size >= 0;
    f->known = options->is_known;
    f->idle_since_ms = -1;
    f->now_ms = f->begun_ms = options->now_ms;
    f->vouched = options->is_vouched;
    if (options->present_count && resume(f, options)) {
        flight_free(f);
        return ERROR_NO_MEMORY;
    }
    *ret = f;
    return 0;
}

/* The owner's handles live on; the flight only stops counting them. */
static void forget_readers(struct flight *f)
{
    while (f->readers) {
        struct reader *r = f->readers;
        f->readers = r->next;
        free(r);
    }
}

void flight_free(struct flight *f)
{
    if (!f)
        return;
    forget_readers(f);
    extents_release(&f->present);
    free(f);
}

/* After this no event changes anything. keep: a later flight can resume what is on disk. */
static void end(struct flight *f, bool keep)
{
    f->phase = ENDED;
    flight_emit(f, FLIGHT_END)->keep = keep;
}

/* ------------------------------------------------------------------- sync */

/* Whether bytes came since the last sync, and their map could be saved. */
static bool has_news(const struct flight *f)
{
    return f->unsynced && f->size >= 0 && (f->phase == FILLING || f->phase == PARKED);
}

/* The commands before it in the queue are carried out first, so nothing is reported twice. */
static void sync_now(struct flight *f)
{
    f->unsynced = false;
    f->syncing = true;
    f->synced_ms = f->now_ms;
    (void)flight_emit(f, FLIGHT_SYNC);
}

/* One sync at a time: a slow disk gets no second one before it has answered the first. */
static void sync_when_due(struct flight *f)
{
    if (has_news(f) && !f->syncing && (f->phase == PARKED || f->now_ms - f->synced_ms >= SYNC_MS))
        sync_now(f);
}

void flight_on_synced(struct flight *f)
{
    f->syncing = false;
}

/* -------------------------------------------------- attempts and failures */

bool flight_is_whole(const struct flight *f)
{
    return f->size >= 0 && f->prefix >= f->size;
}

/* Bytes of an accepted transfer may still be on the way to the disk: `late` remembers it. */
void flight_stop_slot(struct flight *f, struct slot *s)
{
    if (s->state == SLOT_RUNNING) {
        flight_emit(f, FLIGHT_STOP)->transfer = s->transfer;
        f->late |= s->accepted;
    }
    s->state = SLOT_IDLE;
}

/* Bytes that are under way still come, and count until FLIGHT_CUT. */
static void stop_all(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        flight_stop_slot(f, &f->slot[i]);
}

/* A round ends when every mirror was tried once; something must have come for another one. */
void flight_begin_round(struct flight *f, struct slot *s)
{
    s->tried = 0;
    s->full = false;
    s->round_present = extents_total(&f->present);
}

/* Forgets what mirrors failed, and what they said of the size, so that each may be asked again. */
static void begin_attempt(struct flight *f)
{
    f->dead = f->spent = f->unproven = f->others = f->shy = f->left = f->trickled = 0;
    f->gone = f->broken = f->silent = f->looped = 0;
    f->detail[0] = '\0';
    f->no_wanted = f->contradicted = false;
    f->begun_ms = f->now_ms;
    f->contradicting = f->confirming = 0;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        f->slot[i].rounds = 0;
        flight_begin_round(f, &f->slot[i]);
    }
}

/* Counts a failure by kind, and adds its text once, for the client and the log. */
void flight_note_failure(struct flight *f, int error, const char *detail)
{
    if (error == ERROR_GONE)
        f->gone++;
    else if (error == ERROR_TIMEOUT)
        f->silent++;
    else if (error == ERROR_LOOP)
        f->looped++;
    else
        f->broken++;
    size_t len = strlen(f->detail);
    if (!strstr(f->detail, detail))
        (void)snprintf(f->detail + len, sizeof(f->detail) - len, "%s%s", len ? "; " : "", detail);
}

int flight_failure(const struct flight *f)
{
    if (f->broken)
        return ERROR_UPSTREAM_BROKEN;
    if (f->silent)
        return ERROR_TIMEOUT;
    if (f->gone)
        return ERROR_GONE;
    /* a mirror that fetches from us knows nothing more */
    return f->looped ? ERROR_LOOP : ERROR_UPSTREAM_BROKEN;
}

/* Bytes of transfers with numbers up to last_forgotten are ignored from now on: the partial file is
 * new. */
static void forget_bytes(struct flight *f)
{
    extents_release(&f->present);
    f->prefix = f->hashed = f->released = 0;
    f->senders = f->sized_by = 0;
    f->hashing = f->judging = f->resumed = f->unsynced = f->has_strong = f->reserved = false;
    f->plain = f->late = false;
    f->computed[0] = '\0';
    f->last_forgotten = f->last_transfer;
}

/* The flight rests. When there is nothing to resume, or nothing that may be resumed, it ends
 * instead. */
static void park(struct flight *f)
{
    stop_all(f);
    begin_attempt(f);
    f->go_on = f->was_whole = f->reserved = false;
    bool any = f->present.count > 0;
    if (!any || f->refused) { /* the next flight may ask mirrors that this one refused */
        if (any && has_news(f) && !f->syncing)
            sync_now(f);
        end(f, any && f->size >= 0 && !f->alone);
        return;
    }
    f->phase = PARKED;
    f->idle_since_ms = f->now_ms;
    sync_when_due(f);
    (void)flight_emit(f, FLIGHT_PARK);
}

/* Fails all readers. What is present stays for the next reader, when its length stands. */
void flight_fail(struct flight *f, int error, const char *detail)
{
    struct flight_command *c = flight_emit(f, FLIGHT_FAIL);
    /* Under a claim no mirror can confirm a length: only the right bytes can. */
    bool outvoted = __builtin_popcount(f->contradicting) > __builtin_popcount(f->confirming);
    bool doubted = f->contradicted && (f->vouched || !f->confirming || outvoted);
    c->error = error;
    c->doubted = doubted;
    c->refusals = f->refused;
    str_copy(c->detail, sizeof(c->detail), detail);
    forget_readers(f);
    stop_all(f);
    /* there is no length that a resume could rely on */
    if (f->size < 0 || f->alone || f->others || doubted)
        forget_bytes(f);
    park(f);
}

/* ------------------------------------------------------- release and hash */

/* Raises the limit of whole-file readers. Without a length the last 64 KiB of what came may be the
 * file's last. With a reader ahead of the front the limit can rise at once: it reads only what is
 * there. */
void flight_release(struct flight *f)
{
    int64_t limit = f->prefix - FLIGHT_HOLD_BACK;
    if (f->verified) {
        limit = INT64_MAX;
    } else if (f->size >= 0) {
        int64_t last = f->size - (f->size > FLIGHT_HOLD_BACK ? FLIGHT_HOLD_BACK : 1);
        limit = f->prefix < last && !f->reads_ahead ? f->prefix : last;
    }
    if (limit <= f->released)
        return;
    f->released = limit;
    flight_emit(f, FLIGHT_RELEASE)->to = limit;
}

/* Whether a body without a length still runs. Without a digest, an old length is right only when
 * that body ends there. */
static bool awaits_end(const struct flight *f)
{
    bool any = false;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        const struct slot *s = &f->slot[i];
        any |= s->state == SLOT_RUNNING && s->accepted && s->endless;
    }
    return any && !f->vouched && flight_is_whole(f);
}

/* One job at a time, so that the bytes are hashed in order. */
void flight_hash_more(struct flight *f)
{
    if (f->hashing || f->computed[0] || awaits_end(f))
        return;
    int64_t ready = f->prefix - f->hashed;
    if (!flight_is_whole(f) && ready < HASH_LEAST_BYTES)
        return;
    struct flight_command *c = flight_emit(f, FLIGHT_HASH);
    c->from = f->hashed;
    c->to = f->hashed + (ready < HASH_MOST_BYTES ? ready : HASH_MOST_BYTES);
    f->hashing = true;
}

/* Whether several mirrors are suspects, so that nobody can say whose bytes made the digest wrong.
 * The disk is the suspect when bytes of an earlier download are present. */
static bool is_mixed(const struct flight *f)
{
    unsigned suspects = flight_suspects(f);
    return !f->resumed && (suspects & (suspects - 1));
}

/* Forgets the bytes and begins a new attempt. Readers are cut before any other command, because
 * they must not read bytes of the next version. */
void flight_start_over(struct flight *f, int error)
{
    struct flight_command *c = flight_emit(f, FLIGHT_CUT);
    c->error = error;
    stop_all(f);
    forget_readers(f);
    forget_bytes(f);
    f->known = false;
    f->size = f->first_size;
    f->has_length = f->size >= 0;
    f->go_on = f->was_whole;
    bool contradicted = f->contradicted; /* first_size stays, and so does what contradicts it */
    begin_attempt(f);
    f->contradicted = contradicted;
}

/* Such a length is doubted first when the bytes do not fit it. */
bool flight_has_old_size(const struct flight *f)
{
    return f->size >= 0 && f->first_size < 0 && !f->sized_by;
}

unsigned flight_barred(const struct flight *f)
{
    return f->blamed | f->refused;
}

/* Mirrors that may have caused a wrong digest, by their bytes or by the length they told. */
unsigned flight_suspects(const struct flight *f)
{
    return f->senders | f->sized_by;
}

/* The disk failed, so no other mirror could do better: readers fail, and nothing is kept. */
static void give_up(struct flight *f, int error)
{
    stop_all(f);
    struct flight_command *c = flight_emit(f, FLIGHT_FAIL);
    c->error = error;
    str_copy(c->detail, sizeof(c->detail), error_text(error));
    forget_readers(f);
    end(f, false);
}

/* This flight asks the mirror no more; the owner remembers its copy for later flights. */
static void refuse(struct flight *f, unsigned mirror, int error, const char *sha256,
                   const char *detail)
{
    struct flight_command *c = flight_emit(f, FLIGHT_REFUSE);
    c->mirror = mirror;
    c->error = error;
    str_copy(c->sha256, sizeof(c->sha256), sha256);
    str_copy(c->detail, sizeof(c->detail), detail);
    f->refused |= 1u << mirror;
}

/* The bytes are not the file's. A mirror that sent all of them is not asked for it again. The disk
 * and an old length are also suspects: then no mirror is refused. Of a mixture the sender of the
 * wrong bytes is unknown: the next attempt asks one mirror alone. */
static void reject(struct flight *f, enum flight_verdict verdict, const char *detail)
{
    int error = verdict == FLIGHT_WRONG ? ERROR_DIGEST_MISMATCH : ERROR_UPSTREAM_BROKEN;
    unsigned senders = flight_suspects(f);
    bool innocent = f->resumed || flight_has_old_size(f);
    bool mixed = is_mixed(f);
    char sha256[SHA256_HEX];
    memcpy(sha256, f->computed, sizeof(sha256));
    flight_start_over(f, error);
    f->alone |= mixed && !innocent;
    if (mixed || innocent)
        return;
    flight_note_failure(f, error, detail);
    for (unsigned m = 0; m < f->mirrors; m++)
        if (senders & (1u << m))
            refuse(f, m, error, sha256, detail);
    if (!senders) { /* an empty file, as was promised before: no mirror could do better */
        f->contradicted = true;
        flight_fail(f, error, detail);
    }
}

/* A range reader leaves the file sparse. A whole-file reader needs disk for the whole file. */
static void reserve(struct flight *f)
{
    if (f->reserved || !f->was_whole || !f->known || f->size <= 0 || f->phase != FILLING ||
        flight_is_whole(f))
        return;
    f->reserved = true;
    (void)flight_emit(f, FLIGHT_RESERVE);
}

void flight_tell_size(struct flight *f)
{
    if (!f->known)
        flight_emit(f, FLIGHT_KNOWN)->size = f->size;
    f->known = true;
    reserve(f);
}

/* All bytes are present and hashed. The owner says whether they are right. */
static void conclude(struct flight *f)
{
    f->judging = true;
    struct flight_command *c = flight_emit(f, FLIGHT_JUDGE);
    c->judgement = ++f->judgement;
    str_copy(c->sha256, sizeof(c->sha256), f->computed);
}

/* The bytes are right: readers get the last ones now. The file is kept when a claim or a length
 * vouches for its end. Transfers that have brought everything end by themselves, so that
 * connections live on. Where a mirror told no length, nobody knows how much more it sends. */
static void accept(struct flight *f, bool agreed)
{
    f->verified = true;
    flight_tell_size(f);
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *s = &f->slot[i];
        if (s->endless || s->at < (s->to >= 0 ? s->to : f->size))
            flight_stop_slot(f, s);
    }
    flight_release(f);
    if (!agreed && !f->has_length) {
        end(f, false);
        return;
    }
    f->phase = COMMITTING;
    struct flight_command *c = flight_emit(f, FLIGHT_COMMIT);
    str_copy(c->sha256, sizeof(c->sha256), f->computed);
    c->authoritative = agreed;
}

/* An answer to an older question is ignored: bytes or claims have changed since. */
void flight_on_judged(struct flight *f, uint64_t judgement, enum flight_verdict verdict,
                      const char *detail)
{
    if (!f->judging || judgement != f->judgement || f->phase == ENDED)
        return;
    f->judging = false;
    if (verdict == FLIGHT_AGREED || verdict == FLIGHT_SOUND)
        accept(f, verdict == FLIGHT_AGREED);
    else
        reject(f, verdict, detail);
    flight_plan(f);
}

/* The last run brings the digest, and the question to the owner. */
void flight_on_hashed(struct flight *f, int64_t to, const char *sha256)
{
    if (!f->hashing || f->phase == ENDED)
        return;
    f->hashing = false;
    f->hashed = to;
    if (sha256 && flight_is_whole(f) && to == f->size) {
        str_copy(f->computed, sizeof(f->computed), sha256);
        conclude(f);
    }
    if (f->phase == PARKED)
        flight_hash_more(f);
    flight_plan(f);
}

/* The mirrors come after all others, because their last copy was bad. */
void flight_on_allowed(struct flight *f, unsigned mirrors)
{
    if (f->phase == ENDED || f->phase == COMMITTING)
        return;
    f->blamed |= f->refused & mirrors;
    f->refused &= ~mirrors;
    flight_plan(f);
}

/* A claim is a reason to trust neither the old length nor the old refusals. */
void flight_on_vouched(struct flight *f)
{
    if (f->phase == ENDED || f->phase == COMMITTING)
        return;
    /* what contradicted the old claim may agree with the new one: asked after all others */
    f->blamed |= f->refused;
    f->refused = 0;
    if (!f->vouched)
        f->first_size = -1;
    f->vouched = true;
    flight_plan(f);
}

void flight_on_committed(struct flight *f, int error)
{
    (void)error; /* a file that could not be kept was served all the same */
    if (f->phase == COMMITTING)
        end(f, false);
}

void flight_on_disk_error(struct flight *f, int error)
{
    if (f->phase != ENDED && f->phase != COMMITTING) /* the commit reports its own error */
        give_up(f, error);
}

/* ---------------------------------------------------------------- readers */

/* Without memory for the reader it is not counted, but the flight goes on for it. */
void flight_on_reader(struct flight *f, uint64_t id, enum flight_use use, int64_t from, int64_t to)
{
    if (f->phase == ENDED)
        return;
    struct reader *r = calloc(1, sizeof(*r));
    if (r) {
        *r = (struct reader){.id = id, .use = use, .from = from, .to = to, .next = f->readers};
        f->readers = r;
    }
    f->was_whole |= use == FLIGHT_WHOLE;
    f->reads_ahead |= use == FLIGHT_WHOLE && from > 0;
    f->idle_since_ms = -1;
    if (f->phase == PARKED)
        f->phase = FILLING;
    reserve(f);
    flight_plan(f);
}

void flight_on_reader_left(struct flight *f, uint64_t id)
{
    for (struct reader **p = &f->readers; *p; p = &(*p)->next)
        if ((*p)->id == id) {
            struct reader *r = *p;
            *p = r->next;
            free(r);
            return;
        }
}

/* ------------------------------------------------------------------- time */

/* Whether an unread file is completed: a client wanted the whole, and little of it is missing. */
static bool worth_finishing(const struct flight *f)
{
    int64_t missing = f->size - extents_total(&f->present);
    return f->was_whole && f->size >= 0 &&
           (missing < f->size / 4 || missing < FINISH_MISSING_BYTES);
}

/* Nobody called tick for long, because the machine slept or there was nothing to do. The transfers
 * are not charged for that time. */
static void forgive_pause(struct flight *f, int64_t now_ms)
{
    int64_t pause_ms = now_ms - f->now_ms - TICK_MOST_MS;
    for (unsigned i = 0; i < FLIGHT_SLOTS && pause_ms > 0; i++) {
        f->slot[i].begun_ms += pause_ms;
        f->slot[i].heard_ms += pause_ms;
        f->slot[i].window_ms += pause_ms;
    }
}

/* The order matters: first what is known of mirrors, then races, then the sync, then rest and end.
 */
void flight_on_tick(struct flight *f, int64_t now_ms, const int64_t *rates)
{
    int64_t passed_ms = now_ms - f->now_ms;
    forgive_pause(f, now_ms);
    f->now_ms = now_ms;
    for (unsigned m = 0; m < f->mirrors; m++)
        f->rate[m] = rates ? rates[m] : 0;
    if (f->shy && now_ms - f->shy_since_ms >= SHY_MS)
        f->shy = 0;
    flight_leave_trickle(f, passed_ms < TICK_MOST_MS ? passed_ms : TICK_MOST_MS);
    flight_hedge(f);
    sync_when_due(f);
    if (f->phase == PARKED && f->idle_since_ms < 0) /* the flight began parked */
        f->idle_since_ms = now_ms;
    if (f->phase == PARKED && now_ms - f->idle_since_ms > FORGET_MS)
        end(f, true);
    if (f->phase != FILLING || flight_is_whole(f) || f->readers || f->go_on) {
        if (f->phase != PARKED)
            f->idle_since_ms = -1;
        return;
    }
    if (f->idle_since_ms < 0)
        f->idle_since_ms = now_ms;
    f->go_on = worth_finishing(f);
    if (f->go_on)
        flight_plan(f);
    else if (now_ms - f->idle_since_ms >= GRACE_MS)
        park(f);
}

/* Bytes of several mirrors are not kept when the flight was to fetch from one alone. */
void flight_on_stop(struct flight *f)
{
    if (f->phase == ENDED)
        return;
    stop_all(f);
    struct flight_command *c = flight_emit(f, FLIGHT_FAIL);
    c->error = ERROR_STOPPING;
    str_copy(c->detail, sizeof(c->detail), "shutting down");
    forget_readers(f);
    if (has_news(f))
        sync_now(f);
    end(f, f->present.count > 0 && f->size >= 0 && !f->alone &&
               (f->phase == FILLING || f->phase == PARKED));
}

/* A copy, so that its reader need not know the inside. */
void flight_view(const struct flight *f, struct flight_view *ret)
{
    *ret = (struct flight_view){
        .size = f->size,
        .prefix = f->prefix,
        .present = extents_total(&f->present),
        .hashed = f->hashed,
        .released = f->released,
        .senders = f->senders,
        .verified = f->verified,
        .parked = f->phase == PARKED,
        .ended = f->phase == ENDED,
    };
    for (struct reader *r = f->readers; r; r = r->next)
        ret->readers++;
}

const char *flight_detail(const struct flight *f)
{
    return f->detail;
}
