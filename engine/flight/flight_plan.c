// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/error.h"
#include "engine/flight/flight_state.h"

/*
 * What is asked next. The slot FRONT has three duties: the first missing bytes, the question for
 * the size, and the decision that no mirror is left. All other slots are helpers. A helper takes,
 * in this order:
 *
 *  - WAITING: the first byte that a reader misses and that no transfer brings: of a range, or of a
 *    whole-file reader that began far ahead of the front.
 *  - AHEAD: segments of the next WINDOW_BYTES after each front, of a file that is read whole.
 *    A failure there costs only the try, because the front fetches those bytes later.
 *
 * A segment is what its mirror brings in about a second. It has at least 4 MiB, so that the round
 * trip before it weighs little. It has at most 16 MiB, so that the front never waits long at a
 * segment that stalls. Segments shrink towards the end of the file, so that the last ones end
 * together. While the size is unknown, the first transfer asks for SEGMENT_MOST_BYTES, so that it
 * need not be cut where others continue. A mirror without ranges sends the whole file, and is
 * stopped where it meets what others brought.
 */

/* While the size is unknown every missing run is open-ended. */
static int64_t end_of(const struct flight *f)
{
    return f->size >= 0 ? f->size : INT64_MAX;
}

/* --------------------------------------------------------- runs under way */

/* A long run may be shortened later: see flight_narrow and limit_others. */
static bool is_long(const struct flight *f, const struct slot *s)
{
    return (s->to >= 0 ? s->to : end_of(f)) - s->from > SEGMENT_MOST_BYTES;
}

/* The bytes that a mirror brings in about a second, within the limits of a segment. */
static int64_t second_of(const struct flight *f, unsigned mirror)
{
    int64_t rate = f->rate[mirror];
    if (!rate)
        return SEGMENT_BYTES;
    if (rate > SEGMENT_MOST_BYTES)
        return SEGMENT_MOST_BYTES;
    return rate < SEGMENT_LEAST_BYTES ? SEGMENT_LEAST_BYTES : rate;
}

/* The end of the range that this slot will surely deliver; another slot may take the tail of a long
 * range. */
static int64_t reach(const struct flight *f, const struct slot *s, enum flight_rank rank)
{
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    int64_t lead = rank == FLIGHT_RANK_AHEAD ? second_of(f, s->mirror) : NEAR_BYTES;
    return is_long(f, s) && s->at + lead < end ? s->at + lead : end;
}

/* Whether `other` has precedence, so that `s` leaves to it what it is going to bring. */
static bool gives_way(const struct flight *f, const struct slot *s, const struct slot *other)
{
    if (other == s || other->head || other->state == SLOT_IDLE)
        return false;
    return other->state == SLOT_RUNNING || other == &f->slot[FRONT] ||
           (s != &f->slot[FRONT] && other->rank <= s->rank) || other->rank < s->rank;
}

/* The first run in [from, to) that is neither present nor on its way in another slot. */
static bool uncovered(const struct flight *f, const struct slot *s, int64_t from, int64_t to,
                      struct extent *ret)
{
    while (extents_missing(&f->present, from, to, ret)) {
        bool covered = false;
        for (unsigned i = 0; i < FLIGHT_SLOTS && !covered; i++) {
            const struct slot *o = &f->slot[i];
            if (!gives_way(f, s, o))
                continue;
            int64_t end = reach(f, o, s->rank);
            covered = o->from <= ret->from && ret->from < end;
            if (covered)
                from = end;
            else if (o->from > ret->from && o->from < ret->to)
                ret->to = o->from;
        }
        if (!covered)
            return true;
    }
    return false;
}

/* -------------------------------------------------- the choice of mirrors */

/* Mirrors that have as many transfers of this file as they may. */
static unsigned full_mirrors(const struct flight *f)
{
    unsigned count[FLIGHT_MIRRORS] = {0}, set = 0;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        const struct slot *s = &f->slot[i];
        if (s->state == SLOT_RUNNING && !s->head && ++count[s->mirror] >= f->connections)
            set |= 1u << s->mirror;
    }
    return set;
}

/* Mirrors that are much slower than the best one. The front would arrive before they had brought
 * their segment. */
static unsigned laggards(const struct flight *f)
{
    unsigned set = 0;
    int64_t best = 0;
    for (unsigned m = 0; m < f->mirrors; m++)
        if (f->rate[m] > best && !((flight_barred(f) | f->dead) & (1u << m)))
            best = f->rate[m];
    for (unsigned m = 0; m < f->mirrors; m++)
        if (f->rate[m] > 0 && f->rate[m] < best / PACE_SHARE)
            set |= 1u << m;
    return set;
}

/* Mirrors that may not be asked for this run, whatever else is under way. A hedge asks none that
 * would not do better than its rival. A range is asked of no mirror that ignores ranges. When one
 * mirror must bring everything, only that mirror is fit. */
static unsigned unfit(const struct flight *f, const struct slot *s)
{
    unsigned set = flight_barred(f) | f->dead |
                   (s == &f->slot[FRONT] ? s->tried : f->shy | f->trickled) | s->beside;
    if (s->rival && s->bounded)
        set |= f->unsized;
    if (s->rank == FLIGHT_RANK_AHEAD)
        set |= f->left | laggards(f);
    if (s->full)
        set |= ~f->no_ranges;
    else if (s->from > 0 || s->to >= 0)
        set |= f->no_ranges;
    if (f->alone && flight_suspects(f))
        set |= ~flight_suspects(f);
    return set & ((1u << f->mirrors) - 1);
}

/* For HEAD a mirror's share of transfers does not matter: its answer has no body. */
unsigned flight_excluded(const struct flight *f, const struct slot *s)
{
    return unfit(f, s) | (s->head ? 0 : full_mirrors(f));
}

/* Whether some mirror is fit, but each fit one has all the transfers it may have. */
static bool nobody_is_free(const struct flight *f, const struct slot *s)
{
    unsigned all = (1u << f->mirrors) - 1;
    return unfit(f, s) != all && flight_excluded(f, s) == all;
}

/* The first byte that a reader misses. False when it misses none, or wants only the size. */
static bool misses(const struct flight *f, const struct reader *r, struct extent *ret)
{
    int64_t to = r->use == FLIGHT_RANGE && r->to < end_of(f) ? r->to : end_of(f);
    return r->use != FLIGHT_HEAD && extents_missing(&f->present, r->from, to, ret);
}

/* Whether a reader waits for a byte in this slot's run. */
static bool is_waited_for(const struct flight *f, const struct slot *s)
{
    struct extent run;
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    for (const struct reader *r = f->readers; r; r = r->next)
        if (misses(f, r, &run) && s->from <= run.from && run.from < end)
            return true;
    return false;
}

bool flight_may_yield(const struct flight *f, const struct slot *s)
{
    return s->state == SLOT_RUNNING && s->rank == FLIGHT_RANK_AHEAD && !is_waited_for(f, s);
}

/* A reader waits, and all connections are busy: the segment that is furthest ahead gives its own
 * up. */
static bool yield_furthest(struct flight *f, const struct slot *for_whom)
{
    struct slot *furthest = NULL;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *s = &f->slot[i];
        if (flight_may_yield(f, s) && !(unfit(f, for_whom) & (1u << s->mirror)) &&
            (!furthest || s->from > furthest->from))
            furthest = s;
    }
    if (furthest)
        flight_stop_slot(f, furthest);
    return furthest;
}

/* Whether the transfer will be over in a moment: the first bytes of a file, a small file, or the
 * end of one. */
static bool is_brief(const struct flight *f, const struct slot *s)
{
    bool any = f->present.count;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        any |= f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted;
    int64_t end = s->to >= 0 ? s->to : f->size;
    return s->rank != FLIGHT_RANK_AHEAD &&
           (s->head || !any || (end >= 0 && end - s->from <= SMALL_BYTES));
}

/* An ask names the mirrors that it excludes; when they change, a new ask replaces it. */
static void emit_ask(struct flight *f, struct slot *s)
{
    s->excluded = flight_excluded(f, s);
    struct flight_command *c = flight_emit(f, FLIGHT_ASK);
    c->slot = (unsigned)(s - f->slot);
    c->excluded = s->excluded;
    c->rank = s->rank;
    c->brief = is_brief(f, s);
}

/* Begins an ask. False: each mirror that could do it has its share. The plan comes back when a
 * transfer has ended. */
static bool ask(struct flight *f, struct slot *s, bool head, int64_t from, int64_t to)
{
    s->head = head;
    s->beside = 0;
    s->rival = 0;
    s->bounded = false;
    s->from = s->at = s->full ? 0 : from;
    s->to = s->full ? -1 : to;
    if (nobody_is_free(f, s) && (s->rank != FLIGHT_RANK_WAITING || !yield_furthest(f, s)))
        return false;
    s->state = SLOT_ASKED;
    emit_ask(f, s);
    return true;
}

/* ----------------------------------------------------- the choice of runs */

/* Whether helpers must leave ranges to the front: one mirror must bring everything, or no range can
 * be asked. */
static bool is_front_alone(const struct flight *f)
{
    return f->no_wanted || f->alone || (f->known && f->size < 0);
}

/* A small file comes in one transfer also when a reader wants a part. */
static bool is_small(const struct flight *f)
{
    return f->size >= 0 && f->size <= SMALL_BYTES;
}

/* Whether the front has work: a whole-file reader, or a range that only the front can bring. */
static bool is_read_whole(const struct flight *f)
{
    struct extent run;
    for (struct reader *r = f->readers; r; r = r->next)
        if (r->use == FLIGHT_WHOLE ||
            (r->use == FLIGHT_RANGE && misses(f, r, &run) && (is_front_alone(f) || is_small(f))))
            return true;
    return false;
}

/* Whether a mixture of two mirrors' different files would be found out. */
bool flight_is_provable(const struct flight *f)
{
    return f->vouched || f->has_strong;
}

/* Whether more than one transfer with ranges is possible at once. */
static bool has_several(const struct flight *f)
{
    unsigned usable = ~(flight_barred(f) | f->dead) & ((1u << f->mirrors) - 1);
    return (usable & ~f->no_ranges) && (f->connections > 1 || (usable & (usable - 1)));
}

/* Segments need a known size, several transfers, and a digest or validator that finds a mixture
 * out. */
static bool is_segmented(const struct flight *f)
{
    return f->known && f->size >= SEGMENTED_BYTES && has_several(f) && flight_is_provable(f) &&
           !is_front_alone(f);
}

/* Whether this is the first answer, which later ones are held to. */
static bool is_first(const struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted)
            return false;
    return !f->present.count || f->resumed;
}

/* Whether the slot asks only for the length of a segment. */
static bool is_bounded(const struct flight *f, const struct slot *s, unsigned mirror)
{
    bool ranged = s->rank == FLIGHT_RANK_WAITING && s != &f->slot[FRONT] && !s->of_whole;
    bool large = f->size < 0 ? s->from == 0 : f->size >= SEGMENTED_BYTES;
    return large && !ranged && !f->plain && has_several(f) && !is_front_alone(f) &&
           (flight_is_provable(f) || is_first(f)) &&
           !((f->no_ranges | f->unsized) & (1u << mirror));
}

/* Towards the end the rest is shared among all slots, so that they end together. */
static int64_t segment_bytes(const struct flight *f, unsigned mirror)
{
    if (f->size < 0)
        return SEGMENT_MOST_BYTES;
    int64_t share = (f->size - extents_total(&f->present)) / FLIGHT_SLOTS;
    int64_t bytes = second_of(f, mirror);
    if (bytes > share)
        bytes = share;
    return bytes < SEGMENT_LEAST_BYTES ? SEGMENT_LEAST_BYTES : bytes;
}

/* The front's run begins with the first missing byte. False: a helper is at that byte already. */
static bool front_run(const struct flight *f, struct extent *ret)
{
    struct extent first;
    return extents_missing(&f->present, 0, end_of(f), &first) &&
           uncovered(f, &f->slot[FRONT], first.from, end_of(f), ret) && ret->from == first.from;
}

/* The next run of the front: from the prefix to the first byte that is present or on its way. When
 * nobody reads the whole file, the front asks only for the size. */
static void plan_front(struct flight *f)
{
    struct slot *s = &f->slot[FRONT];
    struct extent run;
    if (s->state != SLOT_IDLE)
        return;
    bool read = is_read_whole(f);
    s->rank = read || !f->known ? FLIGHT_RANK_WAITING : FLIGHT_RANK_FRONT;
    if (!read && !f->go_on) {
        if (f->readers && !f->known && !flight_is_whole(f))
            (void)ask(f, s, true, 0, -1);
        return;
    }
    if (front_run(f, &run))
        (void)ask(f, s, false, run.from, run.to >= end_of(f) ? -1 : run.to);
}

static struct slot *idle_helper(struct flight *f)
{
    for (unsigned i = FRONT + 1; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_IDLE)
            return &f->slot[i];
    return NULL;
}

/* Gives helpers the bytes that readers miss and that no transfer brings. */
static void plan_waiting(struct flight *f)
{
    struct extent first, run;
    if (!f->known || is_front_alone(f))
        return;
    for (struct reader *r = f->readers; r; r = r->next) {
        struct slot *s = idle_helper(f);
        if (!s || !misses(f, r, &first) || (r->use == FLIGHT_WHOLE && first.from == f->prefix))
            continue;
        s->rank = FLIGHT_RANK_WAITING;
        s->of_whole = r->use == FLIGHT_WHOLE;
        if (uncovered(f, s, first.from, first.to, &run) && run.from == first.from)
            (void)ask(f, s, false, run.from, run.to);
    }
}

/* Plans one segment after the front that is at `base`. False: none is free, or none is needed. */
static bool plan_segment(struct flight *f, int64_t base)
{
    struct slot *s = idle_helper(f);
    struct extent run;
    int64_t window = base + WINDOW_BYTES < f->size ? base + WINDOW_BYTES : f->size;
    if (!s)
        return false;
    s->rank = FLIGHT_RANK_AHEAD;
    for (int64_t at = base; uncovered(f, s, at, window, &run); at = run.to) {
        if (run.to - run.from < SKIP_BYTES)
            continue; /* a front passes over such a short hole */
        s->from = run.from;
        s->to = run.to;
        return unfit(f, s) != (1u << f->mirrors) - 1 && ask(f, s, false, run.from, run.to);
    }
    return false;
}

/* Only one segment waits for a mirror at a time: its answer calls flight_plan again. */
static void plan_ahead(struct flight *f)
{
    struct extent run;
    for (unsigned i = FRONT + 1; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_ASKED && f->slot[i].rank == FLIGHT_RANK_AHEAD)
            return;
    if (!is_segmented(f) || !(f->go_on || is_read_whole(f)) || plan_segment(f, f->prefix))
        return;
    for (const struct reader *r = f->readers; r; r = r->next)
        if (r->use == FLIGHT_WHOLE && misses(f, r, &run) && run.from > f->prefix + WINDOW_BYTES &&
            plan_segment(f, run.from))
            return;
}

/* ------------------------------------------------------------------- pace */

/* At the end of each window: what the slot brought in it is its pace, and a new window begins. */
static void measure(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *s = &f->slot[i];
        int64_t ms = f->now_ms - s->window_ms;
        if (s->state != SLOT_RUNNING || !s->accepted || ms < PACE_MS)
            continue;
        s->pace = s->window_bytes * 1000 / ms;
        s->window_ms = f->now_ms;
        s->window_bytes = 0;
    }
    for (unsigned m = 0; m < f->mirrors; m++)
        if (f->now_ms - f->left_ms[m] >= LEFT_MS)
            f->left &= ~(1u << m);
}

bool flight_is_stalled(const struct flight *f, const struct slot *s)
{
    return s->state == SLOT_RUNNING && s->accepted && f->now_ms - s->heard_ms >= PACE_MS;
}

/* What a mirror is known to bring a second: in this file now, or when it was left, or in other
 * files. -1: nothing is known. */
static int64_t known_pace(const struct flight *f, unsigned mirror)
{
    int64_t best = -1;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        const struct slot *s = &f->slot[i];
        int64_t pace = flight_is_stalled(f, s) ? 0 : s->pace;
        if (s->state == SLOT_RUNNING && s->accepted && s->mirror == mirror && pace > best)
            best = pace;
    }
    if (best >= 0)
        return best;
    if (f->left & (1u << mirror))
        return f->left_rate[mirror];
    return f->rate[mirror] > 0 ? f->rate[mirror] : -1;
}

/* Mirrors that would bring the rest of this run much faster. Where next to nothing comes, mirrors
 * of unknown pace also count. When all mirrors are slow there are none. */
static unsigned faster(const struct flight *f, const struct slot *s)
{
    bool stalled = flight_is_stalled(f, s);
    int64_t mine = stalled ? 0 : s->pace;
    unsigned set = 0;
    if (mine < 0 || f->size < 0 || !flight_is_provable(f))
        return 0;
    for (unsigned m = 0; m < f->mirrors; m++) {
        int64_t pace = known_pace(f, m);
        if (m != s->mirror && (pace < 0 ? mine < PACE_LEAST_BYTES : pace > PACE_SHARE * mine))
            set |= 1u << m;
    }
    return set;
}

/* ------------------------------------------------------------------- asks */

/* Whether what a hedge was asked for is still missing. */
static bool is_hedging(const struct flight *f, const struct slot *h)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS && !(h->head && f->known); i++)
        if (flight_races(h, &f->slot[i]))
            return !f->slot[i].accepted || faster(f, &f->slot[i]);
    return false;
}

/* Whether an ask is still useful: what it is for may have come, or its readers may have left. */
static bool is_needed(const struct flight *f, const struct slot *s)
{
    struct extent run;
    if (s->rival)
        return is_hedging(f, s);
    if (s->head)
        return !f->known; /* a hedge has told the size */
    if (s->full)
        return true;
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    if (s == &f->slot[FRONT])
        return front_run(f, &run) && run.from < end;
    if (!uncovered(f, s, s->from, end, &run))
        return false;
    return s->rank == FLIGHT_RANK_AHEAD ? f->go_on || is_read_whole(f) : is_waited_for(f, s);
}

/* Asks that nobody needs are dropped. Asks whose choice of mirrors has changed are repeated. */
static void renew_asks(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        struct slot *s = &f->slot[i];
        if (s->state != SLOT_ASKED)
            continue;
        if (!is_needed(f, s)) {
            s->state = SLOT_IDLE;
            flight_emit(f, FLIGHT_DROP)->slot = i;
        } else if (s->excluded != flight_excluded(f, s) && !nobody_is_free(f, s)) {
            emit_ask(f, s);
        }
    }
}

/* The file is whole: what was asked for came another way. */
static void drop_asks(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        if (f->slot[i].state != SLOT_ASKED)
            continue;
        f->slot[i].state = SLOT_IDLE;
        flight_emit(f, FLIGHT_DROP)->slot = i;
    }
}

/* Takes bytes out of the slot's run that came while it waited, or that another slot will bring.
 * False: no other bytes are missing. */
bool flight_narrow(const struct flight *f, struct slot *s, unsigned mirror)
{
    struct extent run;
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    if (s->rival && !is_hedging(f, s))
        return false;
    if (s->head || s->full)
        return true;
    if (s->rival) { /* the rival's run, without what has come since */
        bool missing = extents_missing(&f->present, s->from, end, &run);
        s->from = s->at = missing ? run.from : s->from;
        s->to = missing && run.to < end ? run.to : s->to;
        return missing;
    }
    if (!(s == &f->slot[FRONT] ? front_run(f, &run) : uncovered(f, s, s->from, end, &run)) ||
        run.from >= end)
        return false;
    s->from = s->at = run.from;
    s->to = run.to < end ? run.to : s->to;
    int64_t most = s->from + segment_bytes(f, mirror);
    if (is_bounded(f, s, mirror) && end > most && (s->to < 0 || s->to > most)) {
        s->to = most;
        s->bounded = true;
    }
    return true;
}

/* Whether another mirror was asked already beside a transfer that stands at the same byte. */
static bool is_hedged(const struct flight *f, const struct slot *s, int64_t at)
{
    bool any = false;
    for (unsigned i = FRONT + 1; i < FLIGHT_SLOTS; i++) {
        const struct slot *h = &f->slot[i];
        bool same = h->head == s->head && (h->head || (h->from <= at && (h->to < 0 || at < h->to)));
        any |= h->state != SLOT_IDLE && h->rival && same && flight_is_racing(f, h);
    }
    return any;
}

/* Asks another mirror for the run of a slow transfer, which goes on meanwhile. The first answer
 * wins: see win in flight_traffic.c. */
static void hedge(struct flight *f, const struct slot *s, unsigned beside)
{
    struct slot *h = idle_helper(f);
    struct extent run = {s->from, s->to};
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    if (!h || (!s->head && !extents_missing(&f->present, s->from, end, &run)) ||
        is_hedged(f, s, run.from))
        return;
    h->head = s->head;
    h->from = h->at = run.from;
    h->to = run.to < end ? run.to : s->to;
    h->full = false;
    h->rank = FLIGHT_RANK_WAITING;
    h->beside = beside & ((1u << f->mirrors) - 1);
    h->rival = s->transfer;
    h->bounded = s->bounded;
    if (unfit(f, h) == (1u << f->mirrors) - 1 || (nobody_is_free(f, h) && !yield_furthest(f, h)))
        return;
    h->state = SLOT_ASKED;
    emit_ask(f, h);
}

/* Mirrors that need not be asked beside this transfer: all of them, when it does well enough. */
static unsigned not_better(const struct flight *f, const struct slot *s)
{
    if (s->accepted)
        return ~faster(f, s);
    return f->now_ms - s->begun_ms >= HEDGE_MS ? 1u << s->mirror : ~0u;
}

/* Only where a reader waits: a second request for bytes that nobody waits for would cost the
 * mirrors twice. */
void flight_hedge(struct flight *f)
{
    measure(f);
    if (f->phase != FILLING || f->alone || f->now_ms < f->hedge_after_ms)
        return;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        const struct slot *s = &f->slot[i];
        bool waited = s->head ? !f->known && f->readers : is_waited_for(f, s);
        if (s->state == SLOT_RUNNING && !s->full && !s->by_byte && waited && ~not_better(f, s))
            hedge(f, s, not_better(f, s));
    }
}

/* The one place that gives slots work. Releasing and hashing come first: they may end the flight.
 */
void flight_plan(struct flight *f)
{
    if (f->phase != FILLING)
        return;
    flight_release(f);
    flight_hash_more(f);
    if (f->phase != FILLING)
        return;
    if (flight_is_whole(f)) {
        drop_asks(f);
        return;
    }
    renew_asks(f);
    plan_front(f);
    plan_waiting(f);
    plan_ahead(f);
}
