// SPDX-License-Identifier: Apache-2.0
#include "base/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static struct toml_document *parse(const char *text)
{
    struct toml_document *document = NULL;
    char *message = NULL;
    int line = 0;
    int r = toml_parse(text, strlen(text), &document, &message, &line);
    if (r)
        fail_msg("%d: %s", line, message);
    return document;
}

static void types_and_values(void **state)
{
    (void)state;
    struct toml_document *d = parse("s = \"a\\tb\"\ni = 9007199254740993\nb = true\nf = 1.5\n"
                                    "a = [1, \"x\"]\nt = { k = \"v\" }\nd = 2026-01-01\n");
    const struct toml_node *root = toml_root(d);
    assert_int_equal(toml_type(root), TOML_TABLE);
    assert_string_equal(toml_string(toml_get(root, "s")), "a\tb");
    assert_true(toml_integer(toml_get(root, "i")) == INT64_C(9007199254740993));
    assert_true(toml_boolean(toml_get(root, "b")));
    assert_int_equal(toml_type(toml_get(root, "f")), TOML_OTHER);
    assert_int_equal(toml_type(toml_get(root, "d")), TOML_DATE);
    const struct toml_node *array = toml_get(root, "a");
    assert_int_equal(toml_type(array), TOML_ARRAY);
    assert_int_equal(toml_count(array), 2);
    const char *name = "untouched";
    assert_true(toml_integer(toml_at(array, 0, &name)) == 1);
    assert_null(name);
    assert_string_equal(toml_string(toml_at(array, 1, NULL)), "x");
    assert_null(toml_at(array, 2, NULL));
    assert_string_equal(toml_string(toml_get(toml_get(root, "t"), "k")), "v");
    toml_free(d);
}

/* Where strings stand, in bytes: behind a mark of byte order, wide characters, and escapes. */
static void places_of_strings(void **state)
{
    static const char text[] = "\xef\xbb\xbf"
                               "# \xc3\xa9\xf0\x9f\x90\x8d\r\n"
                               "\"k\xc3\xa9\" = { a = 'x\xc3\xa9', b = \"y\\\"z\" }\r\n"
                               "l = \"\"\"\nlong\"\"\"\n"
                               "d = 2026-01-02T03:04:05.6Z # a date\n";
    struct toml_document *d;
    char *message = NULL;
    int line = 0;
    size_t offset = 1, len = 1;

    (void)state;
    assert_int_equal(toml_parse(text, sizeof text - 1, &d, &message, &line), 0);
    const struct toml_node *root = toml_root(d);
    const struct toml_node *table = toml_at(root, 0, NULL);
    assert_true(toml_place(toml_get(table, "a"), &offset, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(text + offset, "x\xc3\xa9'", 4);
    assert_true(toml_place(toml_get(table, "b"), &offset, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(text + offset, "y\\\"z\" }", 7);
    assert_false(toml_place(toml_get(root, "l"), &offset, &len));
    assert_false(toml_place(toml_get(root, "d"), &offset, &len));
    assert_string_equal(toml_date(toml_get(root, "d")), "2026-01-02T03:04:05.6Z");
    assert_null(toml_date(toml_get(table, "a")));
    toml_free(d);
}

static void another_type_gives_nothing(void **state)
{
    (void)state;
    struct toml_document *d = parse("i = 1\ns = \"x\"\n");
    const struct toml_node *i = toml_get(toml_root(d), "i"), *s = toml_get(toml_root(d), "s");
    assert_null(toml_string(i));
    assert_true(toml_integer(s) == 0);
    assert_false(toml_boolean(i));
    assert_null(toml_get(i, "x"));
    assert_null(toml_get(toml_root(d), "absent"));
    assert_int_equal(toml_type(NULL), TOML_NONE);
    assert_int_equal(toml_count(NULL), 0);
    assert_null(toml_at(NULL, 0, NULL));
    assert_null(toml_string(NULL));
    toml_free(d);
}

static void tables_keep_the_order_of_the_file(void **state)
{
    (void)state;
    struct toml_document *d =
        parse("zebra = 1\napple = 2\n[origin.two]\nk = 1\n[origin.one]\nk = 1\n"
              "[[origin.one.mirror]]\nname = \"b\"\n[[origin.one.mirror]]\n"
              "name = \"a\"\n");
    static const char *const want[] = {"zebra", "apple", "origin"};
    assert_int_equal(toml_count(toml_root(d)), 3);
    for (size_t i = 0; i < 3; i++) {
        const char *name = NULL;
        assert_non_null(toml_at(toml_root(d), i, &name));
        assert_string_equal(name, want[i]);
    }
    const struct toml_node *origin = toml_get(toml_root(d), "origin");
    const char *name = NULL;
    assert_int_equal(toml_line(toml_at(origin, 0, &name)), 3);
    assert_string_equal(name, "two");
    const struct toml_node *one = toml_at(origin, 1, &name);
    assert_string_equal(name, "one");
    assert_int_equal(toml_line(one), 5);
    const struct toml_node *mirrors = toml_get(one, "mirror");
    assert_int_equal(toml_type(mirrors), TOML_ARRAY);
    assert_int_equal(toml_line(toml_at(mirrors, 0, NULL)), 7);
    assert_int_equal(toml_line(toml_at(mirrors, 1, NULL)), 9);
    assert_int_equal(toml_line(toml_get(toml_at(mirrors, 1, NULL), "name")), 10);
    toml_free(d);
}

/* An embedded NUL would cut a C string short, so it is refused; nesting must not eat the stack. */
static void what_is_no_toml_is_refused_with_its_line(void **state)
{
    (void)state;
    char deep[512] = "\nd = ";
    memset(deep + 5, '[', 200);
    memset(deep + 205, ']', 200);
    const struct {
        const char *text;
        int line;
    } cases[] = {{"a = 1\nb = \n", 2},
                 {"a = 1\na = 2\n", 2},
                 {"x = 1\n\ns = \"a\\u0000b\"\n", 3},
                 {"x = 1\n\"a\\u0000b\" = 1\n", 2},
                 {"\xff = 1\n", 1},
                 {"[t\n", 1},
                 {deep, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct toml_document *document = NULL;
        char *message = NULL;
        int line = 0;
        print_message("%s\n", cases[i].text);
        assert_int_equal(
            toml_parse(cases[i].text, strlen(cases[i].text), &document, &message, &line),
            ERROR_CONFIG);
        assert_null(document);
        assert_non_null(message);
        assert_true(*message);
        assert_int_equal(line, cases[i].line);
        free(message);
    }
}

static void an_empty_text_is_an_empty_table(void **state)
{
    (void)state;
    struct toml_document *d = parse("");
    assert_int_equal(toml_count(toml_root(d)), 0);
    toml_free(d);
    toml_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_values),
        cmocka_unit_test(places_of_strings),
        cmocka_unit_test(another_type_gives_nothing),
        cmocka_unit_test(tables_keep_the_order_of_the_file),
        cmocka_unit_test(what_is_no_toml_is_refused_with_its_line),
        cmocka_unit_test(an_empty_text_is_an_empty_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
