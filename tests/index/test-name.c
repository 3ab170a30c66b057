// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "data.h"
#include "index/version.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void test_project_names(void **state)
{
    static const struct {
        const char *text;
        const char *normal; /* NULL: no name */
    } cases[] = {
        {"torch", "torch"},
        {"TorchCodec", "torchcodec"},
        {"ruamel.yaml__x-.-y", "ruamel-yaml-x-y"},
        {"a", "a"},
        {"9", "9"},
        {"", NULL},
        {"-a", NULL},
        {"a.", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"a+b", NULL},
        {"\xC3\xA9", NULL},
    };
    char text[NAME_MAX_BYTES + 2];
    char normal[NAME_MAX_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int r = name_normalize(cases[i].text, normal);

        assert_int_equal(r, cases[i].normal ? 0 : ERROR_BAD_REQUEST);
        if (cases[i].normal)
            assert_string_equal(normal, cases[i].normal);
    }
    memset(text, 'x', sizeof(text));
    text[NAME_MAX_BYTES] = '\0';
    assert_int_equal(name_normalize(text, normal), 0);
    text[NAME_MAX_BYTES] = 'x';
    text[NAME_MAX_BYTES + 1] = '\0';
    assert_int_equal(name_normalize(text, normal), ERROR_BAD_REQUEST);
}

struct file_case {
    const char *file;
    enum file_kind kind;
    const char *project;
    const char *version;
};

static void test_file_names(void **state)
{
    static const struct file_case cases[] = {
        {"torch-2.9.0+cu126-cp312-cp312-manylinux_2_28_x86_64.whl", FILE_WHEEL, "torch",
         "2.9.0+cu126"},
        {"torch-2.0.0-1-cp310-cp310-linux_x86_64.whl", FILE_WHEEL, "torch", "2.0.0"},
        {"torch-0.1.10.post2-cp27-none-linux_x86_64.whl", FILE_WHEEL, "torch", "0.1.10.post2"},
        {"TorchCodec-0.2.0+cu126-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
         FILE_WHEEL, "torchcodec", "0.2.0+cu126"},
        {"torchrec_cpu-0.1.1-3.7-none-any.whl", FILE_WHEEL_INVALID, "torchrec-cpu", "0.1.1"},
        {"a-1.0-x1-py3-none-any.whl", FILE_WHEEL_INVALID, "a", "1.0"},
        {"a__b-1.0-py3-none-any.whl", FILE_WHEEL_INVALID, "a-b", "1.0"},
        {"a&b-1.0-py3-none-any.whl", FILE_WHEEL_INVALID, "a&b", "1.0"},
        {"a-2010i-py3-none-any.whl", FILE_WHEEL_INVALID, "a", "2010i"},
        {"a-1.0-py3..py2-none-any.whl", FILE_WHEEL_INVALID, "a", "1.0"},
        {"a-1.0-py3--any.whl", FILE_WHEEL_INVALID, "a", "1.0"},
        {"torch-2.13.0-cp313-cp313-manylinux_2_28_x86_64-cuda13.2.whl", FILE_WHEEL_INVALID, "torch",
         "2.13.0"},
        {"torch-2.13.0-1-cp313-cp313-linux_x86_64-cuda13.2.whl", FILE_WHEEL_INVALID, "torch",
         "2.13.0"},
        {"a-1-2-3-4-5-6-7.whl", FILE_OTHER, NULL, NULL},
        {"a-1.0-none-any.whl", FILE_OTHER, NULL, NULL},
        {"-1.0-py3-none-any.whl", FILE_OTHER, NULL, NULL},
        {"a-1.0-py3-none-any.WHL", FILE_OTHER, NULL, NULL},
        {"a-1.0-py3-none-any.whl.metadata", FILE_OTHER, NULL, NULL},
        {"lit-15.0.7.tar.gz", FILE_SDIST, "lit", "15.0.7"},
        {"mpmath-docsrc-0.19.tar.gz", FILE_SDIST, "mpmath-docsrc", "0.19"},
        {"a.B_c-1.0RC1.zip", FILE_SDIST, "a-b-c", "1.0rc1"},
        {"a-.zip", FILE_OTHER, NULL, NULL},
        {"-1.0.zip", FILE_OTHER, NULL, NULL},
        {"a.zip", FILE_OTHER, NULL, NULL},
        {".whl", FILE_OTHER, NULL, NULL},
        {"a-1.0.tar.bz2", FILE_OTHER, NULL, NULL},
        {"a-1.0.exe", FILE_OTHER, NULL, NULL},
        {"x/a-1.0.zip", FILE_OTHER, NULL, NULL},
        {"", FILE_OTHER, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct file_name name;

        assert_int_equal(file_name_parse(cases[i].file, &name), 0);
        if (name.kind != cases[i].kind)
            fail_msg("%s is taken for %d", cases[i].file, name.kind);
        if (cases[i].project) {
            assert_string_equal(name.project, cases[i].project);
            assert_string_equal(name.version, cases[i].version);
        } else {
            assert_null(name.project);
            assert_null(name.version);
        }
        file_name_release(&name);
    }
}

static void test_versions(void **state)
{
    static const struct {
        const char *text;
        const char *normal; /* NULL: no version */
    } cases[] = {
        {"1.0", "1.0"},
        {"1", "1"},
        {" v1.00.010 ", "1.0.10"},
        {"0!1.0", "1.0"},
        {"002!1.0", "2!1.0"},
        {"1.0alpha", "1.0a0"},
        {"1.0-ALPHA_01", "1.0a1"},
        {"1.0.beta.2", "1.0b2"},
        {"1.0c3", "1.0rc3"},
        {"1.0pre", "1.0rc0"},
        {"1.0preview4", "1.0rc4"},
        {"1.0-1", "1.0.post1"},
        {"1.0r5", "1.0.post5"},
        {"1.0rev", "1.0.post0"},
        {"1.0post-6", "1.0.post6"},
        {"1.0dev", "1.0.dev0"},
        {"1.0_DEV-07", "1.0.dev7"},
        {"1.0a1.post2.dev3+AB-001_x.9", "1.0a1.post2.dev3+ab.1.x.9"},
        {"1.0a.post1", "1.0a0.post1"},
        {"1.0a-1", "1.0a1"},
        {"1.0a.-1", "1.0a0.post1"},
        {"1.0a_", "1.0a0"},
        {"1.0.post-", "1.0.post0"},
        {"1.0.dev-1", "1.0.dev1"},
        {"1.0a--1", "1.0a0.post1"},
        {"1.0a..1", NULL},
        {"1.0b.dev", "1.0b0.dev0"},
        {"1.0+0a", "1.0+0a"},
        {"99999999999999999999999.00000000000000000000001", "99999999999999999999999.1"},
        {"0.11.1rc8.dev14+gaa384b3c0.cu130", "0.11.1rc8.dev14+gaa384b3c0.cu130"},
        {"", NULL},
        {"v", NULL},
        {"2010i", NULL},
        {"1.0-", NULL},
        {"1..0", NULL},
        {"1.0.", NULL},
        {"1.0+", NULL},
        {"1.0+a..b", NULL},
        {"1.0+a-", NULL},
        {"1.0.post1.post2", NULL},
        {"1.0 1", NULL},
        {"!1.0", NULL},
        {"1.0.dev1a1", NULL},
        {"21.07.28.5ffb65e2ff8067c732e2b178d03b707c7fb27855", NULL},
    };
    char normal[NAME_MAX_BYTES + 1];
    char text[NAME_MAX_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int r = version_normalize(cases[i].text, normal);

        if (r != (cases[i].normal ? 0 : ERROR_BAD_REQUEST))
            fail_msg("%s gave %d", cases[i].text, r);
        if (cases[i].normal)
            assert_string_equal(normal, cases[i].normal);
    }
    memset(text, '1', sizeof(text));
    text[NAME_MAX_BYTES] = '\0';
    assert_int_equal(version_normalize(text, normal), 0);
    text[NAME_MAX_BYTES - 1] = 'a'; /* its normal form is one byte longer */
    assert_int_equal(version_normalize(text, normal), ERROR_BAD_REQUEST);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* In ascending order; every pair is compared both ways. */
static void test_order(void **state)
{
    static const char *const order[] = {
        "not a version",
        "1.dev0",
        "1.0.dev456",
        "1.0a0.dev1",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+abc.7.1",
        "1.0+cpu",
        "1.0+cu118",
        "1.0+cu126",
        "1.0+cu92",
        "1.0+5",
        "1.0+10",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
        "1.2",
        "1.10",
        "99999999999999999998",
        "99999999999999999999",
        "1!0.1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(order); i++)
        for (size_t j = 0; j < COUNT(order); j++)
            if (sign(version_compare(order[i], order[j])) != (i > j) - (i < j))
                fail_msg("%s against %s", order[i], order[j]);
}

static void test_equal(void **state)
{
    (void)state;
    assert_int_equal(version_compare("1.0", "1"), 0);
    assert_int_equal(version_compare("1.0.0+A", "1+a"), 0);
    assert_int_equal(version_compare("1.0a", "1a0"), 0);
    assert_int_equal(version_compare("0!1", "1"), 0);
}

static enum file_kind kind_of(const char *text)
{
    if (strcmp(text, "wheel") == 0)
        return FILE_WHEEL;
    return strcmp(text, "sdist") == 0 ? FILE_SDIST : FILE_WHEEL_INVALID;
}

static void check_row(char *const *row)
{
    struct file_name name;
    char normal[NAME_MAX_BYTES + 1];

    assert_int_equal(file_name_parse(row[3], &name), 0);
    assert_int_equal(name.kind, kind_of(row[2]));
    assert_string_equal(name.project, row[0]);
    assert_string_equal(name.version, row[1]);
    if (name.kind != FILE_WHEEL_INVALID) {
        assert_int_equal(version_normalize(name.version, normal), 0);
        assert_string_equal(normal, name.version);
    }
    file_name_release(&name);
}

/* Every file name that any table of the shared data holds. */
static void test_shared_tables(void **state)
{
    auto_buf struct buf summary;
    char *text;
    char *page[1];
    size_t rows = 0;

    (void)state;
    if (!data_read("expected/SUMMARY.tsv", &summary)) {
        print_message("no shared data: set WHEELYARD_DATA\n");
        skip();
    }
    text = summary.data;
    assert_true(data_next_row(&text, page, 1));
    while (data_next_row(&text, page, 1)) {
        auto_buf struct buf table;
        char *row[4];
        char *at;

        assert_true(data_read_table(page[0], &table));
        at = table.data;
        assert_true(data_next_row(&at, row, 4));
        for (; data_next_row(&at, row, 4); rows++)
            check_row(row);
    }
    print_message("%zu file names compared\n", rows);
    assert_true(rows > 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_project_names), cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_versions),      cmocka_unit_test(test_order),
        cmocka_unit_test(test_equal),         cmocka_unit_test(test_shared_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
