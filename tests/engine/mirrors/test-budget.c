// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/mirrors/budget.h"

enum { COUNT = 3, HOUR_MS = 3600 * 1000 };

static const size_t all[COUNT] = {0, 1, 2};

static struct budget *make(uint64_t seed)
{
    struct budget *b = NULL;
    assert_int_equal(budget_new(COUNT, 2, seed, &b), 0);
    return b;
}

/* The mirror chosen; -BUDGET_NONE or -BUDGET_BUSY when none. */
static int pick(struct budget *b, unsigned excluded, int64_t now_ms)
{
    unsigned choice = 99;
    int r =
        budget_pick(b, all, COUNT, excluded, BUDGET_BRIEF, FLIGHT_RANK_WAITING, now_ms, &choice);
    assert_true(r == 0 || choice == 99); /* untouched */
    return r ? -r : (int)choice;
}

static void configured_order_then_failures_then_rate(void **state)
{
    (void)state;
    struct budget *b = make(1);
    assert_int_equal(pick(b, 0, 10000), 0);
    assert_int_equal(pick(b, 1, 10000), 1);
    assert_int_equal(pick(b, 7, 10000), -BUDGET_NONE);
    budget_succeeded(b, 0, 10 << 20, 1000, 10000);
    budget_succeeded(b, 1, 15 << 20, 1000, 10000); /* no clear difference */
    assert_int_equal(pick(b, 0, 10000), 0);
    budget_succeeded(b, 2, 100 << 20, 1000, 10000);
    assert_int_equal(pick(b, 0, 10000), 2);
    budget_failed(b, 2, "reset", -1, 10000);
    assert_int_equal(pick(b, 0, 10000), 0);
    assert_int_equal(pick(b, 0, 39999), 0); /* over, but its failure still counts */
    budget_succeeded(b, 2, 0, 0, 50000);
    assert_int_equal(pick(b, 0, 50000), 2);
    struct budget_view v;
    budget_view(b, 0, 50000, &v);
    assert_int_equal(v.state, MIRROR_SLOW);
    assert_int_equal(v.rate_bytes_s, 10 << 20);
    budget_free(b);
}

static void failures_are_forgiven_when_nobody_has_tried(void **state)
{
    (void)state;
    struct budget *b = make(1);
    budget_failed(b, 0, "reset", -1, 10000);
    assert_int_equal(pick(b, 0, 39999), 1);
    assert_int_equal(pick(b, 0, 40000), 0);
    assert_int_equal(pick(b, 0, 40001), 1); /* one try, not a stampede */
    budget_free(b);
}

/* It is not backing off: who has no other goes there, and after half a minute it is tried again. */
static void outrun_mirrors_come_last_for_a_while(void **state)
{
    (void)state;
    struct budget *b = make(1);
    struct budget_view v;
    budget_outrun(b, 0, "no byte for 1000 ms", 0, 10000);
    assert_int_equal(pick(b, 0, 10000), 1);
    assert_int_equal(pick(b, 6, 10000), 0);
    budget_view(b, 0, 10000, &v);
    assert_int_equal(v.state, MIRROR_SLOW);
    assert_string_equal(v.last_error, "no byte for 1000 ms");
    budget_page_succeeded(b, 0); /* says nothing of files */
    assert_int_equal(pick(b, 0, 39999), 1);
    assert_int_equal(pick(b, 0, 40000), 0);
    budget_view(b, 0, 40000, &v);
    assert_int_equal(v.state, MIRROR_OK);
    assert_string_equal(v.last_error, "no byte for 1000 ms");
    budget_outrun(b, 0, "no byte for 1000 ms", 0, 40000);
    budget_succeeded(b, 0, 0, 0, 10000);
    assert_int_equal(pick(b, 0, 40000), 0);
    budget_view(b, 0, 40000, &v);
    assert_string_equal(v.last_error, "");
    budget_free(b);
}

static void one_probe_after_each_back_off(void **state)
{
    (void)state;
    struct budget *b = make(1);
    assert_false(budget_wants_probe(b, 0, 9000));
    budget_page_failed(b, 0, "reset", -1, 10000);
    assert_false(budget_wants_probe(b, 0, 10300));
    assert_true(budget_wants_probe(b, 0, 10501));
    assert_false(budget_wants_probe(b, 0, 10502));
    budget_page_failed(b, 0, "reset", -1, 10600);
    assert_false(budget_wants_probe(b, 0, 11300));
    assert_true(budget_wants_probe(b, 0, 11601));
    assert_true(budget_wants_probe(b, 0, 30000)); /* nobody heard of that one again */
    budget_page_succeeded(b, 0);
    assert_false(budget_wants_probe(b, 0, 90000));
    budget_free(b);
}

static void pages_say_nothing_of_files(void **state)
{
    (void)state;
    struct budget *b = make(1);
    budget_failed(b, 0, "HTTP 403", -1, 10000);
    budget_page_succeeded(b, 0);
    assert_true(budget_is_backing_off(b, 0, 10100));
    assert_false(budget_wants_probe(b, 0, 20000));
    budget_succeeded(b, 0, 0, 0, 10000);
    assert_false(budget_is_backing_off(b, 0, 10100));
    budget_page_failed(b, 0, "HTTP 500", -1, 10000);
    assert_true(budget_is_backing_off(b, 0, 10100));
    budget_page_succeeded(b, 0);
    assert_false(budget_is_backing_off(b, 0, 10100));
    budget_free(b);
}

/* Of a small file the last byte is hashed before the transfer says that all went well. */
static void the_transfer_of_a_lie_is_no_success(void **state)
{
    (void)state;
    struct budget *b = make(1);
    struct budget_view v;
    budget_lied(b, 0, 1, 10000);
    budget_succeeded(b, 0, 0, 0, 10000);
    budget_page_succeeded(b, 0);
    budget_view(b, 0, 10000, &v);
    assert_string_equal(v.last_error, "wrong digest");
    budget_succeeded(b, 0, 0, 0, 10000);
    budget_view(b, 0, 10000, &v);
    assert_string_equal(v.last_error, "");
    budget_free(b);
}

/* Doubles from half a second to thirty, less at most a quarter of jitter. */
static void back_off_within_its_bounds(void **state)
{
    (void)state;
    bool differs = false;
    int64_t first = -1;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct budget *b = make(seed);
        int64_t now = 1000, most = 500;
        for (int n = 0; n < 12; n++) {
            budget_failed(b, 1, "refused", -1, now);
            assert_true(budget_is_backing_off(b, 1, now + most - most / 4 - 1));
            assert_false(budget_is_backing_off(b, 1, now + most));
            int64_t length = 0;
            while (n == 3 && budget_is_backing_off(b, 1, now + length))
                length++;
            differs |= n == 3 && first >= 0 && length != first;
            first = n == 3 ? length : first;
            now += most;
            most = most * 2 > 30000 ? 30000 : most * 2;
        }
        budget_free(b);
    }
    assert_true(differs);
}

static void retry_after_is_heard_and_bounded(void **state)
{
    (void)state;
    struct budget *b = make(3);
    budget_failed(b, 0, "503", 10, 1000);
    assert_true(budget_is_backing_off(b, 0, 1000 + 7400));
    budget_failed(b, 1, "503", 2000000000, 1000);
    assert_false(budget_is_backing_off(b, 1, 1000 + 30000));
    budget_free(b);
}

static void a_sole_mirror_is_probed_each_second(void **state)
{
    (void)state;
    struct budget *b = make(5);
    for (int n = 0; n < 8; n++)
        for (size_t m = 0; m < COUNT; m++)
            budget_failed(b, m, "down", -1, 10000 + n * 40000);
    int64_t now = 10000 + 7 * 40000;
    assert_int_equal(pick(b, 6, now + 500), -BUDGET_BUSY); /* wait for it: none is left but this */
    assert_int_equal(pick(b, 7, now + 500), -BUDGET_NONE);
    assert_int_equal(pick(b, 6, now + 1000), 0);
    assert_int_equal(pick(b, 6, now + 1500), -BUDGET_BUSY);
    assert_int_equal(pick(b, 6, now + 2000), 0);
    budget_succeeded(b, 0, 0, 0, 10000);
    assert_false(budget_is_backing_off(b, 0, now + 2000));
    assert_int_equal(pick(b, 0, now + 2000), 0);
    budget_free(b);
}

static void failures_together_count_once(void **state)
{
    (void)state;
    struct budget *b = make(7);
    for (int n = 0; n < 20; n++)
        budget_failed(b, 0, "reset", -1, 1000);
    budget_failed(b, 0, "reset", -1, 40000);
    assert_false(budget_is_backing_off(b, 0, 41000)); /* the second failure, not the 21st */
    budget_free(b);
}

static void connections_are_limited(void **state)
{
    (void)state;
    struct budget *b = make(9);
    unsigned choice;
    budget_begin(b, 0, BUDGET_BRIEF);
    budget_begin(b, 0, BUDGET_BRIEF);
    assert_int_equal(pick(b, 0, 1000), 1);
    assert_int_equal(pick(b, 6, 1000), -BUDGET_BUSY);
    assert_int_equal(budget_pick(b, all, COUNT, 6, BUDGET_FREE, FLIGHT_RANK_WAITING, 1000, &choice),
                     0);
    budget_failed(b, 1, "reset", -1, 1000);
    assert_int_equal(pick(b, 4, 5000), 1); /* no longer backing off */
    budget_failed(b, 1, "reset", 20, 5000);
    assert_int_equal(pick(b, 4, 7000), -BUDGET_BUSY); /* the good one is worth the wait */
    budget_end(b, 0, BUDGET_BRIEF);
    assert_int_equal(pick(b, 4, 7000), 0);
    budget_end(b, 0, BUDGET_BRIEF);
    budget_free(b);
}

/* Three files, not three times the same: that is two minutes out, and one more file four. */
static void three_lies_in_an_hour(void **state)
{
    (void)state;
    struct budget *b = make(11);
    struct budget_view v;
    for (int64_t at = 1000; at < 9000; at += 1000)
        budget_lied(b, 0, 1, at);
    budget_lied(b, 0, 2, 1000 + HOUR_MS);
    assert_int_equal(pick(b, 0, 2000 + HOUR_MS), 0);
    budget_lied(b, 0, 3, 10000 + HOUR_MS); /* the first is an hour ago */
    assert_int_equal(pick(b, 0, 20000 + HOUR_MS), 0);
    budget_lied(b, 0, 4, 20000 + HOUR_MS);
    budget_view(b, 0, 20000 + HOUR_MS, &v);
    assert_int_equal(v.state, MIRROR_OUT);
    assert_string_equal(v.last_error, "wrong digest");
    assert_int_equal(pick(b, 0, 139999 + HOUR_MS), 1);
    budget_view(b, 0, 140000 + HOUR_MS, &v);
    assert_int_equal(v.state, MIRROR_OK);
    assert_int_equal(pick(b, 0, 140000 + HOUR_MS), 0);
    budget_lied(b, 0, 5, 150000 + HOUR_MS);
    budget_view(b, 0, 150000 + 239999 + HOUR_MS, &v);
    assert_int_equal(v.state, MIRROR_OUT);
    budget_view(b, 0, 150000 + 240000 + HOUR_MS, &v);
    assert_int_equal(v.state, MIRROR_OK);
    budget_free(b);
}

/* Whose bytes are confirmed is back, and nothing is held against it any more. */
static void a_confirmed_file_ends_it(void **state)
{
    (void)state;
    struct budget *b = make(11);
    struct budget_view v;
    for (uint64_t file = 1; file <= 3; file++)
        budget_lied(b, 0, file, 1000);
    /* Others come first, and it is asked when none is left: once a second. */
    assert_int_equal(pick(b, 0, 5000), 1);
    assert_int_equal(pick(b, 6, 5000), 0);
    assert_int_equal(pick(b, 6, 5500), -BUDGET_BUSY);
    budget_succeeded(b, 0, 0, 0, 5600); /* a transfer alone confirms nothing */
    budget_view(b, 0, 5600, &v);
    assert_int_equal(v.state, MIRROR_OUT);
    budget_vouched(b, 0);
    budget_view(b, 0, 5600, &v);
    assert_int_equal(v.state, MIRROR_OK);
    budget_lied(b, 0, 4, 6000);
    budget_lied(b, 0, 5, 6000);
    assert_int_equal(pick(b, 0, 6000), 0);
    budget_free(b);
}

static void newcomers_join_and_limits_change(void **state)
{
    (void)state;
    static const size_t mirrors[] = {0, COUNT};
    struct budget *b = make(1);
    struct budget_view v;
    unsigned choice;
    budget_failed(b, 0, "reset", -1, 10000);
    assert_int_equal(budget_grow(&b, COUNT + 1), 0);
    budget_view(b, 0, 10000, &v);
    assert_string_equal(v.last_error, "reset");
    budget_view(b, COUNT, 10000, &v);
    assert_string_equal(v.last_error, "");
    assert_int_equal(
        budget_pick(b, mirrors, 2, 0, BUDGET_BRIEF, FLIGHT_RANK_WAITING, 10000, &choice), 0);
    assert_int_equal(choice, 1);
    budget_begin(b, COUNT, BUDGET_BRIEF);
    assert_int_equal(
        budget_pick(b, mirrors, 2, 1, BUDGET_BRIEF, FLIGHT_RANK_WAITING, 10000, &choice), 0);
    budget_set_connections(b, 1);
    assert_int_equal(
        budget_pick(b, mirrors, 2, 1, BUDGET_BRIEF, FLIGHT_RANK_WAITING, 10000, &choice),
        BUDGET_BUSY);
    budget_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configured_order_then_failures_then_rate),
        cmocka_unit_test(failures_are_forgiven_when_nobody_has_tried),
        cmocka_unit_test(outrun_mirrors_come_last_for_a_while),
        cmocka_unit_test(one_probe_after_each_back_off),
        cmocka_unit_test(pages_say_nothing_of_files),
        cmocka_unit_test(the_transfer_of_a_lie_is_no_success),
        cmocka_unit_test(back_off_within_its_bounds),
        cmocka_unit_test(retry_after_is_heard_and_bounded),
        cmocka_unit_test(a_sole_mirror_is_probed_each_second),
        cmocka_unit_test(failures_together_count_once),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(three_lies_in_an_hour),
        cmocka_unit_test(a_confirmed_file_ends_it),
        cmocka_unit_test(newcomers_join_and_limits_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
