// SPDX-License-Identifier: Apache-2.0
#include "index/date.h"

#include <string.h>
#include <time.h>

/* `0` stands for a digit, `A` for the first letter of a month's name; the rest for itself. */
static const struct form {
    const char *text;
    int year, month, day, time; /* where they begin */
    bool utc;
} forms[] = {
    {"0000-00-00 00:00", 0, 5, 8, 11, false},
    {"00-Aaa-0000 00:00", 7, 3, 0, 12, false},
    {"0000-Aaa-00 00:00", 0, 5, 9, 12, false},
    {"00 Aaa 0000 00:00:00 GMT", 7, 3, 0, 12, true},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool fits(const struct form *form, const char *text, size_t len)
{
    size_t need = strlen(form->text);
    if (len < need)
        return false;
    for (size_t i = 0; i < need; i++) {
        char want = form->text[i];
        bool letter = (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z';
        if (want == '0'                  ? !is_digit(text[i])
            : want == 'A' || want == 'a' ? !letter
                                         : text[i] != want)
            return false;
    }
    return true;
}

static int number(const char *text, int digits)
{
    int n = 0;
    while (digits--)
        n = n * 10 + (*text++ - '0');
    return n;
}

/* 0 to 11; -1: no month. */
static int month_of(const char *text)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (is_digit(*text))
        return number(text, 2) - 1;
    for (int i = 0; i < 12; i++)
        if (strncmp(names + (ptrdiff_t)3 * i, text, 3) == 0)
            return i;
    return -1;
}

static int64_t read_form(const struct form *form, const char *text, size_t len)
{
    const char *time = text + form->time;
    bool has_second =
        len - (size_t)form->time >= 8 && time[5] == ':' && is_digit(time[6]) && is_digit(time[7]);
    struct tm tm = {
        .tm_year = number(text + form->year, 4) - 1900,
        .tm_mon = month_of(text + form->month),
        .tm_mday = number(text + form->day, 2),
        .tm_hour = number(time, 2),
        .tm_min = number(time + 3, 2),
        .tm_sec = has_second ? number(time + 6, 2) : 59,
    };
    struct tm same = tm;
    if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return DATE_UNKNOWN;
    int64_t seconds = timegm(&same);
    return same.tm_mday == tm.tm_mday && same.tm_mon == tm.tm_mon ? seconds : DATE_UNKNOWN;
}

int64_t date_find(const char *text, size_t len, bool *ret_utc)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]) || (i > 0 && is_digit(text[i - 1])))
            continue;
        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
            if (fits(&forms[f], text + i, len - i)) {
                *ret_utc = forms[f].utc;
                return read_form(&forms[f], text + i, len - i);
            }
    }
    return DATE_UNKNOWN;
}
