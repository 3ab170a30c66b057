// SPDX-License-Identifier: Apache-2.0
/*
 * Each function is a few lines of libc with one trap removed. A copy always ends, a printf
 * allocates its text, and a comparison cannot be read the wrong way round.
 */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *str_printf(const char *format, ...)
{
    char *s = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&s, format, args);
    va_end(args);
    return n < 0 ? NULL : s;
}

char *str_dup(const char *s)
{
    return s ? strdup(s) : NULL;
}

const char *str_last_segment(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Not strncmp at the call: its result is easily read the wrong way round. */
bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = strlen(s), tail = strlen(suffix);
    return len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}

/* strncpy would leave a field without its NUL. */
void str_copy(char *to, size_t size, const char *s)
{
    size_t len = strnlen(s, size - 1);
    memcpy(to, s, len);
    to[len] = '\0';
}

bool str_matches(const char *pattern, const char *s)
{
    /* One point of return is enough: a later star makes earlier choices irrelevant. So the time is
     * bounded by the product of both lengths. */
    const char *star = NULL, *resume = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = s;
        } else if (*pattern == *s) {
            pattern++;
            s++;
        } else if (star) {
            pattern = star;
            s = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* Two table look-ups per byte; printf would be ten times slower. */
void str_hex(char *to, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < len; i++) {
        *to++ = digits[from[i] >> 4];
        *to++ = digits[from[i] & 15];
    }
    *to = '\0';
}

/* Two digits below ten ("5.2 GB"), whole numbers above ("52 GB"). */
void str_size(int64_t bytes, const char *separator, char ret[STR_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double amount = (double)bytes;
    size_t unit = 0;

    for (; amount >= 999.5 && unit < sizeof units / sizeof *units - 1; unit++)
        amount /= 1000;
    (void)snprintf(ret, STR_SIZE, "%.*f%s%s", unit && amount < 9.95, amount, separator,
                   units[unit]);
}

/* Capitals are refused, so that every digest has exactly one spelling as a key. */
bool str_is_sha256(const char *s)
{
    return strspn(s, "0123456789abcdef") == 64 && !s[64];
}
