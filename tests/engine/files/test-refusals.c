// SPDX-License-Identifier: Apache-2.0
/* Copies that were judged bad: when they are asked for again, and which mirror is blamed once the
 * right bytes are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/files/refusals.h"

#define A "aaaa"
#define B "bbbb"
#define O "cu126", "torch.whl"

static struct refusals *all;
static struct refused_file known;

static void note(unsigned mirror, const char *sha256, const char *validator)
{
    refusals_note(all, O, mirror, sha256, false, validator, sha256, 1000);
}

static bool find(int64_t now_ms)
{
    return refusals_find(all, O, now_ms, &known);
}

static int open_table(void **state)
{
    (void)state;
    return refusals_new(&all);
}

static int close_table(void **state)
{
    (void)state;
    refusals_free(all);
    return 0;
}

/* Seconds, not hours: two, four, ... a minute. What came in vain meanwhile prolongs nothing. */
static void waits_longer_each_time(void **state)
{
    (void)state;
    static const int64_t waits[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000};
    int64_t now_ms = 1000;
    refusals_failed(all, O, now_ms); /* for other reasons */
    assert_false(find(now_ms));
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        refusals_note(all, O, 1, A, false, "\"v1\"", "bad", now_ms);
        assert_true(find(now_ms));
        assert_false(known.waits);
        refusals_failed(all, O, now_ms);
        refusals_failed(all, O, now_ms + waits[i] - 1);
        assert_true(find(now_ms + waits[i] - 1) && known.waits);
        now_ms += waits[i];
        assert_true(find(now_ms) && !known.waits);
        assert_int_equal(known.mirrors, 2);
        assert_string_equal(known.validator[1], "\"v1\"");
        assert_string_equal(known.detail, "bad");
    }
    assert_false(find(now_ms + 3600 * 1000));
}

static void whose_bytes_differ_is_blamed(void **state)
{
    (void)state;
    assert_int_equal(refusals_settle(all, O, A), 0);
    note(0, B, NULL);
    note(2, A, NULL);
    note(3, "", NULL); /* what it sent is unknown */
    refusals_note(all, O, 4, B, true, NULL, "a web page", 1000);
    refusals_note(all, O, 5, B, true, NULL, "a web page", 1000);
    assert_true(find(1000));
    assert_int_equal(known.agreeing, 0);
    assert_int_equal(refusals_settle(all, O, A), 1);
    assert_false(find(1000));
}

static void agreeing_mirrors(void **state)
{
    (void)state;
    note(0, A, NULL);
    note(1, B, NULL);
    note(2, "", NULL);
    note(3, "", NULL);
    assert_true(find(1000));
    assert_int_equal(known.agreeing, 0);
    note(15, A, NULL);
    assert_true(find(1000));
    assert_int_equal(known.agreeing, 1 | 1 << 15);
    note(0, B, NULL); /* its newest copy counts */
    assert_true(find(1000));
    assert_int_equal(known.agreeing, 3);
}

static void forgotten(void **state)
{
    (void)state;
    note(0, A, NULL);
    refusals_note(all, "cu126", "other.whl", 1, A, false, NULL, "", 1000);
    refusals_note(all, "cu126", "other.whl", 2, B, false, NULL, "", 1000);
    refusals_forget_bytes(all, A); /* a portal's page */
    assert_false(find(1000));
    assert_true(refusals_find(all, "cu126", "other.whl", 1000, &known));
    assert_int_equal(known.mirrors, 4);
    refusals_forget(all, "cu126", "other.whl");
    assert_false(refusals_find(all, "cu126", "other.whl", 1000, &known));
}

/* However many files a liar has: the newest are remembered, and one that is renewed is new. */
static void bounded(void **state)
{
    (void)state;
    char path[32];
    note(0, A, NULL);
    for (int i = 0; i < 3 * REFUSALS_MOST; i++) {
        (void)snprintf(path, sizeof(path), "%d.whl", i);
        refusals_note(all, "cu126", path, 0, A, false, NULL, "", 1000);
        if (i % 100 == 0)
            note(0, A, NULL);
    }
    assert_true(find(1000));
    assert_false(refusals_find(all, "cu126", "0.whl", 1000, &known));
    assert_true(refusals_find(all, "cu126", path, 1000, &known));
    refusals_clear(all);
    assert_false(find(1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_longer_each_time, open_table, close_table),
        cmocka_unit_test_setup_teardown(whose_bytes_differ_is_blamed, open_table, close_table),
        cmocka_unit_test_setup_teardown(agreeing_mirrors, open_table, close_table),
        cmocka_unit_test_setup_teardown(forgotten, open_table, close_table),
        cmocka_unit_test_setup_teardown(bounded, open_table, close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
