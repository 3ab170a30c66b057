// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Signatures by Ed25519 (RFC 8032), by libcrypto. A secret key is its seed of 32 bytes. Pure; any
 * thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ED25519_KEY = 32, ED25519_SIGNATURE = 64 };

/* The public key that belongs to a seed. ERROR_NO_MEMORY. */
int ed25519_public(const uint8_t seed[ED25519_KEY], uint8_t ret[ED25519_KEY]);

/* ERROR_NO_MEMORY. */
int ed25519_sign(const uint8_t seed[ED25519_KEY], const void *data, size_t len,
                 uint8_t ret[ED25519_SIGNATURE]);

/* Whether the signature is that of the data. False also when memory is short. */
bool ed25519_verify(const uint8_t key[ED25519_KEY], const void *data, size_t len,
                    const uint8_t signature[ED25519_SIGNATURE]);
