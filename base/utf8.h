// SPDX-License-Identifier: Apache-2.0
#pragma once
/* UTF-8 (RFC 3629), strict: no overlong forms, no surrogates, nothing above U+10FFFF. Pure; any
 * thread. */
#include <stdbool.h>
#include <stddef.h>

/* The length (1 to 4) of the character at s; 0 when the bytes there are not valid. */
size_t utf8_length(const char *s, size_t len);

bool utf8_is_valid(const char *s, size_t len);
