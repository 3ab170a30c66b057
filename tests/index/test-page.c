// SPDX-License-Identifier: Apache-2.0
/*
 * Pages against golden files in tests/data/, and against the reader of listings: what was written
 * must be read back unchanged, in both formats, for every page of the shared data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "index/listing.h"
#include "index/page.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char url[] = "https://h.example/cu126/simple/torch/";

static const char *const mirror_names[] = {"aliyun", "nju", "official"};

/* All that can be known of a file, and next to nothing. */
static const struct page_file known[] = {
    {
        .name = "torch-2.10.0+cu126-cp312-cp312-win_amd64.whl",
        .href = "../../../files/pytorch/cu126/torch-2.10.0%2Bcu126-cp312-cp312-win_amd64.whl",
        .version = "2.10.0+cu126",
        .digests = "sha256=" DIGEST_A,
        .requires_python = ">=3.9,<4",
        .metadata_digests = "sha256=" DIGEST_B,
        .upload_time = "2026-01-21T16:20:57Z",
        .size = INT64_C(2770884935),
        .has_metadata = true,
        .mirrors = 5,
        .mirror_names = mirror_names,
    },
    {
        .name = "torch-2.9.0-1-cp312-cp312-linux_x86_64.whl",
        .href = "https://o.example/whl/torch-2.9.0-1-cp312-cp312-linux_x86_64.whl?a=1&b='2'",
        .version = "2.9.0",
        .yanked_reason = "broken: see <https://e.example/?a&b> \"now\"\n ",
        .upload_time = "2025-10-15T08:00:00.123456Z",
        .size = 0,
        .yanked = true,
        .has_metadata = true,
    },
    {
        .name = "torch-2.9.0.tar.gz",
        .href = "torch-2.9.0.tar.gz",
        .version = "2.9.0",
        .upload_time = "2025-10-15T08:00:01Z",
        .size = 17,
        .yanked = true,
    },
};

static const struct page_file unknown[] = {
    {.name = "torch-2.9.0-py3-none-any.whl",
     .href = "torch-2.9.0-py3-none-any.whl",
     .version = "2.9.0",
     .upload_time = "2025-10-15T08:00:01Z",
     .size = 5},
    {.name = "torch-x-py3-none-any.whl", .href = "torch-x-py3-none-any.whl", .size = -1},
};

static void expect_golden(const struct buf *page, const char *name)
{
    auto_buf struct buf golden;

    assert_int_equal(page->error, 0);
    data_read_own(name, &golden);
    assert_string_equal(page->data, golden.data);
    assert_int_equal(page->len, golden.len);
}

static void expect_project(const struct page_content *content, const char *html, const char *json)
{
    auto_buf struct buf page;

    buf_init(&page, PAGE_MAX_BYTES);
    page_write_project(content, PAGE_HTML, &page);
    expect_golden(&page, html);
    buf_clear(&page);
    page_write_project(content, PAGE_JSON, &page);
    expect_golden(&page, json);
}

static void test_all_known(void **state)
{
    const struct page_content content = {
        .project = "torch", .files = known, .file_count = COUNT(known)};

    (void)state;
    expect_project(&content, "page-known.html", "page-known.json");
}

/* One file without a size or a date takes the version and all dates from the page. */
static void test_some_unknown(void **state)
{
    const struct page_content content = {
        .project = "torch", .files = unknown, .file_count = COUNT(unknown)};

    (void)state;
    expect_project(&content, "page-unknown.html", "page-unknown.json");
}

static void test_status(void **state)
{
    const struct page_content content = {
        .project = "torch",
        .project_status = "quarantined",
        .project_status_reason = "malware & \"more\"",
    };

    (void)state;
    expect_project(&content, "page-quarantined.html", "page-quarantined.json");
}

static void test_list(void **state)
{
    static const char *const projects[] = {"torch", "pytorch-triton"};
    auto_buf struct buf page;

    (void)state;
    buf_init(&page, PAGE_MAX_BYTES);
    page_write_list(projects, COUNT(projects), PAGE_HTML, &page);
    expect_golden(&page, "page-list.html");
    buf_clear(&page);
    page_write_list(projects, COUNT(projects), PAGE_JSON, &page);
    expect_golden(&page, "page-list.json");
}

static void test_versions(void **state)
{
    static const char *const versions[] = {"2.10.0+cu126", "2.9.0",    "2.9.0+cu126", "2.9.0",
                                           NULL,           "2.9.0rc1", "2.9",         "2010i"};
    struct page_file files[COUNT(versions)] = {0};
    const struct page_content content = {
        .project = "torch", .files = files, .file_count = COUNT(versions)};
    auto_buf struct buf page;

    (void)state;
    for (size_t i = 0; i < COUNT(versions); i++)
        files[i] = (struct page_file){.name = "x", .href = "x", .version = versions[i], .size = -1};
    buf_init(&page, PAGE_MAX_BYTES);
    page_write_project(&content, PAGE_JSON, &page);
    assert_non_null(strstr(page.data, "\"versions\":[\"2010i\",\"2.9.0rc1\",\"2.9\",\"2.9.0\","
                                      "\"2.9.0+cu126\",\"2.10.0+cu126\"]"));
}

static void test_escape(void **state)
{
    auto_buf struct buf b;

    (void)state;
    buf_init(&b, 1000);
    page_escape(&b, "<a href=\"x\">'&amp;\t\r\n\x01\xff\xE8\xBD\xAE");
    assert_string_equal(b.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#9;&#13;&#10;"
                                "\xEF\xBF\xBD\xEF\xBF\xBD\xE8\xBD\xAE");
}

static void test_too_big(void **state)
{
    const struct page_content content = {
        .project = "torch", .files = known, .file_count = COUNT(known)};

    (void)state;
    for (int format = 0; format < PAGE_FORMATS; format++) {
        auto_buf struct buf b;

        buf_init(&b, 300);
        page_write_project(&content, (enum page_format)format, &b);
        assert_true(b.error < 0);
    }
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a)
        assert_string_equal(a, b);
}

static void same_file(const struct listed_file *a, const struct listed_file *b)
{
    assert_string_equal(a->url, b->url);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->project, b->project);
    same_text(a->version, b->version);
    same_text(a->digests, b->digests);
    same_text(a->requires_python, b->requires_python);
    assert_int_equal(a->yanked, b->yanked);
    same_text(a->yanked_reason, b->yanked_reason);
    assert_int_equal(a->has_metadata, b->has_metadata);
    same_text(a->metadata_digests, b->metadata_digests);
    assert_true(a->size == b->size);
    same_text(a->upload_time, b->upload_time);
}

static struct page_file as_page_file(const struct listed_file *f)
{
    return (struct page_file){
        .name = f->name,
        .href = f->url,
        .version = f->version,
        .digests = f->digests,
        .requires_python = f->requires_python,
        .metadata_digests = f->metadata_digests,
        .upload_time = f->upload_time,
        .yanked_reason = f->yanked_reason,
        .size = f->size,
        .yanked = f->yanked,
        .has_metadata = f->has_metadata,
    };
}

static void there_and_back(const struct listing *l, enum page_format format)
{
    struct page_file *files = calloc(l->file_count + 1, sizeof(*files));
    struct page_content content = {.project = "x",
                                   .files = files,
                                   .file_count = l->file_count,
                                   .project_status = l->project_status,
                                   .project_status_reason = l->project_status_reason};
    struct listing *again = NULL;
    auto_buf struct buf page;

    assert_non_null(files);
    for (size_t i = 0; i < l->file_count; i++)
        files[i] = as_page_file(&l->files[i]);
    buf_init(&page, PAGE_MAX_BYTES);
    page_write_project(&content, format, &page);
    assert_int_equal(page.error, 0);
    assert_int_equal(page.data[page.len - 1], '\n');
    assert_int_equal(listing_parse(page.data, page.len, url, &again), 0);
    assert_int_equal(again->file_count, l->file_count);
    assert_int_equal(again->skipped, 0);
    assert_true(again->is_simple);
    for (size_t i = 0; i < l->file_count; i++)
        same_file(&again->files[i], &l->files[i]);
    same_text(again->project_status, l->project_status);
    same_text(again->project_status_reason, l->project_status_reason);
    listing_free(again);
    free(files);
}

static void round_trip(const char *page, size_t len, const char *base)
{
    struct listing *l = NULL;

    assert_int_equal(listing_parse(page, len, base, &l), 0);
    for (int format = 0; format < PAGE_FORMATS; format++)
        there_and_back(l, (enum page_format)format);
    listing_free(l);
}

static void test_round_trip_of_golden_files(void **state)
{
    static const char *const names[] = {"page-known.html",       "page-known.json",
                                        "page-quarantined.html", "page-quarantined.json",
                                        "page-unknown.json",     "page-unknown.html"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        auto_buf struct buf page;

        data_read_own(names[i], &page);
        round_trip(page.data, page.len, url);
    }
}

/* Upload times are on all files of a page or on none: where a page has them on some, they go. */
static bool has_stray_upload_time(const struct listing *l)
{
    size_t with = 0;

    for (size_t i = 0; i < l->file_count; i++)
        with += l->files[i].upload_time != NULL;
    return with > 0 && with < l->file_count;
}

static void test_round_trip_of_shared_pages(void **state)
{
    auto_buf struct buf summary;
    char *text;
    char *row[2];
    size_t pages = 0;

    (void)state;
    if (!data_read("expected/SUMMARY.tsv", &summary)) {
        print_message("no shared data: set WHEELYARD_DATA\n");
        skip();
    }
    text = summary.data;
    assert_true(data_next_row(&text, row, 2));
    for (; data_next_row(&text, row, 2); pages++) {
        auto_buf struct buf page;
        struct listing *l = NULL;

        assert_true(data_read(row[0], &page));
        assert_int_equal(listing_parse(page.data, page.len, row[1], &l), 0);
        assert_false(has_stray_upload_time(l));
        listing_free(l);
        round_trip(page.data, page.len, row[1]);
    }
    assert_true(pages > 200);
}

static void test_list_is_read_back(void **state)
{
    static const char *const names[] = {"page-list.html", "page-list.json"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        auto_buf struct buf page;
        struct listing *l = NULL;

        data_read_own(names[i], &page);
        assert_int_equal(listing_parse(page.data, page.len, "https://h/simple/", &l), 0);
        assert_true(l->is_simple);
        assert_int_equal(l->project_count, 2);
        assert_string_equal(l->projects[0], "torch");
        assert_string_equal(l->projects[1], "pytorch-triton");
        listing_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_known),
        cmocka_unit_test(test_some_unknown),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_round_trip_of_golden_files),
        cmocka_unit_test(test_round_trip_of_shared_pages),
        cmocka_unit_test(test_list_is_read_back),
    };

    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
