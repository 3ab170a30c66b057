// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"

static char dir[64];

static int enter(void **state)
{
    (void)state;
    str_copy(dir, sizeof(dir), "/tmp/test-folder-XXXXXX");
    if (!mkdtemp(dir) || chdir(dir))
        return -1;
    return file_make_directory("top/a/b", 0755) || file_make_directory("outside", 0755) ? -1 : 0;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") || nftw(dir, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *path, const char *text)
{
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* ------------------------------------------------------------------- walking */

static bool wants(void *context, const char *name)
{
    (void)context;
    return str_ends(name, ".x");
}

static void note(struct buf *to, const char *kind, const char *path, const char *more)
{
    buf_printf(to, "%s %s %s;", kind, path, more);
}

static void visit(void *context, const char *path, const struct folder_file *file)
{
    char size[32];
    snprintf(size, sizeof(size), "%d", (int)file->size);
    note(context, "file", path, size);
    assert_true(file->inode && file->modified_ns > 0 && !file->is_unlinked);
}

static void trouble(void *context, const char *path, const char *what)
{
    note(context, "trouble", path, what);
}

static const struct folder_visitor visitor = {wants, visit, trouble};

/* In no order: the test looks for each by itself, and for their number. */
static void walk_sees(const char *root, const char *const *expected)
{
    auto_buf struct buf seen;
    const char *why = "";
    size_t count = 0, found = 0;
    buf_init(&seen, 1 << 20);
    assert_int_equal(folder_walk(root, &visitor, &seen, &why), 0);
    for (; *expected; expected++, count++)
        if (!strstr(seen.data, *expected))
            fail_msg("not seen: %s in %s", *expected, seen.data);
    for (const char *s = seen.data; *s; s++)
        found += *s == ';';
    assert_int_equal(found, count);
}

static void walks_what_is_of_interest(void **state)
{
    (void)state;
    write_file("top/1.x", "1");
    write_file("top/a/b/22.x", "22");
    write_file("top/a/no.y", "");
    write_file("top/.hidden.x", "");
    assert_int_equal(mkdir("top/.folder", 0755), 0);
    write_file("top/.folder/3.x", "");
    walk_sees("top", (const char *const[]){"file 1.x 1;", "file a/b/22.x 2;", NULL});
}

static void follows_links_inside_alone(void **state)
{
    (void)state;
    char inside[128];
    snprintf(inside, sizeof(inside), "%s/top/1.x", dir);
    write_file("outside/9.x", "");
    assert_int_equal(symlink("../1.x", "top/a/relative.x"), 0);
    assert_int_equal(symlink(inside, "top/a/absolute.x"), 0);
    assert_int_equal(symlink("../outside/9.x", "top/out.x"), 0);
    assert_int_equal(symlink("../outside", "top/out"), 0);
    assert_int_equal(symlink("..", "top/a/up"), 0);
    assert_int_equal(symlink("b", "top/a/c"), 0);
    assert_int_equal(symlink("nothing", "top/gone.x"), 0);
    assert_int_equal(symlink("nothing", "top/gone.y"), 0);
    assert_int_equal(symlink("loop.x", "top/loop.x"), 0);
    assert_int_equal(mkfifo("top/fifo.x", 0644), 0);
    assert_int_equal(symlink("../fifo.x", "top/a/fifo.x"), 0);
    walk_sees("top", (const char *const[]){"file 1.x 1;", "file a/b/22.x 2;", "file a/c/22.x 2;",
                                           "file a/relative.x 1;", "file a/absolute.x 1;",
                                           "trouble out.x a link that leads outside of the folder;",
                                           "trouble out a link that leads outside of the folder;",
                                           "trouble gone.x a link that leads nowhere;",
                                           "trouble loop.x a link that leads in circles;",
                                           "trouble fifo.x not a regular file;",
                                           "trouble a/fifo.x not a regular file;", NULL});
}

static void says_why_there_is_no_folder(void **state)
{
    (void)state;
    const char *why = "";
    auto_buf struct buf seen;
    buf_init(&seen, 1024);
    assert_int_equal(folder_walk("none", &visitor, &seen, &why), FOLDER_MISSING);
    assert_string_equal(why, "No such file or directory");
    assert_int_equal(folder_walk("top/1.x", &visitor, &seen, &why), FOLDER_MISSING);
    assert_string_equal(why, "Not a directory");
    assert_int_equal(seen.len, 0);
}

static void goes_no_deeper_than_it_says(void **state)
{
    (void)state;
    auto_buf struct buf path, seen;
    const char *why = "";
    buf_init(&path, 4096);
    buf_init(&seen, 4096);
    buf_puts(&path, "deep");
    for (int i = 0; i < FOLDER_DEPTH_MOST; i++)
        buf_puts(&path, "/d");
    assert_int_equal(file_make_directory(path.data, 0755), 0);
    assert_int_equal(folder_walk("deep", &visitor, &seen, &why), 0);
    assert_non_null(strstr(seen.data, "/d too deep a folder;"));
}

/* ------------------------------------------------------------------- opening */

static void opens_what_is_inside(void **state)
{
    (void)state;
    static const char *const good[] = {"1.x", "a/b/22.x", "a/relative.x", "a/absolute.x",
                                       "a/up/1.x"};
    static const char *const bad[] = {"none",           "1.x/2",  "out.x",  "out/9.x",
                                      "../outside/9.x", "gone.x", "loop.x", "/etc/passwd"};
    struct folder_file file;
    int fd;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(folder_open("top", good[i], &fd, &file), 0);
        char first;
        assert_int_equal(read(fd, &first, 1), 1);
        close(fd);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(folder_open("top", bad[i], &fd, &file), FOLDER_MISSING);
    assert_int_equal(folder_open("none", "1.x", &fd, &file), FOLDER_MISSING);
    assert_int_equal(folder_open("top", "a", &fd, &file), ERROR_IO);
    assert_int_equal(folder_open("top", "fifo.x", &fd, &file), ERROR_IO);
    assert_int_equal(folder_open("/", "etc/passwd", &fd, &file), 0);
    close(fd);
}

/* ------------------------------------------------------------------- changes */

/* The time of the last change ticks by a few milliseconds. */
static void wait_for_tick(const char *path)
{
    struct stat then, now;
    assert_int_equal(stat(path, &then), 0);
    do
        assert_int_equal(chmod(path, 0644) || stat(path, &now), 0);
    while (now.st_ctim.tv_nsec == then.st_ctim.tv_nsec);
}

static int open_fresh(const char *path, struct folder_file *ret)
{
    int fd;
    write_file(path, "abc");
    wait_for_tick(path);
    assert_int_equal(folder_open(".", path, &fd, ret), 0);
    assert_false(folder_was_touched(fd, ret));
    wait_for_tick("top/1.x"); /* whatever is done now has another time */
    return fd;
}

static void tells_of_writes(void **state)
{
    (void)state;
    struct folder_file file;
    int fd = open_fresh("written.x", &file);
    write_file("written.x", "abd");
    assert_true(folder_was_touched(fd, &file));
    close(fd);

    fd = open_fresh("cut.x", &file);
    assert_int_equal(truncate("cut.x", 1), 0);
    assert_true(folder_was_touched(fd, &file));
    close(fd);

    fd = open_fresh("hidden.x", &file); /* by someone who sets the time back */
    write_file("hidden.x", "abd");
    struct timespec t = {file.modified_ns / 1000000000, file.modified_ns % 1000000000};
    assert_int_equal(utimensat(AT_FDCWD, "hidden.x", (struct timespec[]){t, t}, 0), 0);
    struct folder_file now;
    assert_int_equal(folder_stat(fd, &now), 0);
    assert_true(folder_is_same(&now, &file));
    assert_true(folder_was_touched(fd, &file));
    close(fd);
}

static void tells_nothing_of_a_lost_name(void **state)
{
    (void)state;
    struct folder_file file;
    int fd = open_fresh("removed.x", &file);
    assert_int_equal(unlink("removed.x"), 0);
    assert_true(folder_was_touched(fd, &file) == false);
    close(fd);
    fd = open_fresh("replaced.x", &file);
    write_file("other.x", "other");
    assert_int_equal(rename("other.x", "replaced.x"), 0);
    assert_false(folder_was_touched(fd, &file));
    close(fd);
    fd = open_fresh("linked.x", &file); /* but what is written to one who has no name shows */
    int writer = open("linked.x", O_WRONLY);
    assert_int_equal(unlink("linked.x"), 0);
    assert_int_equal(write(writer, "z", 1), 1);
    assert_true(folder_was_touched(fd, &file));
    close(writer);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_what_is_of_interest),
        cmocka_unit_test(follows_links_inside_alone),
        cmocka_unit_test(says_why_there_is_no_folder),
        cmocka_unit_test(goes_no_deeper_than_it_says),
        cmocka_unit_test(opens_what_is_inside),
        cmocka_unit_test(tells_of_writes),
        cmocka_unit_test(tells_nothing_of_a_lost_name),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
