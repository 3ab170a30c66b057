// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "base/clock.h"
#include "index/date.h"
#include "index/listing.h"

static const struct {
    const char *text;
    const char *date; /* NULL: none */
    bool utc;
} dates[] = {
    {"2018-08-10 11:37", "2018-08-10T11:37:59Z", false},
    {"</a></td><td class=\"date\">2026-11-23 01:16  </td>", "2026-11-23T01:16:59Z", false},
    {"</a> 23-Nov-2026 01:16           123456789", "2026-11-23T01:16:59Z", false},
    {"2026-Nov-23 01:16:57</td>", "2026-11-23T01:16:57Z", false},
    {"2026-11-23 01:16:57.000", "2026-11-23T01:16:57Z", false},
    {"Mon, 23 Nov 2026 01:16:57 GMT", "2026-11-23T01:16:57Z", true},
    {"<relative-time datetime=\"2025-08-14T21:30:00Z\">", "2025-08-14T21:30:00Z", true},
    {"2025-08-14T21:30", "2025-08-14T21:30:59Z", false},
    {"2025-08-14T21:30:05.123456789", "2025-08-14T21:30:05Z", false},
    {"2025-08-14T21:30:05.5+08:00<", "2025-08-14T13:30:05Z", true},
    {"2025-08-14 21:30:05 -0130", "2025-08-14T23:00:05Z", true},
    {"2025-08-14 21:30:05 +0000 UTC", "2025-08-14T21:30:05Z", true},
    {"2025-08-14 21:30 UTC", "2025-08-14T21:30:59Z", true},
    {"2025-08-14T21:30:05+99:00", "2025-08-14T21:30:05Z", false},
    {"2025-08-14 21:30:05 Zip", "2025-08-14T21:30:05Z", false},
    {"2025-08-14 21:30:05 -", "2025-08-14T21:30:05Z", false},
    {"118M 2024-02-29 23:59", "2024-02-29T23:59:59Z", false},
    {"2026-11-23", NULL, false},
    {"2026-11-23 1:16", NULL, false},
    {"12026-11-23 01:16", NULL, false},
    {"2023-02-29 01:16", NULL, false},
    {"2023-13-01 01:16", NULL, false},
    {"2023-00-01 01:16", NULL, false},
    {"2023-01-01 24:00", NULL, false},
    {"31-Apr-2026 00:00", NULL, false},
    {"01-Foo-2026 00:00", NULL, false},
    {"1969-12-31 23:59", NULL, false},
    {"-", NULL, false},
    {"", NULL, false},
};

static void dates_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        char text[CLOCK_TEXT] = "";
        bool utc = false;
        int64_t seconds = date_find(dates[i].text, strlen(dates[i].text), &utc);
        if (seconds != DATE_UNKNOWN)
            clock_rfc3339(seconds, text);
        if (strcmp(text, dates[i].date ? dates[i].date : "") != 0 || utc != dates[i].utc)
            fail_msg("%s: %s", dates[i].text, text);
    }
}

static const struct {
    const char *text, *normal; /* NULL: none */
} upload_times[] = {
    {"2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
    {"2024-01-02T00:00:00.1Z", "2024-01-02T00:00:00.1Z"},
    {"2024-01-04T00:00:00.123456Z", "2024-01-04T00:00:00.123456Z"},
    {"2024-02-01T00:00:00+00:00", "2024-02-01T00:00:00Z"},
    {"2024-02-02T00:00:00.1234567Z", "2024-02-02T00:00:00.123456Z"},
    {"2024-02-04T08:00:00+08:00", "2024-02-04T00:00:00Z"},
    {"2024-12-31T20:00:00.123456789-05:00", "2025-01-01T01:00:00.123456Z"},
    {"2024-01-01t00:00:00z", "2024-01-01T00:00:00Z"},
    {"2024-01-01 00:00:00Z", "2024-01-01T00:00:00Z"},
    {"2024-01-01T00:00:00", NULL},
    {"2024-01-01T00:00Z", NULL},
    {"2024-01-01T00:00:00.Z", NULL},
    {"2024-01-01T00:00:00 Z", NULL},
    {"2024-01-01T00:00:00+0800", NULL},
    {"2024-01-01T00:00:00+24:00", NULL},
    {"2024-01-01T00:00:00Z ", NULL},
    {"2024-01-01T00:00:00Zulu", NULL},
    {"2024-02-30T00:00:00Z", NULL},
    {"2024-01-01", NULL},
    {"", NULL},
    {"2024-01-01T00:00:00.1111111111111111111111111111111111111111111111111111111111Z", NULL},
};

static void upload_times_have_one_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(upload_times) / sizeof(upload_times[0]); i++) {
        const char *normal = upload_times[i].normal;
        char text[DATE_TEXT] = "";
        if (date_upload_time(upload_times[i].text, text) != (normal != NULL) ||
            strcmp(text, normal ? normal : "") != 0)
            fail_msg("%s: %s", upload_times[i].text, text);
    }
}

#define A "<a href=\"a-1-py3-none-any.whl\">a-1-py3-none-any.whl</a>"
#define B "<a href=\"b-1-py3-none-any.whl\">b-1-py3-none-any.whl</a>"

/* Each row of each server's template has its own date, and a row without one borrows none. */
static const struct {
    const char *page;
    const char *a, *b; /* NULL: none */
} pages[] = {
    {"<table><tr><td>" A "</td><td class=\"size\">1 B</td><td class=\"date\">2018-08-10 11:37</td>"
     "</tr><tr><td>" B "</td><td>-</td><td>-</td></tr></table>",
     "2018-08-10T11:37:59Z", NULL},
    {"<table><tr><td>" A "</td><td>-</td><td>-</td></tr>"
     "<tr><td>2020-01-01 00:00</td><td>" B "</td></tr></table>",
     NULL, NULL},
    {"<pre>" A " 23-Nov-2026 01:16     123\r\n" B " 24-Nov-2026 01:16   5\r\n</pre>",
     "2026-11-23T01:16:59Z", "2026-11-24T01:16:59Z"},
    {"<pre>" A "\n" B " 24-Nov-2026 01:16   5\n</pre>", NULL, "2026-11-24T01:16:59Z"},
    {"<ul><li>" A "</li><li>" B "</li></ul>2020-01-01 00:00", NULL, NULL},
    {"[{\"name\":\"a-1-py3-none-any.whl\",\"type\":\"file\",\"mtime\":\"Mon, 23 Nov 2026 01:16:57 "
     "GMT\",\"size\":1},{\"name\":\"b-1-py3-none-any.whl\",\"type\":\"file\",\"size\":1}]",
     "2026-11-23T01:16:57Z", NULL},
};

static void check(const struct listed_file *file, const char *date, size_t page)
{
    char text[CLOCK_TEXT] = "";
    if (file->modified != DATE_UNKNOWN)
        clock_rfc3339(file->modified, text);
    if (strcmp(text, date ? date : "") != 0)
        fail_msg("page %zu, %s: %s", page, file->name, text);
}

static void rows_have_their_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct listing *l = NULL;
        assert_int_equal(listing_parse(pages[i].page, strlen(pages[i].page), "http://h/", &l), 0);
        assert_int_equal(l->file_count, 2);
        check(&l->files[0], pages[i].a, i);
        check(&l->files[1], pages[i].b, i);
        assert_int_equal(l->files[0].modified_utc, pages[i].page[0] == '[');
        listing_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_found),
        cmocka_unit_test(upload_times_have_one_spelling),
        cmocka_unit_test(rows_have_their_dates),
    };
    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
