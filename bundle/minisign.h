// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Signatures in the format of minisign (https://jedisct1.github.io/minisign/): what is signed here
 * `minisign -V` agrees with, and what `minisign -S` signs is accepted here.
 *
 *     r = minisign_public_read(text, len, &key, &why);             a key's file, or its one line
 *     r = minisign_verify(&key, signature, len, data, data_len, &verified, &why);
 *
 *     r = minisign_secret_read(text, len, &password, &secret, &why);
 *     r = minisign_sign(&secret, data, data_len, "a trusted comment", &to);
 *     minisign_secret_forget(&secret);
 *
 * Signing writes the form `ED`, which signs the BLAKE2b-512 of the data. Verifying also takes the
 * older `Ed`, which signs the data themselves. In both the global signature must cover the trusted
 * comment. A secret key's password goes through scrypt, with the memory that the key's file names:
 * usually 1 GiB, for about four seconds; more is refused. A key without a password is read too.
 *
 * Whether the password was right is seen by the key pair: its seed must make its public key. The
 * checksum in the file, BLAKE2b with 32 bytes, is not looked at, for libcrypto does not have it.
 * So a changed number of the key is not noticed here, but by whoever verifies the signature.
 *
 * Errors: ERROR_CORRUPT for text that is not of the format, ERROR_TOO_BIG past a bound;
 * *ret_why then says for people what is wrong (a static text). Pure but for the password's
 * callback; any thread.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ed25519.h"

enum {
    MINISIGN_ID = 8,
    MINISIGN_ID_TEXT = 17,        /* 16 hex digits as minisign shows them, and a NUL */
    MINISIGN_FILE_MAX = 16 << 10, /* of keys and signatures */
    MINISIGN_COMMENT_MAX = 8192,  /* bytes of a comment */
    MINISIGN_PASSWORD_MAX = 1024, /* bytes, with a NUL */
};

struct minisign_public {
    uint8_t id[MINISIGN_ID]; /* tells keys apart; proves nothing */
    uint8_t key[ED25519_KEY];
};

struct minisign_secret {
    struct minisign_public public;
    uint8_t seed[ED25519_KEY];
};

/* Called once, when the key has a password. Writes it with a NUL; below 0 is passed up. */
struct minisign_password {
    int (*ask)(void *context, char to[MINISIGN_PASSWORD_MAX]);
    void *context;
};

/* What a signature's file says. Nothing of it is believed before minisign_verify has said 0. */
struct minisign_signature {
    uint8_t id[MINISIGN_ID];
    char comment[MINISIGN_COMMENT_MAX + 1]; /* the trusted one */
};

int minisign_public_read(const char *text, size_t len, struct minisign_public *ret,
                         const char **ret_why);
/* The key's one line, without a line end. */
void minisign_public_write(const struct minisign_public *key, struct buf *to);
/* The key's number as minisign shows it: "5DE1D3B6A1C2F0E4". */
void minisign_id_text(const uint8_t id[MINISIGN_ID], char ret[MINISIGN_ID_TEXT]);

/* MINISIGN_WRONG_PASSWORD (> 0), also for a damaged key. ERROR_NO_MEMORY: too little for scrypt. */
enum { MINISIGN_WRONG_PASSWORD = 1 };
int minisign_secret_read(const char *text, size_t len, const struct minisign_password *password,
                         struct minisign_secret *ret, const char **ret_why);
void minisign_secret_forget(struct minisign_secret *secret);

/* Appends the text of a signature's file. ERROR_BAD_REQUEST: a comment with a control character
 * other than a tab, or too long. */
int minisign_sign(const struct minisign_secret *secret, const void *data, size_t len,
                  const char *comment, struct buf *ret);

/* 0: the key has signed data and trusted comment. MINISIGN_OTHER_KEY (> 0): the signature names
 * another key; ret_signature is filled in. MINISIGN_REFUTED (> 0): data or comment are not what was
 * signed. */
enum { MINISIGN_OTHER_KEY = 1, MINISIGN_REFUTED = 2 };
int minisign_verify(const struct minisign_public *key, const char *signature, size_t signature_len,
                    const void *data, size_t len, struct minisign_signature *ret_signature,
                    const char **ret_why);
/* Reads what a signature's file says, and verifies nothing. */
int minisign_signature_read(const char *text, size_t len, struct minisign_signature *ret,
                            const char **ret_why);
