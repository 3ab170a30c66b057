// SPDX-License-Identifier: Apache-2.0
/* One transfer after another: what a flight does with one mirror at a time. */
#include "tests/engine/flight/flight_story.h"

static void plain(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    begin(0, 100000);
    bytes(0, 0, 50000);
    expect("release:34464"); /* the last 64 KiB are held back */
    bytes(0, 50000, 100000);
    expect("hash[0,100000)");
    ended(0, 0, 200);
    expect("");
    flight_on_hashed(f, 100000, right);
    expect("release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

static void head_then_get(void **state)
{
    (void)state;
    open_flight(1, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    assert_int_equal(answer(0, 200, 10, 0), 0);
    expect("known:10");
    ended(0, 0, 200);
    expect("");
    flight_on_reader_left(f, 1);
    flight_on_reader(f, 2, FLIGHT_WHOLE, 0, 10);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 10, 0), 0);
    bytes(0, 0, 10);
    ended(0, 0, 200);
    expect("release:9 hash[0,10)");
    flight_on_hashed(f, 10, right);
    expect("release:all commit"); /* the length vouches, no authority does */
    flight_on_committed(f, ERROR_IO);
    expect("end");
    close_flight();
}

static void head_refused(void **state)
{
    (void)state;
    open_flight(1, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    ended(0, ERROR_UPSTREAM_STATUS, 405);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,1)");
    assert_int_equal(answer(0, 206, 10, 0), 0);
    expect("known:10");
    bytes(0, 0, 1);
    ended(0, 0, 206);
    expect("release:1");
    flight_on_stop(f);
    expect("fail:-17 sync end,kept");
    close_flight();
}

/* No byte of an empty file can be asked: the 416 tells its size. */
static void head_refused_of_an_empty_file(void **state)
{
    (void)state;
    open_flight(1, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    ended(0, ERROR_UPSTREAM_STATUS, 405);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,1)");
    assert_int_equal(answer(0, 416, 0, 0), 0);
    expect("stop hash[0,0)");
    flight_on_stop(f);
    expect("fail:-17 end");
    close_flight();
}

static void failover_with_digest(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    begin(0, 4 * MIB);
    bytes(0, 0, 1000);
    expect("release:1000");
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[1000,-1)"); /* the digest will tell: no validator needed */
    struct flight_answer a = {206, 4 * MIB, 1000, true, true, false, false};
    assert_int_equal(answer_full(0, a), 0);
    flight_on_stop(f);
    expect("stop fail:-17 sync end,kept");
    close_flight();
}

/* Without a digest only the same validator may continue; a mirror with another file may bring it
 * alone. */
static void failover_without_digest(void **state)
{
    (void)state;
    open_flight(3, -1, NULL);
    begin(0, 4 * MIB);
    bytes(0, 0, 1000);
    expect("release:1000");
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[1000,-1)~");
    struct flight_answer other = {206, 4 * MIB, 1000, true, true, false, false};
    assert_int_equal(answer_full(0, other), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("ask0-3");
    mirror(0, 2);
    expect("get0:2[1000,-1)~");
    assert_int_equal(answer(0, 206, 4 * MIB, 1000), 0);
    bytes(0, 1000, 2000);
    expect("release:2000");
    ended(0, ERROR_TIMEOUT, 0);
    expect("ask0-7");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-2"); /* something came: another round */
    mirror(0, FLIGHT_NO_MIRROR);
    expect("cut ask0-5");
    flight_on_stop(f);
    expect("fail:-17 end");
    close_flight();
}

static void ignored_range(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin(0, 4 * MIB);
    bytes(0, 0, 1000);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("release:1000 ask0-1");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[1000,-1)");
    assert_int_equal(answer(0, 200, 4 * MIB, 0), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("ask0-0"); /* then from the beginning */
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 4 * MIB, 0), 0);
    bytes(0, 1000, 4 * MIB);
    expect("release:4128768 hash[0,1048576)");
    hashed_on(MIB, 4 * MIB, right);
    expect("release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

static void wrong_digest(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    begin(0, 1000);
    bytes(0, 0, 1000);
    ended(0, 0, 200);
    expect("release:999 hash[0,1000)");
    uint64_t old = number[0];
    flight_on_hashed(f, 1000, wrong);
    expect("cut refuse:0 ask0-1");
    flight_on_bytes(f, old, 0, 1000); /* of the forgotten partial: not ours any more */
    expect("");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    expect("known:1000");
    bytes(0, 0, 1000);
    expect("release:999 hash[0,1000)");
    flight_on_hashed(f, 1000, right);
    expect("release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

/* An empty answer under a digest: the mirror that sent it is blamed, not asked for ever. */
static void empty_lie(void **state)
{
    (void)state;
    open_flight(2, -1, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    assert_int_equal(answer(0, 200, 0, 0), 0);
    expect("hash[0,0)"); /* no reader is told of an empty file before it is verified */
    flight_on_hashed(f, 0, wrong);
    expect("cut stop refuse:0 ask0-1");
    flight_on_stop(f);
    expect("fail:-17 end");
    close_flight();
}

static void gone_everywhere(void **state)
{
    (void)state;
    open_flight(1, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_HEAD, 0, 0);
    expect("ask0-0");
    mirror(0, 0);
    expect("head0:0");
    assert_int_equal(answer(0, 404, -1, 0), ERROR_GONE);
    ended(0, ERROR_GONE, 404);
    expect("ask0-1");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("fail:-12 end");
    close_flight();
}

static void disk_error(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin(0, 4 * MIB);
    flight_on_disk_error(f, ERROR_NO_SPACE);
    expect("stop fail:-3 end");
    close_flight();
}

/* Readers have what they need; whether it is kept the commit says. */
static void disk_error_while_committing(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin(0, MIB);
    bytes(0, 0, MIB);
    expect("release:983040 hash[0,1048576)");
    flight_on_hashed(f, MIB, right);
    expect("release:all commit!");
    flight_on_disk_error(f, ERROR_IO);
    expect("");
    flight_on_committed(f, ERROR_IO);
    expect("end");
    close_flight();
}

static void unread_and_nearly_done(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin(0, 4 * MIB);
    flight_on_reader_left(f, 1);
    flight_on_tick(f, 1000, NULL);
    flight_on_tick(f, 60000, NULL);
    expect(""); /* it continues */
    bytes(0, 0, 4 * MIB);
    expect("release:4128768 hash[0,1048576)");
    hashed_on(MIB, 4 * MIB, right);
    expect("release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

static void unread_and_far_from_done(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin(0, (int64_t)1 << 30);
    bytes(0, 0, 1000);
    expect("release:1000");
    flight_on_reader_left(f, 1);
    flight_on_tick(f, 1000, NULL);
    flight_on_tick(f, 2999, NULL);
    expect("sync");
    flight_on_synced(f);
    flight_on_tick(f, 3000, NULL);
    expect("stop park");
    bytes(0, 1000, 2000); /* was on its way to the disk */
    flight_on_reader(f, 2, FLIGHT_WHOLE, 0, -1);
    expect("release:2000 ask0-0");
    mirror(0, 0);
    expect("get0:0[2000,-1)");
    flight_on_reader_left(f, 2);
    flight_on_tick(f, 4000, NULL);
    expect("");
    flight_on_tick(f, 6000, NULL);
    expect("sync stop park");
    flight_on_synced(f);
    flight_on_tick(f, 6000 + 3600 * 1000, NULL);
    expect("");
    flight_on_tick(f, 6001 + 3600 * 1000, NULL);
    expect("end,kept");
    close_flight();
}

static void synced_every_two_seconds(void **state)
{
    (void)state;
    open_flight(1, -1, right);
    begin(0, 64 * MIB);
    flight_on_tick(f, 5000, NULL);
    expect(""); /* nothing is there to be saved */
    bytes(0, 0, 1000);
    flight_on_tick(f, 5250, NULL);
    expect("release:1000 sync");
    bytes(0, 1000, 2000);
    flight_on_tick(f, 9000, NULL);
    expect("release:2000"); /* the disk has not answered */
    flight_on_synced(f);
    flight_on_tick(f, 9250, NULL);
    expect("sync");
    flight_on_synced(f);
    flight_on_tick(f, 20000, NULL);
    expect("");
    bytes(0, 2000, 3000);
    flight_on_stop(f);
    expect("release:3000 stop fail:-17 sync end,kept");
    close_flight();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(head_then_get),
        cmocka_unit_test(head_refused),
        cmocka_unit_test(head_refused_of_an_empty_file),
        cmocka_unit_test(failover_with_digest),
        cmocka_unit_test(failover_without_digest),
        cmocka_unit_test(ignored_range),
        cmocka_unit_test(wrong_digest),
        cmocka_unit_test(empty_lie),
        cmocka_unit_test(gone_everywhere),
        cmocka_unit_test(disk_error),
        cmocka_unit_test(disk_error_while_committing),
        cmocka_unit_test(unread_and_nearly_done),
        cmocka_unit_test(unread_and_far_from_done),
        cmocka_unit_test(synced_every_two_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
