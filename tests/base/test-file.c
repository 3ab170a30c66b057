// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

static char dir[64];

static int enter(void **state)
{
    (void)state;
    str_copy(dir, sizeof(dir), "/tmp/test-file-XXXXXX");
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int leave(void **state)
{
    (void)state;
    return nftw(dir, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static void makes_directories(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory("a/b//c/", 0755), 0);
    assert_int_equal(file_make_directory("a/b/c", 0755), 0);
    assert_int_equal(file_make_directory(dir, 0755), 0);
    assert_int_equal(file_make_directory("/", 0755), 0);
    assert_int_equal(access("a/b/c", F_OK), 0);
    assert_int_equal(file_make_directory("", 0755), ERROR_IO);
    assert_int_equal(file_replace("a/file", "x", 1), 0);
    assert_int_equal(file_make_directory("a/file", 0755), ERROR_IO);
    assert_int_equal(file_make_directory("a/file/d", 0755), ERROR_IO);
}

static void says_how_far_a_directory_is(void **state)
{
    static const struct {
        const char *directory, *at;
        int error;
    } table[] = {
        {"there", "there", 0},
        {"there/not/yet", "there", 0},
        {"there/file", "there/file", ENOTDIR},
        {"there/file/d", "there/file", ENOTDIR},
    };
    (void)state;
    assert_int_equal(file_make_directory("there", 0755), 0);
    assert_int_equal(file_replace("there/file", "x", 1), 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        auto_free char *at = NULL;
        assert_int_equal(file_may_make(table[i].directory, &at), table[i].error);
        assert_string_equal(at, table[i].at);
    }
    assert_int_equal(access("there/not", F_OK), -1); /* nothing was made */
}

static void replaces_and_reads(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 8);
    assert_int_equal(file_read_all("none", &b), FILE_MISSING);
    assert_int_equal(file_replace("f", "first text", 10), 0);
    assert_int_equal(file_replace("f", "12345678", 8), 0);
    assert_int_equal(access("f.new", F_OK), -1);
    assert_int_equal(file_read_all("f", &b), 0); /* exactly full */
    assert_string_equal(b.data, "12345678");
    buf_clear(&b);
    assert_int_equal(file_replace("f", "123456789", 9), 0);
    assert_int_equal(file_read_all("f", &b), ERROR_TOO_BIG);
    assert_int_equal(file_replace("empty", "", 0), 0);
    buf_clear(&b);
    assert_int_equal(file_read_all("empty", &b), 0);
    assert_int_equal(b.len, 0);
}

static void a_failed_replace_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(file_replace("missing/f", "x", 1), ERROR_IO);
    assert_int_equal(file_make_directory("taken/full", 0755), 0);
    assert_int_equal(file_replace("taken", "x", 1),
                     ERROR_NOT_FILE); /* a directory cannot be replaced */
    assert_int_equal(access("taken.new", F_OK), -1);
    assert_int_equal(access("taken/full", F_OK), 0);
}

static void large_and_sparse(void **state)
{
    (void)state;
    auto_close int fd = open("big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    auto_buf struct buf b;
    char got[3];
    int64_t far = INT64_C(5) << 30;
    assert_true(fd >= 0);
    assert_int_equal(file_write_at(fd, "end", 3, far), 0);
    assert_int_equal(file_read_at(fd, got, 3, far), 0);
    assert_memory_equal(got, "end", 3);
    assert_int_equal(file_read_at(fd, got, 3, far + 1), ERROR_IO);
    assert_int_equal(ftruncate(fd, 200000), 0);
    buf_init(&b, 1 << 20);
    assert_int_equal(file_read_all("big", &b), 0);
    assert_int_equal(b.len, 200000);
}

static void a_full_disk_says_so(void **state)
{
    (void)state;
    auto_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        skip();
    assert_int_equal(file_write_at(fd, "x", 1, 0), ERROR_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_directories),   cmocka_unit_test(replaces_and_reads),
        cmocka_unit_test(large_and_sparse),    cmocka_unit_test(a_failed_replace_leaves_nothing),
        cmocka_unit_test(a_full_disk_says_so), cmocka_unit_test(says_how_far_a_directory_is),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
