// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/near.h"

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(near_distance("", ""), 0);
    assert_int_equal(near_distance("", "abc"), 3);
    assert_int_equal(near_distance("abc", ""), 3);
    assert_int_equal(near_distance("max_size", "max-SIZE"), 0);
    assert_int_equal(near_distance("max_sise", "max_size"), 1);
    assert_int_equal(near_distance("max_siez", "max_size"), 1); /* neighbours swapped */
    assert_int_equal(near_distance("cuda126", "cu126"), 2);
    assert_int_equal(near_distance("kitten", "sitting"), 3);
}

static void test_long_names_are_far(void **state)
{
    char most[NEAR_BYTES_MAX + 1], more[NEAR_BYTES_MAX + 2];

    (void)state;
    memset(most, 'a', sizeof most);
    memset(more, 'a', sizeof more);
    most[sizeof most - 1] = more[sizeof more - 1] = '\0';
    assert_int_equal(near_distance(most, ""), NEAR_BYTES_MAX);
    assert_int_equal(near_distance(most, most), 0);
    assert_int_equal(near_distance(more, more), NEAR_FAR);
}

static void test_the_nearest_is_found(void **state)
{
    static const char *const names[] = {"cpu", "cu118", "cu126", "cu130", "simple", NULL};

    (void)state;
    assert_string_equal(near_find("cup", names), "cpu");
    assert_string_equal(near_find("cuda126", names), "cu126");
    assert_string_equal(near_find("cu12.6", names), "cu126");
    assert_string_equal(near_find("simpel", names), "simple");
    assert_null(near_find("rocm6.4", names));
    assert_null(near_find("xx", names)); /* too short to be any of them */
    assert_null(near_find("", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long_names_are_far),
        cmocka_unit_test(test_the_nearest_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
