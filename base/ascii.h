// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Classes of ASCII characters. Unlike those of <ctype.h> they ignore the locale and accept any
 * char, also one above 127, which belongs to no class. Pure; any thread.
 */
#include <stdbool.h>
#include <string.h>

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_alnum(char c)
{
    return ascii_is_digit(c) || ascii_is_letter(c);
}

/* Blank, tab, line feed, vertical tab, form feed, carriage return. */
static inline bool ascii_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline char ascii_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c + ('a' - 'A')) : c;
}

/* After blanks and tabs, the white space of HTTP headers. */
static inline const char *ascii_skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}
