// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/listings/turns.h"

enum { MOST = 4, ATTACKER = 1, HONEST = 2, BACKGROUND = 0 };

static void places_are_given_until_there_is_none(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct turn turn[MOST + 1] = {0};
    for (int i = 0; i < MOST; i++)
        assert_int_equal(turns_take(t, &turn[i], ATTACKER, MOST), TURN_NOW);
    assert_int_equal(turns_take(t, &turn[MOST], ATTACKER, MOST), TURN_WAITS);
    assert_null(turns_next(t, MOST));
    turns_end(t, &turn[2]);
    assert_ptr_equal(turns_next(t, MOST), &turn[MOST]);
    assert_null(turns_next(t, MOST));
    for (int i = 0; i <= MOST; i++)
        turns_end(t, &turn[i]);
    assert_int_equal(turns_waiting(t), 0);
    turns_free(t);
}

static void a_client_without_a_place_gets_one_beyond(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct turn a[MOST] = {0}, b[2] = {0};
    for (int i = 0; i < MOST; i++)
        (void)turns_take(t, &a[i], ATTACKER, MOST);
    assert_int_equal(turns_take(t, &b[0], HONEST, MOST), TURN_NOW);
    assert_int_equal(turns_take(t, &b[1], HONEST, MOST), TURN_WAITS);
    for (int i = 0; i < MOST; i++)
        turns_end(t, &a[i]);
    assert_ptr_equal(turns_next(t, MOST), &b[1]);
    turns_end(t, &b[0]);
    turns_end(t, &b[1]);
    turns_free(t);
}

/* The many clients of one attacker have twice the places, no more. */
static void places_beyond_end(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct turn turn[3 * MOST] = {0};
    int now = 0;
    for (int i = 0; i < 3 * MOST; i++)
        now += turns_take(t, &turn[i], (uint64_t)i + 1, MOST) == TURN_NOW;
    assert_int_equal(now, 2 * MOST);
    for (int i = 0; i < 3 * MOST; i++)
        turns_end(t, &turn[i]);
    turns_free(t);
}

static void clients_take_turns(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct turn place = {0}, a[10] = {0}, b[2] = {0};
    (void)turns_take(t, &place, 9, 1);
    for (int i = 0; i < 10; i++) {
        int r = turns_take(t, &a[i], ATTACKER, 1);
        assert_int_equal(r, i ? TURN_WAITS : TURN_NOW); /* its one place beyond */
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(turns_take(t, &b[i], HONEST, 1), TURN_WAITS);
    turns_end(t, &place);
    turns_end(t, &a[0]);
    struct turn *order[] = {&a[1], &b[0], &a[2], &b[1], &a[3], &a[4]};
    for (int i = 0; i < 6; i++) {
        assert_ptr_equal(turns_next(t, 1), order[i]);
        turns_end(t, order[i]);
    }
    for (int i = 5; i < 10; i++)
        turns_end(t, &a[i]);
    assert_int_equal(turns_waiting(t), 0);
    turns_free(t);
}

static void what_nobody_waits_for_comes_last(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct turn place = {0}, probe = {0}, mine = {0};
    (void)turns_take(t, &place, HONEST, 1);
    assert_int_equal(turns_take(t, &probe, BACKGROUND, 1), TURN_WAITS);
    assert_int_equal(turns_take(t, &mine, HONEST, 1), TURN_WAITS);
    turns_end(t, &place);
    assert_ptr_equal(turns_next(t, 1), &mine);
    turns_end(t, &mine);
    assert_ptr_equal(turns_next(t, 1), &probe);
    turns_end(t, &probe);
    turns_free(t);
}

/* A page that an attacker put at the end of a long line is not out of reach. */
static void who_else_wants_it_waits_for_the_shorter_line(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    struct turn place[2] = {0}, a[20] = {0};
    (void)turns_take(t, &place[0], ATTACKER, 1);
    (void)turns_take(t, &place[1], HONEST, 1);
    for (int i = 0; i < 20; i++)
        (void)turns_take(t, &a[i], ATTACKER, 1);
    turns_join(t, &a[19], HONEST);
    turns_join(t, &a[19], ATTACKER); /* its line is longer */
    turns_join(t, &a[19], BACKGROUND);
    turns_end(t, &place[0]);
    turns_end(t, &place[1]);
    assert_ptr_equal(turns_next(t, 1), &a[0]);
    turns_end(t, &a[0]);
    assert_ptr_equal(turns_next(t, 1), &a[19]);
    turns_end(t, &a[19]);
    for (int i = 1; i < 19; i++)
        turns_end(t, &a[i]);
    turns_free(t);
}

static void a_client_waits_for_so_many(void **state)
{
    (void)state;
    struct turns *t = turns_new();
    static struct turn turn[TURNS_WAITING + 2];
    for (int i = 0; i <= TURNS_WAITING; i++)
        (void)turns_take(t, &turn[i], ATTACKER, 1);
    assert_int_equal(turns_take(t, &turn[TURNS_WAITING + 1], ATTACKER, 1), TURN_REFUSED);
    assert_int_equal(turns_waiting(t), TURNS_WAITING);
    for (int i = 0; i <= TURNS_WAITING; i++)
        turns_end(t, &turn[i]);
    turns_end(t, &turn[TURNS_WAITING + 1]); /* it is in nothing */
    turns_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_given_until_there_is_none),
        cmocka_unit_test(a_client_without_a_place_gets_one_beyond),
        cmocka_unit_test(places_beyond_end),
        cmocka_unit_test(clients_take_turns),
        cmocka_unit_test(what_nobody_waits_for_comes_last),
        cmocka_unit_test(who_else_wants_it_waits_for_the_shorter_line),
        cmocka_unit_test(a_client_waits_for_so_many),
    };
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
