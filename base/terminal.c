// SPDX-License-Identifier: Apache-2.0
/*
 * A mirror's file name may contain escape sequences that retitle a terminal or hide text. Every
 * text from outside passes through here, or through json_write_string, before a person sees it.
 */
#include "base/terminal.h"

#include <stdbool.h>
#include <string.h>

static bool is_control(unsigned char c)
{
    return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
}

/* U+0080 to U+009F; U+061C; U+200E, U+200F, U+202A to U+202E; U+2066 to U+2069. */
size_t terminal_harmful(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;

    if (left >= 2 && s[0] == 0xc2 && s[1] < 0xa0)
        return 2;
    if (left >= 2 && s[0] == 0xd8 && s[1] == 0x9c)
        return 2;
    if (left < 3 || s[0] != 0xe2)
        return 0;
    bool is_mark = s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xaa && s[2] <= 0xae));
    bool is_isolate = s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9;
    return is_mark || is_isolate ? 3 : 0;
}

/* In place and of the same length, so that columns stay aligned. */
void terminal_clean(char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t harmful = terminal_harmful(text + i, len - i);

        if (!harmful && is_control((unsigned char)text[i]))
            harmful = 1;
        memset(text + i, '?', harmful);
        i += harmful ? harmful : 1;
    }
}
