// SPDX-License-Identifier: Apache-2.0
/* Headers. tests/e2e/airgap/test_bundle.py has GNU tar and Python unpack archives of them. */
#include "bundle/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 64 << 10 };

static struct buf header_of(const char *name, int64_t size)
{
    struct buf b;
    buf_init(&b, MANY);
    tar_header_write(name, size, 1780000000, &b);
    assert_int_equal(b.error, 0);
    assert_int_equal((int64_t)b.len, tar_header_length(name, size));
    assert_int_equal(b.len % TAR_BLOCK, 0);
    return b;
}

static void writes_ustar(void **state)
{
    (void)state;
    struct buf b = header_of("files/pypi/a-1.tar.gz", 513);
    assert_int_equal(b.len, TAR_BLOCK);
    assert_string_equal(b.data, "files/pypi/a-1.tar.gz");
    assert_string_equal(b.data + 100, "0000644");
    assert_string_equal(b.data + 108, "0000000");
    assert_string_equal(b.data + 124, "00000001001");
    assert_string_equal(b.data + 136, "15206122400");
    assert_string_equal(b.data + 257, "ustar");
    assert_int_equal(b.data[156], '0');
    buf_release(&b);
    assert_int_equal(tar_padding(0), 0);
    assert_int_equal(tar_padding(1), 511);
    assert_int_equal(tar_padding(512), 0);
}

/* A name of up to 100 bytes, one that is cut at a slash, and one that needs an extension. */
static void writes_long_names(void **state)
{
    (void)state;
    char name[400];
    (void)memset(name, 'n', sizeof(name));
    name[100] = '\0';
    struct buf b = header_of(name, 1);
    assert_int_equal(b.len, TAR_BLOCK);
    buf_release(&b);

    name[100] = 'n', name[101] = '\0';
    b = header_of(name, 1);
    assert_int_equal(b.len, 3 * TAR_BLOCK);
    assert_int_equal(b.data[156], 'x');
    assert_memory_equal(b.data + TAR_BLOCK, "111 path=nnn", 12);
    buf_release(&b);

    name[50] = '/';
    b = header_of(name, 1);
    assert_int_equal(b.len, TAR_BLOCK);
    assert_int_equal(strlen(b.data + 345), 50);
    assert_int_equal(strlen(b.data), 50);
    buf_release(&b);

    b = header_of("files/o/\xc3\xbc-1.tar.gz", 1);
    assert_int_equal(b.len, 3 * TAR_BLOCK);
    buf_release(&b);
}

static void writes_large_sizes(void **state)
{
    (void)state;
    struct buf b = header_of("a", (INT64_C(1) << 33) - 1);
    assert_int_equal(b.len, TAR_BLOCK);
    buf_release(&b);
    b = header_of("a", INT64_C(1) << 33);
    assert_int_equal(b.len, 3 * TAR_BLOCK);
    assert_memory_equal(b.data + TAR_BLOCK, "19 size=8589934592\n", 19);
    buf_release(&b);
}

/* The length of a record counts its own digits. */
static void counts_its_own_digits(void **state)
{
    (void)state;
    char name[1100];
    for (size_t len = 101; len < 1090; len++) {
        (void)memset(name, 'n', len);
        name[len] = '\0';
        struct buf b = header_of(name, 1);
        unsigned said = 0;
        assert_int_equal(sscanf(b.data + TAR_BLOCK, "%4u ", &said), 1);
        assert_int_equal(b.data[TAR_BLOCK + said - 1], '\n');
        if (said % TAR_BLOCK)
            assert_int_equal(b.data[TAR_BLOCK + said], '\0');
        buf_release(&b);
    }
}

static void reads_only_its_own(void **state)
{
    (void)state;
    struct buf b = header_of("manifest.json", 77);
    int64_t size = 0, date = 0;
    assert_true(tar_header_read(b.data, "manifest.json", &size, &date));
    assert_int_equal(size, 77);
    assert_int_equal(date, 1780000000);
    assert_false(tar_header_read(b.data, "manifest.jsoN", &size, &date));
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        b.data[i] ^= 1;
        assert_false(tar_header_read(b.data, "manifest.json", &size, &date));
        b.data[i] ^= 1;
    }
    buf_release(&b);
}

static void repair(char *block)
{
    unsigned sum = 0;
    (void)memset(block + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += (unsigned char)block[i];
    (void)snprintf(block + 148, 8, "%06o", sum);
}

static void describes(void **state)
{
    (void)state;
    static const struct {
        char type;
        const char *what;
    } table[] = {{'0', "a file of another name, size, date or owner"},
                 {'1', "a hard link"},
                 {'2', "a symbolic link"},
                 {'3', "a device"},
                 {'5', "a folder"},
                 {'6', "a pipe"},
                 {'S', "a sparse file"},
                 {'L', "a long name"},
                 {'Z', "a member of an unknown kind"}};
    struct buf b = header_of("a", 1);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        b.data[156] = table[i].type;
        repair(b.data);
        assert_string_equal(tar_describe(b.data), table[i].what);
    }
    b.data[0] ^= 1;
    assert_string_equal(tar_describe(b.data), "no header of tar");
    (void)memset(b.data, 0, TAR_BLOCK);
    assert_string_equal(tar_describe(b.data), "the end of the archive");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_ustar),       cmocka_unit_test(writes_long_names),
        cmocka_unit_test(writes_large_sizes), cmocka_unit_test(counts_its_own_digits),
        cmocka_unit_test(reads_only_its_own), cmocka_unit_test(describes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
