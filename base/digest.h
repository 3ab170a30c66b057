// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * SHA-256 (FIPS 180-4) by libcrypto. A digest in progress belongs to one thread at a time.
 */
#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX = 65 }; /* 64 lower-case hex digits and a NUL */

struct sha256;

int sha256_new(struct sha256 **ret); /* ERROR_NO_MEMORY */
void sha256_free(struct sha256 *s);
int sha256_add(struct sha256 *s, const void *data, size_t len);
int sha256_finish(struct sha256 *s, char ret_hex[SHA256_HEX]); /* then only sha256_free */

/* All at once; for short strings (keys, ETags). */
int sha256_of(const void *data, size_t len, char ret_hex[SHA256_HEX]);
