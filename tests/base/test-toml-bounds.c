// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/toml_bounds.h"

enum { TEXT_MAX = 16 << 20 };

static const char *check(const char *text, int *line)
{
    return toml_check_bounds(text, strlen(text), TOML_TABLES_MAX, line);
}

/* `before`, then `piece` so many times, then `after`. */
static const char *repeated_within(size_t tables_most, const char *before, const char *piece,
                                   size_t count, const char *after)
{
    struct buf text;
    int line = 0;

    buf_init(&text, TEXT_MAX);
    buf_puts(&text, before);
    for (size_t i = 0; i < count; i++)
        buf_puts(&text, piece);
    buf_puts(&text, after);
    const char *what = toml_check_bounds(text.data, text.len, tables_most, &line);
    assert_true(!what || line >= 1);
    buf_release(&text);
    return what;
}

static const char *repeated(const char *before, const char *piece, size_t count, const char *after)
{
    return repeated_within(TOML_TABLES_MAX, before, piece, count, after);
}

static void test_usual_texts(void **state)
{
    int line = 0;

    (void)state;
    assert_null(check("", &line));
    assert_null(check("a = 1\n[b.c]\nd.e = [1.5, 2.5, {f = \"x\"}]\n", &line));
    assert_null(check("a = \"\"\"\n[[[[ \\\"\"\" ...\n\"\"\"\nb = '''\n{{{'''\n", &line));
    assert_null(repeated("v = [", "1.5, 2.5,\n", 100000, "]\n"));
    assert_null(repeated("", "# [[[[{{{{....\n", 100000, ""));
    assert_null(repeated("v = [", "\"a.b.[{\", 'c.[',\n", 100000, "]\n"));
    assert_null(repeated("v = \"\"\"", "[.\n", 100000, "\"\"\"\n"));
    assert_null(repeated("", "v = 1979-05-27T07:32:00.999\n", 100000, ""));
}

static void test_depth(void **state)
{
    (void)state;
    assert_null(repeated("v = ", "[", TOML_DEPTH_MAX, "\n"));
    assert_string_equal(repeated("v = ", "[", TOML_DEPTH_MAX + 1, "\n"), "nested too deeply");
    assert_string_equal(repeated("v = ", "{a=", 100000, "\n"), "nested too deeply");
    assert_string_equal(repeated("v = ", "[\n# x\n", 100000, "\n"), "nested too deeply");
}

static void test_parts(void **state)
{
    (void)state;
    assert_null(repeated("a", ".b", TOML_PARTS_MAX - 1, " = 1\n"));
    assert_string_equal(repeated("a", ".b", TOML_PARTS_MAX, " = 1\n"), "a key of too many parts");
    assert_string_equal(repeated("[a", ".b", 100000, "]\n"), "a key of too many parts");
    assert_string_equal(repeated("v = {a", " . \"b\"", 100000, " = 1}\n"),
                        "a key of too many parts");
    assert_string_equal(repeated("v = [{a = 1}, {a", ".b", 100000, " = 1}]\n"),
                        "a key of too many parts");
    assert_string_equal(repeated("v = {a = [1, 2], a", ".b", 100000, " = 1}\n"),
                        "a key of too many parts");
}

static void test_tables(void **state)
{
    (void)state;
    assert_null(repeated("", "[[a]]\n", TOML_TABLES_MAX, ""));
    assert_string_equal(repeated("", "[[a]]\n", 100000, ""), "too many tables and dotted keys");
    assert_string_equal(repeated("", "a.b = 1\n", 100000, ""), "too many tables and dotted keys");
    assert_string_equal(repeated("v = [", "{a = 1},", 100000, "]\n"),
                        "too many tables and dotted keys");
}

static void test_tables_of_a_lock(void **state)
{
    size_t most = TOML_LOCK_TABLES_MAX;

    (void)state;
    assert_null(repeated_within(most, "", "[[a]]\n", most, ""));
    assert_string_equal(repeated_within(most, "", "[[a]]\n", most + 1, ""),
                        "too many tables and dotted keys");
    assert_string_equal(repeated_within(most, "v = [", "{a = 1},", most + 1, "]\n"),
                        "too many tables and dotted keys");
    assert_null(repeated_within(most, "", "a.b = 1\n", TOML_DOTS_MAX, ""));
    assert_string_equal(repeated_within(most, "", "a.b = 1\n", TOML_DOTS_MAX + 1, ""),
                        "too many dotted keys");
}

static void test_values(void **state)
{
    (void)state;
    assert_null(repeated("v = [", "1,", TOML_VALUES_MAX - 1, "]\n"));
    assert_string_equal(repeated("v = [", "1,", TOML_VALUES_MAX, "]\n"), "too many values");
}

static void test_the_line_is_told(void **state)
{
    int line = 0;

    (void)state;
    assert_non_null(check("a = 1\nb = '''\n\n'''\n"
                          "c = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                          &line));
    assert_int_equal(line, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual_texts),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_tables_of_a_lock),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_the_line_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
