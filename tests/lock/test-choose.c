// SPDX-License-Identifier: Apache-2.0
/* Targets, markers in brief, and what is chosen of small locks. Real ones:
 * tests/e2e/locks/test_chosen.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "lock/choose.h"

static struct target *make_target(const char *python, const char *platform)
{
    const struct target_request request = {.python = python, .platform = platform};
    struct target *target = NULL;

    assert_int_equal(target_new(&request, &target), 0);
    return target;
}

static void test_targets(void **state)
{
    static const struct {
        const char *platform, *machine, *sys_platform, *pixi, *wheel;
    } cases[] = {
        {"linux_x86_64", "x86_64", "linux", "linux-64",
         "a-1-cp312-cp312-manylinux_2_28_x86_64.whl"},
        {"manylinux_2_17_aarch64", "aarch64", "linux", "linux-aarch64",
         "a-1-cp312-abi3-manylinux2014_aarch64.whl"},
        {"musllinux_1_2_x86_64", "x86_64", "linux", "linux-64",
         "a-1-cp312-cp312-musllinux_1_1_x86_64.whl"},
        {"x86_64-manylinux_2_31", "x86_64", "linux", "linux-64",
         "a-1-cp312-cp312-manylinux_2_31_x86_64.whl"},
        {"macos_arm64", "arm64", "darwin", "osx-arm64", "a-1-cp312-cp312-macosx_11_0_arm64.whl"},
        {"macosx-11.0-arm64", "arm64", "darwin", "osx-arm64",
         "a-1-cp312-cp312-macosx_11_0_universal2.whl"},
        {"osx-64", "x86_64", "darwin", "osx-64", "a-1-cp312-cp312-macosx_10_9_x86_64.whl"},
        {"win_amd64", "AMD64", "win32", "win-64", "a-1-cp312-cp312-win_amd64.whl"},
        {"aarch64-pc-windows-msvc", "ARM64", "win32", "win-arm64", "a-1-cp312-cp312-win_arm64.whl"},
        {"win32", "x86", "win32", "win-32", "a-1-cp312-cp312-win32.whl"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target *target = make_target("3.12", cases[i].platform);
        struct marker_environment e = target_environment(target);
        struct wheel_tags wheel;

        assert_string_equal(e.strings[MARKER_PLATFORM_MACHINE], cases[i].machine);
        assert_string_equal(e.strings[MARKER_SYS_PLATFORM], cases[i].sys_platform);
        assert_string_equal(target_pixi_platform(target), cases[i].pixi);
        assert_true(wheel_tags_parse(cases[i].wheel, &wheel));
        assert_true(tags_rank(target_tags(target), &wheel) >= 0);
        target_free(target);
    }
}

static void test_pythons(void **state)
{
    static const char *const cases[][3] = {
        {"3.12", "3.12", "3.12.0"}, {"3.12.4", "3.12", "3.12.4"}, {"3.13t", "3.13", "3.13.0"}};
    const struct target_request wrong[] = {
        {.python = "3", .platform = "linux_x86_64"},
        {.python = "3.12", .platform = "amiga"},
        {.python = "3.12", .platform = ""},
        {.python = "3.12",
         .platform = "linux"
                     "_"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target *target = make_target(cases[i][0], "linux_x86_64");
        struct marker_environment e = target_environment(target);

        assert_string_equal(e.strings[MARKER_PYTHON_VERSION], cases[i][1]);
        assert_string_equal(e.strings[MARKER_PYTHON_FULL_VERSION], cases[i][2]);
        target_free(target);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct target *target = NULL;

        assert_int_equal(target_new(&wrong[i], &target), ERROR_BAD_REQUEST);
    }
}

static void test_markers(void **state)
{
    static const struct {
        const char *text;
        int holds; /* or an error */
    } cases[] = {
        {"", 1},
        {"sys_platform == 'linux'", 1},
        {"python_version < '3.9' or (os_name == 'posix' and '3.9' < python_version)", 1},
        {"python_version >= '3.9'", 1},
        {"platform_release >= '6'", 0},
        {"extra == 'A_b'", 1},
        {"extra != 'a.B'", 0},
        {"os_name ~= 'x'", ERROR_BAD_REQUEST},
        {"os_name", ERROR_BAD_REQUEST},
        {"os_name == 'a\\b'", ERROR_BAD_REQUEST},
    };
    static const char *const names[] = {"a-B"};
    struct target *target = make_target("3.12", "linux_x86_64");
    struct marker_environment e = target_environment(target);

    (void)state;
    e.extra = (struct marker_names){names, 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool holds = false;
        int r = marker_text_holds(cases[i].text, &e, &holds);

        assert_int_equal(r ? r : holds, cases[i].holds);
    }
    target_free(target);
}

static void test_deep_markers(void **state)
{
    char text[4 * MARKER_MAX_DEPTH + 64] = "";
    struct marker *marker = NULL;

    (void)state;
    for (int i = 0; i <= MARKER_MAX_DEPTH; i++)
        (void)strncat(text, "(", 2);
    (void)strncat(text, "os_name == 'x'", 16);
    assert_int_equal(marker_parse(text, &marker), ERROR_TOO_BIG);
}

/* ------------------------------------------------------------------ choices */

/* What is chosen, as "project version file" a line. */
static char *choose(const char *name, const char *text, const struct lock_wish *wish, char *ret,
                    size_t size)
{
    const struct lock_input input = {.name = name, .text = text, .len = strlen(text)};
    struct lock_choice choice;
    struct lock_wrong wrong;
    struct lock *lock = NULL;
    struct buf to;

    buf_init(&to, size - 1);
    assert_int_equal(lock_read(&input, &lock, &wrong), 0);
    assert_int_equal(lock_choose(lock, wish, &choice), 0);
    for (size_t i = 0; i < choice.file_count; i++)
        buf_printf(&to, "%s ", lock->files[choice.files[i]].name);
    for (size_t i = 0; i < choice.miss_count; i++)
        buf_printf(&to, "!%s: %s ", lock->packages[choice.misses[i].package].project,
                   choice.misses[i].reason);
    if (choice.is_outside)
        buf_puts(&to, "outside");
    (void)snprintf(ret, size, "%s", to.data);
    buf_release(&to);
    lock_choice_release(&choice);
    lock_free(lock);
    return ret;
}

#define PACKAGE(name, files)                                                                       \
    "[[package]]\nname = '" name "'\nversion = '1'\nsource = { registry = 'https://i/s' }\n" files
#define SDIST(name) "sdist = { url = 'https://h/" name "-1.tar.gz' }\n"

static const char small[] =
    "version = 1\nrequires-python = '>=3.11'\n"
    "[[package]]\nname = 'app'\nversion = '0'\nsource = { editable = '.' }\n"
    "dependencies = [{ name = 'a', extra = ['x'] }, { name = 'w', marker = \"os_name == 'nt'\" }]\n"
    "[package.optional-dependencies]\nmore = [{ name = 'b' }]\n"
    "[package.dev-dependencies]\ndev = [{ name = 'd' }]\ndocs = [{ name = 'e' }]\n" PACKAGE(
        "a", "wheels = [{ url = 'https://h/a-1-cp311-cp311-linux_x86_64.whl' },"
             "{ url = 'https://h/a-1-py3-none-any.whl' },"
             "{ url = 'https://h/a-1-2-py3-none-any.whl' },"
             "{ url = 'https://h/a-1-cp312-cp312-win_amd64.whl' }]\n"
             "[package.optional-dependencies]\nx = [{ name = 'c' }]\n") PACKAGE("b", SDIST("b"))
        PACKAGE("c", SDIST("c")) PACKAGE("d", SDIST("d")) PACKAGE("e", SDIST("e"))
            PACKAGE("w", "wheels = [{ url = 'https://h/w-1-cp312-cp312-linux_x86_64.whl' }]\n");

static void test_uv(void **state)
{
    static const char *const more[] = {"More"};
    static const char *const docs[] = {"docs"};
    char text[1024];
    struct target *linux_target = make_target("3.12", "linux_x86_64");
    struct target *windows = make_target("3.12", "win_amd64");
    struct target *old = make_target("3.10", "linux_x86_64");
    struct lock_wish wish = {.target = linux_target};

    (void)state;
    /* The higher build; the extra of a; the group dev. */
    assert_string_equal(choose("uv.lock", small, &wish, text, sizeof text),
                        "a-1-2-py3-none-any.whl c-1.tar.gz d-1.tar.gz ");
    wish.no_default_groups = true;
    wish.extras = more;
    wish.extra_count = 1;
    assert_string_equal(choose("uv.lock", small, &wish, text, sizeof text),
                        "a-1-2-py3-none-any.whl b-1.tar.gz c-1.tar.gz ");
    wish = (struct lock_wish){.target = windows, .groups = docs, .group_count = 1};
    assert_string_equal(choose("uv.lock", small, &wish, text, sizeof text),
                        "a-1-cp312-cp312-win_amd64.whl c-1.tar.gz d-1.tar.gz e-1.tar.gz "
                        "!w: no wheel of it fits, and it has no sdist ");
    wish = (struct lock_wish){.target = linux_target, .no_sdist = true, .no_default_groups = true};
    assert_string_equal(choose("uv.lock", small, &wish, text, sizeof text),
                        "a-1-2-py3-none-any.whl !c: no wheel of it fits, and sdists are not "
                        "wanted ");
    wish = (struct lock_wish){.target = old, .no_default_groups = true};
    assert_string_equal(choose("uv.lock", small, &wish, text, sizeof text),
                        "a-1-2-py3-none-any.whl c-1.tar.gz outside");
    target_free(linux_target);
    target_free(windows);
    target_free(old);
}

/* Of two forks of a name the one whose markers hold, where the dependency does not say which. */
static void test_forks(void **state)
{
    static const char forked[] =
        "version = 1\n[manifest]\nrequirements = [{ name = 'f' }]\n"
        "[[package]]\nname = 'f'\nversion = '1'\nsource = { registry = 'https://i/s' }\n"
        "resolution-markers = [\"os_name == 'nt'\"]\n" SDIST(
            "f") "[[package]]\nname = 'f'\nversion = '2'\nsource = { registry = 'https://i/s' }\n"
                 "resolution-markers = [\"os_name == 'java'\", \"os_name == 'posix'\"]\n"
                 "sdist = { url = 'https://h/f-2.tar.gz' }\n";
    char text[256];
    struct target *target = make_target("3.12", "linux_x86_64");
    const struct lock_wish wish = {.target = target};

    (void)state;
    assert_string_equal(choose("uv.lock", forked, &wish, text, sizeof text), "f-2.tar.gz ");
    target_free(target);
}

/* An undefined marker is an error, not a guess. */
static void test_undefined_markers(void **state)
{
    static const char text[] = "lock-version = '1.0'\n[[packages]]\nname = 'a'\n"
                               "marker = \"os_name ~= 'x'\"\n";
    const struct lock_input input = {.name = "pylock.toml", .text = text, .len = strlen(text)};
    struct target *target = make_target("3.12", "linux_x86_64");
    const struct lock_wish wish = {.target = target};
    struct lock_choice choice;
    struct lock_wrong wrong;
    struct lock *lock = NULL;

    (void)state;
    assert_int_equal(lock_read(&input, &lock, &wrong), 0);
    assert_int_equal(lock_choose(lock, &wish, &choice), ERROR_BAD_REQUEST);
    lock_free(lock);
    target_free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_pythons),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_deep_markers),
        cmocka_unit_test(test_uv),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_undefined_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
