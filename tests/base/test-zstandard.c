// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/zstandard.h"

static void fill(struct buf *b, size_t len)
{
    uint32_t seed = 1;
    while (b->len < len) {
        seed = seed * 1664525 + 1013904223;
        buf_putc(b, (char)(seed >> 24));
    }
}

static void others_read_what_we_write(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        auto_buf struct buf plain, packed, again;
        buf_init(&plain, 2 << 20);
        buf_init(&packed, 2 << 20);
        buf_init(&again, 2 << 20);
        fill(&plain, sizes[i]);
        buf_puts(&packed, "+");
        assert_int_equal(zstandard_compress(plain.data, plain.len, &packed), 0);
        assert_int_equal(ZSTD_getFrameContentSize(packed.data + 1, packed.len - 1), sizes[i]);
        char *at = buf_reserve(&again, sizes[i] + 1);
        size_t got = ZSTD_decompress(at, sizes[i] + 1, packed.data + 1, packed.len - 1);
        assert_int_equal(got, sizes[i]);
        if (got)
            assert_memory_equal(at, plain.data, got);
        assert_int_equal(packed.data[packed.len], 0);
    }
}

static void equal_bytes_give_equal_bytes(void **state)
{
    (void)state;
    auto_buf struct buf one, two;
    buf_init(&one, 1000);
    buf_init(&two, 2000);
    assert_int_equal(zstandard_compress("aaaa", 4, &one), 0);
    assert_int_equal(zstandard_compress("aaaa", 4, &two), 0);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
}

static void what_does_not_fit_is_too_big(void **state)
{
    (void)state;
    auto_buf struct buf plain, narrow;
    buf_init(&plain, 4096);
    buf_init(&narrow, 100);
    fill(&plain, 4096);
    buf_puts(&narrow, "kept");
    assert_int_equal(zstandard_compress(plain.data, plain.len, &narrow), ERROR_TOO_BIG);
    assert_string_equal(narrow.data, "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_read_what_we_write),
        cmocka_unit_test(equal_bytes_give_equal_bytes),
        cmocka_unit_test(what_does_not_fit_is_too_big),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
