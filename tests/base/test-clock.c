// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "base/clock.h"

static const struct {
    int64_t real_s;
    const char *rfc3339, *http;
} moments[] = {
    {0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {784111777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"},
    {951782400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
    {2147483648, "2038-01-19T03:14:08Z", "Tue, 19 Jan 2038 03:14:08 GMT"},
    {4102444799, "2099-12-31T23:59:59Z", "Thu, 31 Dec 2099 23:59:59 GMT"},
};

static void both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        char text[CLOCK_TEXT];
        clock_rfc3339(moments[i].real_s, text);
        assert_string_equal(text, moments[i].rfc3339);
        clock_http_date(moments[i].real_s, text);
        assert_string_equal(text, moments[i].http);
        assert_int_equal(clock_parse_http_date(text), moments[i].real_s);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Thu, 30 Feb 1995 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:-1 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (clock_parse_http_date(wrong[i]) != -1)
            fail_msg("taken: '%s'", wrong[i]);
}

/* Stored times are only as good as the disk: extremes must stay inside the field. */
static void extremes(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MAX, 67768036191676799, -1};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[CLOCK_TEXT];
        clock_http_date(times[i], text);
        assert_true(text[0] == '\0' || text[3] == ',');
        clock_rfc3339(times[i], text);
        assert_int_equal(clock_parse_http_date(text), -1);
    }
}

static void runs_forward(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_ms();
    assert_true(clock_monotonic_ms() >= before);
    assert_true(clock_real_s() > 1700000000);
}

/* time() is some milliseconds late in it: who was told that the next second has come, and asks,
 * would hear of the one before. */
static void a_second_begins_for_all_at_once(void **state)
{
    (void)state;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const time_t next = now.tv_sec + 1;
    while (now.tv_sec < next)
        (void)clock_gettime(CLOCK_REALTIME, &now);
    assert_true(clock_real_s() >= next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(refuses),
        cmocka_unit_test(extremes),
        cmocka_unit_test(runs_forward),
        cmocka_unit_test(a_second_begins_for_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
