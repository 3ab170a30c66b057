// SPDX-License-Identifier: Apache-2.0
/* Flights born with bytes that another run has left. */
#include "tests/engine/flight/flight_story.h"

/* Born with [0, 2 MiB) of 4 MiB, and the last byte. */
static void resume(unsigned mirrors, const char *sha256)
{
    const struct flight_run runs[] = {{0, 2 * MIB, 0}, {4 * MIB - 1, 4 * MIB, FLIGHT_NO_MIRROR}};
    struct flight_options o = {.mirrors = mirrors,
                               .size = 4 * MIB,
                               .is_known = sha256,
                               .is_vouched = claims(sha256),
                               .present = runs,
                               .present_count = 2};
    assert_int_equal(flight_new(&o, &f), 0);
    expect("hash[0,1048576)"); /* before anybody comes */
    struct flight_view v;
    flight_view(f, &v);
    assert_true(v.parked);
    assert_int_equal(v.present, 2 * MIB + 1);
    assert_int_equal(v.senders, 1);
}

static void resumed_with_digest(void **state)
{
    (void)state;
    resume(2, right);
    flight_on_tick(f, 1000, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("release:2097152 ask0-0");
    mirror(0, 1);
    expect("get0:1[2097152,4194303)");
    assert_int_equal(answer(0, 206, 4 * MIB, 2 * MIB), 0);
    expect("");
    hashed_on(MIB, 2 * MIB, NULL);
    bytes(0, 2 * MIB, 4 * MIB - 1);
    expect("release:4128768 hash[2097152,3145728)");
    ended(0, 0, 206);
    hashed_on(3 * MIB, 4 * MIB, right);
    expect("release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

/* The disk may have damaged the old bytes: no mirror is blamed, and the whole file is fetched anew.
 */
static void resumed_with_wrong_bytes(void **state)
{
    (void)state;
    resume(1, right);
    hashed_on(MIB, 2 * MIB, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("release:2097152 ask0-0");
    mirror(0, 0);
    expect("get0:0[2097152,4194303)");
    assert_int_equal(answer(0, 206, 4 * MIB, 2 * MIB), 0);
    bytes(0, 2 * MIB, 4 * MIB - 1);
    expect("release:4128768 hash[2097152,3145728)");
    ended(0, 0, 206);
    hashed_on(3 * MIB, 4 * MIB, wrong);
    expect("cut ask0-0");
    flight_on_stop(f);
    expect("fail:-17 end");
    close_flight();
}

static void resumed_without_digest(void **state)
{
    (void)state;
    resume(1, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("release:2097152 ask0-0");
    mirror(0, 0);
    expect("get0:0[2097152,4194303)~");
    assert_int_equal(answer(0, 206, 4 * MIB, 2 * MIB), 0);
    expect("known:4194304"); /* only now */
    flight_on_stop(f);
    expect("stop fail:-17 end,kept");
    close_flight();
}

/* All mirrors have another file now, of another length even: the old bytes are forgotten. */
static void resumed_and_changed(void **state)
{
    (void)state;
    resume(1, NULL);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, -1);
    expect("release:2097152 ask0-0");
    mirror(0, 0);
    expect("head0:0");
    struct flight_answer other = {200, 5 * MIB, 0, true, true, false, false};
    assert_int_equal(answer_full(0, other), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("cut");
    flight_on_reader(f, 2, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 5 * MIB, 0), 0);
    expect("known:5242880");
    flight_on_stop(f);
    expect("stop fail:-17 end");
    close_flight();
}

/* Who told the length lied, and was never found out: the digest tells whether the others are right.
 */
static void resumed_with_wrong_length(void **state)
{
    (void)state;
    resume(1, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("release:2097152 ask0-0");
    mirror(0, 0);
    expect("get0:0[2097152,4194303)");
    assert_int_equal(answer(0, 206, 3 * MIB, 2 * MIB), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("cut ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 3 * MIB, 0), 0);
    expect("known:3145728");
    flight_on_stop(f);
    expect("stop fail:-17 end");
    close_flight();
}

/* Killed between the last byte and the commit. */
static void resumed_whole(void **state)
{
    (void)state;
    const struct flight_run run = {0, 1000, 0};
    struct flight_options o = {.mirrors = 1,
                               .size = 1000,
                               .is_known = true,
                               .is_vouched = claims(right),
                               .present = &run,
                               .present_count = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    expect("hash[0,1000)");
    flight_on_hashed(f, 1000, right);
    expect("release:999 release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_with_digest),       cmocka_unit_test(resumed_with_wrong_bytes),
        cmocka_unit_test(resumed_without_digest),    cmocka_unit_test(resumed_and_changed),
        cmocka_unit_test(resumed_with_wrong_length), cmocka_unit_test(resumed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
