// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "server/host.h"
#include "server/negotiate.h"
#include "server/range.h"

#define JSON "application/vnd.pypi.simple.v1+json"
#define HTML_V1 "application/vnd.pypi.simple.v1+html"

enum { NOTHING = -1 };

static const struct {
    const char *accept;
    const char *format;
    int type; /* enum page_type, or NOTHING */
} pages[] = {
    /* real clients */
    {JSON ", " HTML_V1 ";q=0.2, text/html;q=0.01", NULL, PAGE_TYPE_JSON},
    {JSON ", " HTML_V1 "; q=0.1, text/html; q=0.01", NULL, PAGE_TYPE_JSON},
    {"text/html", NULL, PAGE_TYPE_HTML},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL, PAGE_TYPE_HTML},
    {"application/vnd.pyx.simple.v1+msgpack, " JSON ";q=0.9, text/html;q=0.01", NULL,
     PAGE_TYPE_JSON},
    /* wildcards */
    {NULL, NULL, PAGE_TYPE_HTML},
    {"", NULL, PAGE_TYPE_HTML},
    {" , ", NULL, PAGE_TYPE_HTML},
    {"*/*", NULL, PAGE_TYPE_HTML},
    {"*; q=.2", NULL, PAGE_TYPE_HTML},
    {"application/*", NULL, PAGE_TYPE_JSON},
    {"text/*", NULL, PAGE_TYPE_HTML},
    {"text/*;q=0.5, " JSON ";q=0.4", NULL, PAGE_TYPE_HTML},
    {"*/*, " JSON ";q=0.5", NULL, PAGE_TYPE_HTML},
    {"*/*, " JSON, NULL, PAGE_TYPE_JSON},
    {JSON ";q=0, */*", NULL, PAGE_TYPE_HTML},
    {"*/*, text/html;q=0", NULL, PAGE_TYPE_JSON},
    /* ties and aliases */
    {"text/html, " JSON, NULL, PAGE_TYPE_JSON},
    {"text/html;q=0.5, " HTML_V1 ";q=0.5", NULL, PAGE_TYPE_HTML_V1},
    {HTML_V1 ", " JSON, NULL, PAGE_TYPE_JSON},
    {"application/vnd.pypi.simple.latest+json", NULL, PAGE_TYPE_JSON},
    {"application/vnd.pypi.simple.latest+html", NULL, PAGE_TYPE_HTML_V1},
    {"TEXT/HTML;level=1;Q=1", NULL, PAGE_TYPE_HTML},
    /* q as people write it */
    {JSON " ; q = 0.1 , text/html ; q=0.2", NULL, PAGE_TYPE_HTML},
    {JSON ";q=0.001, text/html;q=0", NULL, PAGE_TYPE_JSON},
    {JSON ";q=0.10001,text/html;q=0.101", NULL, PAGE_TYPE_HTML},
    {JSON ";q=7, text/html;q=0.9", NULL, PAGE_TYPE_JSON},
    /* nothing we have */
    {"application/vnd.pypi.simple.v2+json", NULL, NOTHING},
    {"image/png", NULL, NOTHING},
    {JSON ";q=0", NULL, NOTHING},
    {"*/*;q=0", NULL, NOTHING},
    /* ?format= */
    {"text/html", JSON, PAGE_TYPE_JSON},
    {JSON, "text/html", PAGE_TYPE_HTML},
    {NULL, HTML_V1, PAGE_TYPE_HTML_V1},
    {NULL, "application/vnd.pypi.simple.latest+json", PAGE_TYPE_JSON},
    {NULL, "application/vnd.pypi.simple.LATEST+html", PAGE_TYPE_HTML_V1},
    {"image/png", "Text/HTML", PAGE_TYPE_HTML},
    {JSON, "json", NOTHING},
    {JSON, "", NOTHING},
    {JSON, "*/*", NOTHING},
    {JSON, "application/*", NOTHING},
    {JSON, JSON ",text/html", NOTHING},
    {JSON, "text/html;q=0.5", NOTHING},
    {JSON, " " JSON, NOTHING},
    {JSON, JSON " ", NOTHING},
};

static void pages_are_negotiated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        enum page_type type;
        int got = negotiate_page(pages[i].accept, pages[i].format, &type) ? NOTHING : (int)type;
        if (got != pages[i].type)
            fail_msg("%s (%s): %d", pages[i].accept ? pages[i].accept : "none",
                     pages[i].format ? pages[i].format : "", got);
    }
}

static void content_types_are_spelled_exactly(void **state)
{
    (void)state;
    assert_string_equal(negotiate_content_type(PAGE_TYPE_JSON), JSON);
    assert_string_equal(negotiate_content_type(PAGE_TYPE_HTML_V1), HTML_V1);
    assert_string_equal(negotiate_content_type(PAGE_TYPE_HTML), "text/html; charset=utf-8");
}

static void codings_are_negotiated(void **state)
{
    static const struct {
        const char *accept;
        enum page_coding coding;
    } codings[] = {
        {NULL, PAGE_IDENTITY},
        {"", PAGE_IDENTITY},
        {"identity", PAGE_IDENTITY},
        {"gzip", PAGE_GZIP},
        {"x-gzip", PAGE_GZIP},
        {"gzip, deflate", PAGE_GZIP},
        {"gzip, deflate, zstd", PAGE_ZSTD},
        {"zstd, br, gzip, deflate", PAGE_ZSTD},
        {"zstd;q=0.5, gzip", PAGE_GZIP},
        {"zstd;q=0, *", PAGE_GZIP},
        {"deflate, GZIP;q=0.1", PAGE_GZIP},
        {"gzip;q=0", PAGE_IDENTITY},
        {"gzip; q=0.0, *", PAGE_IDENTITY},
        {"*", PAGE_GZIP},
        {"*;q=0", PAGE_IDENTITY},
        {"br", PAGE_IDENTITY},
        {"gzip;q=0, zstd;q=0, *", PAGE_IDENTITY},
        {"gzip;q=0.5, identity", PAGE_IDENTITY},
        {"gzip, identity;q=0.5", PAGE_GZIP},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
        if (negotiate_coding(codings[i].accept) != codings[i].coding)
            fail_msg("%s", codings[i].accept);
}

static void problems_are_told_as_clients_show_them(void **state)
{
    static const struct {
        const char *accept;
        enum problem_type type;
    } rows[] = {
        {NULL, PROBLEM_JSON},
        {"", PROBLEM_JSON},
        {"*/*", PROBLEM_JSON}, /* uv and pip for files, curl */
        {JSON ", text/html;q=0.1", PROBLEM_JSON},
        {"application/json", PROBLEM_JSON},
        {"text/html, application/problem+json;q=0.1", PROBLEM_HTML},
        {"application/json;q=0", PROBLEM_JSON}, /* nothing else is named either */
        {"text/html, */*", PROBLEM_HTML},
        {"text/html;q=0.9, */*", PROBLEM_JSON},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", PROBLEM_HTML},
        {"text/plain", PROBLEM_TEXT},
        {"text/*;q=0.5, text/plain;q=0.5", PROBLEM_TEXT},
        {"image/png", PROBLEM_JSON},
        {"text/html;q=0, text/plain;q=0.1", PROBLEM_TEXT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (negotiate_problem(rows[i].accept) != rows[i].type)
            fail_msg("%s", rows[i].accept ? rows[i].accept : "nothing");
}

static void entity_tags_are_compared(void **state)
{
    static const struct {
        const char *header;
        bool none_match;
        bool if_range;
    } tags[] = {
        {NULL, false, true},
        {"\"a\"", true, true},
        {" \"a\" ", true, true},
        {"W/\"a\"", true, false},
        {"\"b\", \"a\"", true, false},
        {"\"b\",W/\"a\"", true, false},
        {"\"x,y\", \"a\"", true, false},
        {"\"b\"", false, false},
        {"\"ab\"", false, false},
        {"a", false, false},
        {"\"a", false, false},
        {"", false, false},
        {"*", true, false},
        {"Mon, 23 Nov 2026 06:30:21 GMT", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (negotiate_none_match(tags[i].header, "\"a\"") != tags[i].none_match ||
            negotiate_if_range(tags[i].header, "\"a\"") != tags[i].if_range)
            fail_msg("%s", tags[i].header);
}

static void ranges_are_read_and_fitted(void **state)
{
    enum { SIZE = 1000, WHOLE = -1, NOT_SATISFIABLE = -2 };
    static const struct {
        const char *header;
        int64_t size;
        int64_t from;
        int64_t to;
    } ranges[] = {
        {NULL, SIZE, WHOLE, 0},
        {"bytes=0-0", SIZE, 0, 1},
        {"bytes=0-", SIZE, 0, 1000},
        {"bytes=10-19", SIZE, 10, 20},
        {"Bytes=10-19 ", SIZE, 10, 20},
        {"bytes=990-2000", SIZE, 990, 1000},
        {"bytes=999-", SIZE, 999, 1000},
        {"bytes=1000-", SIZE, NOT_SATISFIABLE, 0},
        {"bytes=1000-1001", SIZE, NOT_SATISFIABLE, 0},
        {"bytes=-1", SIZE, 999, 1000},
        {"bytes=-5000", SIZE, 0, 1000},
        {"bytes=-0", SIZE, NOT_SATISFIABLE, 0},
        {"bytes=0-", 0, NOT_SATISFIABLE, 0},
        {"bytes=-1", 0, NOT_SATISFIABLE, 0},
        {"bytes=99999999999999999999-", SIZE, NOT_SATISFIABLE, 0},
        {"bytes=5-99999999999999999999", SIZE, 5, 1000},
        {"bytes=3000000000-3000000001", INT64_C(5000000000), INT64_C(3000000000),
         INT64_C(3000000002)},
        {"bytes=9223372036854775807-", INT64_MAX, NOT_SATISFIABLE, 0},
        {"bytes=20-10", SIZE, WHOLE, 0},
        {"bytes=0-1,3-4", SIZE, WHOLE, 0},
        {"bytes=-", SIZE, WHOLE, 0},
        {"bytes=", SIZE, WHOLE, 0},
        {"bytes", SIZE, WHOLE, 0},
        {"bytes=a-b", SIZE, WHOLE, 0},
        {"bytes=1-2x", SIZE, WHOLE, 0},
        {"bytes=+1-2", SIZE, WHOLE, 0},
        {"lines=1-2", SIZE, WHOLE, 0},
        {"", SIZE, WHOLE, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct range range = range_parse(ranges[i].header);
        int64_t from = WHOLE;
        int64_t to = 0;
        if (range.kind != RANGE_NONE && range_resolve(range, ranges[i].size, &from, &to))
            from = NOT_SATISFIABLE;
        if (from != ranges[i].from || to != ranges[i].to)
            fail_msg("%s: %lld-%lld", ranges[i].header, (long long)from, (long long)to);
    }
    assert_int_equal(range_parse("bytes=5-").kind, RANGE_OPEN);
    assert_int_equal(range_parse("bytes=5-6").kind, RANGE_BOUNDED);
    assert_int_equal(range_parse("bytes=-6").kind, RANGE_SUFFIX);
}

static void only_our_hosts_are_ours(void **state)
{
    static const char *const configured[] = {"wheels.lab", NULL};
    struct host_names names = {.configured = configured, .own = "box.example.org"};
    static const struct {
        const char *header;
        int answer;
    } hosts[] = {
        {"localhost", 0},
        {"LocalHost:8503", 0},
        {"localhost.", 0},
        {"127.0.0.1:8503", 0},
        {"192.168.1.7", 0},
        {"[::1]:8503", 0},
        {"[fe80::1]", 0},
        {"wheels.lab:80", 0},
        {"Wheels.Lab", 0},
        {"box", 0},
        {"box.local:8503", 0},
        {"box.example.org", 0},
        {"WHEELS.LAB.:8503", 0},
        {"127.0.0.1.", 0},
        {"10.0.0.1:0", 0},
        {"[::ffff:192.168.1.7]:8503", 0},
        {"BOX.Local.", 0},
        {"evil.example", HOST_FOREIGN},
        {"sub.wheels.lab", HOST_FOREIGN},
        {"wheels.lab.evil.example", HOST_FOREIGN},
        {"evilwheels.lab", HOST_FOREIGN},
        {"wheels", HOST_FOREIGN},
        {"example.org", HOST_FOREIGN},
        {"box.localhost", HOST_FOREIGN},
        {"2130706433", HOST_FOREIGN},
        {"0x7f.1", HOST_FOREIGN},
        {"127.1", HOST_FOREIGN},
        {"localhost.evil.example", HOST_FOREIGN},
        {"boxer", HOST_FOREIGN},
        {"box.evil.example", HOST_FOREIGN},
        {"127.0.0.1.evil.example", HOST_FOREIGN},
        {"", HOST_MALFORMED},
        {":80", HOST_MALFORMED},
        {"localhost:x", HOST_MALFORMED},
        {"localhost:-1", HOST_MALFORMED},
        {"localhost:80:80", HOST_MALFORMED},
        {"localhost, localhost", HOST_MALFORMED},
        {"localhost\\", HOST_MALFORMED},
        {"*", HOST_MALFORMED},
        {"l\xc3\xb6"
         "calhost",
         HOST_MALFORMED},
        {"[]", HOST_MALFORMED},
        {"[127.0.0.1]", HOST_MALFORMED},
        {"[fe80::1%25eth0]", HOST_MALFORMED},
        {"localhost:123456", HOST_MALFORMED},
        {"[::1", HOST_MALFORMED},
        {"[::1]x", HOST_MALFORMED},
        {"[localhost]", HOST_MALFORMED},
        {"::1", HOST_MALFORMED},
        {"a b", HOST_MALFORMED},
        {"user@localhost", HOST_MALFORMED},
        {"localhost/x", HOST_MALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        if (host_check(&names, hosts[i].header) != hosts[i].answer)
            fail_msg("%s", hosts[i].header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_negotiated),
        cmocka_unit_test(content_types_are_spelled_exactly),
        cmocka_unit_test(codings_are_negotiated),
        cmocka_unit_test(problems_are_told_as_clients_show_them),
        cmocka_unit_test(entity_tags_are_compared),
        cmocka_unit_test(ranges_are_read_and_fitted),
        cmocka_unit_test(only_our_hosts_are_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
