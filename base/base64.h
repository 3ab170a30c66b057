// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Base64 of RFC 4648, section 4: the alphabet with `+` and `/`, with padding. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Characters that `len` bytes become, without a NUL. */
#define BASE64_LENGTH(len) (((len) + 2) / 3 * 4)

/* Appends the bytes as base64. */
void base64_write(struct buf *to, const void *bytes, size_t len);

/* Reads text that stands for exactly `size` bytes. False for anything else: other characters, white
 * space, a wrong length, missing padding, or bits behind the last byte that are not zero. */
bool base64_read(const char *text, size_t len, void *ret_bytes, size_t size);
