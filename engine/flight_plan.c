// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "engine/flight_state.h"

/* ------------------------------------------------------------ planning */

/* Mirrors that may not be asked for this run. */
static unsigned excluded(const struct flight *f, const struct slot *s)
{
    unsigned set = f->blamed | f->dead | s->tried;
    if (s->full)
        set |= ~f->no_ranges;
    else if (s->from > 0 || s->to >= 0)
        set |= f->no_ranges;
    if (f->alone && flight_suspects(f))
        set |= ~flight_suspects(f);
    return set & ((1u << f->mirrors) - 1);
}

static void ask(struct flight *f, unsigned i, bool head, int64_t from, int64_t to)
{
    struct slot *s = &f->slot[i];
    s->state = SLOT_ASKED;
    s->head = head;
    s->from = s->at = s->full ? 0 : from;
    s->to = s->full ? -1 : to;
    struct flight_command *c = flight_emit(f, FLIGHT_ASK);
    c->slot = i;
    c->excluded = excluded(f, s);
}

/* The first run that a range reader misses. */
static bool missing_of(const struct flight *f, const struct reader *r, struct extent *ret)
{
    int64_t to = f->size >= 0 && r->to > f->size ? f->size : r->to;
    return r->use == FLIGHT_RANGE && extents_missing(&f->present, r->from, to, ret);
}

/* Ranges are left to the front where one mirror must do all, or no range can be asked. */
static bool is_front_alone(const struct flight *f)
{
    return f->no_wanted || f->alone || (f->known && f->size < 0);
}

static bool front_is_wanted(const struct flight *f)
{
    struct extent run;
    for (struct reader *r = f->readers; r; r = r->next)
        if (r->use == FLIGHT_WHOLE || (is_front_alone(f) && missing_of(f, r, &run)))
            return true;
    return f->go_on;
}

/* The next run of the front: from the prefix to what is there or under way. */
static void plan_front(struct flight *f)
{
    struct slot *s = &f->slot[FRONT], *other = &f->slot[WANTED];
    struct extent run;
    if (s->state != SLOT_IDLE || other->state == SLOT_ASKED)
        return;
    if (!front_is_wanted(f)) {
        if (f->readers && !f->known && !flight_is_whole(f))
            ask(f, FRONT, true, 0, -1);
        return;
    }
    int64_t end = f->size >= 0 ? f->size : INT64_MAX;
    if (!extents_missing(&f->present, 0, end, &run))
        return;
    if (other->state == SLOT_RUNNING && run.from < other->to && run.to > other->at) {
        if (run.from >= other->at)
            return; /* the other slot brings it */
        run.to = other->at;
    }
    ask(f, FRONT, false, run.from, run.to >= end ? -1 : run.to);
}

/* Whether the running front will be there soon enough. */
static bool is_near(const struct slot *front, const struct extent *run)
{
    return front->state == SLOT_RUNNING && !front->head && run->from >= front->at &&
           run->from < front->at + NEAR_BYTES && (front->to < 0 || run->to <= front->to);
}

static void plan_wanted(struct flight *f)
{
    struct extent run;
    if (f->slot[WANTED].state != SLOT_IDLE || f->slot[FRONT].state == SLOT_ASKED || !f->known ||
        is_front_alone(f))
        return;
    for (struct reader *r = f->readers; r; r = r->next) {
        if (!missing_of(f, r, &run) || is_near(&f->slot[FRONT], &run))
            continue;
        ask(f, WANTED, false, run.from, run.to);
        return;
    }
}

void flight_plan(struct flight *f)
{
    if (f->phase != FILLING)
        return;
    flight_release(f);
    flight_hash_more(f);
    if (flight_is_whole(f) || f->phase != FILLING)
        return;
    plan_front(f);
    plan_wanted(f);
}

/* ----------------------------------------------- mirrors and transfers */

/* Whether the slot may go round the mirrors once more: something came since the last time. */
static bool another_round(struct flight *f, struct slot *s)
{
    int64_t present = extents_total(&f->present);
    if (present == s->round_present)
        return false;
    s->rounds = present - s->round_present >= PROGRESS_BYTES ? 0 : s->rounds + 1;
    flight_begin_round(f, s);
    return s->rounds < ROUNDS_WITHOUT_PROGRESS;
}

/* Those whose bytes are here give no more: forget them where another mirror might do alone. Each
 * has one try, so mirrors never take turns for ever. */
static bool try_others(struct flight *f)
{
    unsigned mine = f->resumed ? 0 : flight_suspects(f); /* what was sent long ago tells nothing */
    unsigned all = (1u << f->mirrors) - 1;
    unsigned others = f->alone ? all & ~f->dead : f->others;
    unsigned dead = (f->dead & ~f->others) | mine;
    if (!(mine || f->resumed) || !(others & ~f->blamed & ~mine))
        return false;
    flight_start_over(f, ERROR_UPSTREAM_BROKEN);
    f->dead = dead;
    return true;
}

static void no_mirror(struct flight *f, unsigned i)
{
    struct slot *s = &f->slot[i];
    unsigned all = (1u << f->mirrors) - 1;
    if (i == WANTED) { /* the front will come by */
        f->no_wanted = true;
    } else if (!s->full && (s->from > 0 || s->to >= 0) &&
               (f->no_ranges & ~f->dead & ~f->blamed & all)) {
        s->full = true;
        s->tried = 0;
    } else if (!another_round(f, s) && !try_others(f)) {
        char detail[FLIGHT_DETAIL];
        str_copy(detail, sizeof(detail), f->detail[0] ? f->detail : "no mirror left");
        flight_fail(f, flight_failure(f), detail);
    }
}

/* Bytes that came while the slot waited for a mirror, or will without it, are not asked for; false:
 * no others are missing. */
static bool narrow(const struct flight *f, struct slot *s)
{
    struct extent run;
    int64_t end = s->to >= 0 ? s->to : f->size >= 0 ? f->size : INT64_MAX;
    if (s->head || s->full)
        return true;
    if (!extents_missing(&f->present, s->from, end, &run) ||
        (s == &f->slot[WANTED] && is_near(&f->slot[FRONT], &run)))
        return false;
    s->from = s->at = run.from;
    s->to = run.to < end ? run.to : s->to;
    return true;
}

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
    if (!narrow(f, s) || (excluded(f, s) & (1u << mirror))) { /* asked before that was known */
        flight_plan(f);
        return;
    }
    s->state = SLOT_RUNNING;
    s->mirror = mirror;
    s->transfer = ++f->last_transfer * FLIGHT_MIRRORS + mirror;
    s->is_framed = s->accepted = false;
    s->by_byte = s->head && (f->no_head & (1u << mirror));
    struct flight_command *c = flight_emit(f, FLIGHT_START);
    c->slot = i;
    c->transfer = s->transfer;
    c->mirror = mirror;
    c->head = s->head && !s->by_byte;
    c->from = s->from;
    c->to = s->by_byte ? 1 : s->to;
    c->resume = f->present.count > 0 && !f->sha256[0];
    flight_plan(f);
}

static struct slot *slot_of(struct flight *f, uint64_t transfer)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].state == SLOT_RUNNING && f->slot[i].transfer == transfer)
            return &f->slot[i];
    return NULL;
}

/* Whether the answer is about another file than the one whose bytes are here or on their way. */
static bool is_other_file(const struct flight *f, const struct slot *s,
                          const struct flight_answer *a)
{
    if (a->total >= 0 && f->size >= 0)
        if (a->total != f->size)
            return true;
    if (a->total >= 0 && f->present.count && a->total < f->present.list[f->present.count - 1].to)
        return true;
    bool begun = f->present.count;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        begun |= &f->slot[i] != s && f->slot[i].state == SLOT_RUNNING && f->slot[i].accepted;
    bool matters = !s->head || (f->resumed && !f->known); /* nobody has looked since the restart */
    return begun && matters && !f->sha256[0] && !a->same_validator;
}

static int judge(struct flight *f, struct slot *s, const struct flight_answer *a)
{
    unsigned bit = 1u << s->mirror;
    if (a->status == 404 || a->status == 410)
        return ERROR_GONE;
    if (a->status != 200 && a->status != 206 && (a->status != 416 || a->total < 0))
        return ERROR_UPSTREAM_STATUS;
    if (is_other_file(f, s, a)) {
        f->dead |= bit;
        if (f->first_size < 0 || a->total == f->first_size || a->total < 0)
            f->others |= bit;
        return ERROR_UPSTREAM_BROKEN;
    }
    if (a->status == 416) /* what was asked for begins at the end: that is the size */
        return a->total == s->from ? 0 : ERROR_UPSTREAM_STATUS;
    if (s->from != a->from) { /* a range was ignored */
        f->no_ranges |= bit;
        return ERROR_UPSTREAM_BROKEN;
    }
    unsigned others = ~(f->blamed | f->dead | s->tried | bit) & ((1u << f->mirrors) - 1);
    if (!s->head && !a->is_framed && !f->sha256[0] && others)
        return ERROR_UPSTREAM_BROKEN; /* somebody may say how long it is */
    return 0;
}

int flight_on_answer(struct flight *f, uint64_t transfer, const struct flight_answer *a)
{
    struct slot *s = slot_of(f, transfer);
    if (!s)
        return ERROR_STOPPING;
    int r = judge(f, s, a);
    if (r)
        return r;
    if (a->status == 200 && !s->head && s->to >= 0) { /* it sends on behind the range */
        f->no_ranges |= 1u << s->mirror;
        s->to = -1;
    }
    s->is_framed = a->is_framed;
    s->accepted = !s->head || s->by_byte;
    if (f->size < 0 && a->total >= 0) {
        f->size = a->total;
        f->has_length = true;
    }
    if (f->first_size < 0 && a->total >= 0)
        f->sized_by = 1u << s->mirror; /* the last to confirm it, mostly the sender itself */
    if (f->size != 0 || !f->sha256[0]) /* of nothing, nothing can be held back: it waits */
        flight_tell_size(f);
    if (a->status == 416 || (s->by_byte && a->status == 200))
        flight_stop_slot(f, s); /* nothing, or the whole file, is on its way */
    flight_plan(f);
    return 0;
}

/* Nothing more of use will come: the rest is there, a long run of it is there (asked anew behind
 * it), or more comes than was asked for. One that came to its end ends by itself. */
static bool is_spent(const struct flight *f, const struct slot *s)
{
    int64_t end = s->by_byte ? 1 : s->to >= 0 ? s->to : f->size;
    if (s->state != SLOT_RUNNING || (s->head && !s->by_byte) || end < 0 || s->at == end)
        return false;
    struct extent run;
    if (s->at > end || !extents_missing(&f->present, s->at, end, &run))
        return true;
    const struct slot *other = &f->slot[s == &f->slot[FRONT] ? WANTED : FRONT];
    bool follows = other->state == SLOT_RUNNING && other->accepted && other->from <= s->at &&
                   s->at < other->at; /* both would bring the same bytes from here on */
    return !s->full && (follows || run.from >= s->at + SKIP_BYTES);
}

static void stop_spent(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (is_spent(f, &f->slot[i]))
            flight_stop_slot(f, &f->slot[i]);
}

/* More comes than the size that was told: one of the two is wrong. */
static void on_excess(struct flight *f, struct slot *s)
{
    f->dead |= 1u << s->mirror;
    if (f->first_size < 0)
        f->others |= 1u << s->mirror;
    flight_stop_slot(f, s);
    flight_note_failure(f, ERROR_UPSTREAM_BROKEN, "more bytes than announced");
}

/* Bytes of a stopped transfer count as well: they are on disk, and nobody else will bring them. */
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
    f->senders |= 1u << transfer % FLIGHT_MIRRORS; /* its number says whose it was */
    f->unsynced = true;
    f->prefix = extents_end(&f->present, 0);
    if (s && to > s->at) /* disk lanes may overtake each other */
        s->at = to;
    if (s && excess)
        on_excess(f, s);
    stop_spent(f);
    if (f->phase == PARKED && flight_is_whole(f))
        f->phase = FILLING; /* the last byte was on its way */
    flight_plan(f);
}

/* The end of a body whose length nobody announced. */
static void conclude_length(struct flight *f, const struct slot *s)
{
    if (s->is_framed || f->sha256[0]) {
        f->size = f->prefix;
        f->sized_by = 1u << s->mirror;
        return;
    }
    flight_fail(f, ERROR_UPSTREAM_BROKEN, "neither length nor digest is known");
}

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
    } else if (error) {
        s->tried |= bit;
        if (error == ERROR_GONE)
            f->dead |= bit;
        flight_note_failure(f, error, detail);
    } else if (!s->head && f->size < 0 && s == &f->slot[FRONT]) {
        conclude_length(f, s);
    } else if (!s->head) {
        struct extent run;
        if (extents_missing(&f->present, s->from, s->to < 0 ? f->size : s->to, &run)) {
            s->tried |= bit; /* ended well, but short */
            if (s->to < 0 && s->is_framed && f->first_size < 0)
                f->others |= bit; /* its file is shorter than another mirror told */
        } else if (s == &f->slot[WANTED]) {
            s->tried = 0;
        }
    }
    flight_plan(f);
}
