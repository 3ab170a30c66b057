// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Text from strangers (mirrors, files of a cloned project) that is printed on a terminal. Pure. */
#include <stddef.h>

/* Replaces control characters by '?', except line feed and tab. Characters that change the
 * direction of writing are replaced too: a terminal obeys the first kind, and the second kind makes
 * a text look like another. */
void terminal_clean(char *text, size_t len);

/* The length in bytes of a control character beyond ASCII, or of a character that changes the
 * direction of writing; 0 for any other character. */
size_t terminal_harmful(const char *text, size_t len);
