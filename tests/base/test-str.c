// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"

static void starts_and_ends(void **state)
{
    (void)state;
    assert_true(str_starts("torch-2.0", "torch"));
    assert_true(str_starts("x", ""));
    assert_false(str_starts("tor", "torch"));
    assert_true(str_ends("a.whl", ".whl"));
    assert_true(str_ends("a", ""));
    assert_false(str_ends("whl", ".whl"));
}

static void copies_cut(void **state)
{
    (void)state;
    char to[4] = "zzz";
    str_copy(to, sizeof(to), "abcdef");
    assert_string_equal(to, "abc");
    str_copy(to, sizeof(to), "a");
    assert_string_equal(to, "a");
    str_copy(to, 1, "a");
    assert_string_equal(to, "");
}

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *s;
        bool yes;
    } cases[] = {
        {"cpu", "cpu", true},
        {"cpu", "cpu2", false},
        {"cpu", "cp", false},
        {"cu*", "cu126", true},
        {"cu*", "cu", true},
        {"cu*", "cpu", false},
        {"nightly/*", "nightly/cu130", true},
        {"nightly/*", "nightly", false},
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"*a*b", "xxaxxbxb", true},
        {"*a*b", "xxaxxbx", false},
        {"a*b*c", "abbcbc", true},
        {"**x", "x", true},
        {"fbgemm-gpu*", "fbgemm-gpu-genai", true},
        {"a?c", "abc", false}, /* no other character is special */
        {"*.*", "rocm6.4", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (str_matches(cases[i].pattern, cases[i].s) != cases[i].yes)
            fail_msg("'%s' on '%s'", cases[i].pattern, cases[i].s);
}

static void hex_and_sha256(void **state)
{
    (void)state;
    char hex[2 * 3 + 1];
    str_hex(hex, "\x00\xaf\xff", 3);
    assert_string_equal(hex, "00afff");

    char digest[SHA256_HEX];
    assert_int_equal(sha256_of("abc", 3, digest), 0);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(str_is_sha256(digest));
    digest[63] = '\0';
    assert_false(str_is_sha256(digest));
    assert_false(str_is_sha256(""));
    assert_false(str_is_sha256("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
    assert_false(
        str_is_sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0"));
}

static void digest_in_pieces(void **state)
{
    (void)state;
    struct sha256 *s = NULL;
    char pieces[SHA256_HEX], whole[SHA256_HEX];
    assert_int_equal(sha256_new(&s), 0);
    assert_int_equal(sha256_add(s, "wheel", 5), 0);
    assert_int_equal(sha256_add(s, "", 0), 0);
    assert_int_equal(sha256_add(s, "yard", 4), 0);
    assert_int_equal(sha256_finish(s, pieces), 0);
    sha256_free(s);
    sha256_free(NULL);
    assert_int_equal(sha256_of("wheelyard", 9, whole), 0);
    assert_string_equal(pieces, whole);
}

static void prints(void **state)
{
    (void)state;
    auto_free char *s = str_printf("%s/%d", "a", 5);
    assert_string_equal(s, "a/5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_ends), cmocka_unit_test(copies_cut),
        cmocka_unit_test(matches),         cmocka_unit_test(hex_and_sha256),
        cmocka_unit_test(prints),          cmocka_unit_test(digest_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
