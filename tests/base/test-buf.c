// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"

static void appends(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 1 << 20);
    assert_string_equal(b.data, "");
    buf_puts(&b, "a=");
    buf_printf(&b, "%d,%s", 17, "x");
    buf_putc(&b, ';');
    buf_add(&b, "p\0q", 3);
    assert_int_equal(b.error, 0);
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "a=17,x;p\0q", 10);
}

/* Growth is where sizes go wrong: every length around each doubling. */
static void grows_byte_by_byte(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 5000);
    for (size_t i = 0; i < 5000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
        assert_int_equal(b.len, i + 1);
        assert_int_equal(b.data[b.len], 0);
    }
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_true(b.cap <= 5001);
}

static void failure_is_sticky(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 4);
    buf_puts(&b, "1234");
    assert_int_equal(b.error, 0);
    buf_puts(&b, "5");
    assert_int_equal(b.error, ERROR_TOO_BIG);
    buf_clear(&b);
    buf_puts(&b, "12345");
    buf_puts(&b, "1"); /* would fit, but the text would have a hole */
    assert_int_equal(b.error, ERROR_TOO_BIG);
    assert_int_equal(b.len, 0);
    assert_null(buf_take(&b, NULL));
    assert_int_equal(b.error, 0);
    buf_printf(&b, "%s", "12345");
    assert_int_equal(b.error, ERROR_TOO_BIG);
}

static void absurd_sizes_do_not_wrap(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_puts(&b, "x");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.error, ERROR_TOO_BIG);
    buf_clear(&b);
    buf_puts(&b, "y");
    assert_string_equal(b.data, "y");
}

static void take_hands_over(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    size_t len = 99;
    char *empty = buf_take(&b, &len);
    assert_string_equal(empty, "");
    assert_int_equal(len, 0);
    free(empty);
    buf_puts(&b, "mine");
    char *text = buf_take(&b, &len);
    assert_string_equal(text, "mine");
    assert_int_equal(len, 4);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    free(text);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),           cmocka_unit_test(grows_byte_by_byte),
        cmocka_unit_test(failure_is_sticky), cmocka_unit_test(absurd_sizes_do_not_wrap),
        cmocka_unit_test(take_hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
