// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "engine/flight/flight_state.h"

/* Mirrors and transfers: what they answered, what they brought, and how they ended.
 *
 * A transfer lives: FLIGHT_ASK -> flight_on_mirror: FLIGHT_START -> flight_on_answer (judged; the
 * body may come) -> flight_on_bytes, many times -> flight_on_ended. The flight stops it earlier
 * when nothing useful can come (is_spent), when it loses a race (win), or when it trickles
 * (flight_leave_trickle). Bytes of a stopped transfer still count. A mirror that failed is `tried`
 * for the rest of the round; one that has another file, or none, is `dead` for the rest of the
 * attempt. */

/* Whether the slot may ask all mirrors once more: only when something came since the round began.
 */
static bool another_round(struct flight *f, struct slot *s)
{
    int64_t present = extents_total(&f->present);
    if (present == s->round_present)
        return false;
    s->rounds = present - s->round_present >= PROGRESS_BYTES ? 0 : s->rounds + 1;
    flight_begin_round(f, s);
    return s->rounds < ROUNDS_WITHOUT_PROGRESS;
}

/* The mirrors whose bytes are present give no more. Forgets the bytes where another mirror might
 * bring the whole file. Or the same mirror might, in one transfer, where its later answers could
 * not be held to the first. Each mirror has one such try, so that mirrors never take turns for
 * ever. */
static bool try_others(struct flight *f)
{
    /* an old length tells nothing about the mirrors of today */
    bool old = f->resumed || flight_has_old_size(f);
    unsigned mine = old ? 0 : flight_suspects(f);
    unsigned all = (1u << f->mirrors) - 1;
    unsigned others = f->alone ? all & ~f->dead : f->others;
    unsigned again = mine & f->unproven & ~f->no_ranges & ~flight_barred(f);
    unsigned dead = (f->dead & ~f->others) | (mine & ~again);
    if (!(mine || old) || !((others & ~flight_barred(f) & ~mine) | again))
        return false;
    unsigned spent = f->spent | mine;
    flight_start_over(f, ERROR_UPSTREAM_BROKEN);
    f->no_ranges |= again;
    f->dead = dead;
    f->spent = spent & dead;
    return true;
}

/* No other mirror is left. A mirror that was wrong before may have corrected its file. */
static bool try_blamed(struct flight *f, struct slot *s)
{
    if (!(f->blamed & ~f->refused & ~f->dead))
        return false;
    f->blamed = 0;
    s->full = false;
    return true;
}

/* No mirror can be asked for the slot. What that means depends on the slot: a hedge tries again
 * later, the front fetches the segment, and ranges of readers also fall to the front. The front
 * itself asks a mirror without ranges for the whole file, then begins another round, then another
 * attempt; then the flight fails. Rounds among mirrors that trickle would never end, so a blamed
 * mirror is asked before one. */
static void no_mirror(struct flight *f, unsigned i)
{
    struct slot *s = &f->slot[i];
    unsigned all = (1u << f->mirrors) - 1;
    if (s->rival) {
        f->hedge_after_ms = f->now_ms + HEDGE_AGAIN_MS;
    } else if (s->rank == FLIGHT_RANK_AHEAD) {
        f->shy = all;
        f->shy_since_ms = f->now_ms;
    } else if (i != FRONT) {
        f->no_wanted = true;
    } else if (!s->full && (s->from > 0 || s->to >= 0) &&
               (f->no_ranges & ~f->dead & ~flight_barred(f) & all)) {
        s->full = true;
        s->tried = 0;
    } else if (!(f->trickled && try_blamed(f, s)) && !another_round(f, s) && !try_others(f) &&
               !try_blamed(f, s)) {
        char detail[FLIGHT_DETAIL];
        str_copy(detail, sizeof(detail), f->detail[0] ? f->detail : "no mirror left");
        flight_fail(f, flight_failure(f), detail);
    }
}

/* The answer to an ask may be late: the run is narrowed to what is still missing. */
void flight_on_mirror(struct flight *f, unsigned i, unsigned mirror, int error, const char *detail)
{
    struct slot *s = &f->slot[i];
    if (s->state != SLOT_ASKED || f->phase != FILLING)
        return;
    s->state = SLOT_IDLE;
    if (mirror == FLIGHT_NO_MIRROR) {
        if (error)
            flight_note_failure(f, error, detail);
        no_mirror(f, i);
        flight_plan(f);
        return;
    }
    if (!flight_narrow(f, s, mirror) ||
        /* the mirror was chosen before that was known */
        (flight_excluded(f, s) & (1u << mirror))) {
        flight_plan(f);
        return;
    }
    s->state = SLOT_RUNNING;
    s->mirror = mirror;
    s->transfer = ++f->last_transfer * FLIGHT_MIRRORS + mirror;
    s->is_framed = s->accepted = s->limited = s->refused = false;
    s->begun_ms = f->now_ms;
    s->pace = -1;
    s->by_byte = s->head && (f->no_head & (1u << mirror));
    struct flight_command *c = flight_emit(f, FLIGHT_START);
    c->slot = i;
    c->transfer = s->transfer;
    c->mirror = mirror;
    c->head = s->head && !s->by_byte;
    c->from = s->from;
    c->to = s->by_byte ? 1 : s->to;
    c->resume = f->present.count > 0 && !f->vouched;
    flight_plan(f);
}

/* NULL when the transfer was stopped: its slot may have another one by now. */
static struct slot *slot_of(struct flight *f, uint64_t transfer)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_RUNNING && f->slot[i].transfer == transfer)
            return &f->slot[i];
    return NULL;
}

/* Whether bytes are present or on their way, except those of this slot. */
static bool has_begun(const struct flight *f, const struct slot *s)
{
    bool begun = f->present.count || f->late;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        begun |= &f->slot[i] != s && f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted;
    return begun;
}

/* Whether the answer is about another file than the one whose bytes are present or on their way. */
static bool is_other_file(const struct flight *f, const struct slot *s,
                          const struct flight_answer *a)
{
    if (a->total >= 0 && f->size >= 0)
        if (a->total != f->size)
            return true;
    if (a->total >= 0 && f->present.count && a->total < f->present.list[f->present.count - 1].to)
        return true;
    bool matters = !s->head || s->by_byte ||
                   (f->resumed && !f->known); /* no answer was compared since the restart */
    return has_begun(f, s) && matters && !f->vouched && !a->same_validator;
}

/* Whether the mirror refuses a range from the first byte: its answer says neither the length nor
 * that the file is empty. It is then asked for the whole file. */
static bool is_range_refused(const struct flight *f, const struct slot *s,
                             const struct flight_answer *a)
{
    return s->bounded && s->from == 0 &&
           (a->status == 416 || (a->status == 206 && a->total < 0 && f->size < 0));
}

/* The mirror tells another length than was promised. Mirrors that tell the same one count together.
 */
static void contradict(struct flight *f, unsigned bit, int64_t total)
{
    if (!f->contradicting)
        f->other_size = total;
    if (total == f->other_size)
        f->contradicting |= bit;
    f->contradicted = true;
}

/* Whether the body may come. Every refusal is noted with the mirror, so that the next choice of a
 * mirror knows it. */
static int judge(struct flight *f, struct slot *s, const struct flight_answer *a)
{
    unsigned bit = 1u << s->mirror;
    s->refused = is_range_refused(f, s, a);
    if (s->refused) {
        f->unsized |= bit;
        return a->status == 416 ? ERROR_UPSTREAM_STATUS : ERROR_UPSTREAM_BROKEN;
    }
    if (a->status == 404 || a->status == 410)
        return ERROR_GONE;
    if (a->status == 508) /* the mirror has asked us, perhaps by way of others */
        return ERROR_LOOP;
    if (a->status != 200 && a->status != 206 && (a->status != 416 || a->total < 0))
        return ERROR_UPSTREAM_STATUS;
    if (is_other_file(f, s, a)) {
        f->dead |= bit;
        f->unproven |= a->total >= 0 && a->total == f->size ? bit : 0;
        if (f->first_size < 0 || a->total == f->first_size || a->total < 0)
            f->others |= bit;
        else
            contradict(f, bit, a->total);
        return ERROR_UPSTREAM_BROKEN;
    }
    f->confirming |= a->total >= 0 && a->total == f->size ? bit : 0;
    if (a->status == 416) /* the range begins at the end of the file: that is the size */
        return a->total == s->from ? 0 : ERROR_UPSTREAM_STATUS;
    /* Where no length is known, the end of a 206 tells nothing: it may end sooner than the file. */
    bool is_vague = !s->head && a->status == 206 && a->total < 0 && f->size < 0 && s->to < 0;
    if (s->from != a->from || is_vague) { /* the range was ignored */
        f->no_ranges |= bit;
        return ERROR_UPSTREAM_BROKEN;
    }
    unsigned others = ~(f->refused | f->dead | s->tried | bit) & ((1u << f->mirrors) - 1);
    if (!s->head && !a->is_framed && !f->vouched && others)
        return ERROR_UPSTREAM_BROKEN; /* another mirror may tell the length */
    return 0;
}

/* A hedge names its rival by the transfer's number, because slots are reused. */
bool flight_races(const struct slot *hedge, const struct slot *with)
{
    return hedge->rival && with->state == SLOT_RUNNING && with->transfer == hedge->rival;
}

/* Either side of a race counts, also a hedge that still waits for a mirror. */
bool flight_is_racing(const struct flight *f, const struct slot *s)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        const struct slot *o = &f->slot[i];
        if (flight_races(s, o) || (o->state != SLOT_IDLE && flight_races(o, s)))
            return true;
    }
    return false;
}

/* Why a transfer has lost to another one. False: it had no time to win. */
static bool is_outrun(const struct flight *f, const struct slot *s, char *ret, size_t size)
{
    int64_t silent_ms = f->now_ms - (s->accepted ? s->heard_ms : s->begun_ms);
    if (s->accepted && !flight_is_stalled(f, s))
        (void)snprintf(ret, size, "%lld bytes a second", (long long)s->pace);
    else
        (void)snprintf(ret, size, "no byte for %lld ms", (long long)silent_ms);
    return s->accepted || silent_ms >= HEDGE_MS;
}

/* The owner hears why the transfer lost, because it chooses mirrors for other files also. */
static void stop_outrun(struct flight *f, struct slot *s)
{
    char why[FLIGHT_DETAIL];
    int64_t left_rate = flight_is_stalled(f, s) || !s->accepted ? 0 : s->pace;
    if (s->state == SLOT_RUNNING && is_outrun(f, s, why, sizeof(why))) {
        struct flight_command *c = flight_emit(f, FLIGHT_STOP);
        c->transfer = s->transfer;
        c->error = ERROR_TIMEOUT;
        c->rate = left_rate;
        str_copy(c->detail, sizeof(c->detail), why);
        f->left |= 1u << s->mirror;
        f->left_ms[s->mirror] = f->now_ms;
        f->left_rate[s->mirror] = left_rate;
        f->late |= s->accepted;
        s->state = SLOT_IDLE;
    }
    flight_stop_slot(f, s);
}

/* Whether the mirror's transfers have brought next to nothing for half a minute. They count
 * together: one may continue where another gave its connection up. */
static bool has_trickled(struct flight *f, unsigned mirror, int64_t passed_ms)
{
    struct trickle *t = &f->trickle[mirror];
    int64_t running = 0;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        running +=
            f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted && f->slot[i].mirror == mirror;
    t->ms += running ? passed_ms : 0;
    t->all_ms += running * passed_ms;
    if (!running || t->ms < TRICKLE_MS)
        return false;
    bool slow = t->bytes * 1000 / t->all_ms < TRICKLE_BYTES;
    *t = (struct trickle){.times = slow ? t->times + 1 : 0};
    return slow;
}

/* Mirrors that might do better, and can continue after the present bytes: those that were not
 * tried, or, after a minute, any. */
static unsigned successors(const struct flight *f, unsigned mirror)
{
    unsigned all = (1u << f->mirrors) - 1;
    unsigned tried = f->trickle[mirror].times < TRICKLES_MOST ? f->slot[FRONT].tried : 0;
    return all & ~(f->refused | f->dead | tried | 1u << mirror);
}

/* Stops all transfers of the mirror. From now on only the front asks it. */
static void leave(struct flight *f, unsigned mirror)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *s = &f->slot[i];
        if (s->state == SLOT_RUNNING && s->accepted && s->mirror == mirror)
            stop_outrun(f, s);
    }
    f->slot[FRONT].tried |= 1u << mirror;
    f->trickled |= 1u << mirror;
    f->trickle[mirror].times = 0;
    flight_note_failure(f, ERROR_TIMEOUT, "next to nothing comes");
}

/* Mirrors that might do better if everything began anew: their answers were about another file than
 * the present bytes. After a minute mirrors also count that had their one try before this one. */
static unsigned beginners(const struct flight *f, unsigned mirror)
{
    unsigned spent = f->trickle[mirror].times < TRICKLES_MOST ? 0 : f->spent;
    return (f->others | spent) & ~flight_barred(f) & ~(1u << mirror);
}

/* A new attempt, without this mirror, and with mirrors that were dead until now. */
static void begin_without(struct flight *f, unsigned mirror, unsigned with)
{
    unsigned dead = (f->dead & ~with) | 1u << mirror, spent = (f->spent & ~with) | 1u << mirror;
    flight_start_over(f, ERROR_TIMEOUT);
    f->dead = dead;
    f->spent = spent;
}

/* Whether next to nothing has come in minutes: mirrors with another file may have the right one. */
static bool is_in_vain(const struct flight *f)
{
    return f->now_ms - f->begun_ms >= VAIN_MS && extents_total(&f->present) < PROGRESS_BYTES;
}

/* A race gets half a minute more. Otherwise another mirror continues after the present bytes, if it
 * can be held to them. Else the flight begins anew, and readers, who have had next to nothing, are
 * cut. */
void flight_leave_trickle(struct flight *f, int64_t passed_ms)
{
    for (unsigned m = 0; m < f->mirrors && f->phase == FILLING && !flight_is_whole(f); m++) {
        if (!has_trickled(f, m, passed_ms))
            continue;
        unsigned same = successors(f, m), anew = beginners(f, m);
        bool held = f->size >= 0 && flight_is_provable(f);
        bool raced = held && !f->alone && (same & ~flight_barred(f));
        if (!(same | anew) || (raced && f->trickle[m].times < TRICKLES_MOST))
            continue;
        leave(f, m);
        if (!same || f->alone || !(f->vouched || held) || (anew && is_in_vain(f)))
            begin_without(f, m, anew);
        flight_plan(f);
    }
}

/* The first answer for a run that two mirrors were asked for: the other transfer is not needed.
 * When that was the front's run, the winner becomes the front. */
static struct slot *win(struct flight *f, struct slot *s)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *o = &f->slot[i];
        if (flight_races(s, o))
            o->tried |= 1u << o->mirror;
        else if (!flight_races(o, s))
            continue;
        if (o->state == SLOT_ASKED)
            flight_emit(f, FLIGHT_DROP)->slot = i;
        stop_outrun(f, o);
        o->rival = o->beside = 0;
    }
    struct slot *front = &f->slot[FRONT];
    if (!s->rival)
        return s;
    s->rival = s->beside = 0;
    if (front->state != SLOT_IDLE || s->from != f->prefix)
        return s;
    s->tried = front->tried;
    s->rounds = front->rounds;
    s->round_present = front->round_present;
    *front = *s;
    *s = (struct slot){0};
    return front;
}

/* A segment comes from this slot on: a long transfer that is on its way to it ends there. */
static void limit_others(struct flight *f, const struct slot *s)
{
    if (s == &f->slot[FRONT] || s->head || s->to - s->from < SKIP_BYTES)
        return;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *o = &f->slot[i];
        if (o == s || o->state != SLOT_RUNNING || o->head || !o->accepted || o->at >= s->from ||
            (o->to >= 0 && o->to <= s->from))
            continue;
        o->to = s->from;
        o->limited = true;
        struct flight_command *c = flight_emit(f, FLIGHT_LIMIT);
        c->transfer = o->transfer;
        c->to = o->to;
    }
}

/* Whether this is the beginning of a file without digest and without strong validator. Later
 * answers could be of another file, and nobody would find out. So one transfer has to bring
 * everything. */
static bool must_be_plain(const struct flight *f, const struct slot *s,
                          const struct flight_answer *a)
{
    int64_t total = a->total >= 0 ? a->total : f->size;
    return s->bounded && a->status == 206 && total > s->to && !f->vouched && !a->has_strong &&
           !has_begun(f, s);
}

/* The order matters: first the verdict, then the race, then the size, because readers are answered
 * as soon as the size is told. */
int flight_on_answer(struct flight *f, uint64_t transfer, const struct flight_answer *a)
{
    struct slot *s = slot_of(f, transfer);
    if (!s)
        return ERROR_STOPPING;
    int r = judge(f, s, a);
    if (r)
        return r;
    if (must_be_plain(f, s, a)) {
        f->plain = true;
        flight_stop_slot(f, s);
        flight_plan(f);
        return ERROR_STOPPING;
    }
    if (a->status == 200 && !s->head && s->to >= 0) { /* the body goes on after the range */
        f->no_ranges |= 1u << s->mirror;
        s->to = -1;
    }
    s->is_framed = a->is_framed;
    s->partial = a->status == 206;
    s->measured = s->partial && a->total >= 0;
    s = win(f, s);
    s->accepted = !s->head || s->by_byte;
    s->heard_ms = s->window_ms = f->now_ms;
    s->window_bytes = 0;
    if (s->accepted && (!has_begun(f, s) || !a->same_validator))
        f->has_strong = a->has_strong;
    if (f->size < 0 && a->total >= 0) {
        f->size = a->total;
        f->has_length = true;
    }
    if (f->size >= 0 && s->to > f->size)
        s->to = -1; /* more was asked for than there is */
    s->endless = a->total < 0 && s->to < 0;
    if (f->first_size < 0 && a->total >= 0)
        /* the last mirror to confirm it is mostly the sender itself */
        f->sized_by = 1u << s->mirror;
    /* of an empty file no byte can be held back, so readers wait for the verdict */
    if (f->size != 0)
        flight_tell_size(f);
    limit_others(f, s);
    if (a->status == 416 || (s->by_byte && a->status == 200)) {
        s->accepted = false; /* nothing comes, or the whole file, which is not wanted */
        flight_stop_slot(f, s);
    }
    flight_plan(f);
    return 0;
}

/* The owner has compared the validator; the flight only notes the result. */
void flight_on_still_wrong(struct flight *f, unsigned mirror)
{
    f->refused |= 1u << mirror;
}

/* Whether nothing more of use will come: the rest is present, or a long run of it (the part after
 * that is asked anew), or more comes than was asked for. A transfer that came to its end ends by
 * itself. */
static bool is_spent(const struct flight *f, const struct slot *s)
{
    int64_t end = s->by_byte ? 1 : s->to >= 0 ? s->to : f->size;
    if (s->state != SLOT_RUNNING || (s->head && !s->by_byte) || end < 0 ||
        (s->at == end && !s->limited))
        return false;
    struct extent run;
    if (s->at > end || !extents_missing(&f->present, s->at, end, &run))
        return true;
    if (s->full)
        return false;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        const struct slot *o = &f->slot[i];
        if (o != s && o->state == SLOT_RUNNING && o->accepted && o->from <= s->at &&
            s->at < o->at && !flight_races(s, o))
            return true; /* both would bring the same bytes from here on */
    }
    return run.from >= s->at + SKIP_BYTES;
}

/* After each report: the bytes of one transfer may make another one needless. */
static void stop_spent(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (is_spent(f, &f->slot[i]))
            flight_stop_slot(f, &f->slot[i]);
}

/* More bytes come than the told size: one of the two is wrong. Without a digest the present bytes
 * may be a part of another file. */
static void on_excess(struct flight *f, struct slot *s)
{
    f->dead |= 1u << s->mirror;
    if (f->first_size < 0)
        f->others |= 1u << s->mirror;
    flight_stop_slot(f, s);
    flight_note_failure(f, ERROR_UPSTREAM_BROKEN, "more bytes than announced");
    if (f->vouched)
        return;
    unsigned dead = f->dead;
    flight_start_over(f, ERROR_UPSTREAM_BROKEN);
    f->dead = dead;
    f->contradicted = f->first_size >= 0;
}

/* Bytes of a stopped transfer count also: they are on disk, and no other transfer will bring them.
 */
void flight_on_bytes(struct flight *f, uint64_t transfer, int64_t from, int64_t to)
{
    struct slot *s = slot_of(f, transfer);
    if ((f->phase != FILLING && f->phase != PARKED) ||
        transfer / FLIGHT_MIRRORS <= f->last_forgotten)
        return;
    bool excess = f->size >= 0 && to > f->size;
    if (extents_add(&f->present, from, excess ? f->size : to)) {
        flight_on_disk_error(f, ERROR_NO_MEMORY);
        return;
    }
    f->trickle[transfer % FLIGHT_MIRRORS].bytes += to - from;
    f->senders |= 1u << transfer % FLIGHT_MIRRORS; /* the number tells the mirror */
    f->unsynced = true;
    f->prefix = extents_end(&f->present, 0);
    if (s) {
        s->at = to > s->at ? to : s->at; /* disk lanes may overtake each other */
        s->heard_ms = f->now_ms;
        s->window_bytes += to - from;
    }
    if (s && excess)
        on_excess(f, s);
    stop_spent(f);
    if (f->phase == PARKED && flight_is_whole(f))
        f->phase = FILLING; /* the last byte was on its way when the flight parked */
    flight_plan(f);
}

/* A helper's failure costs only the try; a helper that brought something may ask that mirror again.
 */
static void note_help(struct flight *f, const struct slot *s, bool failed)
{
    f->shy &= ~(1u << s->mirror);
    if (!failed || s == &f->slot[FRONT])
        return;
    f->shy |= 1u << s->mirror;
    f->shy_since_ms = f->now_ms;
}

/* The end of a body whose length no mirror announced: it is the length, when a cut would have been
 * seen. */
static void conclude_length(struct flight *f, const struct slot *s)
{
    if (s->is_framed || f->vouched) {
        f->size = f->prefix;
        f->sized_by = 1u << s->mirror;
        return;
    }
    flight_fail(f, ERROR_UPSTREAM_BROKEN, "neither length nor digest is known");
}

/* A mirror may send less of a range than was asked for, when it says so, but not too little. Bytes
 * of a transfer that was stopped before also count. */
static bool is_piece(const struct slot *s, int64_t first_missing)
{
    return s->partial && first_missing - s->from >= PIECE_LEAST_BYTES;
}

/* A failure moves the slot to the next mirror. A good end that is too short counts as a failure,
 * unless the mirror announced a shorter piece. */
void flight_on_ended(struct flight *f, uint64_t transfer, int error, int status, const char *detail)
{
    struct slot *s = slot_of(f, transfer);
    if (!s || f->phase != FILLING)
        return;
    s->state = SLOT_IDLE;
    unsigned bit = 1u << s->mirror;
    bool refused_head = s->head && !(f->no_head & bit) && error == ERROR_UPSTREAM_STATUS &&
                        status >= 400 && status != 429 && status < 600 && status != 503;
    if (refused_head) {
        f->no_head |= bit;
    } else if (error && !s->refused) {
        s->tried |= bit;
        note_help(f, s, true);
        if (error == ERROR_GONE)
            f->dead |= bit;
        flight_note_failure(f, error, detail);
    } else if (!error && !s->head && f->size < 0 && s == &f->slot[FRONT]) {
        conclude_length(f, s);
    } else if (!error && !s->head) {
        struct extent run;
        bool is_short = extents_missing(&f->present, s->from, s->to < 0 ? f->size : s->to, &run);
        /* the same mirror may also be asked for the rest */
        if (is_short && is_piece(s, run.from)) {
            flight_plan(f);
            return;
        }
        note_help(f, s, is_short);
        if (is_short) {
            s->tried |= bit; /* it ended well, but too early */
            f->no_ranges |= s->measured ? bit : 0;
            /* the mirror's file is shorter than was told */
            bool shorter = s->to < 0 && s->is_framed && !s->measured;
            if (shorter && f->first_size < 0)
                f->others |= bit;
            f->contradicted |= shorter && (f->first_size >= 0 || flight_has_old_size(f));
        }
    }
    flight_plan(f);
}

/* --------------------------------------------------------------- yielding */

/* Whether a later transfer can continue where this one stops. */
static bool can_go_on(const struct flight *f, const struct slot *s)
{
    int64_t end = s->to >= 0 ? s->to : f->size >= 0 ? f->size : INT64_MAX;
    return s->accepted && !s->head && !s->full && s->at > s->from &&
           end - s->at > FLIGHT_HOLD_BACK && flight_is_provable(f) && !f->plain &&
           !(f->no_ranges & (1u << s->mirror)) && !flight_is_racing(f, s);
}

bool flight_on_yield(struct flight *f, uint64_t transfer)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS && f->phase == FILLING; i++) {
        struct slot *s = &f->slot[i];
        if (s->state != SLOT_RUNNING || s->transfer != transfer ||
            (!flight_may_yield(f, s) && !can_go_on(f, s)))
            continue;
        flight_stop_slot(f, s);
        flight_plan(f); /* flight_plan asks for the rest again, after those that wait */
        return true;
    }
    return false;
}
