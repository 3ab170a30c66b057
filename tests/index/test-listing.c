// SPDX-License-Identifier: Apache-2.0
/*
 * Every page of the shared data against the table of what three other parsers found in it. A page
 * that is not read exactly must be named in not_exact, so that it is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "data.h"
#include "index/digests.h"
#include "index/listing.h"

static const char *const not_exact[] = {NULL};

enum { SUMMARY_FIELDS = 4, ROW_FIELDS = 9 };

enum column {
    COLUMN_PROJECT,
    COLUMN_VERSION,
    COLUMN_KIND,
    COLUMN_FILENAME,
    COLUMN_URL,
    COLUMN_SHA256,
    COLUMN_REQUIRES_PYTHON,
    COLUMN_YANKED,
    COLUMN_CORE_METADATA,
};

static bool is_listed(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *kind_text(enum file_kind kind)
{
    switch (kind) {
    case FILE_WHEEL:
        return "wheel";
    case FILE_WHEEL_INVALID:
        return "wheel-invalid";
    case FILE_SDIST:
        return "sdist";
    case FILE_OTHER:
        break;
    }
    return "other";
}

static char *yanked_text(const struct listed_file *f)
{
    return f->yanked ? str_printf("yanked:%s", or_empty(f->yanked_reason)) : strdup("-");
}

static char *metadata_text(const struct listed_file *f)
{
    if (f->metadata_digests)
        return strdup(f->metadata_digests);
    return strdup(f->has_metadata ? "true" : "");
}

/* The first column in which file and row differ, or NULL. */
static const char *difference(const struct listed_file *f, char *const *row)
{
    auto_free char *yanked = yanked_text(f);
    auto_free char *metadata = metadata_text(f);
    char sha256[SHA256_HEX] = "";
    (void)digests_sha256(f->digests, sha256);
    const char *const texts[ROW_FIELDS] = {
        f->project,
        or_empty(f->version),
        kind_text(f->kind),
        f->name,
        f->url,
        sha256,
        or_empty(f->requires_python),
        yanked,
        metadata,
    };
    static const char *const names[ROW_FIELDS] = {
        "project", "version",         "kind",   "filename",      "url",
        "sha256",  "requires_python", "yanked", "core_metadata",
    };

    for (int i = 0; i < ROW_FIELDS; i++)
        if (strcmp(texts[i], row[i]) != 0)
            return names[i];
    return NULL;
}

static bool rows_match(const char *page, const struct listing *l, char *table)
{
    char *row[ROW_FIELDS];
    size_t i = 0;

    assert_true(data_next_row(&table, row, ROW_FIELDS));
    assert_string_equal(row[COLUMN_PROJECT], "project");
    for (; data_next_row(&table, row, ROW_FIELDS); i++) {
        const char *column = i < l->file_count ? difference(&l->files[i], row) : "everything";

        if (column) {
            print_message("%s: file %zu (%s) differs in %s\n", page, i, row[COLUMN_FILENAME],
                          column);
            return false;
        }
    }
    if (i != l->file_count)
        print_message("%s: %zu files too many\n", page, l->file_count - i);
    return i == l->file_count;
}

static bool page_matches(const char *page, const char *base, const char *rows)
{
    auto_buf struct buf bytes;
    auto_buf struct buf table;
    struct listing *l = NULL;
    bool same;
    int r;

    assert_true(data_read(page, &bytes));
    assert_true(data_read_table(page, &table));
    r = listing_parse(bytes.data, bytes.len, base, &l);
    if (r < 0) {
        print_message("%s: %s\n", page, error_text(r));
        return false;
    }
    same =
        !l->is_cut && rows_match(page, l, table.data) && l->file_count == strtoull(rows, NULL, 10);
    listing_free(l);
    return same;
}

static void test_every_page(void **state)
{
    auto_buf struct buf summary;
    char *text;
    char *row[SUMMARY_FIELDS];
    size_t pages = 0;
    size_t wrong = 0;

    (void)state;
    if (!data_read("expected/SUMMARY.tsv", &summary)) {
        print_message("no shared data: set WHEELYARD_DATA\n");
        skip();
    }
    text = summary.data;
    assert_true(data_next_row(&text, row, SUMMARY_FIELDS));
    for (; data_next_row(&text, row, SUMMARY_FIELDS); pages++)
        if (page_matches(row[0], row[1], row[3]) == is_listed(not_exact, row[0]))
            wrong++;
    print_message("%zu pages compared\n", pages);
    assert_int_equal(wrong, 0);
    assert_true(pages > 200);
}

static struct listing *parse_shared(const char *page, const char *url)
{
    auto_buf struct buf bytes;
    struct listing *l = NULL;

    if (!data_read(page, &bytes)) {
        print_message("no shared data: set WHEELYARD_DATA\n");
        skip();
    }
    assert_int_equal(listing_parse(bytes.data, bytes.len, url, &l), 0);
    return l;
}

/* Wherever a page is cut behind its <html>, that is seen. */
static void test_cut_pages(void **state)
{
    static const char url[] = "https://mirror.example/whl/cu126/";
    auto_buf struct buf page;
    struct listing *l = NULL;

    (void)state;
    if (!data_read("derived/aliyun/pytorch-wheels/cu126/index.html", &page))
        skip();
    for (size_t len = 400; len + 16 < page.len; len += len / 7) {
        assert_int_equal(listing_parse(page.data, len, url, &l), 0);
        if (!l->is_cut)
            print_message("cut behind %zu bytes, and not seen\n", len);
        assert_true(l->is_cut);
        listing_free(l);
    }
}

static void test_nonce_changes_nothing(void **state)
{
    static const char url[] = "https://mirrors.aliyun.com/pytorch-wheels/cu126/";
    struct listing *a = parse_shared("derived/aliyun/pytorch-wheels/cu126/index.html", url);
    struct listing *b =
        parse_shared("derived/aliyun-other-nonce/pytorch-wheels/cu126/index.html", url);

    (void)state;
    assert_int_equal(a->file_count, 657);
    assert_int_equal(b->file_count, a->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        assert_string_equal(a->files[i].url, b->files[i].url);
        assert_string_equal(a->files[i].name, b->files[i].name);
    }
    listing_free(a);
    listing_free(b);
}

/* The two spellings of an address differ, the files do not. */
static void test_plus_or_escape(void **state)
{
    static const char url[] = "https://mirrors.aliyun.com/pytorch-wheels/cu126/";
    struct listing *a = parse_shared("derived/aliyun/pytorch-wheels/cu126/index.html", url);
    struct listing *b =
        parse_shared("derived/aliyun-raw-plus/pytorch-wheels/cu126/index.html", url);

    (void)state;
    assert_int_equal(b->file_count, a->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_null(strstr(b->files[i].url, "%2B"));
    }
    listing_free(a);
    listing_free(b);
}

static void test_project_lists(void **state)
{
    static const struct {
        const char *page;
        const char *url;
        size_t count;
        const char *first;
    } cases[] = {
        {"official/2026-03-15/whl/cu126/index.html", "https://download.pytorch.org/whl/cu126/", 98,
         "certifi"},
        {"official/2026-01-20-cloudflare/whl/cu126/index.html",
         "https://download.pytorch.org/whl/cu126/", 92, "certifi"},
        {"derived/nju/pytorch/whl/cu126/index.html",
         "https://mirrors.nju.edu.cn/pytorch/whl/cu126/", 98, "certifi"},
        {"simple/pypi-simple/simple_base.html", "https://files.example/simple/", 5, "a"},
        {"simple/proxpi/root/index.html", "https://files.example/simple/proxpi/root/", 2, "proxpi"},
        {"simple/proxpi/root/index.json", "https://files.example/simple/proxpi/root/", 2, "proxpi"},
        {"simple/pypi-simple/simple01.html", "https://files.example/simple/", 20, "a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct listing *l = parse_shared(cases[i].page, cases[i].url);

        assert_int_equal(l->project_count, cases[i].count);
        assert_string_equal(l->projects[0], cases[i].first);
        assert_int_equal(l->file_count, 0);
        listing_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page),
        cmocka_unit_test(test_cut_pages),
        cmocka_unit_test(test_nonce_changes_nothing),
        cmocka_unit_test(test_plus_or_escape),
        cmocka_unit_test(test_project_lists),
    };

    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
