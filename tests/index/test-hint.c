// SPDX-License-Identifier: Apache-2.0
/* What is said of a wheel that is not there, from a page that page_write_project wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index/hint.h"
#include "index/page.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const struct page_file files[] = {
    {.name = "torch-2.6.0+cu126-cp313-cp313-win_amd64.whl", .href = "a", .version = "2.6.0+cu126"},
    {.name = "torch-2.9.0+cu126-cp39-cp39-win_amd64.whl", .href = "b", .version = "2.9.0+cu126"},
    {.name = "torch-2.9.0+cu126-cp313-cp313-win_amd64.whl", .href = "c", .version = "2.9.0+cu126"},
    {.name = "torch-2.9.0+cu126-cp313-cp313t-win_amd64.whl", .href = "d", .version = "2.9.0+cu126"},
    {.name = "torch-2.9.0+cu126-cp314-cp314-manylinux_2_28_x86_64.whl",
     .href = "e",
     .version = "2.9.0+cu126"},
};

static void expect(const char *file, const char *hint)
{
    struct page_content content = {.project = "torch", .files = files, .file_count = COUNT(files)};
    auto_buf struct buf html;
    auto_buf struct buf json;
    auto_buf struct buf to;

    buf_init(&html, 1 << 20);
    buf_init(&json, 1 << 20);
    buf_init(&to, 1 << 10);
    page_write_project(&content, PAGE_HTML, &html);
    page_write_project(&content, PAGE_JSON, &json);
    hint_of_file(file, html.data, json.data, &to);
    assert_int_equal(to.error, 0);
    assert_string_equal(to.data, hint);
}

static void test_files(void **state)
{
    (void)state;
    expect("torch-2.9.0+cu126-cp315-cp315-win_amd64.whl",
           "there is no cp315 wheel of 2.9.0+cu126 for win_amd64; there are cp39, cp313, cp313t");
    expect("torch-2.9.0+cu126-cp314-cp314-macosx_14_0_arm64.whl",
           "there is no cp314 wheel of 2.9.0+cu126 for macosx_arm64; there are linux_x86_64, "
           "win_amd64");
    expect("torch-2.10.0+cu126-cp313-cp313-win_amd64.whl",
           "there is no wheel of 2.10.0+cu126; there are 2.6.0+cu126 to 2.9.0+cu126");
    expect("torch-2.9.0+cu126-cp313-cp313-win_amd64.whl", "");
    expect("torch-2.9.0.tar.gz", "");
    expect("torch.whl", "");
}

static void test_an_empty_page(void **state)
{
    auto_buf struct buf to;

    (void)state;
    buf_init(&to, 1 << 10);
    hint_of_file("torch-2.9.0-py3-none-any.whl", "", "", &to);
    assert_string_equal(to.data, "");
}

static void test_near_names(void **state)
{
    static const char *const near[][2] = {
        {"torchvision", "torchvison"},
        {"torchvision", "torch-vision"},
        {"torch", "troch"},
        {"torchaudio", "torchaudo"},
        {"torch", "torchh"},
    };
    static const char *const far[][2] = {
        {"torch", "pitch"},
        {"torch", "to"},
        {"torchvision", "torchaudio"},
        {"six", "sex"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(near); i++)
        assert_true(hint_is_near(near[i][0], near[i][1]));
    for (size_t i = 0; i < COUNT(far); i++)
        assert_false(hint_is_near(far[i][0], far[i][1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_an_empty_page),
        cmocka_unit_test(test_near_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
