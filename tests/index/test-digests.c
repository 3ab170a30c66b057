// SPDX-License-Identifier: Apache-2.0
/* What a page says of a file's digests, and the text in which it is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "index/digests.h"
#include "index/listing.h"

#define H32 "0123456789abcdef0123456789abcdef"
#define H40 H32 "01234567"
#define H64 H32 H32
#define H96 H32 H32 H32
#define H128 H64 H64
#define F64 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static const struct {
    const char *written, *kept;
} fragments[] = {
    {"sha256=" H64, "sha256=" H64},
    {"SHA256=" H64, ""}, /* as hashlib spells it, and pip and uv read it */
    {"sha256=0123456789ABCDEF0123456789abcdef" H32, "sha256=" H64},
    {"sha512=" H128, "sha512=" H128},
    {"sha384=" H96, "sha384=" H96},
    {"blake2b=" H128, "blake2b=" H128},
    {"md5=" H32, "md5=" H32},
    {"sha1=" H40, "sha1=" H40},
    {"sha1=" H40 "&md5=" H32, "sha1=" H40 " md5=" H32},
    {"md5=" H32 "&sha256=" H64, "sha256=" H64}, /* there is better */
    {"sha512=" H128 "&sha256=" H64, "sha256=" H64 " sha512=" H128},
    {"sha256=" H64 "&sha256=" H64, "sha256=" H64},
    {"sha256=" F64 "&sha256=" H64, "sha256=" H64 " sha256=" F64},
    {"egg=torch&sha512=" H128 "&subdirectory=x", "sha512=" H128},
    {"sha256=" H32, ""},
    {"md5=" H64, ""},
    {"sha256=" H64 "0", ""},
    {"sha256=g" H32 H32, ""},
    {"sha3_256=" H64, ""},
    {"sha256", ""},
    {"=", ""},
    {"&&", ""},
    {"", ""},
};

static void fragments_become_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        struct digests d = {.count = 0};
        char text[DIGESTS_TEXT];

        digests_add_text(&d, fragments[i].written, '&');
        digests_write(&d, text);
        assert_string_equal(text, fragments[i].kept);
    }
}

static void more_than_anybody_means_are_dropped(void **state)
{
    struct digests d = {.count = 0};
    char hex[] = H128;
    char text[DIGESTS_TEXT];

    (void)state;
    for (char c = 'a'; c <= 'f'; c++) {
        hex[0] = c;
        assert_true(digests_add(&d, DIGEST_SHA512, hex));
        assert_true(digests_add(&d, DIGEST_BLAKE2B, hex));
    }
    assert_int_equal(d.count, DIGESTS_MOST);
    digests_write(&d, text);
    assert_true(strlen(text) < sizeof(text));
}

static void the_only_sha256(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    assert_true(digests_sha256("sha256=" H64, hex));
    assert_string_equal(hex, H64);
    assert_true(digests_sha256("sha256=" H64 " sha512=" H128, hex));
    assert_false(digests_sha256("sha256=" H64 " sha256=" F64, hex));
    assert_false(digests_sha256("sha512=" H128, hex));
    assert_false(digests_sha256("", hex));
    assert_false(digests_sha256(NULL, hex));
}

static void two_values_of_one_algorithm(void **state)
{
    (void)state;
    assert_true(digests_are_ambiguous("sha256=" H64 " sha256=" F64));
    assert_true(digests_are_ambiguous("sha256=" H64 " sha512=" H128 " sha512=" F64 F64));
    assert_false(digests_are_ambiguous("sha256=" H64 " sha512=" H128));
    assert_false(digests_are_ambiguous("md5=" H32));
    assert_false(digests_are_ambiguous(""));
}

static const char name[] = "demo-1.0-py3-none-any.whl";

static void expect_page(const char *page, const char *digests, const char *metadata)
{
    struct listing *l = NULL;

    assert_int_equal(listing_parse(page, strlen(page), "https://h.example/simple/demo/", &l), 0);
    assert_int_equal(l->file_count, 1);
    assert_string_equal(l->files[0].name, name);
    if (digests)
        assert_string_equal(l->files[0].digests, digests);
    else
        assert_null(l->files[0].digests);
    if (metadata)
        assert_string_equal(l->files[0].metadata_digests, metadata);
    else
        assert_null(l->files[0].metadata_digests);
    listing_free(l);
}

#define HTML(link) "<!DOCTYPE html><html><body><a " link ">x</a></body></html>"
#define FILE_URL "../../demo-1.0-py3-none-any.whl"
#define JSON(more)                                                                                 \
    "{\"meta\":{\"api-version\":\"1.0\"},\"name\":\"demo\",\"files\":[{\"filename\":"              \
    "\"demo-1.0-py3-none-any.whl\",\"url\":\"" FILE_URL "\"" more "}]}"

static void pages_name_other_algorithms(void **state)
{
    (void)state;
    expect_page(HTML("href='" FILE_URL "#sha512=" H128 "'"), "sha512=" H128, NULL);
    expect_page(HTML("href='" FILE_URL "#md5=" H32 "' data-core-metadata='md5=" H32 "'"),
                "md5=" H32, "md5=" H32);
    expect_page(HTML("href='" FILE_URL "#sha512%3D" H128 "'"), "sha512=" H128, NULL);
    expect_page(HTML("href='" FILE_URL "' data-dist-info-metadata='sha512=" H128 "'"), NULL,
                "sha512=" H128);
    expect_page(JSON(",\"hashes\":{\"sha512\":\"" H128 "\",\"md5\":\"" H32 "\"}"), "sha512=" H128,
                NULL);
    expect_page(JSON(",\"hashes\":{\"md5\":\"" H32 "\"},\"core-metadata\":{\"sha256\":\"" H64
                     "\",\"sha512\":\"" H128 "\"}"),
                "md5=" H32, "sha256=" H64 " sha512=" H128);
    /* One digest in each of both places: the page says both. */
    expect_page("{\"files\":[{\"url\":\"" FILE_URL "#sha256=" H64 "\",\"hashes\":{\"sha256\":\"" F64
                "\"}}]}",
                "sha256=" H64 " sha256=" F64, NULL);
    expect_page(JSON(",\"hashes\":{\"sha256\":[],\"sha512\":null,\"md5\":5}"), NULL, NULL);
    expect_page(JSON(",\"hashes\":[\"" H64 "\"]"), NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_become_texts),
        cmocka_unit_test(more_than_anybody_means_are_dropped),
        cmocka_unit_test(the_only_sha256),
        cmocka_unit_test(two_values_of_one_algorithm),
        cmocka_unit_test(pages_name_other_algorithms),
    };

    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
