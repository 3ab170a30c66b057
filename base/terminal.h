// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Text of strangers' (mirrors, files of a cloned project) on its way to a terminal. Pure. */
#include <stddef.h>

/* Each byte of a control character, but for line feed and tab, and of a character that turns the
 * direction of writing becomes '?': a terminal obeys the first, and the second make text look like
 * another one. */
void terminal_clean(char *text, size_t len);

/* How many bytes of the character there are one of a control character beyond ASCII, or of one that
 * turns the direction of writing; 0: it is none. */
size_t terminal_harmful(const char *text, size_t len);
