// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How stories of flights are told: events in, commands out, compared as text. For the files of
 * tests alone: everything is static. A command reads
 *
 *     ask0-2          slot 0 asks for a mirror, the bits of 2 excluded; behind it ? when it goes on
 *                     for nobody who waits, + for a segment ahead; drop0: not any more; limit:9
 *     get0:1[5,9)     slot 0 starts a transfer from mirror 1; head0:1 by HEAD; ~ behind: resume
 *     stop known:9 release:8 hash[0,9) refuse:1 commit sync park reserve
 *
 *     cut commit      commit! authoritative; reserve when tells_reserve is set
 *     fail:-11        fail:-11,doubted: the length is; end, end,kept: the bytes are worth keeping
 *     judge           is answered by `claim` at once and not told of, unless tells_judge is set
 *     stop,why        of a mirror at fault
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "engine/flight/flight.h"

enum { MIB = 1 << 20, TEXT = 1000 };

static const char right[] __attribute__((unused)) =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char wrong[] __attribute__((unused)) =
    "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct flight *f;
static const char *claim;             /* the digest that is claimed, or NULL */
static bool bounded;                  /* its first transfer: another one could continue after it */
static uint64_t number[FLIGHT_SLOTS]; /* of each slot's last transfer */

/* From now on that is claimed; whether anything is. */
static inline bool claims(const char *sha256)
{
    claim = sha256;
    return sha256;
}

static inline void open_flight(unsigned mirrors, int64_t size, const char *sha256)
{
    struct flight_options o = {
        .mirrors = mirrors, .size = size, .is_vouched = claims(sha256), .connections = 1};
    bounded = mirrors > 1;
    assert_int_equal(flight_new(&o, &f), 0);
}

/* Of a known digest, with so many connections per mirror. */
static inline void open_wide(unsigned mirrors, unsigned connections)
{
    struct flight_options o = {
        .mirrors = mirrors, .size = -1, .is_vouched = claims(right), .connections = connections};
    bounded = mirrors > 1 || connections > 1;
    assert_int_equal(flight_new(&o, &f), 0);
}

static inline void render(const struct flight_command *c, char *to, size_t size)
{
    static const char *const plain[] = {
        [FLIGHT_STOP] = "stop",  [FLIGHT_CUT] = "cut", [FLIGHT_RESERVE] = "reserve",
        [FLIGHT_PARK] = "park",  [FLIGHT_END] = "end", [FLIGHT_SYNC] = "sync",
        [FLIGHT_JUDGE] = "judge"};
    long long from = (long long)c->from, end = (long long)c->to;
    if (c->type == FLIGHT_STOP && c->error)
        (void)snprintf(to, size, "stop,%s", c->detail);
    else if (c->type == FLIGHT_ASK)
        (void)snprintf(to, size, "ask%u-%x%s", c->slot, c->excluded,
                       c->rank == FLIGHT_RANK_AHEAD   ? "+"
                       : c->rank == FLIGHT_RANK_FRONT ? "?"
                                                      : "");
    else if (c->type == FLIGHT_LIMIT)
        (void)snprintf(to, size, "limit:%lld", end);
    else if (c->type == FLIGHT_DROP)
        (void)snprintf(to, size, "drop%u", c->slot);
    else if (c->type == FLIGHT_START && c->head)
        (void)snprintf(to, size, "head%u:%u", c->slot, c->mirror);
    else if (c->type == FLIGHT_START)
        (void)snprintf(to, size, "get%u:%u[%lld,%lld)%s", c->slot, c->mirror, from, end,
                       c->resume ? "~" : "");
    else if (c->type == FLIGHT_KNOWN)
        (void)snprintf(to, size, "known:%lld", (long long)c->size);
    else if (c->type == FLIGHT_RELEASE && c->to == INT64_MAX)
        (void)snprintf(to, size, "release:all");
    else if (c->type == FLIGHT_RELEASE)
        (void)snprintf(to, size, "release:%lld", end);
    else if (c->type == FLIGHT_HASH)
        (void)snprintf(to, size, "hash[%lld,%lld)", from, end);
    else if (c->type == FLIGHT_REFUSE)
        (void)snprintf(to, size, "refuse:%u%s", c->mirror,
                       c->error == ERROR_DIGEST_MISMATCH ? "" : ",unsound");
    else if (c->type == FLIGHT_COMMIT)
        (void)snprintf(to, size, "commit%s", c->authoritative ? "!" : "");
    else if (c->type == FLIGHT_FAIL)
        (void)snprintf(to, size, "fail:%d%s", c->error, c->doubted ? ",doubted" : "");
    else if (c->type == FLIGHT_END && c->keep)
        (void)snprintf(to, size, "end,kept");
    else
        (void)snprintf(to, size, "%s", plain[c->type]);
}

/* Every whole-file reader brings one: only stories of it tell of it. */
static bool tells_reserve;

/* Whether stories tell of FLIGHT_JUDGE and give the verdict themselves. */
static bool tells_judge;
static uint64_t judgement; /* the last one's number */

static inline void judged(enum flight_verdict verdict)
{
    flight_on_judged(f, judgement, verdict, "as judged");
}

static inline void judge_by_claim(const struct flight_command *c)
{
    judgement = c->judgement;
    if (!tells_judge)
        judged(!claim                          ? FLIGHT_SOUND
               : strcmp(claim, c->sha256) == 0 ? FLIGHT_AGREED
                                               : FLIGHT_WRONG);
}

/* The commands since the last time, in order. */
static inline void expect(const char *text)
{
    char got[TEXT] = "";
    struct flight_command c;
    while (flight_next(f, &c)) {
        size_t len = strlen(got);
        if (c.type == FLIGHT_JUDGE)
            judge_by_claim(&c);
        if (c.type == FLIGHT_JUDGE && !tells_judge)
            continue;
        if (c.type == FLIGHT_RESERVE && !tells_reserve)
            continue;
        if (len)
            got[len++] = ' ';
        render(&c, got + len, sizeof(got) - len);
        if (c.type == FLIGHT_START)
            number[c.slot] = c.transfer;
    }
    assert_string_equal(got, text);
}

static inline void close_flight(void)
{
    struct flight_view v;
    expect("");
    flight_view(f, &v);
    assert_true(v.ended);
    flight_free(f);
    f = NULL;
}

static inline void mirror(unsigned slot, unsigned which)
{
    flight_on_mirror(f, slot, which, 0, "");
}

static inline int answer_full(unsigned slot, struct flight_answer a)
{
    return flight_on_answer(f, number[slot], &a);
}

static inline int answer(unsigned slot, int status, int64_t total, int64_t from)
{
    return answer_full(slot, (struct flight_answer){status, total, from, true, true, true, false});
}

static inline void bytes(unsigned slot, int64_t from, int64_t to)
{
    flight_on_bytes(f, number[slot], from, to);
}

static inline void ended(unsigned slot, int error, int status)
{
    flight_on_ended(f, number[slot], error, status, error ? error_text(error) : "");
}

/* The turn of hashing that ends at `at` is done, and those that follow it, up to `end`. */
static inline void hashed_on(int64_t at, int64_t end, const char *sha256)
{
    char turn[64];
    for (; at < end; at += MIB) {
        flight_on_hashed(f, at, NULL);
        (void)snprintf(turn, sizeof(turn), "hash[%lld,%lld)", (long long)at, (long long)at + MIB);
        expect(turn);
    }
    flight_on_hashed(f, end, sha256);
}

/* A whole-file reader of a file of unknown size, and mirror `which` answers with the length;
 * `more`: what follows. */
static inline void begin_then(unsigned which, int64_t total, const char *more)
{
    char text[TEXT];
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, which);
    (void)snprintf(text, sizeof(text), "get0:%u[0,%s)", which, bounded ? "16777216" : "-1");
    expect(text);
    assert_int_equal(answer(0, bounded ? 206 : 200, total, 0), 0);
    (void)snprintf(text, sizeof(text), "known:%lld%s", (long long)total, more);
    expect(text);
}

static inline void begin(unsigned which, int64_t total)
{
    begin_then(which, total, "");
}

static inline void stop_flight(const char *text)
{
    flight_on_stop(f);
    expect(text);
    close_flight();
}
