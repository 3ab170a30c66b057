// SPDX-License-Identifier: Apache-2.0
#include "bundle/minisign.h"

#include <stdbool.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/scrypt.h"

/* Bytes that the lines of base64 stand for, and where in them each part begins. */
enum { ALGORITHM = 2, BLAKE2B = 64 };
enum { PUBLIC_BYTES = ALGORITHM + MINISIGN_ID + ED25519_KEY };
enum { SIGNATURE_BYTES = ALGORITHM + MINISIGN_ID + ED25519_SIGNATURE };
enum { CHECKSUM = 32, SALT = 32 };
enum {
    SECRET_KDF = ALGORITHM,
    SECRET_CHECK = SECRET_KDF + 2,
    SECRET_SALT = SECRET_CHECK + 2,
    SECRET_OPERATIONS = SECRET_SALT + SALT,
    SECRET_MEMORY = SECRET_OPERATIONS + 8,
    SECRET_PAIR = SECRET_MEMORY + 8, /* number, seed, public key, checksum; hidden by scrypt */
    PAIR_BYTES = MINISIGN_ID + 2 * ED25519_KEY + CHECKSUM,
    SECRET_BYTES = SECRET_PAIR + PAIR_BYTES,
};
/* What the most expensive of minisign's own settings takes. */
#define SCRYPT_MEMORY_MAX (UINT64_C(1) << 30)
#define SCRYPT_OPERATIONS_MAX (UINT64_C(1) << 26)

static const char untrusted_prefix[] = "untrusted comment: ";
static const char trusted_prefix[] = "trusted comment: ";

DEFINE_CLEANUP(struct digest, digest_free)

/* -------------------------------------------------------------------- lines */

struct line {
    const char *text;
    size_t len;
};

/* Cuts the next line off; a line may end in CR LF. False after the last one. */
static bool next_line(const char **text, size_t *len, struct line *ret)
{
    if (*len == 0)
        return false;
    const char *end = memchr(*text, '\n', *len);
    size_t taken = end ? (size_t)(end - *text) : *len;
    *ret = (struct line){*text, taken};
    if (taken && ret->text[taken - 1] == '\r')
        ret->len--;
    *text += taken + (end != NULL);
    *len -= taken + (end != NULL);
    return true;
}

static bool line_starts(const struct line *line, const char *prefix)
{
    size_t len = strlen(prefix);
    return line->len >= len && memcmp(line->text, prefix, len) == 0;
}

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return ERROR_CORRUPT;
}

/* The line of base64 in a key's file: behind a comment, or all there is. */
static int find_key_line(const char *text, size_t len, struct line *ret, const char **ret_why)
{
    struct line rest;
    if (len > MINISIGN_FILE_MAX) {
        *ret_why = "it is larger than a key can be";
        return ERROR_TOO_BIG;
    }
    if (!next_line(&text, &len, ret))
        return refuse(ret_why, "it is empty");
    if (line_starts(ret, untrusted_prefix) && !next_line(&text, &len, ret))
        return refuse(ret_why, "line 2: the key is missing");
    while (next_line(&text, &len, &rest))
        if (rest.len)
            return refuse(ret_why, "something follows the key");
    return 0;
}

static uint64_t little_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* --------------------------------------------------------------- public keys */

int minisign_public_read(const char *text, size_t len, struct minisign_public *ret,
                         const char **ret_why)
{
    uint8_t bytes[PUBLIC_BYTES];
    struct line line;
    int r = find_key_line(text, len, &line, ret_why);
    if (r)
        return r;
    if (!base64_read(line.text, line.len, bytes, sizeof(bytes)))
        return refuse(ret_why, "it is no public key of minisign: 56 characters of base64");
    if (memcmp(bytes, "Ed", ALGORITHM) != 0)
        return refuse(ret_why, "it is a key of another algorithm than Ed25519");
    memcpy(ret->id, bytes + ALGORITHM, MINISIGN_ID);
    memcpy(ret->key, bytes + ALGORITHM + MINISIGN_ID, ED25519_KEY);
    return 0;
}

void minisign_public_write(const struct minisign_public *key, struct buf *to)
{
    uint8_t bytes[PUBLIC_BYTES] = {'E', 'd'};
    memcpy(bytes + ALGORITHM, key->id, MINISIGN_ID);
    memcpy(bytes + ALGORITHM + MINISIGN_ID, key->key, ED25519_KEY);
    base64_write(to, bytes, sizeof(bytes));
}

void minisign_id_text(const uint8_t id[MINISIGN_ID], char ret[MINISIGN_ID_TEXT])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 0; i < MINISIGN_ID; i++) {
        ret[2 * i] = digits[id[MINISIGN_ID - 1 - i] >> 4];
        ret[2 * i + 1] = digits[id[MINISIGN_ID - 1 - i] & 15];
    }
    ret[2 * (size_t)MINISIGN_ID] = '\0';
}

/* --------------------------------------------------------------- secret keys */

/* The largest power of two that is not above `most`, and at least 2. */
static uint64_t power_of_two(uint64_t most)
{
    uint64_t n = 2;
    while (n <= most / 2)
        n *= 2;
    return n;
}

/* The parameters that libsodium makes of its two limits, which are what the file names. */
static struct scrypt_cost cost_of(uint64_t operations, uint64_t memory)
{
    struct scrypt_cost cost = {.r = 8, .p = 1};
    if (operations < 32768)
        operations = 32768;
    if (operations < memory / 32) {
        cost.n = power_of_two(operations / (4 * cost.r));
        return cost;
    }
    cost.n = power_of_two(memory / (128 * cost.r));
    cost.p = (uint32_t)(operations / 4 / cost.n / cost.r);
    return cost;
}

/* Undoes what the password has hidden. */
static int reveal(uint8_t bytes[SECRET_BYTES], const struct minisign_password *password,
                  const char **ret_why)
{
    uint64_t operations = little_endian(bytes + SECRET_OPERATIONS);
    uint64_t memory = little_endian(bytes + SECRET_MEMORY);
    uint8_t stream[PAIR_BYTES];
    char text[MINISIGN_PASSWORD_MAX];
    if (operations > SCRYPT_OPERATIONS_MAX || memory > SCRYPT_MEMORY_MAX) {
        *ret_why = "its password takes more memory or time than minisign ever asks for";
        return ERROR_TOO_BIG;
    }
    int r = password->ask(password->context, text);
    if (r == 0)
        r = scrypt_derive(text, bytes + SECRET_SALT, SALT, cost_of(operations, memory),
                          SCRYPT_MEMORY_MAX, stream, sizeof(stream));
    explicit_bzero(text, sizeof(text));
    for (size_t i = 0; r == 0 && i < sizeof(stream); i++)
        bytes[SECRET_PAIR + i] ^= stream[i];
    explicit_bzero(stream, sizeof(stream));
    return r;
}

/* A pair is right when its seed makes its public key. */
static int take_pair(const uint8_t *pair, struct minisign_secret *secret)
{
    uint8_t made[ED25519_KEY];
    memcpy(secret->public.id, pair, MINISIGN_ID);
    memcpy(secret->seed, pair + MINISIGN_ID, ED25519_KEY);
    memcpy(secret->public.key, pair + MINISIGN_ID + ED25519_KEY, ED25519_KEY);
    int r = ed25519_public(secret->seed, made);
    if (r == 0 && memcmp(made, secret->public.key, ED25519_KEY) != 0)
        r = MINISIGN_WRONG_PASSWORD;
    return r;
}

static int read_secret(uint8_t bytes[SECRET_BYTES], const struct minisign_password *password,
                       struct minisign_secret *secret, const char **ret_why)
{
    static const uint8_t no_password[2] = {0, 0};
    bool is_open = memcmp(bytes + SECRET_KDF, no_password, sizeof(no_password)) == 0;
    if (memcmp(bytes, "Ed", ALGORITHM) != 0)
        return refuse(ret_why, "it is a key of another algorithm than Ed25519");
    if (!is_open && memcmp(bytes + SECRET_KDF, "Sc", 2) != 0)
        return refuse(ret_why, "its password is hidden by something else than scrypt");
    int r = is_open ? 0 : reveal(bytes, password, ret_why);
    if (r == 0)
        r = take_pair(bytes + SECRET_PAIR, secret);
    if (r == MINISIGN_WRONG_PASSWORD && is_open)
        r = refuse(ret_why, "its two halves do not belong together");
    return r;
}

int minisign_secret_read(const char *text, size_t len, const struct minisign_password *password,
                         struct minisign_secret *ret, const char **ret_why)
{
    uint8_t bytes[SECRET_BYTES];
    struct minisign_secret secret;
    struct line line;
    int r = find_key_line(text, len, &line, ret_why);
    if (r)
        return r;
    if (!base64_read(line.text, line.len, bytes, sizeof(bytes)))
        return refuse(ret_why, "it is no secret key of minisign");
    r = read_secret(bytes, password, &secret, ret_why);
    if (r == 0)
        *ret = secret;
    explicit_bzero(bytes, sizeof(bytes));
    explicit_bzero(&secret, sizeof(secret));
    return r;
}

void minisign_secret_forget(struct minisign_secret *secret)
{
    explicit_bzero(secret, sizeof(*secret));
}

/* ---------------------------------------------------------------- signatures */

static uint8_t hex_value(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* BLAKE2b-512 as bytes. */
static int prehash(const void *data, size_t len, uint8_t ret[BLAKE2B])
{
    AUTO(digest_free) struct digest *digest = NULL;
    char hex[DIGEST_HEX];
    int r = digest_new(DIGEST_BLAKE2B, &digest);
    if (r == 0)
        r = digest_add(digest, data, len);
    if (r == 0)
        r = digest_finish(digest, hex);
    for (size_t i = 0; r == 0 && i < BLAKE2B; i++)
        ret[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
    return r;
}

static bool is_comment(const char *text, size_t len)
{
    if (len > MINISIGN_COMMENT_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

/* What the global signature covers: the signature, then the trusted comment. */
static size_t join_global(const uint8_t *signature, const char *comment,
                          uint8_t to[ED25519_SIGNATURE + MINISIGN_COMMENT_MAX])
{
    size_t len = strlen(comment);
    memcpy(to, signature, ED25519_SIGNATURE);
    memcpy(to + ED25519_SIGNATURE, comment, len);
    return ED25519_SIGNATURE + len;
}

int minisign_sign(const struct minisign_secret *secret, const void *data, size_t len,
                  const char *comment, struct buf *ret)
{
    uint8_t hash[BLAKE2B], bytes[SIGNATURE_BYTES] = {'E', 'D'}, global[ED25519_SIGNATURE];
    uint8_t covered[ED25519_SIGNATURE + MINISIGN_COMMENT_MAX];
    uint8_t *signature = bytes + ALGORITHM + MINISIGN_ID;
    if (!is_comment(comment, strlen(comment)))
        return ERROR_BAD_REQUEST;
    memcpy(bytes + ALGORITHM, secret->public.id, MINISIGN_ID);
    int r = prehash(data, len, hash);
    if (r == 0)
        r = ed25519_sign(secret->seed, hash, sizeof(hash), signature);
    if (r == 0)
        r = ed25519_sign(secret->seed, covered, join_global(signature, comment, covered), global);
    if (r)
        return r;
    buf_printf(ret, "%ssignature of wheelyard\n", untrusted_prefix);
    base64_write(ret, bytes, sizeof(bytes));
    buf_printf(ret, "\n%s%s\n", trusted_prefix, comment);
    base64_write(ret, global, sizeof(global));
    buf_putc(ret, '\n');
    return ret->error;
}

/* A signature's file, in pieces. */
struct parsed {
    uint8_t bytes[SIGNATURE_BYTES], global[ED25519_SIGNATURE];
};

static int parse_signature(const char *text, size_t len, struct parsed *parsed,
                           struct minisign_signature *signature, const char **ret_why)
{
    struct line lines[4], rest;
    size_t prefix = strlen(trusted_prefix);
    if (len > MINISIGN_FILE_MAX) {
        *ret_why = "it is larger than a signature can be";
        return ERROR_TOO_BIG;
    }
    for (int i = 0; i < 4; i++)
        if (!next_line(&text, &len, &lines[i]))
            return refuse(ret_why, "it has less than the four lines of a signature");
    while (next_line(&text, &len, &rest))
        if (rest.len)
            return refuse(ret_why, "something follows the signature");
    if (!line_starts(&lines[0], untrusted_prefix))
        return refuse(ret_why, "line 1: the untrusted comment is missing");
    if (!base64_read(lines[1].text, lines[1].len, parsed->bytes, SIGNATURE_BYTES))
        return refuse(ret_why, "line 2: it is no signature in base64");
    if (memcmp(parsed->bytes, "ED", ALGORITHM) != 0 && memcmp(parsed->bytes, "Ed", ALGORITHM) != 0)
        return refuse(ret_why, "line 2: it is a signature of another algorithm");
    if (!line_starts(&lines[2], trusted_prefix) ||
        !is_comment(lines[2].text + prefix, lines[2].len - prefix))
        return refuse(ret_why, "line 3: the trusted comment is missing, or has control characters");
    if (!base64_read(lines[3].text, lines[3].len, parsed->global, ED25519_SIGNATURE))
        return refuse(ret_why, "line 4: it is no signature in base64");
    memcpy(signature->id, parsed->bytes + ALGORITHM, MINISIGN_ID);
    memcpy(signature->comment, lines[2].text + prefix, lines[2].len - prefix);
    signature->comment[lines[2].len - prefix] = '\0';
    return 0;
}

int minisign_signature_read(const char *text, size_t len, struct minisign_signature *ret,
                            const char **ret_why)
{
    struct parsed parsed;
    return parse_signature(text, len, &parsed, ret, ret_why);
}

int minisign_verify(const struct minisign_public *key, const char *signature, size_t signature_len,
                    const void *data, size_t len, struct minisign_signature *ret_signature,
                    const char **ret_why)
{
    uint8_t hash[BLAKE2B], covered[ED25519_SIGNATURE + MINISIGN_COMMENT_MAX];
    struct parsed parsed;
    int r = parse_signature(signature, signature_len, &parsed, ret_signature, ret_why);
    if (r)
        return r;
    if (memcmp(ret_signature->id, key->id, MINISIGN_ID) != 0)
        return MINISIGN_OTHER_KEY;
    const uint8_t *own = parsed.bytes + ALGORITHM + MINISIGN_ID;
    if (memcmp(parsed.bytes, "ED", ALGORITHM) == 0) {
        r = prehash(data, len, hash);
        if (r)
            return r;
        data = hash;
        len = sizeof(hash);
    }
    if (!ed25519_verify(key->key, data, len, own) ||
        !ed25519_verify(key->key, covered, join_global(own, ret_signature->comment, covered),
                        parsed.global))
        return MINISIGN_REFUTED;
    return 0;
}
