// SPDX-License-Identifier: Apache-2.0
/* When the disk is to be there for all of a file, and when it is given back. */
#include "tests/engine/flight/flight_story.h"

static int setup(void **state)
{
    (void)state;
    tells_reserve = true;
    return 0;
}

static void for_the_first_who_reads_all(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin_then(0, 9 * MIB, " reserve");
    flight_on_reader(f, 2, FLIGHT_WHOLE, 0, -1);
    expect(""); /* the second finds it there */
    stop_flight("stop fail:-17 end");
}

static void not_for_who_reads_a_part(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    assert_int_equal(answer(0, 200, 9 * MIB, 0), 0);
    expect("known:9437184");
    ended(0, 0, 200);
    flight_on_reader_left(f, 1);
    flight_on_reader(f, 2, FLIGHT_RANGE, 8 * MIB, 9 * MIB);
    expect("ask1-0");
    flight_on_reader(f, 3, FLIGHT_WHOLE, 0, -1); /* it comes later */
    expect("reserve ask0-0");
    stop_flight("fail:-17 end");
}

static void of_a_known_size_at_once(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 1,
                               .size = 9 * MIB,
                               .is_known = true,
                               .is_vouched = claims(right),
                               .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("reserve ask0-0");
    stop_flight("fail:-17 end");
}

static void not_of_an_unknown_size(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin_then(0, -1, "");
    stop_flight("stop fail:-17 end");
}

/* Left alone with much missing: the disk is given back, and asked for again. */
static void again_after_parking(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin_then(0, 900 * (int64_t)MIB, " reserve");
    bytes(0, 0, MIB);
    expect("release:1048576 hash[0,1048576)");
    flight_on_hashed(f, MIB, NULL);
    flight_on_reader_left(f, 1);
    flight_on_tick(f, 1000, NULL);
    flight_on_tick(f, 3000, NULL);
    expect("sync stop park");
    flight_on_synced(f);
    flight_on_reader(f, 2, FLIGHT_RANGE, 0, MIB);
    expect("");
    flight_on_reader(f, 3, FLIGHT_WHOLE, 0, -1);
    expect("reserve ask0-0");
    stop_flight("fail:-17 end,kept");
}

/* A new partial file has nothing. */
static void again_after_a_cut(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    begin_then(0, 2000, " reserve");
    bytes(0, 0, 2000);
    expect("release:1999 hash[0,2000)");
    flight_on_hashed(f, 2000, wrong);
    expect("cut stop refuse:0 ask0-1");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 200, 2000, 0), 0);
    expect("known:2000 reserve");
    stop_flight("stop fail:-17 end");
}

static void no_room(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin_then(0, 9 * MIB, " reserve");
    flight_on_disk_error(f, ERROR_NO_SPACE);
    expect("stop fail:-3 end");
    close_flight();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_the_first_who_reads_all),
        cmocka_unit_test(not_for_who_reads_a_part),
        cmocka_unit_test(of_a_known_size_at_once),
        cmocka_unit_test(not_of_an_unknown_size),
        cmocka_unit_test(again_after_parking),
        cmocka_unit_test(again_after_a_cut),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
