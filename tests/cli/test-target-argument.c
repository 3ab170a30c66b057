// SPDX-License-Identifier: Apache-2.0
/* Arguments that name targets. */
#include "cli/target_argument.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"

/* Of words up to a NULL. */
static struct target_arguments take(char **words)
{
    struct target_arguments a = {0};
    int count = 0;

    while (words[count])
        count++;
    for (int i = 0; i < count; i++)
        assert_true(target_arguments_take(&a, count, words, &i));
    return a;
}

static void test_every_python_with_every_platform(void **state)
{
    char python[] = "--python=3.12", other[] = "--python", number[] = "3.13t";
    char platform[] = "--platform=win_amd64", second[] = "--platform=osx-arm64";
    char *words[] = {python, other, number, platform, second, NULL};
    struct target_arguments a = take(words);
    struct targets targets;
    const char *wrong = NULL;

    (void)state;
    assert_int_equal(target_arguments_make(&a, &targets, &wrong), 0);
    assert_int_equal(targets.count, 4);
    assert_string_equal(target_python(targets.list[0]), "3.12.0");
    assert_string_equal(target_pixi_platform(targets.list[3]), "osx-arm64");
    targets_release(&targets);
}

static void test_here(void **state)
{
    char python[] = "--python=3.12", here[] = "--target=here";
    char *words[] = {here, python, NULL};
    struct target_arguments a = take(words);
    struct targets targets;
    struct utsname machine;
    const char *wrong = NULL;

    (void)state;
    assert_int_equal(uname(&machine), 0);
    assert_int_equal(target_arguments_make(&a, &targets, &wrong), 0);
    assert_int_equal(targets.count, 1);
    struct marker_environment e = target_environment(targets.list[0]);
    assert_string_equal(e.strings[MARKER_PLATFORM_MACHINE], machine.machine);
    assert_string_equal(e.strings[MARKER_PLATFORM_RELEASE], machine.release);
    assert_string_equal(e.strings[MARKER_SYS_PLATFORM], "linux");
    targets_release(&targets);
}

static void test_wrong(void **state)
{
    char python[] = "--python=3.12", three[] = "--python=three", here[] = "--target=here";
    char there[] = "--target=there", amiga[] = "--platform=amiga",
         linux_word[] = "--platform=linux";
    struct {
        char *words[4];
        const char *said;
    } cases[] = {
        {{python, NULL}, "for which platform?"}, {{here, NULL}, "for which Python?"},
        {{python, there, NULL}, "there"},        {{python, amiga, NULL}, "amiga"},
        {{three, linux_word, NULL}, "three"},    {{three, here, NULL}, "three"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target_arguments a = take(cases[i].words);
        struct targets targets;
        const char *wrong = NULL;

        assert_int_equal(target_arguments_make(&a, &targets, &wrong), ERROR_CONFIG);
        assert_non_null(strstr(wrong, cases[i].said));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_python_with_every_platform),
        cmocka_unit_test(test_here),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
