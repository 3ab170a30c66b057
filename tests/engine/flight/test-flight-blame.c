// SPDX-License-Identifier: Apache-2.0
/* Whose bytes made the digest wrong: of several mirrors, the file is fetched from one alone, and
 * only a copy of which every byte is a mirror's own is held against it. */
#include "tests/engine/flight/flight_story.h"

/* Both mirrors sent a part, and all of it is there. */
static void begin_mixed(void)
{
    open_flight(2, -1, right);
    begin(0, 1000);
    bytes(0, 0, 500);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("release:500 ask0-1");
    mirror(0, 1);
    expect("get0:1[500,-1)");
    assert_int_equal(answer(0, 206, 1000, 500), 0);
    bytes(0, 500, 1000);
    ended(0, 0, 206);
    expect("release:999 hash[0,1000)");
}

static void hashed(const char *sha256, const char *then)
{
    flight_on_hashed(f, 1000, sha256);
    expect(then);
}

/* All of it from one. */
static void fetch_alone(unsigned which)
{
    char text[TEXT];
    mirror(0, which);
    (void)snprintf(text, sizeof(text), "get0:%u[0,-1)", which);
    expect(text);
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 1000);
    ended(0, 0, 200);
    expect("known:1000 release:999 hash[0,1000)");
}

static void end_committed(void)
{
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

/* The mirror that is asked alone is right: no other one is accused. */
static void one_alone_is_right(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        begin_mixed();
        hashed(wrong, "cut ask0-0");
        fetch_alone(which);
        hashed(right, "release:all commit!");
        end_committed();
    }
}

/* It is wrong: there is no doubt about it, and the other has its try. */
static void one_alone_is_wrong(void **state)
{
    (void)state;
    begin_mixed();
    hashed(wrong, "cut ask0-0");
    fetch_alone(0);
    hashed(wrong, "cut refuse:0 ask0-1");
    fetch_alone(1);
    hashed(right, "release:all commit!");
    end_committed();
}

/* What one mirror alone sent is its own. What the disk may have damaged is no mirror's. */
static void of_one_or_of_the_disk(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 1000);
    ended(0, 0, 200);
    expect("known:1000 release:999 hash[0,1000)");
    hashed(wrong, "cut refuse:0 ask0-1");
    fetch_alone(1);
    hashed(right, "release:all commit!");
    end_committed();

    struct flight_run runs[] = {{0, 400, 0}, {400, 1000, 1}};
    struct flight_options o = {.mirrors = 2,
                               .size = 1000,
                               .is_vouched = claims(right),
                               .connections = 1,
                               .present = runs,
                               .present_count = 2};
    assert_int_equal(flight_new(&o, &f), 0);
    expect("hash[0,1000)");
    hashed(wrong, "release:999 cut");
    stop_flight("fail:-17 end");
}

/* No reader comes any more: a later one continues with the mirror that is asked alone. */
static void parked_alone(void **state)
{
    (void)state;
    open_flight(2, 1000, right);
    flight_on_reader(f, 1, FLIGHT_RANGE, 0, 1000);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 500);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("known:1000 release:500 ask0-1");
    mirror(0, 1);
    expect("get0:1[500,-1)");
    assert_int_equal(answer(0, 206, 1000, 500), 0);
    bytes(0, 500, 1000);
    ended(0, 0, 206);
    expect("release:999 hash[0,1000)");
    hashed(wrong, "cut");
    flight_on_reader(f, 2, FLIGHT_RANGE, 0, 1000);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 10);
    flight_on_reader_left(f, 2);
    flight_on_tick(f, 10000, NULL);
    flight_on_tick(f, 20000, NULL);
    expect("known:1000 release:10 sync stop park");
    flight_on_synced(f);
    flight_on_reader(f, 3, FLIGHT_WHOLE, 0, -1);
    expect("ask0-2"); /* still of one alone */
    mirror(0, 0);
    expect("get0:0[10,-1)");
    assert_int_equal(answer(0, 206, 1000, 10), 0);
    bytes(0, 10, 1000);
    ended(0, 0, 206);
    expect("release:999 hash[0,1000)");
    hashed(right, "release:all commit!");
    end_committed();
}

/* The one that is asked alone breaks off: the other is asked alone. */
static void one_alone_breaks_off(void **state)
{
    (void)state;
    begin_mixed();
    hashed(wrong, "cut ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 500);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("known:1000 release:500 ask0-3?"); /* not from the other */
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-2?");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("cut ask0-1"); /* now the other alone */
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 1000);
    expect("known:1000 release:999 hash[0,1000)");
    ended(0, 0, 200);
    flight_on_hashed(f, 1000, wrong);
    expect("cut refuse:1 ask0-2");
    flight_on_stop(f);
    expect("fail:-17 end");
    close_flight();
}

/* What it sent a moment ago was wrong, and it calls its file the same now. */
static void wrong_before(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    flight_on_still_wrong(f, 0);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    fetch_alone(1);
    hashed(right, "release:all commit!");
    end_committed();
}

/* Whose file was wrong before is asked for it when no other mirror has it, and once it is: its file
 * may be right by now. */
static void blamed_before(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 3,
                               .size = -1,
                               .is_vouched = claims(right),
                               .connections = 1,
                               .blamed = 1,
                               .refused = 4};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-5");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 404, -1, 0), ERROR_GONE);
    ended(0, ERROR_GONE, 404);
    expect("ask0-7");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-6");
    fetch_alone(0);
    hashed(wrong, "cut refuse:0 ask0-5");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 404, -1, 0), ERROR_GONE);
    ended(0, ERROR_GONE, 404);
    expect("ask0-7");
    struct flight_command c;
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    assert_true(flight_next(f, &c));
    assert_int_equal(c.type, FLIGHT_FAIL);
    assert_true(c.refusals);
    expect("end");
    close_flight();
}

/* Its time is over while the flight lives: it is asked, after all others. */
static void allowed_again(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 2,
                               .size = -1,
                               .is_vouched = claims(right),
                               .connections = 1,
                               .blamed = 1,
                               .refused = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    flight_on_allowed(f, 1);
    expect("");
    assert_int_equal(answer(0, 404, -1, 0), ERROR_GONE);
    ended(0, ERROR_GONE, 404);
    expect("ask0-3");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-2");
    fetch_alone(0);
    hashed(right, "release:all commit!");
    end_committed();
}

/* It is alone, and the last one: it is asked although it was wrong before. */
static void a_sole_mirror_blamed_before(void **state)
{
    (void)state;
    struct flight_options o = {
        .mirrors = 1, .size = -1, .is_vouched = claims(right), .connections = 1, .blamed = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-1");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-0");
    fetch_alone(0);
    hashed(right, "release:all commit!");
    end_committed();
}

/* The index is corrected while the file is fetched: the mirror whose bytes were refused by the old
 * word is asked again, when no other is left. */
static void right_by_the_new_word(void **state)
{
    (void)state;
    open_flight(2, -1, wrong);
    begin(0, 1000);
    bytes(0, 0, 1000);
    ended(0, 0, 206);
    expect("release:999 hash[0,1000)");
    hashed(right, "cut refuse:0 ask0-1");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    (void)claims(right);
    flight_on_vouched(f);
    expect("");
    ended(0, ERROR_GONE, 404);
    expect("ask0-3");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-2");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    stop_flight("stop fail:-17 end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_by_the_new_word), cmocka_unit_test(one_alone_is_right),
        cmocka_unit_test(one_alone_is_wrong),    cmocka_unit_test(one_alone_breaks_off),
        cmocka_unit_test(of_one_or_of_the_disk), cmocka_unit_test(parked_alone),
        cmocka_unit_test(wrong_before),          cmocka_unit_test(blamed_before),
        cmocka_unit_test(allowed_again),         cmocka_unit_test(a_sole_mirror_blamed_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
