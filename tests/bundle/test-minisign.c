// SPDX-License-Identifier: Apache-2.0
/* Keys and signatures that minisign 0.11 has made; and ours. tests/e2e/airgap/test_bundle.py runs the
 * program itself. */
#include "bundle/minisign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/str.h"

#define KEY_LINE "RWRSlcWWAwbS5+GWbWGPtNrD/lQoz3S7h337jDkdKqcb7X65mz/N474c"
static const char public_file[] =
    "untrusted comment: minisign public key E7D2060396C59552\n" KEY_LINE "\n";
static const char open_secret[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAUpXFlgMG0ud7AxoLsJR9"
    "mfASXABrZ94k3qvmgIcnMAu89iLmE8uVkeGWbWGPtNrD/lQoz3S7h337jDkdKqcb7X65mz/N474cAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAA=\n";
/* The same with the password "secret words", and scrypt's cheapest parameters. */
static const char closed_secret[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWRTY0IyAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AgAAAAAAAAAAAAAEAAAAAHnFW71iznBuv/m0vmRKP5Q"
    "KWzOzbd4Z05G1ZAfWz4uuCNcBdasqhdNCkZXNkSUvYSrRkHOfIF1C4miu3rkbLFAhJIQsgBaCS7cgB6ImXGtjjjJfaRVtD"
    "3fMmxWqyt8DUt8J3hrYArI4=\n";
static const char data[] = "hello\n";
static const char prehashed[] =
    "untrusted comment: signature from minisign secret key\n"
    "RURSlcWWAwbS50D5fp/THMSQn97kvIpUClRjpvODy3e/92ZX8H3MhnFGvWHlqVRvppxONw/7DzICE9aAu60HfS2lIiGD6W"
    "FSHA8=\n"
    "trusted comment: a trusted comment\n"
    "MTI1QmXiktBOuvWyvrN3gQlUj4o1yqzU+E9RMFCA4WTsIjJ1TZhO1lvIB8p2nP9YFlMTTLBDhXzQeM2t3jQTDA==\n";
static const char legacy[] =
    "untrusted comment: signature from minisign secret key\n"
    "RWRSlcWWAwbS5z6tN+LTm12Ze59XO7nE+CLFhe5bcmb+WbrMvl/o544PZYHX0tXBTxikeQ9kx6LTCFSTDoH3kPsxNPnv4j"
    "CEAgk=\n"
    "trusted comment: an older one\n"
    "/2OkM7oDYpnUEBuPwPpMRyHnFWLVCCggoHszN2F16ksgOIYSJgG5MamQo7Y6Zaja3UEUFrRlXnhjOya6vNtNDA==\n";

static struct minisign_public public_key(void)
{
    struct minisign_public key;
    const char *why = "";
    assert_int_equal(minisign_public_read(KEY_LINE, strlen(KEY_LINE), &key, &why), 0);
    return key;
}

static int verify(const char *signature, const char *of, const char **ret_comment)
{
    static struct minisign_signature said;
    struct minisign_public key = public_key();
    const char *why = "";
    int r = minisign_verify(&key, signature, strlen(signature), of, strlen(of), &said, &why);
    *ret_comment = said.comment;
    return r;
}

static void reads_public_keys(void **state)
{
    (void)state;
    struct minisign_public line = public_key(), file;
    const char *why = "";
    char id[MINISIGN_ID_TEXT];
    assert_int_equal(minisign_public_read(public_file, strlen(public_file), &file, &why), 0);
    assert_memory_equal(&line, &file, sizeof(line));
    minisign_id_text(line.id, id);
    assert_string_equal(id, "E7D2060396C59552");

    struct buf text;
    buf_init(&text, 100);
    minisign_public_write(&line, &text);
    assert_string_equal(text.data, KEY_LINE);
    buf_release(&text);
}

static void refuses_what_is_no_key(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "\n",
        "untrusted comment: only that\n",
        "RWRSlcWWAwbS5",
        "RURSlcWWAwbS5+GWbWGPtNrD/lQoz3S7h337jDkdKqcb7X65mz/N474c",
        "RWRSlcWWAwbS5+GWbWGPtNrD/lQoz3S7h337jDkdKqcb7X65mz/N474!",
        KEY_LINE "\n" KEY_LINE "\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct minisign_public key;
        const char *why = NULL;
        assert_int_equal(minisign_public_read(wrong[i], strlen(wrong[i]), &key, &why),
                         ERROR_CORRUPT);
        assert_non_null(why);
    }
}

static void agrees_with_minisign(void **state)
{
    (void)state;
    const char *comment;
    assert_int_equal(verify(prehashed, data, &comment), 0);
    assert_string_equal(comment, "a trusted comment");
    assert_int_equal(verify(legacy, data, &comment), 0);
    assert_string_equal(comment, "an older one");
    assert_int_equal(verify(prehashed, "hellO\n", &comment), MINISIGN_REFUTED);
    assert_int_equal(verify(legacy, "hellO\n", &comment), MINISIGN_REFUTED);
}

/* Each byte of the signature's file, but for the untrusted comment, is covered. */
static void covers_all_but_the_untrusted_comment(void **state)
{
    (void)state;
    const char *comment;
    char text[sizeof(prehashed)];
    for (size_t i = strcspn(prehashed, "\n") + 1; i + 1 < sizeof(prehashed); i++) {
        memcpy(text, prehashed, sizeof(text));
        text[i] ^= 1;
        int r = verify(text, data, &comment);
        if (r == 0)
            print_message("byte %zu is not covered\n", i);
        assert_int_not_equal(r, 0);
    }
}

static void says_whose_it_is(void **state)
{
    (void)state;
    struct minisign_public key = public_key();
    struct minisign_signature said;
    const char *why = "";
    key.id[0] ^= 1;
    assert_int_equal(
        minisign_verify(&key, prehashed, strlen(prehashed), data, strlen(data), &said, &why),
        MINISIGN_OTHER_KEY);
    key.id[0] ^= 1;
    key.key[0] ^= 1;
    assert_int_equal(
        minisign_verify(&key, prehashed, strlen(prehashed), data, strlen(data), &said, &why),
        MINISIGN_REFUTED);
}

static int say(void *context, char to[MINISIGN_PASSWORD_MAX])
{
    if (!context)
        return ERROR_STOPPING;
    str_copy(to, MINISIGN_PASSWORD_MAX, context);
    return 0;
}

static int read_secret(const char *text, char *words, struct minisign_secret *ret)
{
    struct minisign_password password = {say, words};
    const char *why = "";
    return minisign_secret_read(text, strlen(text), &password, ret, &why);
}

static void signs(void **state)
{
    (void)state;
    static char right[] = "secret words", wrong[] = "secret word";
    struct minisign_secret open, closed;
    const char *comment;
    struct buf text;
    assert_int_equal(read_secret(open_secret, NULL, &open), 0); /* nobody is asked */
    assert_int_equal(read_secret(closed_secret, right, &closed), 0);
    assert_memory_equal(&open, &closed, sizeof(open));
    assert_int_equal(read_secret(closed_secret, wrong, &closed), MINISIGN_WRONG_PASSWORD);
    assert_int_equal(read_secret(closed_secret, NULL, &closed), ERROR_STOPPING);

    buf_init(&text, MINISIGN_FILE_MAX);
    assert_int_equal(minisign_sign(&open, data, strlen(data), "as of\ttoday", &text), 0);
    assert_int_equal(verify(text.data, data, &comment), 0);
    assert_string_equal(comment, "as of\ttoday");
    buf_clear(&text);
    assert_int_equal(minisign_sign(&open, data, strlen(data), "two\nlines", &text),
                     ERROR_BAD_REQUEST);
    buf_release(&text);
    minisign_secret_forget(&open);
    assert_int_equal(open.seed[0] | open.seed[31] | open.public.key[0], 0);
}

static void refuses_costly_passwords(void **state)
{
    (void)state;
    static char right[] = "secret words";
    struct minisign_secret secret;
    char *text = strdup(closed_secret);
    assert_non_null(text);
    /* The limit of memory is in the bytes behind the salt: the digits that stand for its top. */
    char *at = strstr(text, "AAAAEAAAAA");
    assert_non_null(at);
    memcpy(at, "AAAAEAAAD/", 10);
    assert_int_equal(read_secret(text, right, &secret), ERROR_TOO_BIG);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_public_keys),
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test(agrees_with_minisign),
        cmocka_unit_test(covers_all_but_the_untrusted_comment),
        cmocka_unit_test(says_whose_it_is),
        cmocka_unit_test(signs),
        cmocka_unit_test(refuses_costly_passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
