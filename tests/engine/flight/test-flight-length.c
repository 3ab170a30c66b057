// SPDX-License-Identifier: Apache-2.0
/* What a flight believes of a file's length, told before, told late, or not at all. */
#include "tests/engine/flight/flight_story.h"

/* A length and a digest that contradict each other: the mirrors are asked for the length. */
static void contradiction(void **state)
{
    (void)state;
    open_flight(2, 0, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, 0);
    expect("hash[0,0)");
    flight_on_hashed(f, 0, wrong);
    expect("cut ask0-0");
    mirror(0, 1);
    expect("get0:1[0,16777216)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    expect("known:1000");
    flight_on_stop(f);
    expect("stop fail:-17 end");
    close_flight();
}

/* All mirrors contradict a length that one told long ago: the digest tells which is right. */
static void wrong_length_under_a_digest(void **state)
{
    (void)state;
    struct flight_options o = {
        .mirrors = 1, .size = 1000, .is_known = true, .is_vouched = claims(right)};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 2000, 0), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("cut ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 2000, 0), 0);
    expect("known:2000");
    flight_on_stop(f);
    expect("stop fail:-17 end");
    close_flight();
}

/* One that tells no length is cut where the old one ends: it is not to blame. */
static void wrong_length_and_nobody_says(void **state)
{
    (void)state;
    struct flight_options o = {
        .mirrors = 1, .size = 1000, .is_known = true, .is_vouched = claims(right)};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    bytes(0, 0, 1500);
    expect("stop release:999 hash[0,1000)");
    flight_on_hashed(f, 1000, wrong);
    expect("cut ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    expect("known:-1");
    bytes(0, 0, 1500);
    ended(0, 0, 200);
    expect("release:1499 hash[0,1500)");
    flight_on_hashed(f, 1500, right);
    expect("release:all commit!");
    flight_on_committed(f, 0);
    expect("end");
    close_flight();
}

/* The bytes are the claimed ones, and the mirror that told no length goes on sending: it is stopped,
 * because nobody knows for how long. One that told a length ends by itself. */
static void goes_on_after_the_end(void **state)
{
    (void)state;
    for (int tells = 0; tells < 2; tells++) {
        struct flight_options o = {
            .mirrors = 1, .size = 1000, .is_known = true, .is_vouched = claims(right)};
        assert_int_equal(flight_new(&o, &f), 0);
        flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,-1)");
        assert_int_equal(answer(0, 200, tells ? 1000 : -1, 0), 0);
        bytes(0, 0, 1000);
        expect("release:999 hash[0,1000)");
        flight_on_hashed(f, 1000, right);
        expect(tells ? "release:all commit!" : "stop release:all commit!");
        flight_on_committed(f, 0);
        expect("end");
        close_flight();
    }
}

/* A mirror may send less of a range than was asked for, and says so: the rest is asked of it. */
static void pieces(void **state)
{
    (void)state;
    open_flight(1, 3 * MIB, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 206, 3 * MIB, 0), 0);
    expect("known:3145728");
    bytes(0, 0, MIB);
    expect("release:1048576 hash[0,1048576)");
    ended(0, 0, 206);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[1048576,-1)");
    assert_int_equal(answer(0, 206, 3 * MIB, MIB), 0);
    bytes(0, MIB, MIB + 1000); /* as little as that is no help */
    expect("release:1049576");
    ended(0, 0, 206);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-0"); /* all of it, then */
    mirror(0, 0);
    expect("get0:0[0,-1)");
    flight_on_stop(f);
    expect("stop fail:-17 sync end,kept");
    close_flight();
}

/* No digest is claimed, and nothing tells this mirror's answers apart, so the rest could be another
 * file's. It is asked for the whole file in one transfer, which cannot be mixed. */
static void pieces_without_proof(void **state)
{
    (void)state;
    struct flight_answer a = {206, 3 * MIB, 0, true, true, true, false};
    open_flight(1, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer_full(0, a), 0);
    bytes(0, 0, MIB);
    ended(0, 0, 206);
    expect("known:3145728 release:1048576 hash[0,1048576) ask0-0");
    mirror(0, 0);
    expect("get0:0[1048576,-1)~");
    a = (struct flight_answer){200, 3 * MIB, 0, true, true, false, false};
    assert_int_equal(answer_full(0, a), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("cut ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    a.same_validator = true;
    assert_int_equal(answer_full(0, a), 0);
    bytes(0, 0, 3 * MIB);
    ended(0, 0, 200);
    expect("known:3145728 release:3080192 hash[0,1048576)");
    stop_flight("fail:-17 sync end,kept");
}

/* What it sends has come meanwhile by the transfer that was stopped for another file's sake: it was
 * a piece all the same. */
static void piece_that_was_there(void **state)
{
    (void)state;
    open_flight(1, 3 * MIB, right);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    uint64_t first = number[0];
    assert_int_equal(answer(0, 206, 3 * MIB, 0), 0);
    expect("known:3145728");
    bytes(0, 0, 1000);
    expect("release:1000");
    assert_true(flight_on_yield(f, first));
    expect("stop ask0-0");
    mirror(0, 0);
    expect("get0:0[1000,-1)");
    flight_on_bytes(f, first, 1000, MIB);
    expect("release:1048576 hash[0,1048576)");
    assert_int_equal(answer(0, 206, 3 * MIB, 1000), 0);
    ended(0, 0, 206);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[1048576,-1)");
    flight_on_stop(f);
    expect("stop fail:-17 sync end,kept");
    close_flight();
}

/* It sent bytes before it said how many there are: it may begin anew, all alone. */
static void wrong_length_told_late(void **state)
{
    (void)state;
    struct flight_options o = {
        .mirrors = 1, .size = 9000, .is_known = true, .is_vouched = claims(right)};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    bytes(0, 0, 1000);
    expect("release:1000");
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[1000,-1)");
    assert_int_equal(answer(0, 206, 5000, 1000), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("cut ask0-0");
    flight_on_stop(f);
    expect("fail:-17 end");
    close_flight();
}

/* Nothing tells a file from the beginning of a longer one but where the body ends. */
static void more_than_was_told(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 1, .size = 1000, .is_known = true, .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    bytes(0, 0, 1000);
    expect("release:999"); /* and no hash */
    bytes(0, 1000, 1500);
    expect("stop cut ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("fail:-11,doubted end");
    close_flight();
}

/* Without one the flight ends, so that the owner can forget the length: nothing parks under it. */
static void wrong_length_without_digest(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 2, .size = 1000, .is_known = true, .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0); /* says nothing of length */
    bytes(0, 0, 500);
    expect("release:500");
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[500,-1)~");
    assert_int_equal(answer(0, 206, 2000, 500), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("ask0-3");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-2");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("fail:-11,doubted end");
    close_flight();
}

/* One mirror confirms the length of before, and breaks off; `others` have another length. */
static void outvoted_by(unsigned others, const char *end)
{
    struct flight_options o = {
        .mirrors = 1 + others, .size = 1000, .is_known = true, .connections = 1};
    struct flight_command c;
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 1000, 0), 0);
    bytes(0, 0, 500);
    expect("release:500");
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    for (unsigned m = 1; m <= others; m++) {
        assert_true(flight_next(f, &c) && c.type == FLIGHT_ASK);
        mirror(0, m);
        assert_true(flight_next(f, &c) && c.type == FLIGHT_START);
        number[0] = c.transfer;
        assert_int_equal(answer(0, 206, 2000, 500), ERROR_UPSTREAM_BROKEN);
        ended(0, ERROR_UPSTREAM_BROKEN, 206);
    }
    while (flight_next(f, &c) && c.type == FLIGHT_ASK)
        flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    assert_int_equal(c.type, FLIGHT_FAIL);
    assert_string_equal(c.doubted ? "doubted" : "kept", end);
    flight_free(f);
    f = NULL;
}

/* A mirror that is often cut keeps what it has brought against one other, not against two that
 * agree. */
static void outvoted(void **state)
{
    (void)state;
    outvoted_by(1, "kept");
    outvoted_by(2, "doubted");
}

/* What was said before a cut counts after it. */
static void wrong_length_and_a_cut(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 2, .size = 1000, .is_known = true, .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    bytes(0, 0, 500);
    expect("release:500");
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[500,-1)~");
    struct flight_answer other = {206, -1, 500, true, true, false, false};
    assert_int_equal(answer_full(0, other), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("ask0-3");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-2"); /* something came: another round */
    mirror(0, 0);
    expect("get0:0[500,-1)~");
    assert_int_equal(answer(0, 206, 2000, 500), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 206);
    expect("ask0-3");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("cut ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("fail:-11,doubted end");
    close_flight();
}

/* So does one whose body says by its end how long it is. */
static void shorter_than_was_told(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 1, .size = 1000, .is_known = true, .connections = 1};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    bytes(0, 0, 500);
    expect("release:500");
    ended(0, 0, 200);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-0"); /* something came: another round */
    mirror(0, 0);
    expect("get0:0[500,-1)~");
    ended(0, ERROR_UNREACHABLE, 0);
    expect("ask0-1");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("fail:-11,doubted end");
    close_flight();
}

/* Under a digest that is also so when another mirror confirms the old length. Only the digest tells
 * who is right, so the next flight asks anew. */
static void shorter_under_a_digest(void **state)
{
    (void)state;
    struct flight_options o = {.mirrors = 2,
                               .size = 1000,
                               .is_known = true,
                               .connections = 1,
                               .is_vouched = claims(right)};
    assert_int_equal(flight_new(&o, &f), 0);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, -1, 0), 0);
    bytes(0, 0, 500);
    expect("release:500");
    ended(0, 0, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[500,-1)");
    assert_int_equal(answer(0, 206, 1000, 500), 0);
    ended(0, ERROR_UNREACHABLE, 206);
    expect("ask0-3");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("ask0-0"); /* something came: another round */
    mirror(0, 1);
    expect("get0:1[500,-1)");
    ended(0, ERROR_UNREACHABLE, 0);
    expect("ask0-2");
    flight_on_mirror(f, 0, FLIGHT_NO_MIRROR, 0, NULL);
    expect("fail:-11,doubted end");
    close_flight();
}

static void tiny_files(void **state)
{
    (void)state;
    for (int64_t size = 0; size < 2; size++) {
        open_flight(1, -1, right);
        flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
        expect("ask0-0");
        mirror(0, 0);
        expect("get0:0[0,-1)");
        assert_int_equal(answer(0, 200, size, 0), 0);
        if (size)
            bytes(0, 0, 1);
        ended(0, 0, 200);
        expect(size ? "known:1 hash[0,1)" : "hash[0,0)"); /* the one byte is held back */
        flight_on_hashed(f, size, right);
        expect(size ? "release:all commit!" : "known:0 release:all commit!");
        flight_on_committed(f, 0);
        expect("end");
        close_flight();
    }
}

static void unknown_length_chunked(void **state)
{
    (void)state;
    open_flight(1, -1, NULL);
    begin(0, -1);
    bytes(0, 0, 100000);
    expect("release:34464");
    ended(0, 0, 200);
    expect("hash[0,100000)");
    flight_on_hashed(f, 100000, right);
    expect("release:all end"); /* served, not kept */
    close_flight();
}

static void unknown_length_close_delimited(void **state)
{
    (void)state;
    struct flight_answer a = {200, -1, 0, false, true, true, false};
    open_flight(2, -1, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,16777216)");
    assert_int_equal(answer_full(0, a), ERROR_UPSTREAM_BROKEN); /* another may know the length */
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[0,16777216)");
    assert_int_equal(answer_full(0, a), 0);
    bytes(0, 0, 100000);
    expect("known:-1 release:34464");
    ended(0, 0, 200);
    expect("fail:-11 end"); /* the end cannot be told from a cut */
    close_flight();
}

static void sizes_that_differ(void **state)
{
    (void)state;
    open_flight(2, 1000, NULL);
    flight_on_reader(f, 1, FLIGHT_WHOLE, 0, -1);
    expect("ask0-0");
    mirror(0, 0);
    expect("get0:0[0,-1)");
    assert_int_equal(answer(0, 200, 999, 0), ERROR_UPSTREAM_BROKEN);
    ended(0, ERROR_UPSTREAM_BROKEN, 200);
    expect("ask0-1");
    mirror(0, 1);
    expect("get0:1[0,-1)");
    ended(0, ERROR_GONE, 404);
    expect("ask0-3");
    mirror(0, FLIGHT_NO_MIRROR);
    expect("fail:-11,doubted end"); /* broken outweighs gone: no 404 */
    close_flight();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contradiction),
        cmocka_unit_test(wrong_length_under_a_digest),
        cmocka_unit_test(wrong_length_and_nobody_says),
        cmocka_unit_test(goes_on_after_the_end),
        cmocka_unit_test(pieces),
        cmocka_unit_test(pieces_without_proof),
        cmocka_unit_test(piece_that_was_there),
        cmocka_unit_test(wrong_length_told_late),
        cmocka_unit_test(more_than_was_told),
        cmocka_unit_test(outvoted),
        cmocka_unit_test(wrong_length_without_digest),
        cmocka_unit_test(wrong_length_and_a_cut),
        cmocka_unit_test(shorter_than_was_told),
        cmocka_unit_test(shorter_under_a_digest),
        cmocka_unit_test(tiny_files),
        cmocka_unit_test(unknown_length_chunked),
        cmocka_unit_test(unknown_length_close_delimited),
        cmocka_unit_test(sizes_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
