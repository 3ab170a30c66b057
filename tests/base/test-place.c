// SPDX-License-Identifier: Apache-2.0
/* A file is replaced in a folder that somebody else has prepared. In a scratch folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/place.h"

static int in_scratch_folder(void **state)
{
    static char name[] = "/tmp/test-place-XXXXXX";
    (void)state;
    return mkdtemp(name) && chdir(name) == 0 ? 0 : -1;
}

static void put(const char *path, const char *text)
{
    assert_int_equal(file_replace(path, text, strlen(text)), 0);
}

static void assert_text(const char *path, const char *text)
{
    auto_buf struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(file_read_all(path, &b), 0);
    assert_string_equal(b.data, text);
}

static int count_names(void)
{
    int count = 0;
    DIR *dir = opendir(".");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(dir);
    return count;
}

static void empty(void)
{
    assert_int_equal(system("rm -rf -- * .[!.]*"), 0);
}

static void mode_is_kept_and_nothing_is_left(void **state)
{
    struct stat st;

    (void)state;
    put("f", "old");
    assert_int_equal(chmod("f", 0640), 0);
    put("f", "new");
    assert_text("f", "new");
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(count_names(), 1);
    if (geteuid() == 0) {
        assert_int_equal(chown("f", 65534, 65534), 0);
        put("f", "newer");
        assert_int_equal(stat("f", &st), 0);
        assert_int_equal(st.st_uid, 65534);
        assert_int_equal(st.st_mode & 07777, 0640);
    }
    empty();
}

static void names_that_can_be_foreseen_lead_nowhere(void **state)
{
    struct place place;
    auto_free char *copy = NULL;

    (void)state;
    put("victim", "precious");
    put("f", "old");
    assert_int_equal(symlink("victim", "f.new"), 0);
    assert_int_equal(symlink("victim", "f.bak"), 0);
    assert_int_equal(symlink("not-there", "f.bak2"), 0);
    assert_int_equal(mkfifo("f.bak3", 0600), 0);
    assert_int_equal(place_open("f", &place), 0);
    assert_int_equal(place_copy(&place, ".bak", "old", 3, &copy), 0);
    assert_string_equal(copy, "f.bak4");
    assert_int_equal(place_replace(&place, "new", 3), 0);
    place_close(&place);
    assert_text("victim", "precious");
    assert_text("f", "new");
    assert_text("f.bak4", "old");
    assert_int_equal(access("not-there", F_OK), -1);
    empty();
}

static void a_link_to_a_file_of_its_owner_stays_one(void **state)
{
    struct place place;
    struct stat st;

    (void)state;
    assert_int_equal(mkdir("dots", 0755), 0);
    put("dots/f", "old");
    assert_int_equal(symlink("dots/f", "f"), 0);
    assert_int_equal(place_open("f", &place), 0);
    assert_true(place.was_link);
    assert_int_equal(place_replace(&place, "new", 3), 0);
    place_close(&place);
    assert_int_equal(lstat("f", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_text("dots/f", "new");
    if (geteuid() == 0) {
        assert_int_equal(lchown("f", 65534, 65534), 0);
        assert_int_equal(place_open("f", &place), ERROR_DENIED);
    }
    empty();
}

static void what_is_no_file_is_refused_at_once(void **state)
{
    struct place place;
    auto_buf struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(symlink("pipe", "to-pipe"), 0);
    assert_int_equal(symlink("/dev/zero", "to-device"), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    static const char *const names[] = {"pipe", "folder", "to-pipe", "to-device"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(place_open(names[i], &place), ERROR_NOT_FILE);
        assert_int_equal(file_read_all(names[i], &b), ERROR_NOT_FILE);
    }
    assert_int_equal(place_open("loop", &place), ERROR_DENIED);
    assert_int_equal(place_open("/dev/zero", &place), ERROR_NOT_FILE);
    assert_int_equal(file_read_all("/dev/null", &b), 0);
    assert_int_equal(b.len, 0);
    empty();
}

static void what_was_exchanged_meanwhile_stays(void **state)
{
    struct place place;
    auto_buf struct buf b;

    (void)state;
    buf_init(&b, 4096);
    put("f", "old");
    assert_int_equal(place_open("f", &place), 0);
    put("other", "theirs");
    assert_int_equal(rename("other", "f"), 0);
    assert_int_equal(place_read(&place, &b), ERROR_IO);
    assert_int_equal(place_replace(&place, "ours", 4), ERROR_IO);
    assert_int_equal(place_remove(&place), ERROR_IO);
    place_close(&place);
    assert_text("f", "theirs");
    assert_int_equal(place_open("new", &place), 0);
    assert_int_equal(place_read(&place, &b), FILE_MISSING);
    assert_int_equal(symlink("f", "new"), 0);
    assert_int_equal(place_replace(&place, "ours", 4), ERROR_IO);
    place_close(&place);
    assert_text("f", "theirs");
    assert_int_equal(count_names(), 2);
    empty();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_is_kept_and_nothing_is_left),
        cmocka_unit_test(names_that_can_be_foreseen_lead_nowhere),
        cmocka_unit_test(a_link_to_a_file_of_its_owner_stays_one),
        cmocka_unit_test(what_is_no_file_is_refused_at_once),
        cmocka_unit_test(what_was_exchanged_meanwhile_stays),
    };
    return cmocka_run_group_tests(tests, in_scratch_folder, NULL);
}
