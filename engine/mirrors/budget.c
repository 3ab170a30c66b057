// SPDX-License-Identifier: Apache-2.0
/*
 * The health of each mirror, and which one is asked next (the rules are in budget.h).
 *
 *     unknown --success--> ok
 *     ok --failures--> backing off until_ms --success, or nobody tried for DUE_MS--> ok
 *     ok --outrun by another--> slow for OUTRUN_MS
 *     ok --wrong bytes of LIES_MOST files in LIE_MS--> out until out_ms --confirmed bytes--> ok
 *
 * These states are not kept: they are read off the times in `struct health`, so no timer ends them.
 * A mirror may be in several; budget_view shows the worst. Pure: times come in as arguments.
 */
#include "engine/mirrors/budget.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"

enum {
    BACK_OFF_FIRST_MS = 500,
    BACK_OFF_MOST_MS = 30000,
    PROBE_MS = 1000,
    UNTOLD_MS = 10000, /* after so long a probe that never told its end counts as over */
    DUE_MS = 30000,
    OUTRUN_MS = 30000,
    RATE_MS = 5 * 60 * 1000,    /* for so long a measured rate says anything */
    RATE_LEAST_BYTES = 1 << 20, /* for fewer bytes the latency was measured, not the rate */
    SLOW_SHARE = 4,             /* slow: below a quarter of the fastest */
    LIES_MOST = 3,              /* files with wrong bytes */
    LIE_MS = 3600 * 1000,
    OUT_FIRST_MS = 120 * 1000,
    OUT_MOST_MS = 3600 * 1000,
    ERROR_BYTES = 160,
};

struct health {
    unsigned failures;    /* in a row */
    bool is_of_file;      /* one of the failures was a file's */
    unsigned connections; /* of files, all together; those for bulk */
    unsigned bulk;
    int64_t until_ms; /* backing off until then */
    int64_t tried_ms; /* when budget_pick or a probe last asked it, or it failed */
    int64_t out_ms;   /* out until then */
    bool is_outrun;
    int64_t outrun_ms; /* since when */
    bool has_lied;     /* the next success may be the very transfer that lied */
    struct {
        uint64_t file;
        int64_t ms;
    } lie[LIES_MOST];   /* the newest first */
    unsigned times_out; /* since bytes of a file of this mirror were confirmed */
    int64_t rate;       /* bytes a second, a moving average */
    int64_t rate_ms;    /* last measured */
    int64_t answers, answer_ms, latency_ms, times_failed, bytes; /* for people */
    char last_error[ERROR_BYTES];
};

struct budget {
    size_t count;
    unsigned connections;
    uint64_t random;
    struct health mirror[];
};

/* So long ago that none counts. */
static void forget_lies(struct health *h)
{
    for (unsigned k = 0; k < LIES_MOST; k++)
        h->lie[k].ms = -LIE_MS;
}

/* Mirrors keep their numbers, and so their health, when a reload adds others. */
int budget_grow(struct budget **budget, size_t mirrors)
{
    size_t had = *budget ? (*budget)->count : 0;
    struct budget *b = realloc(*budget, sizeof(*b) + mirrors * sizeof(b->mirror[0]));
    if (!b)
        return ERROR_NO_MEMORY;
    *budget = b;
    b->count = mirrors;
    for (size_t i = had; i < mirrors; i++) {
        b->mirror[i] = (struct health){0};
        forget_lies(&b->mirror[i]);
    }
    return 0;
}

int budget_new(size_t mirrors, unsigned connections, uint64_t seed, struct budget **ret)
{
    struct budget *b = NULL;
    int r = budget_grow(&b, mirrors);
    if (r)
        return r;
    b->connections = connections;
    b->random = seed | 1;
    *ret = b;
    return 0;
}

void budget_set_connections(struct budget *b, unsigned connections)
{
    b->connections = connections;
}

void budget_free(struct budget *b)
{
    free(b);
}

/* xorshift64*: good enough for jitter, and the same in each run of a seed. */
static uint64_t next_random(struct budget *b)
{
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return b->random * 0x2545F4914F6CDD1Dull;
}

bool budget_is_backing_off(const struct budget *b, size_t mirror, int64_t now_ms)
{
    return b->mirror[mirror].until_ms > now_ms || b->mirror[mirror].out_ms > now_ms;
}

/* A back-off that a file began is ended by a file alone, so pages do not probe for it. */
bool budget_wants_probe(struct budget *b, size_t mirror, int64_t now_ms)
{
    struct health *h = &b->mirror[mirror];
    /* a try since the end of the back-off may still be on its way */
    bool is_tried = h->tried_ms >= h->until_ms && now_ms - h->tried_ms < UNTOLD_MS;
    if (!h->failures || h->is_of_file || is_tried || budget_is_backing_off(b, mirror, now_ms))
        return false;
    h->tried_ms = now_ms;
    return true;
}

/* Failures are forgiven when nobody has tried for a while: else a mirror would never be asked
 * again. */
static unsigned failures_of(const struct health *h, int64_t now_ms)
{
    return now_ms - h->tried_ms >= DUE_MS ? 0 : h->failures;
}

/* For a while only: the mirror may have been slow by chance. */
static bool was_outrun(const struct health *h, int64_t now_ms)
{
    return h->is_outrun && now_ms - h->outrun_ms < OUTRUN_MS;
}

static int64_t rate_of(const struct health *h, int64_t now_ms)
{
    return now_ms - h->rate_ms < RATE_MS ? h->rate : 0;
}

/* A mirror that is backing off has no rate: it could not keep it. */
int64_t budget_rate(const struct budget *b, size_t mirror, int64_t now_ms)
{
    return budget_is_backing_off(b, mirror, now_ms) ? 0 : rate_of(&b->mirror[mirror], now_ms);
}

/* Whether `a` is the better choice. Equal mirrors keep their configured order. */
static bool is_better(const struct budget *b, size_t a, size_t than, int64_t now_ms)
{
    const struct health *x = &b->mirror[a], *y = &b->mirror[than];
    bool x_off = budget_is_backing_off(b, a, now_ms),
         y_off = budget_is_backing_off(b, than, now_ms);
    if (x_off != y_off)
        return y_off;
    if ((x->out_ms > now_ms) != (y->out_ms > now_ms))
        return y->out_ms > now_ms;
    if (x_off)
        return x->until_ms < y->until_ms;
    if (failures_of(x, now_ms) != failures_of(y, now_ms))
        return failures_of(x, now_ms) < failures_of(y, now_ms);
    if (was_outrun(x, now_ms) != was_outrun(y, now_ms))
        return was_outrun(y, now_ms);
    /* Only a clear difference in rate overrules the administrator's order. */
    int64_t x_rate = rate_of(x, now_ms), y_rate = rate_of(y, now_ms);
    return x_rate > 0 && y_rate > 0 && x_rate > 2 * y_rate;
}

/* Brief transfers may use the quarter that is theirs beyond the limit, when bulk fills the rest. */
static bool has_place(const struct budget *b, const struct health *h, enum budget_need need)
{
    /* for brief transfers alone */
    unsigned own = b->connections > 1 ? (b->connections + 3) / 4 : 0;
    if (need == BUDGET_FREE)
        return true;
    if (need == BUDGET_BULK)
        return h->connections < b->connections && h->bulk + own < b->connections;
    return h->connections < b->connections ||
           (h->connections - h->bulk < own && h->connections < 2 * b->connections);
}

/* A mirror that backs off is the last resort, and never for segments ahead. When a good mirror
 * is merely busy, waiting is better than the last resort. */
int budget_pick(struct budget *b, const size_t *mirrors, unsigned count, unsigned excluded,
                enum budget_need need, enum flight_rank rank, int64_t now_ms, unsigned *ret)
{
    int best = -1;
    bool busy = false, later = false;
    for (unsigned i = 0; i < count; i++) {
        const struct health *h = &b->mirror[mirrors[i]];
        if (excluded & (1u << i))
            continue;
        bool off = budget_is_backing_off(b, mirrors[i], now_ms);
        /* a probe by a reader is worth a try; segments ahead are not */
        if (off && (rank == FLIGHT_RANK_AHEAD || h->tried_ms > now_ms - PROBE_MS)) {
            later = true;
            continue;
        }
        if (!has_place(b, h, need)) {
            busy |= !off;
            later |= off;
            continue;
        }
        if (best < 0 || is_better(b, mirrors[i], mirrors[best], now_ms))
            best = (int)i;
    }
    if (best < 0)
        return busy || later ? BUDGET_BUSY : BUDGET_NONE;
    if (busy && budget_is_backing_off(b, mirrors[best], now_ms))
        return BUDGET_BUSY; /* a good mirror is worth the wait */
    b->mirror[mirrors[best]].tried_ms = now_ms;
    *ret = (unsigned)best;
    return 0;
}

void budget_begin(struct budget *b, size_t mirror, enum budget_need need)
{
    b->mirror[mirror].connections += need != BUDGET_FREE;
    b->mirror[mirror].bulk += need == BUDGET_BULK;
}

/* As budget_begin counted it; budget_lengthen may have made it bulk in between. */
void budget_end(struct budget *b, size_t mirror, enum budget_need need)
{
    b->mirror[mirror].connections -= need != BUDGET_FREE;
    b->mirror[mirror].bulk -= need == BUDGET_BULK;
}

void budget_lengthen(struct budget *b, size_t mirror)
{
    b->mirror[mirror].bulk++;
}

/* What was said about being outrun stays until the mirror has brought a file. */
static void forget_failures(struct health *h)
{
    h->failures = 0;
    h->is_of_file = false;
    h->until_ms = 0;
    if (!h->is_outrun)
        h->last_error[0] = '\0';
}

void budget_page_succeeded(struct budget *b, size_t mirror)
{
    if (!b->mirror[mirror].is_of_file)
        forget_failures(&b->mirror[mirror]);
}

/* The rate is a moving average: the last measurement counts for a quarter. */
void budget_succeeded(struct budget *b, size_t mirror, int64_t bytes, int64_t ms, int64_t now_ms)
{
    struct health *h = &b->mirror[mirror];
    h->is_outrun = false;
    if (!h->has_lied)
        forget_failures(h);
    h->has_lied = false;
    if (bytes < RATE_LEAST_BYTES || ms <= 0)
        return;
    int64_t rate = bytes * 1000 / ms;
    int64_t before = rate_of(h, now_ms);
    h->rate = before ? (3 * before + rate) / 4 : rate;
    h->rate_ms = now_ms;
}

void budget_remark(struct budget *b, size_t mirror, const char *what)
{
    struct health *h = &b->mirror[mirror];
    str_copy(h->last_error, sizeof(h->last_error), what);
}

void budget_count_bytes(struct budget *b, size_t mirror, int64_t bytes)
{
    b->mirror[mirror].bytes += bytes;
}

/* The last answer counts for a quarter, as in the rate. */
void budget_count_answer(struct budget *b, size_t mirror, int64_t ms)
{
    struct health *h = &b->mirror[mirror];
    h->latency_ms = h->answers ? (3 * h->latency_ms + ms) / 4 : ms;
    h->answers++;
    h->answer_ms += ms;
}

/* Doubles the wait for each failure in a row. Up to a quarter is taken off at random, so mirrors
 * that failed together are not tried together. */
void budget_page_failed(struct budget *b, size_t mirror, const char *what, int retry_after_s,
                        int64_t now_ms)
{
    struct health *h = &b->mirror[mirror];
    int64_t wait = BACK_OFF_FIRST_MS;
    for (unsigned i = 0; i < h->failures && wait < BACK_OFF_MOST_MS; i++)
        wait *= 2;
    /* the mirror's own Retry-After counts when it is longer, up to the longest back-off */
    if (retry_after_s > 0 && wait < (int64_t)retry_after_s * 1000)
        wait = (int64_t)retry_after_s * 1000;
    if (wait > BACK_OFF_MOST_MS)
        wait = BACK_OFF_MOST_MS;
    wait -= (int64_t)(next_random(b) % (uint64_t)(wait / 4 + 1));
    if (h->until_ms <= now_ms) /* requests that failed together count as one failure */
        h->failures++;
    h->until_ms = now_ms + wait;
    h->tried_ms = now_ms;
    h->times_failed++;
    str_copy(h->last_error, sizeof(h->last_error), what);
}

void budget_failed(struct budget *b, size_t mirror, const char *what, int retry_after_s,
                   int64_t now_ms)
{
    budget_page_failed(b, mirror, what, retry_after_s, now_ms);
    b->mirror[mirror].is_of_file = true;
}

void budget_outrun(struct budget *b, size_t mirror, const char *what, int64_t rate, int64_t now_ms)
{
    struct health *h = &b->mirror[mirror];
    h->is_outrun = true;
    h->outrun_ms = now_ms;
    if (rate > 0) {
        h->rate = rate;
        h->rate_ms = now_ms;
    }
    str_copy(h->last_error, sizeof(h->last_error), what);
}

/* The place where that file's lie is noted, or the oldest one, which is forgotten for it. */
static unsigned place_of(const struct health *h, uint64_t file)
{
    unsigned i = 0;
    while (i < LIES_MOST - 1 && h->lie[i].file != file)
        i++;
    return i;
}

/* Doubles with each time, because a mirror that has lied again is likely to lie on. */
static void put_out(struct health *h, int64_t now_ms)
{
    int64_t wait_ms = OUT_FIRST_MS;
    for (unsigned i = 0; i < h->times_out && wait_ms < OUT_MOST_MS; i++)
        wait_ms *= 2;
    h->times_out++;
    h->out_ms = now_ms + (wait_ms < OUT_MOST_MS ? wait_ms : OUT_MOST_MS);
}

/* The list keeps the newest lies of different files, each file once. */
void budget_lied(struct budget *b, size_t mirror, uint64_t file, int64_t now_ms)
{
    struct health *h = &b->mirror[mirror];
    for (unsigned i = place_of(h, file); i > 0; i--)
        h->lie[i] = h->lie[i - 1];
    h->lie[0].file = file;
    h->lie[0].ms = now_ms;
    if (h->out_ms <= now_ms && now_ms - h->lie[LIES_MOST - 1].ms < LIE_MS)
        put_out(h, now_ms);
    h->has_lied = h->is_of_file = true;
    str_copy(h->last_error, sizeof(h->last_error), "wrong digest");
}

/* One file of confirmed bytes shows that the mirror is right again. */
void budget_vouched(struct budget *b, size_t mirror)
{
    struct health *h = &b->mirror[mirror];
    h->out_ms = 0;
    h->times_out = 0;
    forget_lies(h);
}

/* Compared with the fastest mirror of all origins. */
static bool is_slow(const struct budget *b, const struct health *h, int64_t now_ms)
{
    int64_t fastest = 0;
    for (size_t i = 0; i < b->count; i++)
        if (rate_of(&b->mirror[i], now_ms) > fastest)
            fastest = rate_of(&b->mirror[i], now_ms);
    return rate_of(h, now_ms) > 0 && h->rate < fastest / SLOW_SHARE;
}

/* The worst of several states is shown. */
void budget_view(const struct budget *b, size_t mirror, int64_t now_ms, struct budget_view *ret)
{
    const struct health *h = &b->mirror[mirror];
    enum mirror_state state =
        is_slow(b, h, now_ms) || was_outrun(h, now_ms) ? MIRROR_SLOW : MIRROR_OK;
    if (h->until_ms > now_ms || h->failures > 0) /* until it has succeeded again */
        state = MIRROR_BACKING_OFF;
    if (h->out_ms > now_ms)
        state = MIRROR_OUT;
    *ret = (struct budget_view){.state = state,
                                .last_error = h->last_error,
                                .rate_bytes_s = h->rate,
                                .connections = h->connections,
                                .answers = h->answers,
                                .answer_ms = h->answer_ms,
                                .failures = h->times_failed,
                                .bytes = h->bytes,
                                .latency_ms = h->latency_ms};
}
