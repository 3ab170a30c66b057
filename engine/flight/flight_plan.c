// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/error.h"
#include "engine/flight/flight_state.h"

/*
 * What is asked next. Slot FRONT has the duty of the go-on: the first missing bytes, the questions
 * for size, and the judgement that no mirror is left. All other slots are helpers and take, in this
 * order,
 *
 *  - WAITING: the first byte that a reader misses when nothing brings it: of a range, or of a
 * reader that began far ahead of the front;
 *  - AHEAD: segments of the next WINDOW_BYTES behind each front, of a file that somebody reads
 *    whole. A failure there costs nothing but the try: the front comes by.
 *
 * A segment is about a second of its mirror's rate, at least 4 MiB, so that the round trip before
 * it weighs little, at most 16 MiB, so that the front never stands long before one that stalls;
 * towards the end of the file they shrink, so that the last ones end together. The first transfer,
 * of a file whose size nobody knows yet, is asked for SEGMENT_MOST_BYTES, so that it need not be
 * cut where others go on. A mirror that knows no ranges sends all, and is stopped where it meets
 * what others brought.
 */

static int64_t end_of(const struct flight *f)
{
    return f->size >= 0 ? f->size : INT64_MAX;
}

/* ------------------------------------------------------- what is under way */

static bool is_long(const struct flight *f, const struct slot *s)
{
    return (s->to >= 0 ? s->to : end_of(f)) - s->from > SEGMENT_MOST_BYTES;
}

/* What a mirror brings in about a second. */
static int64_t second_of(const struct flight *f, unsigned mirror)
{
    int64_t rate = f->rate[mirror];
    if (!rate)
        return SEGMENT_BYTES;
    if (rate > SEGMENT_MOST_BYTES)
        return SEGMENT_MOST_BYTES;
    return rate < SEGMENT_LEAST_BYTES ? SEGMENT_LEAST_BYTES : rate;
}

/* How far a slot's run may be relied on: of a long one the far end is anybody's. */
static int64_t reach(const struct flight *f, const struct slot *s, enum flight_rank rank)
{
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    int64_t lead = rank == FLIGHT_RANK_AHEAD ? second_of(f, s->mirror) : NEAR_BYTES;
    return is_long(f, s) && s->at + lead < end ? s->at + lead : end;
}

/* Whether `s` need not care for what `other` has to do. */
static bool gives_way(const struct flight *f, const struct slot *s, const struct slot *other)
{
    if (other == s || other->head || other->state == SLOT_IDLE)
        return false;
    return other->state == SLOT_RUNNING || other == &f->slot[FRONT] ||
           (s != &f->slot[FRONT] && other->rank <= s->rank) || other->rank < s->rank;
}

/* The first run in [from, to) that is neither there nor under way in another slot. */
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

/* -------------------------------------------------------------- who is asked */

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

/* The front would come by before they have brought their segment. */
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

/* Mirrors that may not be asked for this run, whatever else is under way. */
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

unsigned flight_excluded(const struct flight *f, const struct slot *s)
{
    return unfit(f, s) | (s->head ? 0 : full_mirrors(f));
}

static bool nobody_is_free(const struct flight *f, const struct slot *s)
{
    unsigned all = (1u << f->mirrors) - 1;
    return unfit(f, s) != all && flight_excluded(f, s) == all;
}

/* The first byte that a reader misses; false: none, or it does not say by reading which. */
static bool misses(const struct flight *f, const struct reader *r, struct extent *ret)
{
    int64_t to = r->use == FLIGHT_RANGE && r->to < end_of(f) ? r->to : end_of(f);
    return r->use != FLIGHT_HEAD && extents_missing(&f->present, r->from, to, ret);
}

/* Whether somebody stands where this transfer is. */
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

/* A reader waits, and all connections are busy: the furthest segment gives its own. */
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

/* A newcomer's first bytes, a small file, the end of one: over in a moment. */
static bool is_brief(const struct flight *f, const struct slot *s)
{
    bool any = f->present.count;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        any |= f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted;
    int64_t end = s->to >= 0 ? s->to : f->size;
    return s->rank != FLIGHT_RANK_AHEAD &&
           (s->head || !any || (end >= 0 && end - s->from <= SMALL_BYTES));
}

static void emit_ask(struct flight *f, struct slot *s)
{
    s->excluded = flight_excluded(f, s);
    struct flight_command *c = flight_emit(f, FLIGHT_ASK);
    c->slot = (unsigned)(s - f->slot);
    c->excluded = s->excluded;
    c->rank = s->rank;
    c->brief = is_brief(f, s);
}

/* false: every mirror that could do it has its share; the plan comes back when one has ended. */
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

/* -------------------------------------------------------------- what is asked */

/* Ranges are left to the front where one mirror must do all, or no range can be asked. */
static bool is_front_alone(const struct flight *f)
{
    return f->no_wanted || f->alone || (f->known && f->size < 0);
}

static bool is_small(const struct flight *f)
{
    return f->size >= 0 && f->size <= SMALL_BYTES;
}

static bool is_read_whole(const struct flight *f)
{
    struct extent run;
    for (struct reader *r = f->readers; r; r = r->next)
        if (r->use == FLIGHT_WHOLE ||
            (r->use == FLIGHT_RANGE && misses(f, r, &run) && (is_front_alone(f) || is_small(f))))
            return true;
    return false;
}

/* Whether it would be found out that mirrors have different files. */
bool flight_is_provable(const struct flight *f)
{
    return f->vouched || f->has_strong;
}

static bool has_several(const struct flight *f)
{
    unsigned usable = ~(flight_barred(f) | f->dead) & ((1u << f->mirrors) - 1);
    return (usable & ~f->no_ranges) && (f->connections > 1 || (usable & (usable - 1)));
}

static bool is_segmented(const struct flight *f)
{
    return f->known && f->size >= SEGMENTED_BYTES && has_several(f) && flight_is_provable(f) &&
           !is_front_alone(f);
}

/* Whether its answer will say what later ones can be held to. */
static bool is_first(const struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted)
            return false;
    return !f->present.count || f->resumed;
}

/* Whether the slot's run is asked for a segment's length only. */
static bool is_bounded(const struct flight *f, const struct slot *s, unsigned mirror)
{
    bool ranged = s->rank == FLIGHT_RANK_WAITING && s != &f->slot[FRONT] && !s->of_whole;
    bool large = f->size < 0 ? s->from == 0 : f->size >= SEGMENTED_BYTES;
    return large && !ranged && !f->plain && has_several(f) && !is_front_alone(f) &&
           (flight_is_provable(f) || is_first(f)) &&
           !((f->no_ranges | f->unsized) & (1u << mirror));
}

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

/* The front's run begins with the first missing byte, or a helper is there already. */
static bool front_run(const struct flight *f, struct extent *ret)
{
    struct extent first;
    return extents_missing(&f->present, 0, end_of(f), &first) &&
           uncovered(f, &f->slot[FRONT], first.from, end_of(f), ret) && ret->from == first.from;
}

/* The next run of the front: from the prefix to what is there or under way. */
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

/* What readers miss where nobody is at work. */
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

/* One segment behind the front at `base`. */
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
            continue; /* a front passes over it */
        s->from = run.from;
        s->to = run.to;
        return unfit(f, s) != (1u << f->mirrors) - 1 && ask(f, s, false, run.from, run.to);
    }
    return false;
}

static void plan_ahead(struct flight *f)
{
    struct extent run;
    for (unsigned i = FRONT + 1; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_ASKED && f->slot[i].rank == FLIGHT_RANK_AHEAD)
            return; /* one at a time: the answer brings us back */
    if (!is_segmented(f) || !(f->go_on || is_read_whole(f)) || plan_segment(f, f->prefix))
        return;
    for (const struct reader *r = f->readers; r; r = r->next)
        if (r->use == FLIGHT_WHOLE && misses(f, r, &run) && run.from > f->prefix + WINDOW_BYTES &&
            plan_segment(f, run.from))
            return;
}

/* --------------------------------------------------------------- how fast it comes */

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

/* What a mirror is known to bring a second: in this file now, or when it was left, or in others.
 * -1: nothing is known. */
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

/* Mirrors that would bring the rest of this run much faster: where next to nothing comes, those of
 * whom nothing is known, too. When all are slow there are none. */
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

/* ------------------------------------------------------------- what was asked */

/* Whether what a hedge was asked for is still missing. */
static bool is_hedging(const struct flight *f, const struct slot *h)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS && !(h->head && f->known); i++)
        if (flight_races(h, &f->slot[i]))
            return !f->slot[i].accepted || faster(f, &f->slot[i]);
    return false;
}

/* Whether an ask is still good for anything. */
static bool is_needed(const struct flight *f, const struct slot *s)
{
    struct extent run;
    if (s->rival)
        return is_hedging(f, s);
    if (s->head)
        return !f->known; /* a hedge has told */
    if (s->full)
        return true;
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    if (s == &f->slot[FRONT])
        return front_run(f, &run) && run.from < end;
    if (!uncovered(f, s, s->from, end, &run))
        return false;
    return s->rank == FLIGHT_RANK_AHEAD ? f->go_on || is_read_whole(f) : is_waited_for(f, s);
}

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

static void drop_asks(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        if (f->slot[i].state != SLOT_ASKED)
            continue;
        f->slot[i].state = SLOT_IDLE;
        flight_emit(f, FLIGHT_DROP)->slot = i;
    }
}

/* Bytes that came while the slot waited for a mirror, or will without it, are not asked for; false:
 * no others are missing. */
bool flight_narrow(const struct flight *f, struct slot *s, unsigned mirror)
{
    struct extent run;
    int64_t end = s->to >= 0 ? s->to : end_of(f);
    if (s->rival && !is_hedging(f, s))
        return false;
    if (s->head || s->full)
        return true;
    if (s->rival) { /* the same, but for what has come since */
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

/* Whether somebody is asked already beside a transfer that stands at the same byte. */
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

/* A slow transfer's run is asked of another as well, and goes on until that one answers: who does
 * first has it. */
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

/* Mirrors that need not be asked beside this transfer: all, when it does well enough. */
static unsigned not_better(const struct flight *f, const struct slot *s)
{
    if (s->accepted)
        return ~faster(f, s);
    return f->now_ms - s->begun_ms >= HEDGE_MS ? 1u << s->mirror : ~0u;
}

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

void flight_plan(struct flight *f)
{
    if (f->phase != FILLING)
        return;
    flight_release(f);
    flight_hash_more(f);
    if (f->phase != FILLING)
        return;
    if (flight_is_whole(f)) {
        drop_asks(f); /* what was asked for came another way */
        return;
    }
    renew_asks(f);
    plan_front(f);
    plan_waiting(f);
    plan_ahead(f);
}
