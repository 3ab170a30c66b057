// SPDX-License-Identifier: Apache-2.0
/* Any text as a key or a signature. The first byte chooses what is read. No signature of a stranger
 * verifies, and a public key that was read is written as it was. */
#include "bundle/minisign.h"
#include "fuzz.h"

static int no_password(void *context, char to[MINISIGN_PASSWORD_MAX])
{
    (void)context;
    (void)to;
    return -1; /* scrypt is not what is looked for */
}

static void check_public(const char *text, size_t len)
{
    struct minisign_public key, again;
    const char *why = NULL;
    auto_buf struct buf line;
    buf_init(&line, 1 << 10);
    if (minisign_public_read(text, len, &key, &why)) {
        require(why != NULL);
        return;
    }
    minisign_public_write(&key, &line);
    require(minisign_public_read(line.data, line.len, &again, &why) == 0);
    require(memcmp(&key, &again, sizeof(key)) == 0);
    require(memmem(text, len, line.data, line.len) != NULL);
}

static void check_secret(const char *text, size_t len)
{
    struct minisign_password password = {.ask = no_password};
    struct minisign_secret secret;
    struct minisign_signature said;
    const char *why = "";
    auto_buf struct buf signature;
    buf_init(&signature, MINISIGN_FILE_MAX);
    if (minisign_secret_read(text, len, &password, &secret, &why))
        return;
    require(minisign_sign(&secret, text, len, "comment", &signature) == 0);
    require(minisign_verify(&secret.public, signature.data, signature.len, text, len, &said,
                            &why) == 0);
}

static void check_signature(const char *text, size_t len)
{
    static const struct minisign_public key = {.id = {1}, .key = {2}};
    struct minisign_signature said;
    const char *why = NULL;
    if (minisign_signature_read(text, len, &said, &why)) {
        require(why != NULL);
        return;
    }
    require(strlen(said.comment) <= MINISIGN_COMMENT_MAX);
    require(minisign_verify(&key, text, len, "data", 4, &said, &why) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] % 3 == 0)
        check_public(text, size - 1);
    else if (data[0] % 3 == 1)
        check_secret(text, size - 1);
    else
        check_signature(text, size - 1);
    return 0;
}
