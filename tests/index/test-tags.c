// SPDX-License-Identifier: Apache-2.0
/* Requirements, tags and labels; tests/e2e/pages/test_packaging.py compares the rest with python's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "index/specifier.h"
#include "index/tags.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void test_requirements(void **state)
{
    static const struct {
        const char *text, *project, *version;
        bool admits;
    } cases[] = {
        {"torch", "torch", "0.0.1.dev1", true},
        {" Torch_Vision ", "torch-vision", "1", true},
        {"torch==2.9.0", "torch", "2.9.0+cu126", true},
        {"torch[a, b] >= 2.9 , <3", "torch", "2.10", true},
        {"torch (~=2.9.0)", "torch", "2.10", false},
        {"torch ()", "torch", "2.10", true},
    };
    char project[NAME_MAX_BYTES + 1];
    struct specifiers *s;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(requirement_parse(cases[i].text, project, &s), 0);
        assert_string_equal(project, cases[i].project);
        assert_int_equal(specifiers_contain(s, cases[i].version), cases[i].admits);
        specifiers_free(s);
    }
}

static void test_no_requirements(void **state)
{
    static const char *const cases[] = {
        "",
        "==1",
        "torch=1",
        "torch 2.9",
        "torch @ https://x/y.whl",
        "torch; python_version > '3'",
        "-torch",
        "torch[a",
        "torch==",
        "torch>=1.*",
        "torch~=1",
        "torch>1+local",
    };
    char project[NAME_MAX_BYTES + 1] = "untouched";
    struct specifiers *s = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (requirement_parse(cases[i], project, &s) != ERROR_BAD_REQUEST)
            fail_msg("%s", cases[i]);
    assert_string_equal(project, "untouched");
    assert_null(s);
}

static void test_bounds(void **state)
{
    char text[4 * SPECIFIERS_MAX + 8] = "";
    struct specifiers *s;

    (void)state;
    for (size_t i = 0; i < SPECIFIERS_MAX; i++)
        memcpy(text + 3 * i, ">0,", 4);
    assert_int_equal(specifiers_parse(text, &s), 0);
    assert_true(specifiers_contain(s, "1"));
    specifiers_free(s);
    memcpy(text + 3 * (size_t)SPECIFIERS_MAX, ">0", 3);
    assert_int_equal(specifiers_parse(text, &s), ERROR_TOO_BIG);
}

static void test_pins(void **state)
{
    static const struct {
        const char *text;
        bool pinned, names_prerelease;
    } cases[] = {
        {"", false, false},      {"==1.0", true, false},     {">0,===1.0rc1", true, true},
        {"==1.*", false, false}, {"!=1.0rc1", false, false}, {">=1.0.dev0", false, true},
    };
    struct specifiers *s;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(specifiers_parse(cases[i].text, &s), 0);
        assert_int_equal(specifiers_are_pinned(s), cases[i].pinned);
        assert_int_equal(specifiers_name_prerelease(s), cases[i].names_prerelease);
        specifiers_free(s);
    }
}

static void test_labels(void **state)
{
    static const struct {
        const char *file, *python, *platform;
        long build;
    } cases[] = {
        {"a-1-cp313-cp313-win_amd64.whl", "cp313", "win_amd64", -1},
        {"a-1-7x-cp313-cp313t-manylinux_2_28_x86_64.whl", "cp313t", "linux_x86_64", 7},
        {"a-1-cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "cp38-abi3",
         "linux_x86_64", -1},
        {"a-1-CP39-cp39-macosx_11_0_ARM64.whl", "cp39", "macosx_arm64", -1},
        {"a-1-py2.py3-none-any.whl", "py2", "any", -1},
        {"a-1-py3-none-musllinux_1_2_aarch64.whl", "py3", "musllinux_aarch64", -1},
        {"a-1-py3-none-linux_x86_64.whl", "py3", "linux_x86_64", -1},
    };
    struct wheel_tags wheel;
    char label[NAME_MAX_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(wheel_tags_parse(cases[i].file, &wheel));
        wheel_tags_python_label(&wheel, label);
        assert_string_equal(label, cases[i].python);
        wheel_tags_platform_label(&wheel, label);
        assert_string_equal(label, cases[i].platform);
        assert_int_equal(wheel.build, cases[i].build);
    }
    assert_false(wheel_tags_parse("a-1.tar.gz", &wheel));
    assert_false(wheel_tags_parse("a-1-cp313-win_amd64.whl", &wheel));
}

static void test_halves(void **state)
{
    struct tags *tags;
    struct wheel_tags wheel;

    (void)state;
    assert_int_equal(tags_expand("3.13.2", "manylinux_2_28_x86_64", 0, &tags), 0);
    assert_string_equal(tags_python(tags), "3.13.2");
    assert_string_equal(tags_interpreter(tags), "cp313");
    assert_true(wheel_tags_parse("a-1-cp314-cp314-manylinux_2_17_x86_64.whl", &wheel));
    assert_int_equal(tags_rank(tags, &wheel), -1);
    assert_false(tags_fit_python(tags, &wheel));
    assert_true(tags_fit_platform(tags, &wheel));
    assert_true(wheel_tags_parse("a-1-cp312-abi3-manylinux_2_39_x86_64.whl", &wheel));
    assert_true(tags_fit_python(tags, &wheel));
    assert_false(tags_fit_platform(tags, &wheel));
    tags_free(tags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requirements), cmocka_unit_test(test_no_requirements),
        cmocka_unit_test(test_bounds),       cmocka_unit_test(test_pins),
        cmocka_unit_test(test_labels),       cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
