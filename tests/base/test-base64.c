// SPDX-License-Identifier: Apache-2.0
/* Base64, and the two algorithms that read keys in it, by the vectors of their RFCs. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/ed25519.h"
#include "base/error.h"
#include "base/scrypt.h"
#include "base/str.h"

static void writes_and_reads(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        const char *plain = pairs[i][0], *text = pairs[i][1];
        char back[16];
        struct buf b;
        buf_init(&b, 64);
        base64_write(&b, plain, strlen(plain));
        assert_string_equal(b.data, text);
        buf_release(&b);
        assert_true(base64_read(text, strlen(text), back, strlen(plain)));
        assert_memory_equal(back, plain, strlen(plain));
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } wrong[] = {{"Zg=", 1},    {"Zg", 1},   {"Zh==", 1}, {"Zg==", 2},     {"Zm8=", 3},
                 {"Zm9v\n", 3}, {"Zm-v", 3}, {"Zm=v", 3}, {"Zg==Zg==", 2}, {"Z===", 1}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char back[16];
        print_message("%s\n", wrong[i].text);
        assert_false(base64_read(wrong[i].text, strlen(wrong[i].text), back, wrong[i].size));
    }
}

/* RFC 8032, 7.1, test 2. */
static void signs_as_the_rfc(void **state)
{
    (void)state;
    static const uint8_t seed[] = {0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3,
                                   0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab,
                                   0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb};
    uint8_t key[ED25519_KEY], signature[ED25519_SIGNATURE];
    char hex[2 * ED25519_SIGNATURE + 1];
    assert_int_equal(ed25519_public(seed, key), 0);
    str_hex(hex, key, sizeof(key));
    assert_string_equal(hex, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_int_equal(ed25519_sign(seed, "\x72", 1, signature), 0);
    str_hex(hex, signature, sizeof(signature));
    assert_string_equal(hex, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                             "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_true(ed25519_verify(key, "\x72", 1, signature));
    assert_false(ed25519_verify(key, "\x73", 1, signature));
    signature[0] ^= 1;
    assert_false(ed25519_verify(key, "\x72", 1, signature));
}

/* RFC 7914, 12, the second vector. */
static void derives_as_the_rfc(void **state)
{
    (void)state;
    struct scrypt_cost cost = {.n = 1024, .r = 8, .p = 16};
    uint8_t key[64];
    char hex[2 * sizeof(key) + 1];
    assert_int_equal(scrypt_derive("password", "NaCl", 4, cost, 1 << 22, key, sizeof(key)), 0);
    str_hex(hex, key, sizeof(key));
    assert_string_equal(hex, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                             "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    assert_int_equal(scrypt_derive("password", "NaCl", 4, cost, 1 << 19, key, sizeof(key)),
                     ERROR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(signs_as_the_rfc),
        cmocka_unit_test(derives_as_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
