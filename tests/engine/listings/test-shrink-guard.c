// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/listings/shrink_guard.h"

enum { MINUTE_MS = 60 * 1000 };

static struct shrink_guard shrink_guard;
static const struct shrink_guard_facts fifty = {.count = 50, .set = 1};

static int begin(void **state)
{
    (void)state;
    shrink_guard = (struct shrink_guard){0};
    return 0;
}

static bool holds(size_t before, size_t count)
{
    struct shrink_guard_facts good = {.count = before, .set = 1},
                              fresh = {.count = count, .set = 2};
    struct shrink_guard s = {0};
    return shrink_guard_holds(&s, &good, &fresh, 0);
}

static void test_below_half_of_twenty_or_more(void **state)
{
    (void)state;
    assert_true(holds(50, 24));
    assert_false(holds(50, 25));
    assert_true(holds(51, 25));
    assert_false(holds(51, 26));
    assert_true(holds(20, 9));
    assert_false(holds(19, 1));
    assert_false(holds(50, 500));
    assert_true(holds(50, 0)); /* says that there is no such page */
}

static void test_a_cut_page_replaces_only_a_cut_one(void **state)
{
    (void)state;
    struct shrink_guard_facts whole = {.count = 5, .set = 1}, cut = {5, 2, true};
    assert_true(shrink_guard_holds(&shrink_guard, &whole, &cut, 0));
    assert_false(shrink_guard_holds(&shrink_guard, &cut, &cut, 0));
    assert_int_equal(shrink_guard.times, 0);
}

static void test_the_first_page_may_be_cut_and_is_not_believed(void **state)
{
    (void)state;
    struct shrink_guard_facts cut = {5, 2, true}, whole = {5, 2, false};
    assert_true(shrink_guard_holds(&shrink_guard, NULL, &cut, 0));
    assert_int_equal(shrink_guard.times, 1);
    assert_false(shrink_guard_holds(&shrink_guard, NULL, &whole, 1));
    assert_int_equal(shrink_guard.times, 0);
}

static bool say(uint64_t set, int64_t minutes)
{
    struct shrink_guard_facts fresh = {.count = 5, .set = set};
    return shrink_guard_holds(&shrink_guard, &fifty, &fresh, minutes * MINUTE_MS);
}

static void test_believed_after_half_an_hour(void **state)
{
    (void)state;
    assert_true(say(2, 100));
    assert_true(say(2, 110));
    assert_true(say(2, 120));
    assert_true(say(2, 129));
    assert_false(say(2, 130));
}

static void test_believed_after_three_times(void **state)
{
    (void)state;
    assert_true(say(2, 100));
    assert_true(say(2, 500));
    assert_false(say(2, 501));
}

static void test_who_says_something_else_begins_anew(void **state)
{
    (void)state;
    assert_true(say(2, 100));
    assert_true(say(2, 120));
    assert_true(say(3, 140));
    assert_true(say(3, 160));
    assert_true(say(3, 169));
    assert_false(say(3, 170));
}

static void test_a_good_page_clears_it(void **state)
{
    (void)state;
    assert_true(say(2, 100));
    assert_true(say(2, 120));
    assert_false(shrink_guard_holds(&shrink_guard, &fifty, &fifty, 125 * MINUTE_MS));
    assert_true(say(2, 131));
}

static struct shrink_guard_facts look(char *urls[], size_t count)
{
    struct listed_file files[4] = {0};
    for (size_t i = 0; i < count; i++)
        files[i].url = urls[i];
    struct listing listing = {.files = files, .file_count = count};
    struct shrink_guard_facts facts;
    shrink_guard_look(&listing, &facts);
    return facts;
}

static void test_the_same_set_in_another_order(void **state)
{
    (void)state;
    char a[] = "http://m/a.whl", b[] = "http://m/b.whl", c[] = "http://m/c.whl";
    assert_true(look((char *[]){a, b}, 2).set == look((char *[]){b, a}, 2).set);
    assert_true(look((char *[]){a, b}, 2).set != look((char *[]){a, c}, 2).set);
    assert_int_equal(look((char *[]){a, b, c}, 3).count, 3);
}

static void test_projects_are_counted_where_there_are_no_files(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", *projects[] = {a, b};
    struct listing listing = {.projects = projects, .project_count = 2, .is_cut = true};
    struct shrink_guard_facts facts;
    shrink_guard_look(&listing, &facts);
    assert_int_equal(facts.count, 2);
    assert_true(facts.is_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_below_half_of_twenty_or_more, begin),
        cmocka_unit_test_setup(test_a_cut_page_replaces_only_a_cut_one, begin),
        cmocka_unit_test_setup(test_the_first_page_may_be_cut_and_is_not_believed, begin),
        cmocka_unit_test_setup(test_believed_after_half_an_hour, begin),
        cmocka_unit_test_setup(test_believed_after_three_times, begin),
        cmocka_unit_test_setup(test_who_says_something_else_begins_anew, begin),
        cmocka_unit_test_setup(test_a_good_page_clears_it, begin),
        cmocka_unit_test_setup(test_the_same_set_in_another_order, begin),
        cmocka_unit_test_setup(test_projects_are_counted_where_there_are_no_files, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
