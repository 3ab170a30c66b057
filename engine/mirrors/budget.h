// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The budget: what flights and pages share about mirrors. It knows each mirror's health, rate and
 * connections, and says which mirror is asked next. Pure like engine/flight/flight.h: no thread,
 * clock or socket; the flight thread owns it. Mirrors are numbered by the owner, below the count
 * given at birth.
 *
 * Order of choice:
 *
 *   1. mirrors that are not backing off, then those that are, then one that is out (budget_lied)
 *   2. fewer recent failures
 *   3. those that were not outrun in the last half minute
 *   4. the higher measured rate; a mirror that was never measured counts as good
 *   5. the configured order
 *
 * Failures are forgiven when nobody has tried for half a minute, so a mirror that has recovered is
 * found. A mirror that is backing off is asked all the same when no other is left and its last try
 * is a second ago: a client that waits may probe. Back-off doubles from half a second to thirty
 * seconds, with jitter, and ends with the first success.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/flight/flight.h"

struct budget;

enum mirror_state { MIRROR_OK, MIRROR_SLOW, MIRROR_BACKING_OFF, MIRROR_OUT };

struct budget_view {
    enum mirror_state state;
    const char *last_error; /* "" when there was none since the last success */
    int64_t rate_bytes_s;   /* 0: not measured */
    unsigned connections;
    /* since the start of the daemon, or since the configuration names the mirror: */
    int64_t answers;    /* header sections that came */
    int64_t answer_ms;  /* how long all of them took, from the request on */
    int64_t failures;   /* requests that cost the mirror its standing for a while */
    int64_t bytes;      /* of bodies */
    int64_t latency_ms; /* a moving average; 0: not measured, or below a millisecond */
};

/*
 * What a connection is wanted for. A quarter of a mirror's connections (of a single one: none) is
 * for brief transfers. A brief transfer that goes on and cannot be stopped keeps its place; then
 * another place is opened for a moment. A mirror never has more than twice its connections.
 */
enum budget_need {
    BUDGET_FREE,  /* a request so small that it takes no connection */
    BUDGET_BRIEF, /* a file's first bytes, a small file, the end of a file: over in a moment */
    BUDGET_BULK,
};

/* `connections`: file transfers at once for each mirror. `seed` starts the jitter. */
int budget_new(size_t mirrors, unsigned connections, uint64_t seed, struct budget **ret);
void budget_free(struct budget *budget);
/* Makes room for so many mirrors, never fewer than before; new ones are unknown. Moves the
 * budget. ERROR_NO_MEMORY: nothing changes. */
int budget_grow(struct budget **budget, size_t mirrors);
void budget_set_connections(struct budget *budget, unsigned connections);

/*
 * Chooses one of `count` mirrors, without those whose bit is set in `excluded`. *ret is an index
 * into `mirrors`. BUDGET_NONE: no mirror is left. BUDGET_BUSY: a mirror is left, but its
 * connections are in use, or it failed less than a second ago. Then ask again after the next
 * budget_end and at the next tick. rank: segments ahead are not sent to a mirror that is backing
 * off, for they can wait (BUDGET_BUSY). The owner sees which waiting request is more urgent.
 */
enum { BUDGET_NONE = 1, BUDGET_BUSY = 2 };
int budget_pick(struct budget *budget, const size_t *mirrors, unsigned count, unsigned excluded,
                enum budget_need need, enum flight_rank rank, int64_t now_ms, unsigned *ret);

/* Around each transfer that takes a connection. */
void budget_begin(struct budget *budget, size_t mirror, enum budget_need need);
void budget_end(struct budget *budget, size_t mirror, enum budget_need need);
/* A brief transfer goes on and on: from now on it is bulk. */
void budget_lengthen(struct budget *budget, size_t mirror);

/* The outcome of a request for a file. bytes / ms = 0: it says nothing about the rate. */
void budget_succeeded(struct budget *budget, size_t mirror, int64_t bytes, int64_t ms,
                      int64_t now_ms);
/* retry_after_s: what the mirror asked for, or -1. */
void budget_failed(struct budget *budget, size_t mirror, const char *what, int retry_after_s,
                   int64_t now_ms);
/* Another mirror was far faster, or answered where this one was silent. That is no failure and
 * causes no back-off, but for a while the other mirrors come first. Only a file that comes ends
 * that sooner. rate: 0 when it was not measured. */
void budget_outrun(struct budget *budget, size_t mirror, const char *what, int64_t rate,
                   int64_t now_ms);
/* Bytes a second, as measured in the last five minutes. 0: not measured, or the mirror is not to
 * be asked now. */
int64_t budget_rate(const struct budget *budget, size_t mirror, int64_t now_ms);
/*
 * The mirror's bytes of that file (any number that tells files apart) are not those that a claim
 * names. After three files in an hour the mirror is out: for two minutes at first, twice as long
 * each time, an hour at most. After that one more file is enough. A mirror that is out is asked
 * when no other is left. One file of confirmed bytes ends it.
 */
void budget_lied(struct budget *budget, size_t mirror, uint64_t file, int64_t now_ms);
/* A claim confirms bytes of this mirror. */
void budget_vouched(struct budget *budget, size_t mirror);

/* What people see of a mirror; no choice depends on it. bytes: more bytes of a body. */
void budget_count_bytes(struct budget *budget, size_t mirror, int64_t bytes);
/* ms: from the request to the header section of the answer. */
void budget_count_answer(struct budget *budget, size_t mirror, int64_t ms);

/* The outcome of a request for a listing. A mirror that has pages need not have its files: only
 * a file ends a back-off that files began, and anything ends one that pages began. */
void budget_page_succeeded(struct budget *budget, size_t mirror);
void budget_page_failed(struct budget *budget, size_t mirror, const char *what, int retry_after_s,
                        int64_t now_ms);
/* Changes only what is shown of the mirror: it causes no back-off. */
void budget_remark(struct budget *budget, size_t mirror, const char *what);
/* Whether to ask a mirror for a page, because pages have failed, its back-off is over and nobody
 * has tried since. True counts as the try. */
bool budget_wants_probe(struct budget *budget, size_t mirror, int64_t now_ms);

/* Whether the mirror is backing off or out. */
bool budget_is_backing_off(const struct budget *budget, size_t mirror, int64_t now_ms);
void budget_view(const struct budget *budget, size_t mirror, int64_t now_ms,
                 struct budget_view *ret);
