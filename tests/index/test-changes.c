// SPDX-License-Identifier: Apache-2.0
/* Which rows of a page are not what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "index/changes.h"
#include "index/listing.h"

static struct listed_file row(const char *path, int64_t size, int64_t about, int64_t modified)
{
    return (struct listed_file){
        .path = (char *)(uintptr_t)path, .size = size, .about_size = about, .modified = modified};
}

static void only_other_sizes_and_dates_count(void **state)
{
    (void)state;
    struct listed_file before[] = {
        row("z", -1, 8, 100),    row("same", -1, 8, 100),  row("size", 5, -1, -1),
        row("date", -1, 8, 100), row("about", -1, 8, 100), row("unsaid", -1, -1, -1),
        row("gone", 1, 1, 1),    row("twice", 1, -1, -1),  row("twice", 2, -1, -1),
    };
    struct listed_file after[] = {
        row("new", 1, 1, 1),     row("date", -1, 8, 160),  row("same", -1, 8, 100),
        row("size", 6, -1, -1),  row("about", -1, 9, 100), row("unsaid", 7, 7, 7),
        row("twice", 1, -1, -1), row("twice", 3, -1, -1),  row("z", -1, 8, -1),
    };
    struct listing old = {.files = before, .file_count = sizeof(before) / sizeof(before[0])};
    struct listing now = {.files = after, .file_count = sizeof(after) / sizeof(after[0])};
    struct changes c;
    assert_int_equal(changes_find(&old, &now, &c), 0);
    assert_int_equal(c.count, 3);
    assert_string_equal(c.paths[0], "about");
    assert_string_equal(c.paths[1], "date");
    assert_string_equal(c.paths[2], "size");
    changes_release(&c);
}

static void a_clock_of_another_zone_says_nothing(void **state)
{
    (void)state;
    struct listed_file before = row("a", -1, -1, 100), after = row("a", -1, -1, 900);
    after.modified_utc = true;
    struct listing old = {.files = &before, .file_count = 1},
                   now = {.files = &after, .file_count = 1};
    struct changes c;
    assert_int_equal(changes_find(&old, &now, &c), 0);
    assert_int_equal(c.count, 0);
    changes_release(&c);
}

static void upload_times_are_dates(void **state)
{
    (void)state;
    struct listed_file before = row("a", -1, -1, -1), after = row("a", -1, -1, -1);
    before.upload_time = (char *)(uintptr_t) "2025-10-15T18:04:00Z";
    after.upload_time = (char *)(uintptr_t) "2025-10-15T18:05:00Z";
    struct listing old = {.files = &before, .file_count = 1},
                   now = {.files = &after, .file_count = 1};
    struct changes c;
    assert_int_equal(changes_find(&old, &now, &c), 0);
    assert_int_equal(c.count, 1);
    changes_release(&c);
}

static void an_empty_page_has_no_changes(void **state)
{
    (void)state;
    struct listing none = {0};
    struct changes c;
    assert_int_equal(changes_find(&none, &none, &c), 0);
    assert_int_equal(c.count, 0);
    changes_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_other_sizes_and_dates_count),
        cmocka_unit_test(a_clock_of_another_zone_says_nothing),
        cmocka_unit_test(upload_times_are_dates),
        cmocka_unit_test(an_empty_page_has_no_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
