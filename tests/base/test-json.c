// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void test_reads(void **state)
{
    static const char text[] =
        " {\"s\":\"a\\u00e9\\n\",\"t\":true,\"n\":null,\"i\":2770884935,\"f\":1.5,\"neg\":-1,"
        "\"big\":1e300,\"a\":[1,\"x\"],\"o\":{}}\n";
    struct json *d = NULL;
    const struct json *a;

    (void)state;
    assert_int_equal(json_parse(text, strlen(text), &d), 0);
    assert_true(json_is_object(d));
    assert_string_equal(json_string(json_member(d, "s")), "a\xC3\xA9\n");
    assert_true(json_is_true(json_member(d, "t")));
    assert_false(json_is_true(json_member(d, "s")));
    assert_true(json_integer(json_member(d, "i")) == INT64_C(2770884935));
    assert_int_equal(json_integer(json_member(d, "f")), -1);
    assert_int_equal(json_integer(json_member(d, "neg")), -1);
    assert_int_equal(json_integer(json_member(d, "big")), -1);
    assert_int_equal(json_integer(json_member(d, "s")), -1);
    assert_null(json_string(json_member(d, "n")));
    a = json_member(d, "a");
    assert_true(json_is_array(a));
    assert_int_equal(json_integer(json_first(a)), 1);
    assert_string_equal(json_string(json_next(json_first(a))), "x");
    assert_null(json_next(json_next(json_first(a))));
    assert_string_equal(json_name(json_first(d)), "s");
    assert_null(json_first(json_member(d, "o")));
    json_free(d);
}

static void test_null_handles(void **state)
{
    (void)state;
    assert_null(json_member(NULL, "x"));
    assert_null(json_first(NULL));
    assert_null(json_next(NULL));
    assert_null(json_name(NULL));
    assert_null(json_string(NULL));
    assert_false(json_is_true(NULL));
    assert_false(json_is_object(NULL));
    assert_false(json_is_array(NULL));
    assert_int_equal(json_integer(NULL), -1);
    json_free(NULL);
}

static void test_refuses(void **state)
{
    static const char *const texts[] = {"",      " ",   "{",   "[1,]", "{\"a\"}",
                                        "{} {}", "nul", "\"a", "[1] x"};
    struct json *d = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(json_parse(texts[i], strlen(texts[i]), &d), ERROR_BAD_LISTING);
    assert_int_equal(json_parse("[]\0", 3, &d), ERROR_BAD_LISTING);
    assert_null(d);
}

static int parse_nested(int depth)
{
    auto_buf struct buf b;
    struct json *d = NULL;
    int r;

    buf_init(&b, 1000);
    for (int i = 0; i < depth; i++)
        buf_putc(&b, '[');
    for (int i = 0; i < depth; i++)
        buf_putc(&b, ']');
    r = json_parse(b.data, b.len, &d);
    json_free(d);
    return r;
}

static void test_depth(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(100), 0);
    assert_int_equal(parse_nested(101), ERROR_BAD_LISTING);
}

static void test_number_of_values(void **state)
{
    auto_buf struct buf b;
    struct json *d = NULL;

    (void)state;
    buf_init(&b, 16 << 20);
    buf_puts(&b, "[\",,\"");
    for (int i = 0; i < JSON_MAX_VALUES; i++)
        buf_puts(&b, ",0");
    buf_putc(&b, ']');
    assert_int_equal(json_parse(b.data, b.len, &d), ERROR_TOO_BIG);
    assert_null(d);
}

/* A string never ends before its end. */
static void test_nul_in_strings(void **state)
{
    static const char text[] = "[\"a\\u0000b\",\"a\0b\",\"\\\\u0000\"]";
    struct json *d = NULL;
    const struct json *e;

    (void)state;
    assert_int_equal(json_parse(text, sizeof(text) - 1, &d), 0);
    e = json_first(d);
    assert_string_equal(json_string(e), "a\1b");
    e = json_next(e);
    assert_string_equal(json_string(e), "a\1b");
    e = json_next(e);
    assert_string_equal(json_string(e), "\\u0000");
    json_free(d);
}

static void test_writes(void **state)
{
    auto_buf struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_putc(&b, '{');
    json_write_name(&b, "a");
    json_write_string(&b, "\"\\/\b\n\r\t\x1f\x7f\xC3\xA9\xff\xed\xa0\x80|");
    json_write_name(&b, "b");
    buf_putc(&b, '[');
    for (int i = 0; i < 2; i++) {
        json_write_comma(&b);
        buf_printf(&b, "%d", i);
    }
    buf_puts(&b, "]}");
    assert_string_equal(b.data,
                        "{\"a\":\"\\\"\\\\/\\u0008\\n\\r\\t\\u001f\\u007f\xC3\xA9\xEF\xBF\xBD"
                        "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\",\"b\":[0,1]}");
}

/* What a terminal obeys, or reads from right to left, is escaped, and stays what it is. */
static void test_writes_for_people(void **state)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"\xC2\x9b"
         "31m",
         "\"\\u009b31m\""},
        {"a\u202eb", "\"a\\u202eb\""},
        {"\u2066\u2069", "\"\\u2066\\u2069\""},
        {"\u200f", "\"\\u200f\""},
        {"\u061c", "\"\\u061c\""},
        {"\u00a0\u2013\u4e2d", "\"\u00a0\u2013\u4e2d\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_buf struct buf b;
        struct json *read = NULL;
        buf_init(&b, 1000);
        json_write_string(&b, cases[i].text);
        assert_string_equal(b.data, cases[i].written);
        assert_int_equal(json_parse(b.data, b.len, &read), 0);
        assert_string_equal(json_string(read), cases[i].text);
        json_free(read);
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        {"a", 1},
        {"\xC2\x80", 2},
        {"\xE0\xA0\x80", 3},
        {"\xEF\xBF\xBF", 3},
        {"\xF0\x90\x80\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4},
        {"\x80", 0},
        {"\xC0\x80", 0},
        {"\xC1\xBF", 0},
        {"\xC2", 0},
        {"\xC2\x41", 0},
        {"\xE0\x9F\x80", 0},
        {"\xED\xA0\x80", 0},
        {"\xE8\xBD", 0},
        {"\xE8\xBD\x41", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(utf8_length(cases[i].text, strlen(cases[i].text)), cases[i].length);
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("a\xE8\xBD\xAE", 4));
    assert_false(utf8_is_valid("a\xE8\xBD\xAE", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_null_handles),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_number_of_values),
        cmocka_unit_test(test_nul_in_strings),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_writes_for_people),
        cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
