// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Keys made of passwords by scrypt (RFC 7914), by libcrypto. Takes as long, and as much memory, as
 * its parameters say: 128 * n * r bytes. Blocks; any thread.
 */
#include <stddef.h>
#include <stdint.h>

struct scrypt_cost {
    uint64_t n; /* a power of two */
    uint32_t r, p;
};

/* ERROR_TOO_BIG: more than `most_bytes` of memory. ERROR_NO_MEMORY: too little of it, or parameters
 * that scrypt does not have. */
int scrypt_derive(const char *password, const void *salt, size_t salt_len, struct scrypt_cost cost,
                  uint64_t most_bytes, void *ret_key, size_t key_len);
