// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/gzip.h"

/* `gzip -n` of "wheelyard\n", made by another program than ours. */
static const unsigned char foreign[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
                                        0x2b, 0xcf, 0x48, 0x4d, 0xcd, 0xa9, 0x4c, 0x2c, 0x4a, 0xe1,
                                        0x02, 0x00, 0xcc, 0x3e, 0x7e, 0xef, 0x0a, 0x00, 0x00, 0x00};

static void reads_what_others_wrote(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 100);
    assert_int_equal(gzip_decompress(foreign, sizeof(foreign), &b), 0);
    assert_string_equal(b.data, "wheelyard\n");
}

static void unpacks_what_is_packed_and_nothing_else(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 100);
    buf_add(&b, foreign, sizeof(foreign));
    assert_int_equal(gzip_unpack(&b), 0);
    assert_string_equal(b.data, "wheelyard\n");
    assert_int_equal(b.max, 100);
    assert_int_equal(gzip_unpack(&b), 0);
    assert_string_equal(b.data, "wheelyard\n");
    buf_clear(&b);
    buf_add(&b, foreign, sizeof(foreign) - 1);
    assert_int_equal(gzip_unpack(&b), ERROR_CORRUPT);
    assert_int_equal(b.len, sizeof(foreign) - 1);
}

static void fill(struct buf *b, size_t len)
{
    uint32_t seed = 1;
    while (b->len < len) {
        seed = seed * 1664525 + 1013904223;
        buf_putc(b, (char)(seed >> 24));
    }
}

static void round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        auto_buf struct buf plain, packed, again;
        buf_init(&plain, 2 << 20);
        buf_init(&packed, 2 << 20);
        buf_init(&again, sizes[i] + 1); /* exactly full: its "+" below is one byte */
        fill(&plain, sizes[i]);
        buf_puts(&again, "+");
        assert_int_equal(gzip_compress(plain.data, plain.len, &packed), 0);
        assert_int_equal(gzip_decompress(packed.data, packed.len, &again), 0);
        assert_int_equal(again.len, plain.len + 1);
        assert_memory_equal(again.data + 1, plain.data, plain.len);
        assert_int_equal(again.data[again.len], 0);
    }
}

static void equal_bytes_give_equal_bytes(void **state)
{
    (void)state;
    auto_buf struct buf one, two;
    buf_init(&one, 1000);
    buf_init(&two, 1000);
    assert_int_equal(gzip_compress("aaaa", 4, &one), 0);
    assert_int_equal(gzip_compress("aaaa", 4, &two), 0);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    assert_memory_equal(one.data + 4, "\0\0\0\0", 4); /* no time */
}

static void a_bomb_is_too_big(void **state)
{
    (void)state;
    auto_buf struct buf zeros, packed, out;
    buf_init(&zeros, 4 << 20);
    buf_init(&packed, 1 << 20);
    buf_init(&out, 100000);
    assert_non_null(buf_reserve(&zeros, 4 << 20));
    memset(zeros.data, 0, 4 << 20);
    assert_int_equal(gzip_compress(zeros.data, 4 << 20, &packed), 0);
    buf_puts(&out, "kept");
    assert_int_equal(gzip_decompress(packed.data, packed.len, &out), ERROR_TOO_BIG);
    assert_string_equal(out.data, "kept");

    auto_buf struct buf narrow;
    buf_init(&narrow, 10);
    assert_int_equal(gzip_compress(zeros.data, 4 << 20, &narrow), ERROR_TOO_BIG);
    assert_int_equal(narrow.len, 0);
}

/* Every truncation, every flipped byte that a checksum covers, and bytes behind the end. */
static void broken_members_are_corrupt(void **state)
{
    (void)state;
    unsigned char copy[sizeof(foreign) + 1];
    for (size_t len = 0; len < sizeof(foreign); len++) {
        auto_buf struct buf b;
        buf_init(&b, 100);
        assert_int_equal(gzip_decompress(foreign, len, &b), ERROR_CORRUPT);
        assert_int_equal(b.len, 0);
    }
    for (size_t i = 10; i < sizeof(foreign); i++) {
        auto_buf struct buf b;
        buf_init(&b, 1000);
        memcpy(copy, foreign, sizeof(foreign));
        copy[i] ^= 0xff; /* one bit alone may be padding */
        assert_int_equal(gzip_decompress(copy, sizeof(foreign), &b), ERROR_CORRUPT);
    }
    auto_buf struct buf b;
    buf_init(&b, 100);
    memcpy(copy, foreign, sizeof(foreign));
    copy[sizeof(foreign)] = 'x';
    assert_int_equal(gzip_decompress(copy, sizeof(copy), &b), ERROR_CORRUPT);
    assert_int_equal(gzip_decompress("<!DOCTYPE html>", 15, &b), ERROR_CORRUPT);
    assert_int_equal(b.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_others_wrote),
        cmocka_unit_test(unpacks_what_is_packed_and_nothing_else),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(equal_bytes_give_equal_bytes),
        cmocka_unit_test(a_bomb_is_too_big),
        cmocka_unit_test(broken_members_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
