// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Digests by libcrypto. SHA-256 (FIPS 180-4) names everything that this program keeps; an index may
 * name a file by any of the others. One thread at a time uses a digest in progress.
 *
 *     digest_new(DIGEST_SHA512, &d);
 *     digest_add(d, block, len) ...
 *     digest_finish(d, hex);          // then only digest_free
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX = 65 }; /* 64 lower-case hex digits and a NUL */

struct sha256;

int sha256_new(struct sha256 **ret); /* ERROR_NO_MEMORY */
void sha256_free(struct sha256 *s);
int sha256_add(struct sha256 *s, const void *data, size_t len);
int sha256_finish(struct sha256 *s, char ret_hex[SHA256_HEX]); /* then only sha256_free */

/* The digest of a short string (a key, an ETag) in one call. */
int sha256_of(const void *data, size_t len, char ret_hex[SHA256_HEX]);

/* In order of preference for clients. Those from DIGEST_WEAK on can be forged. */
enum digest_algorithm {
    DIGEST_SHA256,
    DIGEST_SHA512,
    DIGEST_SHA384,
    DIGEST_BLAKE2B,
    DIGEST_SHA224,
    DIGEST_SHA1,
    DIGEST_MD5,
    DIGEST_WEAK = DIGEST_SHA1,
};
enum { DIGEST_ALGORITHMS = DIGEST_MD5 + 1, DIGEST_HEX = 129 }; /* the longest, and a NUL */

/* The name in Python's hashlib and in the simple API. */
const char *digest_name(enum digest_algorithm algorithm);
/* False for an unknown name. */
bool digest_find(const char *name, size_t len, enum digest_algorithm *ret);
/* The number of digits of its hex form. */
size_t digest_hex_length(enum digest_algorithm algorithm);

struct digest;

int digest_new(enum digest_algorithm algorithm, struct digest **ret); /* ERROR_NO_MEMORY */
void digest_free(struct digest *d);
int digest_add(struct digest *d, const void *data, size_t len);
int digest_finish(struct digest *d, char ret_hex[DIGEST_HEX]);
