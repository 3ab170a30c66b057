// SPDX-License-Identifier: Apache-2.0
/*
 * The monotonic clock never jumps, so deadlines are safe when someone sets the time. The real clock
 * may jump; only stored and shown times use it. Texts are made without the locale, because HTTP and
 * JSON fix the English names.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int64_t clock_monotonic_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_real_s(void)
{
    struct timespec t; /* time() begins each second some milliseconds late */
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec;
}

/* The form of JSON answers and of the catalogue; "" for a time that no calendar has. */
void clock_rfc3339(int64_t real_s, char ret[CLOCK_TEXT])
{
    struct tm tm;
    time_t t = (time_t)real_s;
    ret[0] = '\0';
    if (gmtime_r(&t, &tm))
        (void)strftime(ret, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* The form of HTTP headers (RFC 9110 5.6.7). */
void clock_http_date(int64_t real_s, char ret[CLOCK_TEXT])
{
    struct tm tm;
    time_t t = (time_t)real_s;
    ret[0] = '\0';
    if (gmtime_r(&t, &tm)) /* strftime's %a and %b follow the locale, HTTP does not */
        (void)snprintf(ret, CLOCK_TEXT, "%s, %02d %s %04ld %02d:%02d:%02d GMT", days[tm.tm_wday],
                       tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900L, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
}

/* The two obsolete forms of HTTP dates are not read. Without a date only a little comfort is lost.
 */
int64_t clock_parse_http_date(const char *text)
{
    struct tm tm = {0};
    char month[4] = "", again[CLOCK_TEXT];
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT", &tm.tm_mday, month,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return -1;
    for (tm.tm_mon = 0; tm.tm_mon < 12; tm.tm_mon++)
        if (strcmp(month, months[tm.tm_mon]) == 0)
            break;
    if (tm.tm_mon == 12 || tm.tm_year < 1970)
        return -1;
    tm.tm_year -= 1900;
    int64_t real_s = (int64_t)timegm(&tm);

    /* sscanf and timegm accept too much (32 Jan, 9:5:1). Only a text that we would write ourselves
     * passes. */
    clock_http_date(real_s, again);
    return strcmp(text, again) == 0 ? real_s : -1;
}
