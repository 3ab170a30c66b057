// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_write(struct buf *to, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)from[i] << 16;
        if (i + 1 < len)
            three |= (uint32_t)from[i + 1] << 8;
        if (i + 2 < len)
            three |= from[i + 2];
        buf_putc(to, alphabet[three >> 18]);
        buf_putc(to, alphabet[three >> 12 & 63]);
        buf_putc(to, i + 1 < len ? alphabet[three >> 6 & 63] : '=');
        buf_putc(to, i + 2 < len ? alphabet[three & 63] : '=');
    }
}

/* The value of a digit, or -1. */
static int digit_value(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool base64_read(const char *text, size_t len, void *ret_bytes, size_t size)
{
    uint8_t *to = ret_bytes;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t padding = (3 - size % 3) % 3, done = 0;
    if (len != BASE64_LENGTH(size))
        return false;
    for (size_t i = 0; i < len - padding; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            to[done++] = (uint8_t)(bits >> held);
            bits &= (1U << held) - 1;
        }
    }
    for (size_t i = len - padding; i < len; i++)
        if (text[i] != '=')
            return false;
    return bits == 0 && done == size;
}
