// SPDX-License-Identifier: Apache-2.0
#include "engine/flight.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/extents.h"

/*
 * Life of a flight:
 *
 *     FILLING   --last byte present, hashed, agreed-->  COMMITTING  --committed-->  ENDED
 *        |  ^
 *        |  +-- wrong digest: FLIGHT_CUT, begins anew from another mirror
 *        |  +-- reader comes --+
 *        +-- nobody reads, much is missing, or no mirror left --> PARKED (in ENDED when it holds
 * nothing)
 *
 * and of a slot: IDLE -> ASKED (for a mirror) -> RUNNING -> IDLE. plan() alone takes a slot out of
 * IDLE.
 */
enum phase { FILLING, COMMITTING, PARKED, ENDED };
enum slot_state { SLOT_IDLE, SLOT_ASKED, SLOT_RUNNING };

enum {
    FRONT = 0,
    WANTED = 1,
    NEAR_BYTES = 4 << 20, /* a wanted range so close ahead of the front is left to the front */
    HASH_LEAST_BYTES = 1 << 20, /* not worth a hop below */
    HASH_MOST_BYTES = 4 << 20,
    GRACE_MS = 2000, /* without readers before parking: a client between two requests */
    FORGET_MS = 3600 * 1000,
    ROUNDS_WITHOUT_PROGRESS = 3,
    PROGRESS_BYTES = 1 << 20,
    SKIP_BYTES = 1 << 20, /* what is present ahead and shorter is passed over, not skipped */
    QUEUE_MOST =
        32, /* commands one event can give, with room to spare; the owner drains after each */
    FINISH_MISSING_BYTES = 64000000, /* go on unread when less is missing, or less than a quarter */
};

struct slot {
    enum slot_state state;
    unsigned tried; /* mirrors that failed in this round */
    unsigned mirror;
    unsigned rounds;
    uint64_t transfer;
    int64_t from, to; /* the run asked for; to = -1: to the end */
    int64_t at;       /* bytes below were reported */
    int64_t round_present;
    bool head;    /* only the answer's header section is wanted */
    bool by_byte; /* asked by a range of one byte, of a mirror that refuses HEAD */
    bool full;    /* from 0, of a mirror that knows no ranges */
    bool is_framed;
    bool accepted; /* its body may come */
};

struct reader {
    uint64_t id;
    enum flight_use use;
    int64_t from, to;
    struct reader *next;
};

struct flight {
    enum phase phase;
    unsigned mirrors;
    unsigned blamed;    /* sent wrong bytes: not to be asked for this file again */
    unsigned dead;      /* not to be asked in this attempt: gone, another length */
    unsigned others;    /* dead because they have another file than the bytes present are of */
    unsigned no_ranges; /* answered 200 to a range */
    unsigned no_head;   /* refused HEAD: asked for one byte instead */
    unsigned senders;   /* their bytes are present */
    unsigned sized_by;  /* said the size, when no authority did */
    bool known, has_length, verified, hashing, was_whole, go_on, alone, no_wanted;
    int64_t size, first_size;
    char sha256[SHA256_HEX];   /* of an authority; "" unknown */
    char computed[SHA256_HEX]; /* of the bytes; "" not yet */
    struct extents present;
    int64_t prefix, hashed, released;
    struct slot slot[FLIGHT_SLOTS];
    struct reader *readers;
    uint64_t last_transfer, last_forgotten;
    int64_t now_ms, idle_since_ms;
    unsigned gone, broken, silent; /* failures of this attempt, by kind */
    char detail[FLIGHT_DETAIL];
    struct flight_command queue[QUEUE_MOST];
    unsigned queue_first, queue_count;
};

static void plan(struct flight *f);

/* ------------------------------------------------------------ commands */

static struct flight_command *emit(struct flight *f, enum flight_command_type type)
{
    assert(f->queue_count < QUEUE_MOST);
    struct flight_command *c = &f->queue[(f->queue_first + f->queue_count++) % QUEUE_MOST];
    *c = (struct flight_command){.type = type, .size = f->size};
    return c;
}

bool flight_next(struct flight *f, struct flight_command *ret)
{
    if (!f->queue_count)
        return false;
    *ret = f->queue[f->queue_first];
    f->queue_first = (f->queue_first + 1) % QUEUE_MOST;
    f->queue_count--;
    return true;
}

/* ---------------------------------------------------- birth and death */

int flight_new(const struct flight_options *options, struct flight **ret)
{
    struct flight *f = calloc(1, sizeof(*f));
    if (!f)
        return ERROR_NO_MEMORY;
    f->mirrors = options->mirrors;
    f->blamed = options->blamed;
    f->size = f->first_size = options->size;
    f->has_length = options->size >= 0;
    f->known = options->is_known;
    f->idle_since_ms = -1;
    if (options->sha256)
        str_copy(f->sha256, sizeof(f->sha256), options->sha256);
    *ret = f;
    return 0;
}

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

static void end(struct flight *f)
{
    f->phase = ENDED;
    (void)emit(f, FLIGHT_END);
}

/* ------------------------------------------------------------- helpers */

static bool is_whole(const struct flight *f)
{
    return f->size >= 0 && f->prefix >= f->size;
}

static void slot_stop(struct flight *f, struct slot *s)
{
    if (s->state == SLOT_RUNNING)
        emit(f, FLIGHT_STOP)->transfer = s->transfer;
    s->state = SLOT_IDLE;
}

static void stop_all(struct flight *f)
{
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        slot_stop(f, &f->slot[i]);
}

static void begin_round(struct flight *f, struct slot *s)
{
    s->tried = 0;
    s->full = false;
    s->round_present = extents_total(&f->present);
}

static void begin_attempt(struct flight *f)
{
    f->dead = f->others = 0;
    f->gone = f->broken = f->silent = 0;
    f->detail[0] = '\0';
    f->no_wanted = false;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++) {
        f->slot[i].rounds = 0;
        begin_round(f, &f->slot[i]);
    }
}

static void note_failure(struct flight *f, int error, const char *detail)
{
    if (error == ERROR_GONE)
        f->gone++;
    else if (error == ERROR_TIMEOUT)
        f->silent++;
    else
        f->broken++;
    size_t len = strlen(f->detail);
    if (!strstr(f->detail, detail))
        (void)snprintf(f->detail + len, sizeof(f->detail) - len, "%s%s", len ? "; " : "", detail);
}

static int failure_error(const struct flight *f)
{
    if (f->broken)
        return ERROR_UPSTREAM_BROKEN;
    if (f->silent)
        return ERROR_TIMEOUT;
    return f->gone ? ERROR_GONE : ERROR_UPSTREAM_BROKEN;
}

static void forget_bytes(struct flight *f)
{
    extents_release(&f->present);
    f->prefix = f->hashed = f->released = 0;
    f->senders = f->sized_by = 0;
    f->hashing = false;
    f->computed[0] = '\0';
    f->last_forgotten = f->last_transfer;
}

static void park(struct flight *f)
{
    stop_all(f);
    begin_attempt(f);
    f->go_on = f->was_whole = false;
    if (f->prefix == 0 && f->present.count == 0) {
        end(f);
        return;
    }
    f->phase = PARKED;
    f->idle_since_ms = f->now_ms;
    (void)emit(f, FLIGHT_PARK);
}

/* Nothing more can be done for those who wait. What is there stays for the next who asks. */
static void fail(struct flight *f, int error, const char *detail)
{
    struct flight_command *c = emit(f, FLIGHT_FAIL);
    c->error = error;
    str_copy(c->detail, sizeof(c->detail), detail);
    forget_readers(f);
    stop_all(f);
    if (f->size < 0 || f->alone || f->others) /* nothing to resume under */
        forget_bytes(f);
    park(f);
}

/* --------------------------------------------------- release and hash */

static void release(struct flight *f)
{
    int64_t limit = f->prefix - FLIGHT_HOLD_BACK;
    if (f->verified) {
        limit = INT64_MAX;
    } else if (f->size >= 0) {
        int64_t last = f->size - (f->size > FLIGHT_HOLD_BACK ? FLIGHT_HOLD_BACK : 1);
        limit = f->prefix < last ? f->prefix : last;
    }
    if (limit <= f->released)
        return;
    f->released = limit;
    emit(f, FLIGHT_RELEASE)->to = limit;
}

static void hash_more(struct flight *f)
{
    if (f->hashing || f->computed[0])
        return;
    int64_t ready = f->prefix - f->hashed;
    if (!is_whole(f) && ready < HASH_LEAST_BYTES)
        return;
    struct flight_command *c = emit(f, FLIGHT_HASH);
    c->from = f->hashed;
    c->to = f->hashed + (ready < HASH_MOST_BYTES ? ready : HASH_MOST_BYTES);
    f->hashing = true;
}

/* Forget the bytes and begin anew; readers are cut before anybody is told anything else. */
static void start_over(struct flight *f, int error)
{
    emit(f, FLIGHT_CUT)->error = error;
    stop_all(f);
    forget_readers(f);
    forget_bytes(f);
    f->known = false;
    f->size = f->first_size;
    f->has_length = f->size >= 0;
    f->go_on = f->was_whole;
    begin_attempt(f);
}

/* Mirrors that may have spoilt the digest: by their bytes, or by the length they told. */
static unsigned suspects(const struct flight *f)
{
    return f->senders | f->sized_by;
}

/* No other mirror could do better: readers fail, and nothing is kept. */
static void give_up(struct flight *f, int error)
{
    stop_all(f);
    struct flight_command *c = emit(f, FLIGHT_FAIL);
    c->error = error;
    str_copy(c->detail, sizeof(c->detail), error_text(error));
    forget_readers(f);
    end(f);
}

static void blame_senders(struct flight *f)
{
    unsigned senders = suspects(f);
    if (!senders) { /* an authority names a length and a digest that contradict each other */
        give_up(f, ERROR_DIGEST_MISMATCH);
        return;
    }
    if (senders & (senders - 1)) { /* several: nobody knows who. Next time from one alone */
        start_over(f, ERROR_DIGEST_MISMATCH);
        f->alone = true;
        return;
    }
    start_over(f, ERROR_DIGEST_MISMATCH);
    f->blamed |= senders;
    for (unsigned m = 0; m < f->mirrors; m++)
        if (senders & (1u << m)) {
            emit(f, FLIGHT_BLAME)->mirror = m;
            note_failure(f, ERROR_DIGEST_MISMATCH, "wrong digest");
        }
}

static void conclude(struct flight *f)
{
    if (f->sha256[0] && strcmp(f->sha256, f->computed) != 0) {
        blame_senders(f);
        return;
    }
    f->verified = true;
    for (unsigned i = 0; i < FLIGHT_SLOTS; i++)
        if (f->slot[i].at < f->size) /* the other ends by itself, and its connection lives on */
            slot_stop(f, &f->slot[i]);
    release(f);
    if (!f->sha256[0] && !f->has_length) { /* nothing vouches for it: served, not kept */
        end(f);
        return;
    }
    f->phase = COMMITTING;
    struct flight_command *c = emit(f, FLIGHT_COMMIT);
    str_copy(c->sha256, sizeof(c->sha256), f->computed);
    c->authoritative = f->sha256[0] != '\0';
}

void flight_on_hashed(struct flight *f, int64_t to, const char *sha256)
{
    if (!f->hashing || f->phase == ENDED)
        return;
    f->hashing = false;
    f->hashed = to;
    if (sha256 && is_whole(f) && to == f->size) {
        str_copy(f->computed, sizeof(f->computed), sha256);
        conclude(f);
    }
    plan(f);
}

void flight_on_digest(struct flight *f, const char *sha256)
{
    if (f->phase == ENDED || f->phase == COMMITTING || f->sha256[0])
        return;
    str_copy(f->sha256, sizeof(f->sha256), sha256);
}

void flight_on_committed(struct flight *f, int error)
{
    (void)error; /* what could not be kept was served all the same */
    if (f->phase == COMMITTING)
        end(f);
}

void flight_on_disk_error(struct flight *f, int error)
{
    if (f->phase == ENDED)
        return;
    bool committing = f->phase == COMMITTING; /* then readers have what they need */
    if (committing)
        end(f);
    else
        give_up(f, error);
}

/* ------------------------------------------------------------ planning */

/* Mirrors that may not be asked for this run. */
static unsigned excluded(const struct flight *f, const struct slot *s)
{
    unsigned set = f->blamed | f->dead | s->tried;
    if (s->full)
        set |= ~f->no_ranges;
    else if (s->from > 0 || s->to >= 0)
        set |= f->no_ranges;
    if (f->alone && suspects(f))
        set |= ~suspects(f);
    return set & ((1u << f->mirrors) - 1);
}

static void ask(struct flight *f, unsigned i, bool head, int64_t from, int64_t to)
{
    struct slot *s = &f->slot[i];
    s->state = SLOT_ASKED;
    s->head = head;
    s->from = s->at = s->full ? 0 : from;
    s->to = s->full ? -1 : to;
    struct flight_command *c = emit(f, FLIGHT_ASK);
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
        if (f->readers && !f->known)
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

static void plan(struct flight *f)
{
    if (f->phase != FILLING)
        return;
    release(f);
    hash_more(f);
    if (is_whole(f) || f->phase != FILLING)
        return;
    plan_front(f);
    plan_wanted(f);
}

/* ------------------------------------------------------------- readers */

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
    f->idle_since_ms = -1;
    if (f->phase == PARKED)
        f->phase = FILLING;
    plan(f);
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

/* ----------------------------------------------- mirrors and transfers */

/* Whether the slot may go round the mirrors once more: something came since the last time. */
static bool another_round(struct flight *f, struct slot *s)
{
    int64_t present = extents_total(&f->present);
    if (present == s->round_present)
        return false;
    s->rounds = present - s->round_present >= PROGRESS_BYTES ? 0 : s->rounds + 1;
    begin_round(f, s);
    return s->rounds < ROUNDS_WITHOUT_PROGRESS;
}

/* Those whose bytes are here give no more: forget them where another mirror might do alone. Each
 * has one try, so mirrors never take turns for ever. */
static bool try_others(struct flight *f)
{
    unsigned mine = suspects(f), all = (1u << f->mirrors) - 1;
    unsigned others = f->alone ? all & ~f->dead : f->others;
    unsigned dead = (f->dead & ~f->others) | mine;
    if (!mine || !(others & ~f->blamed & ~mine))
        return false;
    start_over(f, ERROR_UPSTREAM_BROKEN);
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
        fail(f, failure_error(f), detail);
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
            note_failure(f, error, detail);
        no_mirror(f, i);
        plan(f);
        return;
    }
    if (!narrow(f, s) || (excluded(f, s) & (1u << mirror))) { /* asked before that was known */
        plan(f);
        return;
    }
    s->state = SLOT_RUNNING;
    s->mirror = mirror;
    s->transfer = ++f->last_transfer * FLIGHT_MIRRORS + mirror;
    s->is_framed = s->accepted = false;
    s->by_byte = s->head && (f->no_head & (1u << mirror));
    struct flight_command *c = emit(f, FLIGHT_START);
    c->slot = i;
    c->transfer = s->transfer;
    c->mirror = mirror;
    c->head = s->head && !s->by_byte;
    c->from = s->from;
    c->to = s->by_byte ? 1 : s->to;
    c->resume = f->present.count > 0 && !f->sha256[0];
    plan(f);
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
    return begun && !s->head && !f->sha256[0] && !a->same_validator;
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
    if (!f->known) {
        f->known = true;
        emit(f, FLIGHT_KNOWN)->size = f->size;
    }
    if (a->status == 416 || (s->by_byte && a->status == 200))
        slot_stop(f, s); /* nothing, or the whole file, is on its way */
    plan(f);
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
            slot_stop(f, &f->slot[i]);
}

/* More comes than the size that was told: one of the two is wrong. */
static void on_excess(struct flight *f, struct slot *s)
{
    f->dead |= 1u << s->mirror;
    if (f->first_size < 0)
        f->others |= 1u << s->mirror;
    slot_stop(f, s);
    note_failure(f, ERROR_UPSTREAM_BROKEN, "more bytes than announced");
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
    f->prefix = extents_end(&f->present, 0);
    if (s && to > s->at) /* disk lanes may overtake each other */
        s->at = to;
    if (s && excess)
        on_excess(f, s);
    stop_spent(f);
    if (f->phase == PARKED && is_whole(f))
        f->phase = FILLING; /* the last byte was on its way */
    plan(f);
}

/* The end of a body whose length nobody announced. */
static void conclude_length(struct flight *f, const struct slot *s)
{
    if (s->is_framed || f->sha256[0]) {
        f->size = f->prefix;
        f->sized_by = 1u << s->mirror;
        return;
    }
    fail(f, ERROR_UPSTREAM_BROKEN, "neither length nor digest is known");
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
        note_failure(f, error, detail);
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
    plan(f);
}

/* ---------------------------------------------------------------- time */

static bool worth_finishing(const struct flight *f)
{
    int64_t missing = f->size - extents_total(&f->present);
    return f->was_whole && f->size >= 0 && f->slot[FRONT].state != SLOT_IDLE &&
           (missing < f->size / 4 || missing < FINISH_MISSING_BYTES);
}

void flight_on_tick(struct flight *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    if (f->phase == PARKED && now_ms - f->idle_since_ms > FORGET_MS)
        end(f);
    if (f->phase != FILLING || is_whole(f) || f->readers || f->go_on) {
        if (f->phase != PARKED)
            f->idle_since_ms = -1;
        return;
    }
    if (f->idle_since_ms < 0)
        f->idle_since_ms = now_ms;
    if (worth_finishing(f))
        f->go_on = true;
    else if (now_ms - f->idle_since_ms >= GRACE_MS)
        park(f);
}

void flight_on_stop(struct flight *f)
{
    if (f->phase == ENDED)
        return;
    stop_all(f);
    struct flight_command *c = emit(f, FLIGHT_FAIL);
    c->error = ERROR_STOPPING;
    str_copy(c->detail, sizeof(c->detail), "shutting down");
    forget_readers(f);
    end(f);
}

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
