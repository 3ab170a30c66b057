// SPDX-License-Identifier: Apache-2.0
/*
 * A digest lives from digest_new to digest_free and is fed in between by one thread, usually the
 * compute lane. libcrypto picks the fastest code of the processor. It fails only for lack of
 * memory, so every failure is ERROR_NO_MEMORY. To add an algorithm, add a row to the table and a
 * value to the enum.
 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

static const struct {
    const char *name;
    size_t hex_length;
    const EVP_MD *(*type)(void);
} table[DIGEST_ALGORITHMS] = {
    [DIGEST_SHA256] = {"sha256", 64, EVP_sha256},
    [DIGEST_SHA512] = {"sha512", 128, EVP_sha512},
    [DIGEST_SHA384] = {"sha384", 96, EVP_sha384},
    [DIGEST_BLAKE2B] = {"blake2b", 128, EVP_blake2b512},
    [DIGEST_SHA224] = {"sha224", 56, EVP_sha224},
    [DIGEST_SHA1] = {"sha1", 40, EVP_sha1},
    [DIGEST_MD5] = {"md5", 32, EVP_md5},
};

const char *digest_name(enum digest_algorithm algorithm)
{
    return table[algorithm].name;
}

/* Names come from pages, so an unknown one is normal: the caller ignores that digest. */
bool digest_find(const char *name, size_t len, enum digest_algorithm *ret)
{
    for (int a = 0; a < DIGEST_ALGORITHMS; a++)
        if (strlen(table[a].name) == len && memcmp(table[a].name, name, len) == 0) {
            *ret = (enum digest_algorithm)a;
            return true;
        }
    return false;
}

size_t digest_hex_length(enum digest_algorithm algorithm)
{
    return table[algorithm].hex_length;
}

/* A struct digest is libcrypto's context under our own name, so that no other file includes
 * openssl. */
static EVP_MD_CTX *ctx_of(struct digest *d)
{
    return (EVP_MD_CTX *)(void *)d;
}

/* An algorithm that this libcrypto was built without also counts as ERROR_NO_MEMORY. */
int digest_new(enum digest_algorithm algorithm, struct digest **ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, table[algorithm].type(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return ERROR_NO_MEMORY;
    }
    *ret = (struct digest *)(void *)ctx;
    return 0;
}

void digest_free(struct digest *d)
{
    EVP_MD_CTX_free(ctx_of(d));
}

int digest_add(struct digest *d, const void *data, size_t len)
{
    return EVP_DigestUpdate(ctx_of(d), data, len) == 1 ? 0 : ERROR_NO_MEMORY;
}

/* The context cannot be used again; the caller only frees it. */
int digest_finish(struct digest *d, char ret_hex[DIGEST_HEX])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(ctx_of(d), bytes, &len) != 1 || 2 * len >= DIGEST_HEX)
        return ERROR_NO_MEMORY;
    str_hex(ret_hex, bytes, len);
    return 0;
}

/* ----------------------------------------------------------------- SHA-256 */

/* A struct sha256 is a struct digest of that algorithm. The type of its own keeps buffer sizes
 * fixed. */
static struct digest *as_digest(struct sha256 *s)
{
    return (struct digest *)(void *)s;
}

DEFINE_CLEANUP(struct sha256, sha256_free)

int sha256_new(struct sha256 **ret)
{
    struct digest *d;
    int r = digest_new(DIGEST_SHA256, &d);
    if (r == 0)
        *ret = (struct sha256 *)(void *)d;
    return r;
}

void sha256_free(struct sha256 *s)
{
    digest_free(as_digest(s));
}

int sha256_add(struct sha256 *s, const void *data, size_t len)
{
    return digest_add(as_digest(s), data, len);
}

/* The longer buffer is needed because digest_finish serves all algorithms. */
int sha256_finish(struct sha256 *s, char ret_hex[SHA256_HEX])
{
    char hex[DIGEST_HEX];
    int r = digest_finish(as_digest(s), hex);
    if (r == 0)
        memcpy(ret_hex, hex, SHA256_HEX);
    return r;
}

int sha256_of(const void *data, size_t len, char ret_hex[SHA256_HEX])
{
    AUTO(sha256_free) struct sha256 *s = NULL;
    int r = sha256_new(&s);
    if (r == 0)
        r = sha256_add(s, data, len);
    return r ? r : sha256_finish(s, ret_hex);
}
