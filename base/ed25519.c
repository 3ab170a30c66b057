// SPDX-License-Identifier: Apache-2.0
#include "base/ed25519.h"

#include <openssl/evp.h>

#include "base/cleanup.h"
#include "base/error.h"

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)

int ed25519_public(const uint8_t seed[ED25519_KEY], uint8_t ret[ED25519_KEY])
{
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_KEY);
    size_t len = ED25519_KEY;
    if (!key || EVP_PKEY_get_raw_public_key(key, ret, &len) != 1)
        return ERROR_NO_MEMORY;
    return 0;
}

int ed25519_sign(const uint8_t seed[ED25519_KEY], const void *data, size_t len,
                 uint8_t ret[ED25519_SIGNATURE])
{
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_KEY);
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t signature_len = ED25519_SIGNATURE;
    if (!key || !ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(ctx, ret, &signature_len, data, len) != 1)
        return ERROR_NO_MEMORY;
    return 0;
}

bool ed25519_verify(const uint8_t key[ED25519_KEY], const void *data, size_t len,
                    const uint8_t signature[ED25519_SIGNATURE])
{
    AUTO(EVP_PKEY_free)
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY);
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    return public && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public) == 1 &&
           EVP_DigestVerify(ctx, signature, ED25519_SIGNATURE, data, len) == 1;
}
