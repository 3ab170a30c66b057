// SPDX-License-Identifier: Apache-2.0
/*
 * Apache, nginx, caddy and S3 browsers write sizes in different ways, next to dates and file names
 * with digits. So a number counts only when no letter, digit, dot, dash or colon touches it. Short
 * bare numbers are left alone, because they may be anything.
 */
#include "index/amount.h"
#include "base/ascii.h"

#include <stdbool.h>
#include <string.h>

enum { WHOLE_DIGITS = 4, BARE_LEAST = 5, BARE_MOST = 15 };

static bool is_word(char c)
{
    return ascii_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-' ||
           c == '.' || c == ':';
}

/* A number with a unit at `p` ("812.3 MB"); -1 when there is none. */
static int64_t with_unit(const char *p, const char *end)
{
    static const char units[] = "kmgt";
    double value = 0;
    double place = 1;
    int digits = 0;

    for (; p < end && ascii_is_digit(*p) && digits <= WHOLE_DIGITS; p++, digits++)
        value = value * 10 + (*p - '0');
    if (digits > WHOLE_DIGITS)
        return -1;
    if (end - p > 1 && *p == '.' && ascii_is_digit(p[1]))
        for (p++; p < end && ascii_is_digit(*p) && place > 0.001; p++)
            value += (*p - '0') * (place /= 10);
    if (p < end && *p == ' ')
        p++;
    const char *unit = p < end ? strchr(units, *p | 0x20) : NULL;
    if (!unit || !*unit)
        return -1;
    p++;
    if (p < end && *p == 'i')
        p++;
    if (p < end && (*p | 0x20) == 'b')
        p++;
    if (p < end && is_word(*p))
        return -1;
    for (const char *u = units; u <= unit; u++)
        value *= 1024;
    return (int64_t)value;
}

/* Five digits at least: a year or a time is shorter. */
static int64_t bare(const char *p, const char *start, const char *end)
{
    int64_t value = 0;
    int digits = 0;

    if (p > start && !ascii_is_space(p[-1]))
        return -1;
    for (; p < end && ascii_is_digit(*p) && digits <= BARE_MOST; p++, digits++)
        value = value * 10 + (*p - '0');
    if (digits < BARE_LEAST || digits > BARE_MOST || (p < end && !ascii_is_space(*p)))
        return -1;
    return value;
}

/* Tries each number of the text; the first that is a size counts. */
int64_t amount_find(const char *text, size_t len)
{
    const char *end = text + len;

    for (const char *p = text; p < end; p++) {
        if (!ascii_is_digit(*p) || (p > text && is_word(p[-1])))
            continue;
        int64_t size = with_unit(p, end);
        if (size < 0)
            size = bare(p, text, end);
        if (size >= 0)
            return size;
    }
    return -1;
}
