// SPDX-License-Identifier: Apache-2.0
#include "base/scrypt.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/error.h"

/* Beyond the 128 * n * r bytes: some blocks of 128 * r bytes, for each of p one. */
enum { SCRYPT_SLACK = 1 << 20 };

int scrypt_derive(const char *password, const void *salt, size_t salt_len, struct scrypt_cost cost,
                  uint64_t most_bytes, void *ret_key, size_t key_len)
{
    if (cost.r > 1024 || cost.p > 1024 || cost.n > most_bytes / 128 / (cost.r ? cost.r : 1))
        return ERROR_TOO_BIG;
    if (EVP_PBE_scrypt(password, strlen(password), salt, salt_len, cost.n, cost.r, cost.p,
                       most_bytes + SCRYPT_SLACK, ret_key, key_len) != 1)
        return ERROR_NO_MEMORY;
    return 0;
}
