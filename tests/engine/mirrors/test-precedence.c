// SPDX-License-Identifier: Apache-2.0
/* Whose turn it is at a mirror's connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/mirrors/precedence.h"

static const struct precedence brief = {FLIGHT_RANK_WAITING, true, false, 5000, false};
static const struct precedence waiting = {FLIGHT_RANK_WAITING, false, false, 5000, false};
static const struct precedence front = {FLIGHT_RANK_FRONT, false, false, 5000, false};
static const struct precedence ahead = {FLIGHT_RANK_AHEAD, false, false, 5000, false};
static const struct precedence unread = {FLIGHT_RANK_WAITING, false, true, 5000, false};

static void in_order(void **state)
{
    (void)state;
    const struct precedence *all[] = {&brief, &waiting, &front, &ahead, &unread};
    for (int a = 0; a < 5; a++)
        for (int b = 0; b < 5; b++)
            assert_int_equal(precedence_compare(all[a], all[b]), a < b ? -1 : a > b);
    struct precedence older = brief;
    older.since_ms = 4999;
    assert_true(precedence_compare(&older, &brief) < 0 && precedence_compare(&brief, &older) > 0);
    older = unread; /* however long it has waited */
    older.since_ms = 0;
    assert_true(precedence_compare(&ahead, &older) < 0);
}

static void gives_way(void **state)
{
    (void)state;
    assert_false(precedence_gives_way(&brief, &brief, 90000));
    assert_false(precedence_gives_way(&waiting, &brief, 5999));
    assert_true(precedence_gives_way(&waiting, &brief, 6000));
    assert_false(precedence_gives_way(&waiting, &waiting, 6999));
    assert_true(precedence_gives_way(&waiting, &waiting, 7000));
    assert_true(precedence_gives_way(&ahead, &front, 5000));
    assert_true(precedence_gives_way(&unread, &waiting, 5000));
    assert_false(precedence_gives_way(&unread, &unread, 90000));
    assert_false(precedence_gives_way(&waiting, &ahead, 90000));
    assert_false(precedence_gives_way(&waiting, &unread, 90000));
}

static void many_newcomers(void **state)
{
    (void)state;
    assert_int_equal(precedence_brief_ms(4, 0, 0), 1000);
    assert_int_equal(precedence_brief_ms(4, 4, 0), 1000);
    assert_int_equal(precedence_brief_ms(4, 1, 300), 700);
    assert_int_equal(precedence_brief_ms(4, 8, 0), 500);
    assert_int_equal(precedence_brief_ms(4, 8, 500), 250);
    assert_int_equal(precedence_brief_ms(4, 8, 1000), 0);
    assert_int_equal(precedence_brief_ms(4, 8, 90000), 0);
    assert_int_equal(precedence_brief_ms(1, SIZE_MAX / 2, 0), 0);
    struct precedence large = brief;
    large.had_turn = true;
    assert_true(precedence_gives_way(&large, &brief, 5000));
    assert_false(precedence_gives_way(&large, &waiting, 90000));
}

static void who_yields(void **state)
{
    (void)state;
    struct precedence older = waiting;
    older.since_ms = 10;
    assert_true(precedence_yields_before(&unread, &ahead));
    assert_true(precedence_yields_before(&ahead, &older));
    assert_true(precedence_yields_before(&older, &waiting));
    assert_false(precedence_yields_before(&waiting, &older));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(gives_way),
        cmocka_unit_test(many_newcomers),
        cmocka_unit_test(who_yields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
