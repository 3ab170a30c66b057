// SPDX-License-Identifier: Apache-2.0
/*
 * The table of well-formed sequences of the Unicode standard (3-7). Keys and JSON must be valid
 * UTF-8, because other programs read them.
 */
#include "base/utf8.h"

#include <stdint.h>

static bool in_range(unsigned byte, unsigned low, unsigned high)
{
    return byte >= low && byte <= high;
}

/* Only the second byte tells overlong forms, surrogates and values above the maximum. */
static bool second_fits(unsigned first, unsigned second)
{
    switch (first) {
    case 0xE0:
        return in_range(second, 0xA0, 0xBF);
    case 0xED:
        return in_range(second, 0x80, 0x9F);
    case 0xF0:
        return in_range(second, 0x90, 0xBF);
    case 0xF4:
        return in_range(second, 0x80, 0x8F);
    default:
        return in_range(second, 0x80, 0xBF);
    }
}

/* Reads no byte beyond `len`, also when a character is cut there. */
size_t utf8_length(const char *s, size_t len)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t need;

    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (in_range(p[0], 0xC2, 0xDF))
        need = 2;
    else if (in_range(p[0], 0xE0, 0xEF))
        need = 3;
    else if (in_range(p[0], 0xF0, 0xF4))
        need = 4;
    else
        return 0;
    if (len < need || !second_fits(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < need; i++)
        if (!in_range(p[i], 0x80, 0xBF))
            return 0;
    return need;
}

bool utf8_is_valid(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        if ((unsigned char)s[i] < 0x80) { /* the common case */
            i++;
            continue;
        }
        size_t n = utf8_length(s + i, len - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
