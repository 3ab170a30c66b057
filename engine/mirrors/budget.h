// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The budget: what spans flights and pages. It knows each mirror's health, rate and connections,
 * and says which mirror is asked next. Pure like engine/flight/flight.h: no thread, clock or
 * socket; the flight thread owns it. Mirrors are numbered as the owner likes, below the count given
 * at birth.
 *
 * Order of choice: mirrors that are not backing off before those that are, and those before one
 * that is out for what it sent (budget_lied); then fewer recent failures; then those that were not
 * outrun in the last half minute; then the higher measured rate (a mirror never measured counts as
 * good); then the configured order. Failures are forgiven when nobody has tried for half a minute,
 * so that a mirror that has recovered is found out. A mirror that is backing off is asked all the
 * same when no other is left and its last try is a second ago: a client that waits may probe.
 * Back-off doubles from half a second to thirty, with jitter, and ends with the first success.
 *
 * A mirror is not a host: a site that serves two origins is two mirrors. Its trouble with the pages
 * of one origin says nothing about the other.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/flight/flight.h"

struct budget;

enum mirror_state { MIRROR_OK, MIRROR_SLOW, MIRROR_BACKING_OFF, MIRROR_OUT };

struct budget_view {
    enum mirror_state state;
    const char *last_error; /* "" when none since the last success */
    int64_t rate_bytes_s;   /* 0: not measured */
    unsigned connections;
};

/* What a connection is wanted for. A quarter of a mirror's connections (of one alone: none) is for
 * what is brief. Where that place is taken by what was brief and goes on, and cannot be stopped,
 * there is another for a moment; never more than twice as many as a mirror may have. */
enum budget_need {
    BUDGET_FREE,  /* a request so small that it takes no connection */
    BUDGET_BRIEF, /* a file's first bytes, a small file, the end of one: over in a moment */
    BUDGET_BULK,
};

/* `connections`: at most so many file transfers at once per mirror. `seed` makes the jitter. */
int budget_new(size_t mirrors, unsigned connections, uint64_t seed, struct budget **ret);
void budget_free(struct budget *budget);
/* Makes room for so many mirrors, never fewer than there were; newcomers are unknown. Moves the
 * budget. ERROR_NO_MEMORY: nothing changes. */
int budget_grow(struct budget **budget, size_t mirrors);
void budget_set_connections(struct budget *budget, unsigned connections);

/*
 * Chooses among `count` mirrors, those whose bit is set in `excluded` left out; *ret is an index
 * into `mirrors`. BUDGET_NONE: nobody is left; BUDGET_BUSY: somebody is, but all its connections
 * are in use, or it failed less than a second ago: ask again after the next budget_end and at the
 * next tick. rank: who only asks
 * ahead is not sent to a mirror that is backing off, for it can wait (BUDGET_BUSY); that others
 * wait more urgently is for the owner to see, who knows them.
 */
enum { BUDGET_NONE = 1, BUDGET_BUSY = 2 };
int budget_pick(struct budget *budget, const size_t *mirrors, unsigned count, unsigned excluded,
                enum budget_need need, enum flight_rank rank, int64_t now_ms, unsigned *ret);

/* Around each transfer that takes a connection. */
void budget_begin(struct budget *budget, size_t mirror, enum budget_need need);
void budget_end(struct budget *budget, size_t mirror, enum budget_need need);
/* What was brief goes on and on: from now on it is bulk. */
void budget_lengthen(struct budget *budget, size_t mirror);

/* What came of a request for a file. bytes / ms = 0: nothing to learn about rate. */
void budget_succeeded(struct budget *budget, size_t mirror, int64_t bytes, int64_t ms,
                      int64_t now_ms);
/* retry_after_s: what the mirror asked for, or -1. */
void budget_failed(struct budget *budget, size_t mirror, const char *what, int retry_after_s,
                   int64_t now_ms);
/* Another mirror was faster by far, or answered where this one was silent: no failure, and no
 * back-off, but for a while the others come first. Only a file that comes ends that sooner. rate: 0
 * when there is nothing to learn of it. */
void budget_outrun(struct budget *budget, size_t mirror, const char *what, int64_t rate,
                   int64_t now_ms);
/* Bytes a second, as measured in the last five minutes; 0: not measured, or not to be asked now. */
int64_t budget_rate(const struct budget *budget, size_t mirror, int64_t now_ms);
/* Its bytes of that file (any number that tells files apart) are not those that a claim confirms.
 * Of three files in an hour: the mirror is out, for two minutes at first, twice as long each time,
 * an hour at most; after that, one more file is enough. Who is out is asked when no other is left,
 * and one file of confirmed bytes ends it. */
void budget_lied(struct budget *budget, size_t mirror, uint64_t file, int64_t now_ms);
/* A claim confirms bytes of this mirror. */
void budget_vouched(struct budget *budget, size_t mirror);

/* The same of listings. That a mirror has pages says nothing of its files: only a file ends the
 * back-off that files began, anything ends one that pages began. */
void budget_page_succeeded(struct budget *budget, size_t mirror);
void budget_page_failed(struct budget *budget, size_t mirror, const char *what, int retry_after_s,
                        int64_t now_ms);
/* Only what is shown of it: nothing waits for its sake. */
void budget_remark(struct budget *budget, size_t mirror, const char *what);
/* Whether a mirror should be asked for a page, because pages have failed, its back-off is over and
 * nobody has tried since. True counts as the try. */
bool budget_wants_probe(struct budget *budget, size_t mirror, int64_t now_ms);

bool budget_is_backing_off(const struct budget *budget, size_t mirror, int64_t now_ms);
void budget_view(const struct budget *budget, size_t mirror, int64_t now_ms,
                 struct budget_view *ret);
