// SPDX-License-Identifier: Apache-2.0
/* A mirror of which next to nothing comes is left, where another one may do better. */
#include "tests/engine/flight/flight_story.h"

static int64_t clock_ms;

/* A byte a second comes, and no other answer can be held to it. After half a minute another mirror
 * begins anew. When that one trickles also, it is left alone, because no other is left. */
static void trickling(void **state)
{
    (void)state;
    for (int vouched = 0; vouched < 2; vouched++) {
        open_flight(2, -1, vouched ? right : NULL);
        flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,16777216)");
        int64_t total = vouched ? -1 : 1000000; /* of known size, a claim lets others race */
        assert_int_equal(
            answer_full(0, (struct flight_answer){200, total, 0, true, true, true, false}), 0);
        expect(vouched ? "known:-1" : "known:1000000");
        clock_ms = 250;
        int64_t at = 0;
        for (; clock_ms < 30000; clock_ms += 250) {
            if (clock_ms % 1000 == 0)
                bytes(0, at, at + 1), at++;
            flight_on_tick(f, clock_ms, NULL);
        }
        struct flight_command c;
        bool left = false;
        while (flight_next(f, &c))
            left |= c.type == FLIGHT_STOP || c.type == FLIGHT_CUT;
        assert_false(left);
        for (; clock_ms < 31500; clock_ms += 250)
            flight_on_tick(f, clock_ms, NULL);
        expect(vouched ? "stop,1 bytes a second ask0-1" : "stop,1 bytes a second cut ask0-1");
        stop_flight(vouched ? "fail:-17 end" : "fail:-17 end");
    }
}

static int64_t begin_at; /* where the first transfer begins */

/* A byte a second comes from mirror 0, by the first transfer. Mirror 1, when it is asked, answers
 * as `other` says. Returns when a command of that type comes, in seconds; a transfer counts only
 * from the beginning to the end. -1: never. */
static int64_t trickle_until(const struct flight_answer *other, enum flight_command_type type,
                             int64_t most_s)
{
    int64_t at = begin_at;
    struct flight_command c;
    uint64_t first = number[begin_at ? 1 : 0];
    for (clock_ms = 250; clock_ms < most_s * 1000; clock_ms += 250) {
        if (clock_ms % 1000 == 0)
            flight_on_bytes(f, first, at, at + 1), at++;
        flight_on_tick(f, clock_ms, NULL);
        while (flight_next(f, &c)) {
            if (c.type == type && (type != FLIGHT_START || (c.from == 0 && c.to < 0)))
                return clock_ms / 1000;
            if (c.type == FLIGHT_ASK)
                flight_on_mirror(f, c.slot,
                                 !(c.excluded & 2)   ? 1
                                 : !(c.excluded & 1) ? 0
                                                     : FLIGHT_NO_MIRROR,
                                 0, "");
            if (c.type != FLIGHT_START)
                continue;
            number[c.slot] = c.transfer;
            if (c.mirror == 1) {
                ended(c.slot, answer_full(c.slot, *other), other->status);
                continue;
            }
            assert_int_equal(answer(c.slot, 206, 64 * MIB, c.from), 0);
            first = c.transfer;
            at = c.from;
        }
    }
    return -1;
}

static void open_trickling(const char *sha256)
{
    struct flight_answer strong = {200, 64 * MIB, 0, true, true, true, true};
    open_flight(2, -1, sha256);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    assert_int_equal(answer_full(0, strong), 0);
}

static void end(void)
{
    flight_free(f);
    f = NULL;
    begin_at = 0;
}

/* The other's answers are about another file, as far as anybody can tell: it begins anew with that
 * one. There is no use in waiting for a race. */
static void another_file(void **state)
{
    (void)state;
    const struct flight_answer other = {200, 63 * MIB, 0, true, true, false, true};
    open_trickling(NULL);
    assert_in_range(trickle_until(&other, FLIGHT_CUT, 100), 30, 31);
    end();
}

/* The other knows no ranges, so that it cannot be raced: it is asked for all of it. */
static void without_ranges(void **state)
{
    (void)state;
    const struct flight_answer other = {200, 64 * MIB, 0, true, false, true, true};
    open_trickling(right);
    assert_in_range(trickle_until(&other, FLIGHT_START, 100), 60, 62);
    end();
}

/* The same for a client that reads a part only. */
static void a_part_without_ranges(void **state)
{
    (void)state;
    const struct flight_answer other = {200, 64 * MIB, 0, true, false, true, true};
    struct flight_options o = {.mirrors = 2,
                               .size = 64 * MIB,
                               .is_known = true,
                               .is_vouched = claims(right),
                               .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    begin_at = 32 * MIB;
    flight_on_reader(f, 1, FLIGHT_RANGE, begin_at, 40 * MIB);
    expect("ask1-0");
    mirror(1, 0);
    expect("get1:0[33554432,41943040)");
    assert_int_equal(answer(1, 206, 64 * MIB, begin_at), 0);
    assert_in_range(trickle_until(&other, FLIGHT_START, 100), 60, 62);
    end();
}

/* The other broke off, and its bytes were given up for the file of the one that now trickles: it
 * has another try, after a minute. */
static void who_had_a_try(void **state)
{
    (void)state;
    const struct flight_answer other = {200, 2 * MIB, 0, true, true, true, true};
    struct flight_answer a = {206, 3 * MIB, 0, true, true, true, true};
    open_flight(2, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 1);
    expect("get0:1[0,16777216)");
    assert_int_equal(answer_full(0, other), 0);
    bytes(0, 0, 1000);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("known:2097152 release:1000 ask0-2");
    mirror(0, 0);
    expect("get0:0[1000,-1)~");
    a.same_validator = false;
    a.from = 1000;
    assert_int_equal(answer_full(0, a), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    struct flight_command c;
    while (flight_next(f, &c) && c.type != FLIGHT_CUT) { /* mirror 1 gives no more */
        if (c.type == FLIGHT_ASK)
            flight_on_mirror(f, 0, c.excluded & 2 ? FLIGHT_NO_MIRROR : 1, 0, "");
        number[0] = c.transfer;
        if (c.type == FLIGHT_START)
            ended(0, ERROR_UNREACHABLE, 0);
    }
    expect("ask0-2");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    a.status = 200;
    a.from = 0;
    a.same_validator = true;
    assert_int_equal(answer_full(0, a), 0);
    expect("known:3145728");
    assert_in_range(trickle_until(&other, FLIGHT_CUT, 100), 60, 62);
    end();
}

/* The other sent wrong bytes before. It is asked in place of another round with the one that
 * trickles: by now its bytes may be right, or what was said against them. */
static void who_was_wrong_before(void **state)
{
    (void)state;
    struct flight_options o = {
        .mirrors = 2, .size = -1, .is_vouched = claims(right), .blamed = 1 << 1, .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-2");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 2 * MIB, 0), 0);
    expect("known:2097152");
    for (clock_ms = 250; clock_ms < 31000; clock_ms += 250) {
        if (clock_ms % 1000 == 0)
            bytes(0, clock_ms / 1000 - 1, clock_ms / 1000);
        flight_on_tick(f, clock_ms, NULL);
    }
    struct flight_command c;
    while (flight_next(f, &c) && c.type != FLIGHT_STOP)
        ;
    expect("ask0-3");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[30,-1)");
    end();
}

/* The other is gone: slow is better than nothing. */
static void nobody_else(void **state)
{
    (void)state;
    const struct flight_answer other = {404, -1, 0, true, true, false, false};
    open_trickling(right);
    assert_int_equal(trickle_until(&other, FLIGHT_STOP, 300), -1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trickling),      cmocka_unit_test(another_file),
        cmocka_unit_test(without_ranges), cmocka_unit_test(a_part_without_ranges),
        cmocka_unit_test(who_had_a_try),  cmocka_unit_test(who_was_wrong_before),
        cmocka_unit_test(nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
