// SPDX-License-Identifier: Apache-2.0
/* Several transfers at once: segments, readers far from the front, limits. */
#include "tests/engine/flight/flight_story.h"

/* Two mirrors, a connection each: segments from both, and nothing has to be cut where they meet. */
static void segments(void **state)
{
    (void)state;
    open_wide(2, 1);
    begin_then(0, 64 * MIB, " ask1-1+");
    mirror(1, 1);
    expect("get1:1[16777216,25165824)");
    assert_int_equal(answer(1, 206, 64 * MIB, 16 * MIB), 0);
    bytes(1, 16 * MIB, 20 * MIB);
    bytes(0, 0, 16 * MIB);
    expect("release:20971520 hash[0,1048576)");
    ended(0, 0, 206);
    expect("ask2-2+");
    mirror(2, 0);
    expect("get2:0[25165824,30932992)"); /* an eighth of what is missing */
    bytes(1, 20 * MIB, 24 * MIB);
    ended(1, 0, 206);
    expect("release:25165824 ask1-1+"); /* the front is under way already */
    stop_flight("stop fail:-17 sync end,kept");
}

/* A mirror without ranges sends the whole file: it is stopped where others continue. */
static void no_ranges(void **state)
{
    (void)state;
    open_wide(2, 1);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    assert_int_equal(answer(0, 200, 64 * MIB, 0), 0);
    expect("known:67108864 ask1-1+");
    mirror(1, 1);
    expect("get1:1[8388608,16777216)");
    assert_int_equal(answer(1, 206, 64 * MIB, 8 * MIB), 0);
    expect("limit:8388608");
    bytes(1, 8 * MIB, 12 * MIB);
    bytes(0, 0, 8 * MIB);
    expect("stop release:12582912 hash[0,1048576)");
    stop_flight("stop fail:-17 sync end,kept");
}

/* No range of nothing can be had, and one that does not say of how much tells no end. */
static void beginning_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        open_wide(2, 1);
        flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,16777216)");
        int error = i ? ERROR_UPSTREAM_BROKEN : ERROR_UPSTREAM_STATUS;
        assert_int_equal(answer(0, i ? 206 : 416, i ? -1 : 0, 0), error);
        ended(0, error, i ? 206 : 416);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,-1)");
        assert_int_equal(answer(0, 200, i ? 5 : 0, 0), 0);
        expect(i ? "known:5" : "hash[0,0)");
        stop_flight(i ? "stop fail:-17 end" : "stop fail:-17 end");
    }
}

/* When the size is known from the start, the first segment is asked for and no more. */
static void size_known(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 2, .size = 64 * MIB, .is_known = true, .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,8388608)");
    stop_flight("stop fail:-17 end");
}

/* Three small steps of the same: what begins where, and nothing twice. */
static void segments_of_one_mirror(void **state)
{
    (void)state;
    open_wide(1, 2);
    begin_then(0, 64 * MIB, " ask1-0+");
    mirror(1, 0);
    expect("get1:0[16777216,25165824)"); /* both connections are in use: nothing more is asked */
    bytes(1, 16 * MIB, 24 * MIB);
    ended(1, 0, 206);
    expect("ask1-0+");
    mirror(1, 0);
    expect("get1:0[25165824,32505856)");
    stop_flight("stop stop fail:-17 sync end,kept");
}

static void small_files_come_in_one(void **state)
{
    (void)state;
    open_wide(2, 2);
    begin(0, 8 * MIB - 1);
    stop_flight("stop fail:-17 end");
}

/* Without a digest only mirrors whose answers can be told to be the same have a part; where there
 * is no telling, one transfer brings all. */
static void segments_need_proof(void **state)
{
    (void)state;
    for (int strong = 0; strong < 2; strong++) {
        open_flight(2, -1, NULL);
        flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,16777216)");
        struct flight_answer a = {206, 64 * MIB, 0, true, true, true, strong};
        assert_int_equal(answer_full(0, a), strong ? 0 : ERROR_STOPPING);
        expect(strong ? "known:67108864 ask1-1+" : "stop ask0-0");
        if (strong) {
            mirror(1, 1);
            expect("get1:1[16777216,25165824)");
            struct flight_answer other = {206, 64 * MIB, 16 * MIB, true, true, false, true};
            assert_int_equal(answer_full(1, other), ERROR_UPSTREAM_BROKEN);
            ended(1, ERROR_UPSTREAM_BROKEN, 206);
            expect(""); /* and it is not asked again */
        } else {
            mirror(0, 0);
            expect("get0:0[0,-1)");
            a.status = 200;
            assert_int_equal(answer_full(0, a), 0);
            expect("known:67108864");
        }
        stop_flight("stop fail:-17 end");
    }
}

/* A transfer gives its connection away before its first bytes are on the disk. They may come yet:
 * what another mirror has under another validator is another file. */
static void late_bytes_are_of_their_file(void **state)
{
    (void)state;
    struct flight_answer strong = {200, 64 * MIB, 0, true, true, true, true};
    open_flight(3, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    ended(0, ERROR_UPSTREAM_STATUS, 405);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,1)");
    assert_int_equal(answer_full(0, strong), 0);
    expect("known:67108864 stop");
    flight_on_reader(f, 2, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0 ask1-0+");
    mirror(0, 1);
    expect("get0:1[0,8388608) ask1-2+");
    mirror(1, 0);
    expect("get1:0[8388608,16777216) ask2-3+");
    mirror(2, 2);
    expect("get2:2[16777216,25165824)");
    strong.status = 206;
    strong.same_validator = false;
    strong.from = 16 * MIB;
    assert_int_equal(answer_full(2, strong), 0);
    strong.from = 0;
    assert_int_equal(answer_full(0, strong), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("stop ask0-3 ask2-3+");
    strong.from = 8 * MIB;
    assert_int_equal(answer_full(1, strong), ERROR_UPSTREAM_BROKEN);
    stop_flight("stop fail:-17 end");
}

/* The length is old, and the one mirror that answers tells neither it nor a validator. What comes
 * after a first segment could not be held to it. */
static void segments_need_proof_also_of_a_known_length(void **state)
{
    (void)state;
    open_flight(2, 16 * MIB, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,4194304)");
    struct flight_answer a = {206, -1, 0, true, true, true, false};
    assert_int_equal(answer_full(0, a), ERROR_STOPPING);
    expect("stop ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    a.status = 200;
    assert_int_equal(answer_full(0, a), 0);
    expect("known:16777216");
    stop_flight("stop fail:-17 end");
}

/* Who answers 200 to a range, or speaks of another length, has no part in it. */
static void unfit_for_segments(void **state)
{
    (void)state;
    open_wide(2, 1);
    begin_then(0, 64 * MIB, " ask1-1+");
    mirror(1, 1);
    expect("get1:1[16777216,25165824)");
    assert_int_equal(answer(1, 200, 64 * MIB, 0), ERROR_UPSTREAM_BROKEN);
    ended(1, ERROR_UPSTREAM_BROKEN, 200);
    expect("");
    stop_flight("stop fail:-17 end");
    open_wide(2, 1);
    begin_then(0, 64 * MIB, " ask1-1+");
    mirror(1, 1);
    expect("get1:1[16777216,25165824)");
    assert_int_equal(answer(1, 206, 63 * MIB, 16 * MIB), ERROR_UPSTREAM_BROKEN);
    ended(1, ERROR_UPSTREAM_BROKEN, 206);
    expect("");
    stop_flight("stop fail:-17 end");
}

/* A tail is fetched at once; the segment ahead gives its connection for it. */
static void wanted_ahead_of_the_front(void **state)
{
    (void)state;
    open_wide(1, 2);
    begin_then(0, 64 * MIB, " ask1-0+");
    mirror(1, 0);
    expect("get1:0[16777216,25165824)");
    flight_on_reader(f, 2, FLIGHT_RANGE, 40 * MIB, 41 * MIB);
    expect("stop ask2-0 ask1-0+");
    mirror(2, 0);
    expect("get2:0[41943040,42991616)");
    assert_int_equal(answer(2, 206, 64 * MIB, 40 * MIB), 0);
    bytes(2, 40 * MIB, 41 * MIB);
    flight_on_reader(f, 3, FLIGHT_RANGE, 2 * MIB, 3 * MIB); /* the front will be there soon */
    expect("");
    ended(2, 0, 206);
    expect(""); /* the segment is still asked for */
    stop_flight("stop fail:-17 sync end,kept");
}

/* A reader that begins far after the front does not wait for the front. */
static void open_end_ahead_of_the_front(void **state)
{
    (void)state;
    open_wide(2, 1);
    begin_then(0, 200 * MIB, " ask1-1+");
    flight_on_reader(f, 2, FLIGHT_WHOLE, 100 * MIB, -1);
    expect("release:209649664 ask2-1"); /* all but what is held back, as far as it is there */
    mirror(2, 1);
    expect("get2:1[104857600,113246208)");
    stop_flight("stop stop fail:-17 end");
}

/* A connection that another flight's reader needs is given, unless a reader stands there. */
static void yielding(void **state)
{
    (void)state;
    open_wide(2, 1);
    begin_then(0, 64 * MIB, " ask1-1+");
    mirror(1, 1);
    expect("get1:1[16777216,25165824)");
    assert_false(flight_on_yield(f, number[0]));
    assert_true(flight_on_yield(f, number[1]));
    assert_false(flight_on_yield(f, number[1]));
    expect("stop ask1-1+");
    mirror(1, 1);
    expect("get1:1[16777216,25165824)");
    flight_on_reader(f, 2, FLIGHT_RANGE, 17 * MIB, 18 * MIB);
    assert_false(flight_on_yield(f, number[1]));
    stop_flight("stop stop fail:-17 end");
}

/* A file that is no longer read whole is not fetched ahead. */
static void ask_withdrawn(void **state)
{
    (void)state;
    open_wide(2, 1);
    begin_then(0, 64 * MIB, " ask1-1+");
    flight_on_reader_left(f, 1);
    bytes(0, 0, 1000);
    expect("release:1000 drop1");
    stop_flight("stop fail:-17 sync end,kept");
}

/* Parts of a small file: it is fetched whole. */
static void range_of_a_small_file(void **state)
{
    (void)state;
    for (int64_t size = MIB; size <= MIB + 1; size++) {
        open_wide(1, 2);
        flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
        expect("ask0-0");
        mirror(0, 0);
        expect("head0:0");
        assert_int_equal(answer(0, 200, size, 0), 0);
        ended(0, 0, 200);
        flight_on_reader(f, 2, FLIGHT_RANGE, size - 1000, size);
        expect(size <= MIB ? "known:1048576 ask0-0" : "known:1048577 ask1-0");
        mirror(size <= MIB ? 0 : 1, 0);
        expect(size <= MIB ? "get0:0[0,-1)" : "get1:0[1047577,1048577)");
        stop_flight("stop fail:-17 end");
    }
}

/* No answer for a second: another mirror is also asked, and has the front if it answers first. */
static void hedge(void **state)
{
    (void)state;
    for (unsigned winner = 0; winner < 2; winner++) {
        open_wide(2, 1);
        flight_on_tick(f, 1000, NULL);
        flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,16777216)");
        flight_on_tick(f, 1500, NULL);
        flight_on_tick(f, 1750, NULL);
        expect("");
        flight_on_tick(f, 2000, NULL);
        expect("ask1-1");
        mirror(1, 1);
        expect("get1:1[0,16777216)");
        assert_int_equal(answer(winner, 200, 1000, 0), 0);
        expect(winner ? "stop,no byte for 1000 ms known:1000" : "stop known:1000");
        bytes(winner, 0, 1000);
        expect("release:999 hash[0,1000)");
        ended(winner, 0, 200);
        flight_on_hashed(f, 1000, right);
        expect("release:all commit!");
        flight_on_committed(f, 0);
        expect("end");
        close_flight();
    }
}

/* The first of two breaks off, and the one that was asked beside it is silent also. */
static void hedge_of_the_last(void **state)
{
    (void)state;
    open_wide(3, 1);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    for (int64_t ms = 250; ms <= 1000; ms += 250)
        flight_on_tick(f, ms, NULL);
    expect("ask1-1");
    mirror(1, 1);
    expect("get1:1[0,16777216)");
    ended(0, ERROR_UNREACHABLE, 0);
    expect("");
    for (int64_t ms = 1250; ms <= 2000; ms += 250)
        flight_on_tick(f, ms, NULL);
    expect("ask2-2");
    mirror(2, 2);
    expect("get2:2[0,16777216)");
    flight_on_tick(f, 2250, NULL);
    stop_flight("stop stop fail:-17 end");
}

static int64_t clock_ms;

/* Four ticks a second, as the owner does; slot `slot` brings so many bytes in each. */
static void passthrough(int64_t ms, const int64_t *rates, unsigned slot, int64_t *at, int64_t each)
{
    struct flight_command c;
    for (int64_t end = clock_ms + ms; clock_ms < end;) {
        if (each) {
            bytes(slot, *at, *at + each);
            *at += each;
            while (flight_next(f, &c)) /* released and hashed as ever */
                assert_true(c.type == FLIGHT_RELEASE || c.type == FLIGHT_HASH ||
                            c.type == FLIGHT_SYNC);
        }
        clock_ms += 250;
        flight_on_tick(f, clock_ms, rates);
    }
}

static void open_paced(unsigned mirrors)
{
    struct flight_options o = {.mirrors = mirrors,
                               .size = -1,
                               .is_vouched = claims(right),
                               .connections = 1,
                               .now_ms = 5000};
    assert_int_equal(flight_new(&o, &f), 0);
    clock_ms = 5000;
    bounded = mirrors > 1;
    begin(0, 4 * MIB);
}

/* No byte for three seconds: another mirror continues after the present bytes. */
static void stalled(void **state)
{
    (void)state;
    int64_t at = 0;
    for (unsigned mirrors = 1; mirrors <= 2; mirrors++) {
        open_paced(mirrors);
        bytes(0, 0, 1000);
        expect("release:1000");
        passthrough(2750, NULL, 0, &at, 0);
        expect("sync");
        flight_on_synced(f);
        passthrough(250, NULL, 0, &at, 0);
        expect(mirrors == 1 ? "" : "ask1-1");
        if (mirrors == 2) {
            mirror(1, 1);
            expect("get1:1[1000,-1)");
            bytes(0, 1000, 2000); /* it continues after all, but has not answered as fast */
            expect("release:2000");
            passthrough(3000, NULL, 0, &at, 0);
            expect("sync");
            assert_int_equal(answer(1, 206, 4 * MIB, 1000), 0);
            expect("stop,no byte for 3000 ms");
            bytes(0, 2000, 2500); /* was under way */
            expect("release:2500");
        }
        stop_flight(mirrors == 2 ? "stop fail:-17 sync end,kept" : "stop fail:-17 end,kept");
    }
}

/* Two transfers stand at the same byte, because one sends more than it was asked for. Another
 * mirror is asked once, not beside each. */
static void two_stalled_at_one_byte(void **state)
{
    (void)state;
    int64_t at = 0;
    clock_ms = 0;
    open_wide(4, 1);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
    flight_on_reader(f, 2, FLIGHT_RANGE, 1, 2);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    assert_int_equal(answer(0, 200, 2, 0), 0);
    expect("known:2 ask1-0");
    mirror(1, 1);
    expect("get1:1[1,2)");
    assert_int_equal(answer(1, 206, 2, 1), 0);
    ended(0, 0, 200);
    expect("ask0-2");
    mirror(0, 2);
    expect("get0:2[0,1)");
    flight_on_reader(f, 3, FLIGHT_WHOLE, 0, -1);
    assert_int_equal(answer(0, 200, 2, 0), 0);
    bytes(0, 0, 1);
    expect("release:1");
    passthrough(3250, NULL, 0, &at, 0);
    expect("sync ask2-6");
    mirror(2, 3);
    expect("get2:3[1,-1)");
    assert_int_equal(answer(2, 206, 2, 1), 0);
    expect("stop,no byte for 3250 ms");
    bytes(2, 1, 2);
    expect("stop hash[0,2)");
    stop_flight("stop fail:-17 sync end,kept");
}

/* Far below what another mirror is known to bring; a mirror that is not so much faster, or of which
 * nothing is known, would be no gain. */
static void slow(void **state)
{
    (void)state;
    static const int64_t others[][2] = {{0, 0}, {0, 200000}, {0, 400000}, {0, 500000}};
    for (unsigned i = 0; i < 4; i++) {
        int64_t at = 0;
        open_paced(2);
        passthrough(3000, others[i], 0, &at, 25000);
        expect(i < 3 ? "" : "ask1-1");
        if (i == 3) {
            mirror(1, 1);
            expect("get1:1[300000,-1)");
            assert_int_equal(answer(1, 206, 4 * MIB, at), 0);
            expect("stop,100000 bytes a second");
            passthrough(9000, others[i], 1, &at,
                        7000); /* no faster itself: it does not go to and fro */
            expect("");
        }
        stop_flight("stop fail:-17 sync end,kept");
    }
}

/* Next to nothing comes: a mirror that is not known to be as slow is tried, once. */
static void all_are_slow(void **state)
{
    (void)state;
    int64_t at = 0;
    open_paced(2);
    passthrough(3000, NULL, 0, &at, 1000);
    expect("ask1-1");
    mirror(1, 1);
    expect("get1:1[12000,-1)");
    assert_int_equal(answer(1, 206, 4 * MIB, at), 0);
    expect("stop,4000 bytes a second");
    passthrough(20000, NULL, 1, &at, 1000);
    expect("");
    stop_flight("stop fail:-17 sync end,kept");
}

/* A mirror so slow that the front would come by before has no segment. */
static void no_segment_for_the_slow(void **state)
{
    (void)state;
    static const int64_t rates[][2] = {{20 * MIB, 4 * MIB}, {20 * MIB, 6 * MIB}};
    for (unsigned i = 0; i < 2; i++) {
        open_wide(2, 1);
        flight_on_tick(f, 1000, rates[i]);
        begin_then(0, 64 * MIB, i ? " ask1-1+" : "");
        stop_flight("stop fail:-17 end");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments),
        cmocka_unit_test(no_ranges),
        cmocka_unit_test(beginning_refused),
        cmocka_unit_test(size_known),
        cmocka_unit_test(segments_of_one_mirror),
        cmocka_unit_test(small_files_come_in_one),
        cmocka_unit_test(segments_need_proof),
        cmocka_unit_test(late_bytes_are_of_their_file),
        cmocka_unit_test(segments_need_proof_also_of_a_known_length),
        cmocka_unit_test(unfit_for_segments),
        cmocka_unit_test(wanted_ahead_of_the_front),
        cmocka_unit_test(open_end_ahead_of_the_front),
        cmocka_unit_test(yielding),
        cmocka_unit_test(ask_withdrawn),
        cmocka_unit_test(range_of_a_small_file),
        cmocka_unit_test(hedge),
        cmocka_unit_test(hedge_of_the_last),
        cmocka_unit_test(stalled),
        cmocka_unit_test(two_stalled_at_one_byte),
        cmocka_unit_test(slow),
        cmocka_unit_test(all_are_slow),
        cmocka_unit_test(no_segment_for_the_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
