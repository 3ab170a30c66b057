// SPDX-License-Identifier: Apache-2.0
/*
 * Pages made to hurt: each must end in a clean error or cost no more than the links it spoils, in
 * seconds. The ceiling guards against minutes, it is no benchmark.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "index/listing.h"

enum { CPU_CEILING_S = SANITIZED ? 60 : 5 };

static const char url[] = "https://mirror.example/whl/cu126/";
static const char good[] = "<a href=\"good-1.0-py3-none-any.whl\">x</a>\n";

static void begin(struct buf *page)
{
    buf_init(page, 256 << 20);
    buf_puts(page, "<!DOCTYPE html><html><body>\n");
}

/* Parses within the ceiling; the result is 0 or an error, *ret only on 0. */
static int parse(const struct buf *page, struct listing **ret)
{
    clock_t start = clock();
    int r;

    assert_int_equal(page->error, 0);
    r = listing_parse(page->data, page->len, url, ret);
    assert_true((clock() - start) / CLOCKS_PER_SEC < CPU_CEILING_S);
    return r;
}

static void expect_error(struct buf *page, int error)
{
    struct listing *l = NULL;

    assert_int_equal(parse(page, &l), error);
    assert_null(l);
}

/* The page is read; of its good links `files` are found, `skipped` things were not. */
static void expect_files(struct buf *page, size_t files, size_t skipped)
{
    struct listing *l = NULL;

    assert_int_equal(parse(page, &l), 0);
    assert_int_equal(l->file_count, files);
    assert_int_equal(l->skipped, skipped);
    for (size_t i = 0; i < files; i++)
        assert_string_equal(l->files[i].name, "good-1.0-py3-none-any.whl");
    listing_free(l);
}

static void test_many_attributes_on_a_tag(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    buf_puts(&page, "<a");
    for (int i = 0; i < 300000; i++)
        buf_printf(&page, " a%d", i);
    buf_puts(&page, ">");
    buf_puts(&page, good);
    expect_error(&page, ERROR_TOO_BIG);
}

/* Each tag just within bounds: only their sum is too much. */
static void test_many_attributes_on_many_tags(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    while (page.len < LISTING_MAX_BYTES - LISTING_MAX_TAG) {
        size_t start = page.len;

        buf_puts(&page, "<a");
        for (int i = 0; page.len - start < LISTING_MAX_TAG - 100; i++)
            buf_printf(&page, " %x", i + 0xa0000);
        buf_puts(&page, ">");
    }
    expect_error(&page, ERROR_TOO_BIG);
}

/* What looks like a quoted value to a browser is a row of attributes to libxml2, and the other way
 * round: the bound must hold for both. */
static void test_attributes_in_odd_quotes(void **state)
{
    static const char *const openings[] = {"<a b\"c=\"", "<a =\"", "<a b='\"' c=\"", "<a '\" ",
                                           "<a b=c\""};
    auto_buf struct buf page;

    (void)state;
    for (size_t n = 0; n < sizeof(openings) / sizeof(*openings); n++) {
        struct listing *l = NULL;

        begin(&page);
        while (page.len < 32 << 20) {
            size_t start = page.len;

            buf_puts(&page, openings[n]);
            for (int i = 0; page.len - start < LISTING_MAX_TAG - 100; i++)
                buf_printf(&page, " a%x", i);
            buf_puts(&page, "\">'>\">\n");
        }
        assert_int_equal(parse(&page, &l), ERROR_TOO_BIG);
        buf_release(&page);
    }
    buf_init(&page, 1);
}

static void test_many_ampersands(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    while (page.len < LISTING_MAX_BYTES - LISTING_MAX_TAG) {
        buf_puts(&page, "<a href=\"");
        for (int i = 0; i < 60000; i++)
            buf_putc(&page, '&');
        buf_puts(&page, "\">");
    }
    expect_error(&page, ERROR_TOO_BIG);
}

static void test_tag_at_its_limit(void **state)
{
    static const int lengths[] = {LISTING_MAX_TAG - 1, LISTING_MAX_TAG, LISTING_MAX_TAG + 1,
                                  10 * LISTING_MAX_TAG};
    auto_buf struct buf page;

    (void)state;
    for (size_t n = 0; n < 4; n++) {
        size_t start;

        begin(&page);
        start = page.len;
        buf_puts(&page, "<a href=\"good-1.0-py3-none-any.whl\" title=\"");
        while (page.len - start < (size_t)lengths[n] - 2)
            buf_putc(&page, 'x');
        buf_puts(&page, "\">");
        if (lengths[n] <= LISTING_MAX_TAG)
            expect_files(&page, 1, 0);
        else
            expect_error(&page, ERROR_TOO_BIG);
        buf_release(&page);
    }
    buf_init(&page, 1);
}

static void test_page_at_its_limit(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    buf_puts(&page, good);
    while (page.len < LISTING_MAX_BYTES)
        buf_putc(&page, 'x');
    expect_files(&page, 1, 0);
    buf_putc(&page, 'x');
    expect_error(&page, ERROR_TOO_BIG);
}

static void test_links_at_their_limit(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    for (int i = 0; i < LISTING_MAX_LINKS; i++)
        buf_puts(&page, good);
    expect_files(&page, LISTING_MAX_LINKS, 0);
    buf_puts(&page, good);
    expect_error(&page, ERROR_TOO_BIG);
}

/* Anchors that lead nowhere count as well: each is work. */
static void test_anchors_without_links(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    for (int i = 0; i < 4000000; i++)
        buf_puts(&page, "<a>");
    expect_error(&page, ERROR_TOO_BIG);
}

static void test_json_bounds(void **state)
{
    auto_buf struct buf page;

    (void)state;
    buf_init(&page, 256 << 20);
    buf_puts(&page, "{\"meta\":{\"api-version\":\"1.0\"},\"name\":\"good\",\"files\":[{}");
    while (page.len < LISTING_MAX_BYTES - 100)
        buf_puts(&page, ",0");
    buf_puts(&page, "]}");
    expect_error(&page, ERROR_TOO_BIG);

    buf_clear(&page);
    buf_puts(&page, "{\"files\":[0");
    for (int i = 0; i < LISTING_MAX_LINKS; i++)
        buf_puts(&page, ",{\"url\":\"good-1.0-py3-none-any.whl\"}");
    buf_puts(&page, "]}");
    expect_error(&page, ERROR_TOO_BIG);

    buf_clear(&page);
    for (int i = 0; i < 10000000; i++)
        buf_putc(&page, '[');
    expect_error(&page, ERROR_BAD_LISTING);
}

static void test_bad_bytes_cost_their_link(void **state)
{
    static const char bad[][40] = {
        "<a href=\"bad\0-1.0-py3-none-any.whl\">",
        "<a href=\"bad\xff-1.0-py3-none-any.whl\">",
        "<a href=\"bad\xed\xa0\x80-1.0.zip\">",
        "<a hr\0ef=\"bad-1.0.zip\">",
        "<a href=\"bad-1.0.zip\0\">",
        "<a href=\"bad-1.0.zip\" title=\"\xc3\">",
        "<a href=\"bad%ff-1.0.zip\">",
        "<a href=\"bad%00-1.0.zip\">",
        "<a href=\"bad%zz-1.0.zip\">",
        "<a href=\"bad%2f-1.0.zip\">",
        "<a href=\"bad -1.0.zip\">",
        "<a href=\"ftp://h/bad-1.0.zip\">",
    };
    auto_buf struct buf page;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const char *end = (const char *)memrchr(bad[i], '>', sizeof(bad[i])) + 1;

        begin(&page);
        buf_puts(&page, good);
        buf_add(&page, bad[i], (size_t)(end - bad[i]));
        buf_puts(&page, good);
        expect_files(&page, 2, 1);
        buf_release(&page);
    }
    buf_init(&page, 1);
}

static void test_bad_bytes_in_texts_cost_nothing(void **state)
{
    static const char text[] = "\0\xff<\0>\xc3 & \xe8\xbd <b \0 \xff=\"\xff\"> </\0> <!\xff>";
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    buf_puts(&page, good);
    buf_add(&page, text, sizeof(text) - 1);
    buf_puts(&page, good);
    expect_files(&page, 2, 0);
}

/* What was never closed may hide links behind it: seen in `skipped`, and no more than one thing. */
static void test_unclosed(void **state)
{
    static const char *const openings[] = {"<!-- ",      "<script>", "<style>",
                                           "<a href=\"", "<? ",      "<a"};
    auto_buf struct buf page;

    (void)state;
    for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++) {
        begin(&page);
        buf_puts(&page, good);
        buf_puts(&page, openings[i]);
        buf_puts(&page, "bad-1.0.zip ");
        expect_files(&page, 1, 1);
        buf_release(&page);
    }
    buf_init(&page, 1);
}

static void test_many_unclosed(void **state)
{
    static const char *const pieces[] = {"<!-", "<script", "<script>", "<",   "</",
                                         "<a ", "<!-->",   "<?>",      "</a>"};
    auto_buf struct buf page;

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct listing *l = NULL;
        int r;

        begin(&page);
        while (page.len < LISTING_MAX_BYTES - 100)
            buf_puts(&page, pieces[i]);
        r = parse(&page, &l);
        assert_true(r == 0 || r == ERROR_TOO_BIG);
        listing_free(l);
        buf_release(&page);
    }
    buf_init(&page, 1);
}

static void test_links_in_scripts_and_comments(void **state)
{
    auto_buf struct buf page;

    (void)state;
    begin(&page);
    buf_puts(&page, "<script>var a='<a href=\"bad-1.0.zip\">'</script>");
    buf_puts(&page, "<SCRIPT type=x>'</scripts><a href=\"bad-1.0.zip\">'</Script >");
    buf_puts(&page, "<!-- <a href=\"bad-1.0.zip\"> --><style><a href=bad-1.0.zip></style>");
    buf_puts(&page, "<p title='<a href=\"bad-1.0.zip\">'>");
    buf_puts(&page, good);
    buf_puts(&page, "<!--> <A HREF=good-1.0-py3-none-any.whl>");
    expect_files(&page, 2, 0);
}

static void test_serial(void **state)
{
    static const struct {
        const char *page;
        int64_t serial;
    } pages[] = {
        {"<html></html>\n<!--SERIAL 31415926-->", 31415926},
        {"<html></html><!--SERIAL 1--><!--SERIAL 22-->", 22},
        {"<html></html><!--SERIAL 9999999999999999-->", INT64_C(9999999999999999)},
        {"<html></html>", 0},
        {"<html></html><!--SERIAL -->", 0},
        {"<html></html><!--SERIAL-->", 0},
        {"<html></html><!--SERIAL 12 -->", 0},
        {"<html></html><!--SERIAL 99999999999999999-->", 0},
        {"<html></html><!--SERIAL 12", 0},
        {"<html><script><!--SERIAL 12--></script></html>", 0},
        {"{\"meta\":{\"_last-serial\":31415926},\"files\":[]}", 31415926},
        {"{\"meta\":{\"_last-serial\":-5},\"files\":[]}", 0},
        {"{\"meta\":{\"_last-serial\":\"5\"},\"files\":[]}", 0},
        {"{\"meta\":[],\"files\":[]}", 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        struct listing *l = NULL;

        assert_int_equal(listing_parse(pages[i].page, strlen(pages[i].page), url, &l), 0);
        if (l->last_serial != pages[i].serial)
            fail_msg("%s: %lld", pages[i].page, (long long)l->last_serial);
        listing_free(l);
    }
}

static void test_no_listing(void **state)
{
    static const char *const pages[] = {
        "",
        " \n",
        "404 page not found",
        "{",
        "{}",
        "[1]",
        "null",
        "{\"files\":{}}",
        "{\"files\":[]} x",
        "<?xml version=\"1.0\"?><list><file>a-1.0.zip</file></list>",
        "<Error><Code>AccessDenied</Code></Error>",
        "\xff\xfe<\0h\0t\0m\0l\0",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        struct listing *l = NULL;

        assert_int_equal(listing_parse(pages[i], strlen(pages[i]), url, &l), ERROR_BAD_LISTING);
    }
}

static void test_s3_denial(void **state)
{
    static const char denial[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>"
        "<Message>Access Denied</Message><RequestId>1</RequestId></Error>";
    static const char missing[] = "<Error><Code>NoSuchKey</Code></Error>";
    static const char html[] = "<html><Code>AccessDenied</Code></html>";

    (void)state;
    assert_true(listing_is_s3_denial(denial, strlen(denial)));
    assert_true(listing_is_s3_denial(denial + 39, strlen(denial) - 39));
    assert_false(listing_is_s3_denial(denial, 60));
    assert_false(listing_is_s3_denial(missing, strlen(missing)));
    assert_false(listing_is_s3_denial(html, strlen(html)));
    assert_false(listing_is_s3_denial("", 0));
    assert_false(listing_is_s3_denial("<?xml", 5));
}

static size_t need_of(const struct buf *page)
{
    return listing_need(page->data, page->len, url);
}

/* What is foreseen is enough, and not many times as much as needed. */
static void expect_foreseen(struct buf *page, size_t files)
{
    struct listing *l = NULL;

    assert_int_equal(parse(page, &l), 0);
    assert_int_equal(l->file_count, files);
    assert_true(l->bytes <= need_of(page));
    assert_true(l->bytes > need_of(page) / 10);
    listing_free(l);
    buf_release(page);
}

static void test_what_reading_takes_is_foreseen(void **state)
{
    enum { FILES = 1000 };
    struct buf page;

    (void)state;
    begin(&page);
    for (int i = 0; i < FILES; i++)
        buf_printf(&page, "<a href=\"a-%d-py3-none-any.whl#sha256=%064x\" data-yanked=\"w\">\n", i,
                   i);
    expect_foreseen(&page, FILES);
    buf_init(&page, 1 << 20);
    buf_puts(&page, "{\"files\":[");
    for (int i = 0; i < FILES; i++)
        buf_printf(&page, "%s{\"url\":\"a-%d-py3-none-any.whl\"}", i ? "," : "", i);
    buf_puts(&page, "]}");
    expect_foreseen(&page, FILES);
}

/* Each link repeats the base. */
static void test_a_long_base_of_many_links(void **state)
{
    struct buf page;

    (void)state;
    begin(&page);
    buf_puts(&page, "<base href=\"/");
    for (int i = 0; i < 7000; i++)
        buf_putc(&page, 'b');
    buf_puts(&page, "/\">");
    for (int i = 0; i < 1000; i++)
        buf_puts(&page, good);
    assert_true(need_of(&page) < 2 << 20);
    expect_error(&page, ERROR_TOO_BIG);
    buf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_attributes_on_a_tag),
        cmocka_unit_test(test_many_attributes_on_many_tags),
        cmocka_unit_test(test_attributes_in_odd_quotes),
        cmocka_unit_test(test_many_ampersands),
        cmocka_unit_test(test_tag_at_its_limit),
        cmocka_unit_test(test_page_at_its_limit),
        cmocka_unit_test(test_links_at_their_limit),
        cmocka_unit_test(test_anchors_without_links),
        cmocka_unit_test(test_json_bounds),
        cmocka_unit_test(test_what_reading_takes_is_foreseen),
        cmocka_unit_test(test_a_long_base_of_many_links),
        cmocka_unit_test(test_bad_bytes_cost_their_link),
        cmocka_unit_test(test_bad_bytes_in_texts_cost_nothing),
        cmocka_unit_test(test_unclosed),
        cmocka_unit_test(test_many_unclosed),
        cmocka_unit_test(test_links_in_scripts_and_comments),
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_no_listing),
        cmocka_unit_test(test_s3_denial),
    };

    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
