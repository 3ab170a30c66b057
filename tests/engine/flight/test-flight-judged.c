// SPDX-License-Identifier: Apache-2.0
/* A whole file waits for the owner's verdict: nothing of its end goes out before, and what happens
 * meanwhile does no harm. */
#include "tests/engine/flight/flight_story.h"

/* 1000 bytes of one mirror are there, and the owner is asked. */
static void begin_whole(unsigned mirrors, const char *sha256)
{
    tells_judge = true;
    open_flight(mirrors, -1, sha256);
    begin(0, 1000);
    bytes(0, 0, 1000);
    ended(0, 0, 200);
    expect("release:999 hash[0,1000)");
    flight_on_hashed(f, 1000, right);
    expect("judge");
}

static void end_committed(void)
{
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

static void nothing_before_the_verdict(void **state)
{
    (void)state;
    struct flight_view v;
    for (int agreed = 0; agreed < 2; agreed++) {
        begin_whole(1, agreed ? right : NULL);
        flight_on_reader(f, 2, FLIGHT_WHOLE, 0, -1);
        flight_on_reader_left(f, 1);
        flight_on_reader_left(f, 2);
        for (int64_t now_ms = 250; now_ms <= 20000; now_ms += 250)
            flight_on_tick(f, now_ms, NULL);
        expect("sync");
        flight_view(f, &v);
        assert_false(v.verified || v.parked);
        assert_int_equal(v.released, 999);
        judged(agreed ? FLIGHT_AGREED : FLIGHT_SOUND);
        expect(agreed ? "release:all commit!" : "release:all commit");
        judged(FLIGHT_WRONG); /* said twice: too late */
        expect("");
        end_committed();
    }
}

/* A claim may come while it is judged, and the owner judges by it. */
static void claimed_meanwhile(void **state)
{
    (void)state;
    begin_whole(1, NULL);
    flight_on_vouched(f);
    judged(FLIGHT_AGREED);
    expect("release:all commit!");
    end_committed();
}

/* A mirror whose file is unsound is asked no more, and nothing is kept; no mirror is blamed. */
static void unsound(void **state)
{
    (void)state;
    begin_whole(2, NULL);
    judged(FLIGHT_UNSOUND);
    expect("cut refuse:0,unsound ask0-1");
    flight_on_reader(f, 2, FLIGHT_WHOLE, 0, -1); /* the cut reader comes again */
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 200, 900, 0), 0);
    bytes(0, 0, 900);
    ended(0, 0, 200);
    expect("known:900 release:899 hash[0,900)");
    flight_on_hashed(f, 900, wrong);
    expect("judge");
    judged(FLIGHT_UNSOUND);
    expect("cut refuse:1,unsound ask0-3");
    struct flight_command c;
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    assert_true(flight_next(f, &c));
    assert_int_equal(c.type, FLIGHT_FAIL);
    assert_int_equal(c.error, ERROR_UPSTREAM_BROKEN);
    assert_string_equal(c.detail, "as judged");
    expect("end");
    close_flight();
}

/* Two mirrors that promise the same file sent it. It is fetched from one alone, then from the
 * other. */
static void unsound_of_several(void **state)
{
    (void)state;
    tells_judge = true;
    open_flight(2, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    struct flight_answer a = {206, 1000, 0, true, true, true, true};
    assert_int_equal(answer_full(0, a), 0);
    bytes(0, 0, 500);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("known:1000 release:500 ask0-1");
    mirror(0, 1);
    expect("get0:1[500,-1)~");
    a.from = 500;
    assert_int_equal(answer_full(0, a), 0);
    bytes(0, 500, 1000);
    ended(0, 0, 206);
    expect("release:999 hash[0,1000)");
    flight_on_hashed(f, 1000, wrong);
    expect("judge");
    judged(FLIGHT_UNSOUND);
    expect("cut ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 1000);
    ended(0, 0, 200);
    expect("known:1000 release:999 hash[0,1000)");
    flight_on_hashed(f, 1000, wrong);
    expect("judge");
    judged(FLIGHT_UNSOUND);
    expect("cut refuse:0,unsound ask0-1");
    stop_flight("fail:-17 end");
}

/* More comes than was announced, while it is judged: the verdict is on what is not there any more.
 */
static void cut_meanwhile(void **state)
{
    (void)state;
    tells_judge = true;
    open_flight(2, 1000, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 1000);
    expect("known:1000 release:999 hash[0,1000)");
    flight_on_hashed(f, 1000, right);
    expect("judge");
    uint64_t old = judgement;
    bytes(0, 1000, 1001);
    expect("stop cut ask0-1");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 1000);
    ended(0, 0, 200);
    expect("known:1000 release:999 hash[0,1000)");
    flight_on_judged(f, old, FLIGHT_SOUND, "");
    expect("");
    flight_on_hashed(f, 1000, right);
    expect("judge");
    flight_on_judged(f, old, FLIGHT_SOUND, "");
    expect("");
    judged(FLIGHT_SOUND);
    expect("release:all commit");
    end_committed();
}

static void disk_and_stop_meanwhile(void **state)
{
    (void)state;
    begin_whole(1, NULL);
    flight_on_disk_error(f, ERROR_IO);
    expect("fail:-2 end");
    judged(FLIGHT_SOUND);
    close_flight();
    begin_whole(1, right);
    flight_on_stop(f);
    expect("fail:-17 sync end,kept");
    judged(FLIGHT_WRONG);
    close_flight();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_before_the_verdict),
        cmocka_unit_test(claimed_meanwhile),
        cmocka_unit_test(unsound),
        cmocka_unit_test(unsound_of_several),
        cmocka_unit_test(cut_meanwhile),
        cmocka_unit_test(disk_and_stop_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
