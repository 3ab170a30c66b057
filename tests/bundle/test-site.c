// SPDX-License-Identifier: Apache-2.0
/* The pages of a bundle: which there are, in which order, and which links they have. */
#include "bundle/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char id[] = "lab-1", name[] = "lab", a_origin[] = "pypi", b_origin[] = "pytorch",
            b_name[] = "b", a_name[] = "a", a_path[] = "x/a-1-py3-none-any.whl",
            b_path[] = "x/b-1+cpu-py3-none-any.whl", b_again[] = "y/b-1+cpu-py3-none-any.whl",
            requires[] = ">=3.9", reason[] = "a <bad> one";

static struct manifest_file files[] = {
    {.origin = a_origin,
     .path = a_path,
     .project = a_name,
     .kind = FILE_WHEEL,
     .requires_python = requires,
     .bytes = {.size = 5, .sha256 = SHA_A},
     .metadata = {.size = 3, .sha256 = SHA_B}},
    {.origin = a_origin,
     .path = b_path,
     .project = b_name,
     .kind = FILE_WHEEL,
     .yanked = true,
     .yanked_reason = reason,
     .bytes = {.size = 6, .sha256 = SHA_A},
     .metadata.size = -1},
    {.origin = b_origin,
     .path = b_again,
     .project = b_name,
     .kind = FILE_WHEEL,
     .bytes = {.size = 7, .sha256 = SHA_B},
     .metadata.size = -1},
};
static struct manifest manifest = {
    .id = id, .name = name, .date_s = 1780000000, .files = files, .file_count = 3};

static struct buf page_of(struct static_site *site, const char *path)
{
    struct buf page;
    buf_init(&page, SITE_PAGE_MAX);
    for (size_t i = 0; i < site_count(site); i++)
        if (strcmp(site_path(site, i), path) == 0)
            site_write(site, i, &page);
    assert_int_equal(page.error, 0);
    assert_true(page.len > 0);
    return page;
}

static void names_its_pages_in_order(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "README.txt",          "simple/a/index.html", "simple/a/index.json", "simple/b/index.html",
        "simple/b/index.json", "simple/index.html",   "simple/index.json"};
    struct static_site *site;
    assert_int_equal(site_new(&manifest, &site), 0);
    assert_int_equal(site_count(site), sizeof(expected) / sizeof(*expected));
    for (size_t i = 0; i < site_count(site); i++)
        assert_string_equal(site_path(site, i), expected[i]);
    site_free(site);
}

static void links_are_relative_and_encoded(void **state)
{
    (void)state;
    struct static_site *site;
    assert_int_equal(site_new(&manifest, &site), 0);
    struct buf page = page_of(site, "simple/a/index.html");
    assert_non_null(
        strstr(page.data, "href=\"../../files/pypi/x/a-1-py3-none-any.whl#sha256=" SHA_A "\""));
    assert_non_null(strstr(page.data, "data-core-metadata=\"sha256=" SHA_B "\""));
    assert_non_null(strstr(page.data, "data-requires-python=\"&gt;=3.9\""));
    buf_release(&page);
    page = page_of(site, "simple/b/index.html");
    assert_non_null(strstr(page.data, "../../files/pypi/x/b-1%2Bcpu-py3-none-any.whl#"));
    assert_non_null(strstr(page.data, "data-yanked=\"a &lt;bad&gt; one\""));
    assert_null(strstr(page.data, "data-core-metadata"));
    buf_release(&page);
    site_free(site);
}

/* Two files of one name are other bytes: a client could not tell which it gets. */
static void a_name_stands_once_on_a_page(void **state)
{
    (void)state;
    struct static_site *site;
    assert_int_equal(site_new(&manifest, &site), 0);
    struct buf page = page_of(site, "simple/b/index.json");
    assert_non_null(strstr(page.data, "files/pypi/x/b-1"));
    assert_null(strstr(page.data, "files/pytorch/y/b-1"));
    buf_release(&page);
    site_free(site);
}

static void is_the_same_each_time(void **state)
{
    (void)state;
    struct static_site *site;
    assert_int_equal(site_new(&manifest, &site), 0);
    for (size_t i = 0; i < site_count(site); i++) {
        struct buf one = page_of(site, site_path(site, i)), two = page_of(site, site_path(site, i));
        assert_string_equal(one.data, two.data);
        buf_release(&one);
        buf_release(&two);
    }
    site_free(site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_its_pages_in_order),
        cmocka_unit_test(links_are_relative_and_encoded),
        cmocka_unit_test(a_name_stands_once_on_a_page),
        cmocka_unit_test(is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
