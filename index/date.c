// SPDX-License-Identifier: Apache-2.0
/*
 * Every server software has a date format of its own. A form is matched character by character at
 * each digit of the text; the first form that matches decides. The day is then checked by
 * converting it to seconds and back.
 */
#include "index/date.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "base/clock.h"

/* `0` stands for a digit, `A` and `a` for letters of a month's name, all else for itself. */
static const struct form {
    const char *text;
    int year, month, day, time; /* their offsets */
    bool utc;
} forms[] = {
    {"0000-00-00 00:00", 0, 5, 8, 11, false},        {"0000-00-00T00:00", 0, 5, 8, 11, false},
    {"00-Aaa-0000 00:00", 7, 3, 0, 12, false},       {"0000-Aaa-00 00:00", 0, 5, 9, 12, false},
    {"00 Aaa 0000 00:00:00 GMT", 7, 3, 0, 12, true},
};

/* A form is as long as its fixed part; seconds and zone may follow. */
static bool fits(const struct form *form, const char *text, size_t len)
{
    size_t need = strlen(form->text);
    if (len < need)
        return false;
    for (size_t i = 0; i < need; i++) {
        char want = form->text[i];
        bool letter = (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z';
        if (want == '0'                  ? !ascii_is_digit(text[i])
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

/* 0 to 11; -1: not a month. */
static int month_of(const char *text)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (ascii_is_digit(*text))
        return number(text, 2) - 1;
    for (int i = 0; i < 12; i++)
        if (strncmp(names + (ptrdiff_t)3 * i, text, 3) == 0)
            return i;
    return -1;
}

/* Reads a zone after a time: "Z", "UTC", "GMT", "+08:00" or "+0800", perhaps after a blank. */
static bool read_zone(const char *text, size_t len, int *ret_offset_s)
{
    if (len && *text == ' ')
        text++, len--;
    bool is_zulu = len && (*text | 0x20) == 'z' && (len == 1 || !isalnum((unsigned char)text[1]));
    if (is_zulu || (len >= 3 && (!strncmp(text, "UTC", 3) || !strncmp(text, "GMT", 3)))) {
        *ret_offset_s = 0;
        return true;
    }
    bool has_colon = len >= 6 && text[3] == ':';
    const char *minutes = text + (has_colon ? 4 : 3);
    if (len < (has_colon ? 6 : 5) || (*text != '+' && *text != '-') || !ascii_is_digit(text[1]) ||
        !ascii_is_digit(text[2]) || !ascii_is_digit(minutes[0]) || !ascii_is_digit(minutes[1]))
        return false;
    int offset_s = number(text + 1, 2) * 3600 + number(minutes, 2) * 60;
    if (number(text + 1, 2) > 14 || number(minutes, 2) > 59)
        return false;
    *ret_offset_s = *text == '-' ? -offset_s : offset_s;
    return true;
}

/* What follows hh:mm: seconds, a fraction, a zone. */
struct rest {
    int seconds; /* -1: none */
    bool has_zone;
    int offset_s;
};

/* A comma before the fraction is ISO 8601's other form. */
static struct rest read_rest(const char *text, size_t len)
{
    struct rest rest = {.seconds = -1};
    if (len >= 3 && text[0] == ':' && ascii_is_digit(text[1]) && ascii_is_digit(text[2])) {
        rest.seconds = number(text + 1, 2);
        text += 3, len -= 3;
        if (len >= 2 && (*text == '.' || *text == ',') && ascii_is_digit(text[1]))
            for (text++, len--; len && ascii_is_digit(*text); text++)
                len--;
    }
    rest.has_zone = read_zone(text, len, &rest.offset_s);
    return rest;
}

/* timegm accepts 31 February; comparing the day finds it. */
static int64_t read_form(const struct form *form, const char *text, size_t len, bool *ret_utc)
{
    const char *time = text + form->time;
    struct rest rest = read_rest(time + 5, len - (size_t)form->time - 5);
    struct tm tm = {
        .tm_year = number(text + form->year, 4) - 1900,
        .tm_mon = month_of(text + form->month),
        .tm_mday = number(text + form->day, 2),
        .tm_hour = number(time, 2),
        .tm_min = number(time + 3, 2),
        .tm_sec = rest.seconds < 0 ? 59 : rest.seconds,
    };
    struct tm same = tm;
    if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return DATE_UNKNOWN;
    int64_t seconds = timegm(&same);
    *ret_utc = form->utc || rest.has_zone;
    return same.tm_mday == tm.tm_mday && same.tm_mon == tm.tm_mon ? seconds - rest.offset_s
                                                                  : DATE_UNKNOWN;
}

/* A number in the middle of digits begins no date. */
int64_t date_find(const char *text, size_t len, bool *ret_utc)
{
    for (size_t i = 0; i < len; i++) {
        if (!ascii_is_digit(text[i]) || (i > 0 && ascii_is_digit(text[i - 1])))
            continue;
        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
            if (fits(&forms[f], text + i, len - i))
                return read_form(&forms[f], text + i, len - i, ret_utc);
    }
    return DATE_UNKNOWN;
}

/* Copies the fraction of a second with its point, at most six digits; "" without one. */
static void copy_fraction(const char *at, char ret[8])
{
    size_t digits = *at == '.' ? strspn(at + 1, "0123456789") : 0;
    size_t len = digits ? 1 + (digits < 6 ? digits : 6) : 0;
    memcpy(ret, at, len);
    ret[len] = '\0';
}

/* Strict, unlike date_find: this text is written on our pages. */
bool date_upload_time(const char *text, char ret[DATE_TEXT])
{
    static const struct form form = {"0000-00-00 00:00:00", 0, 5, 8, 11, false};
    char copy[64], fraction[8];
    size_t len = strlen(text);
    int offset_s;
    if (len < strlen(form.text) || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len + 1);
    if (copy[10] == 'T' || copy[10] == 't')
        copy[10] = ' ';
    if (!fits(&form, copy, len))
        return false;
    const char *behind = copy + strlen(form.text);
    const char *zone = behind + (*behind == '.' ? 1 + strspn(behind + 1, "0123456789") : 0);
    bool is_zulu = (*zone | 0x20) == 'z' && !zone[1];
    bool has_offset = strlen(zone) == strlen("+00:00") && zone[3] == ':' &&
                      read_zone(zone, strlen(zone), &offset_s);
    bool utc;
    int64_t seconds = read_form(&form, copy, len, &utc);
    if ((!is_zulu && !has_offset) || (*behind == '.' && !isdigit((unsigned char)behind[1])) ||
        seconds < 0)
        return false;
    char moment[CLOCK_TEXT];
    clock_rfc3339(seconds, moment);
    moment[strcspn(moment, "Z")] = '\0';
    copy_fraction(behind, fraction);
    (void)snprintf(ret, DATE_TEXT, "%s%sZ", moment, fraction);
    return true;
}
