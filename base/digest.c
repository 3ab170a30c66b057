// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/evp.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

/* struct sha256 is libcrypto's context under our name. */
static EVP_MD_CTX *ctx_of(struct sha256 *s)
{
    return (EVP_MD_CTX *)(void *)s;
}

DEFINE_CLEANUP(struct sha256, sha256_free)

int sha256_new(struct sha256 **ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return ERROR_NO_MEMORY;
    }
    *ret = (struct sha256 *)(void *)ctx;
    return 0;
}

void sha256_free(struct sha256 *s)
{
    EVP_MD_CTX_free(ctx_of(s));
}

int sha256_add(struct sha256 *s, const void *data, size_t len)
{
    return EVP_DigestUpdate(ctx_of(s), data, len) == 1 ? 0 : ERROR_NO_MEMORY;
}

int sha256_finish(struct sha256 *s, char ret_hex[SHA256_HEX])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(ctx_of(s), bytes, &len) != 1 || len != 32)
        return ERROR_NO_MEMORY;
    str_hex(ret_hex, bytes, len);
    return 0;
}

int sha256_of(const void *data, size_t len, char ret_hex[SHA256_HEX])
{
    AUTO(sha256_free) struct sha256 *s = NULL;
    int r = sha256_new(&s);
    if (r == 0)
        r = sha256_add(s, data, len);
    return r ? r : sha256_finish(s, ret_hex);
}
