// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "index/wheel.h"
#include "zip_stage.h"

/* Archives written here byte by byte, so that each field can lie, and read as a mirror's file is:
 * by ranges, counted. */

#define WHEEL "torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl"
#define MEMBER "torch-2.9.0+cu126.dist-info/METADATA"
static const char text[] = "Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0+cu126\n\nAbout.\n";

/* ----------------------------------------------------------------- reading */

static void add_metadata(struct archive *a, const struct odd *odd)
{
    add_odd(a, MEMBER, text, strlen(text), odd);
}

static void add_many(struct archive *a, const char *folder, unsigned count)
{
    char name[96];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "%s/a_module_with_a_long_name_%u.py", folder, i);
        add(a, name, "x");
    }
}

struct reading {
    int error;
    unsigned rounds;
    size_t fetched; /* bytes, twice where they are asked for twice */
    const char *why;
    struct buf text;
};

static void read_wheel(const char *bytes, size_t size, const char *file, struct reading *ret)
{
    struct wheel_parts parts = {.size = (int64_t)size};
    struct wheel_run want;
    *ret = (struct reading){.why = ""};
    buf_init(&ret->text, WHEEL_METADATA_MAX);
    while ((ret->error = wheel_metadata(&parts, file, &want, &ret->why, &ret->text)) ==
           WHEEL_WANTS) {
        assert_true(want.from >= 0 && want.from < want.to && want.to <= (int64_t)size);
        assert_true(++ret->rounds <= WHEEL_ROUNDS_MOST);
        size_t len = (size_t)(want.to - want.from);
        ret->fetched += len;
        char *part = malloc(len); /* of its own: no byte beyond it may be looked at */
        assert_non_null(part);
        memcpy(part, bytes + want.from, len);
        parts.list[parts.count++] = (struct wheel_part){want.from, part, len};
    }
    for (unsigned i = 0; i < parts.count; i++)
        free((void *)(uintptr_t)parts.list[i].data);
}

/* Ends the archive and reads it. */
static void assert_reads(struct archive *a, const char *expected, struct reading *ret)
{
    read_wheel(a->bytes.data, a->bytes.len, WHEEL, ret);
    if (ret->error)
        print_message("%s\n", ret->why);
    assert_int_equal(ret->error, 0);
    assert_string_equal(ret->text.data, expected);
    buf_release(&ret->text);
    archive_release(a);
}

static void assert_refused(struct archive *a, int error, const char *why)
{
    struct reading r;
    read_wheel(a->bytes.data, a->bytes.len, WHEEL, &r);
    assert_int_equal(r.error, error);
    assert_non_null(strstr(r.why, why));
    assert_int_equal(r.text.len, 0);
    buf_release(&r.text);
    archive_release(a);
}

/* Whether the end of the first `len` bytes is there, all of them in one part. */
static int end_of(const struct archive *a, size_t len, const char **ret_why)
{
    struct wheel_parts parts = {(int64_t)len, {{0, a->bytes.data, len}}, 1};
    struct wheel_run want;
    return wheel_end(&parts, &want, ret_why);
}

static void refuse_odd(const struct odd *odd, int error, const char *why)
{
    struct archive a;
    archive_begin(&a);
    add(&a, "torch/__init__.py", "");
    add_metadata(&a, odd);
    archive_end(&a, false, 0);
    assert_refused(&a, error, why);
}

/* ------------------------------------------------------------------- sound */

static void stored_and_deflated(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct archive a;
        struct reading r;
        struct odd odd = {.deflated = i & 1, .zip64 = i & 2};
        archive_begin(&a);
        add(&a, "torch/__init__.py", "import this\n");
        add_metadata(&a, &odd);
        add(&a, "torch-2.9.0+cu126.dist-info/RECORD", "");
        archive_end(&a, i & 4, 0);
        assert_reads(&a, text, &r);
        assert_int_equal(r.rounds, 1); /* all of a small wheel is its end */
    }
}

/* METADATA lies before a megabyte of others, whose bytes nobody asks for. */
static void only_what_is_needed_is_fetched(void **state)
{
    struct archive a;
    struct reading r;
    static char bulk[3 << 20];
    (void)state;
    memset(bulk, 'b', sizeof(bulk));
    archive_begin(&a);
    add_odd(&a, "torch/lib/a.so", bulk, sizeof(bulk), &(struct odd){0});
    add_metadata(&a, &(struct odd){.deflated = true, .extra = 28});
    add_odd(&a, "torch-2.9.0+cu126.dist-info/RECORD", bulk, sizeof(bulk), &(struct odd){0});
    archive_end(&a, false, 0);
    assert_reads(&a, text, &r);
    assert_int_equal(r.rounds, 2);
    assert_in_range(r.fetched, WHEEL_TAIL_BYTES, WHEEL_TAIL_BYTES + 4096);
}

/* More before the data than was guessed: asked for once more. */
static void a_long_extra_field(void **state)
{
    struct archive a;
    struct reading r;
    static char bulk[1 << 20];
    (void)state;
    memset(bulk, 'b', sizeof(bulk));
    archive_begin(&a);
    add_metadata(&a, &(struct odd){.extra = 5000});
    add_odd(&a, "torch/a.so", bulk, sizeof(bulk), &(struct odd){0});
    archive_end(&a, false, 0);
    assert_reads(&a, text, &r);
    assert_int_equal(r.rounds, 3);
}

/* torch has more than ten thousand members: a list of a megabyte, and dist-info near its end. */
static void a_long_list_is_read_from_its_end(void **state)
{
    struct archive a;
    struct reading r;
    (void)state;
    archive_begin(&a);
    add_many(&a, "torch", 12000);
    add_metadata(&a, &(struct odd){.deflated = true});
    add_many(&a, "torchgen", 200);
    archive_end(&a, false, 0);
    assert_true(a.list.len > 1000000);
    assert_reads(&a, text, &r);
    assert_int_equal(r.rounds, 2);
    assert_true(r.fetched < 2 * WHEEL_TAIL_BYTES);
}

static void a_long_list_with_dist_info_in_front(void **state)
{
    struct archive a;
    struct reading r;
    (void)state;
    archive_begin(&a);
    add_metadata(&a, &(struct odd){.deflated = true});
    add_many(&a, "torch", 3000);
    archive_end(&a, true, 0);
    assert_reads(&a, text, &r);
    assert_int_equal(r.rounds, 3);
    assert_true(r.fetched < 400000);
}

/* Bytes that look like the beginning of an entry, in the middle of what was fetched first. */
static void a_signature_in_a_name_misleads_nobody(void **state)
{
    struct archive a;
    struct reading r;
    (void)state;
    archive_begin(&a);
    for (unsigned i = 0; i < 3000; i++)
        add(&a, "torch/PK\1\2-PK\1\2-PK\1\2-PK\1\2-PK\1\2-PK\1\2.py", "");
    add_metadata(&a, &(struct odd){0});
    archive_end(&a, false, 0);
    assert_reads(&a, text, &r);
}

static void a_comment_behind_the_end(void **state)
{
    static const size_t comments[] = {1, 1000, 65535};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct archive a;
        struct reading r;
        archive_begin(&a);
        add(&a, "torch/__init__.py", "");
        add_metadata(&a, &(struct odd){0});
        archive_end(&a, i & 1, comments[i]);
        assert_reads(&a, text, &r);
    }
}

static void vendored_projects_are_others(void **state)
{
    struct archive a;
    struct reading r;
    (void)state;
    archive_begin(&a);
    add(&a, "torch/_vendor/six-1.0.dist-info/METADATA", "Name: six\n");
    add(&a, "six-1.0.dist-info/METADATA", "Name: six\n");
    add_metadata(&a, &(struct odd){0});
    add(&a, "torch-2.9.0+cu126.dist-info/licenses/METADATA", "no");
    archive_end(&a, false, 0);
    assert_reads(&a, text, &r);
}

/* Installers reject it by its name; that is theirs to say. */
static void the_only_one_may_have_another_name(void **state)
{
    struct archive a;
    struct reading r;
    (void)state;
    archive_begin(&a);
    add(&a, "pytorch-2.9.0.dist-info/METADATA", "Name: pytorch\n");
    archive_end(&a, false, 0);
    assert_reads(&a, "Name: pytorch\n", &r);
}

/* ----------------------------------------------------------------- unsound */

static void members_that_lie(void **state)
{
    (void)state;
    refuse_odd(&(struct odd){.bad_crc = true}, ERROR_CORRUPT, "unpacked");
    refuse_odd(&(struct odd){.bad_crc = true, .deflated = true}, ERROR_CORRUPT, "unpacked");
    refuse_odd(&(struct odd){.flags = 1}, ERROR_CORRUPT, "encrypted");
    refuse_odd(&(struct odd){.flags = 1 << 13}, ERROR_CORRUPT, "encrypted");
    refuse_odd(&(struct odd){.method = 99}, ERROR_CORRUPT, "unpacked");
    refuse_odd(&(struct odd){.deflated = true, .size = 10}, ERROR_CORRUPT, "unpacked");
    refuse_odd(&(struct odd){.deflated = true, .size = 1000}, ERROR_CORRUPT, "unpacked");
    refuse_odd(&(struct odd){.packed = 30}, ERROR_CORRUPT, "unpacked");
    refuse_odd(&(struct odd){.packed = 4000}, ERROR_CORRUPT, "outside");
    refuse_odd(&(struct odd){.size = WHEEL_METADATA_MAX + 1}, ERROR_TOO_BIG, "too long");
    refuse_odd(&(struct odd){.packed = WHEEL_METADATA_MAX + 1}, ERROR_TOO_BIG, "too long");
    refuse_odd(&(struct odd){.zip64 = true, .packed = UINT64_MAX}, ERROR_TOO_BIG, "too long");
    refuse_odd(&(struct odd){.local = 7}, ERROR_CORRUPT, "not where");
    refuse_odd(&(struct odd){.local = 1 << 30}, ERROR_CORRUPT, "outside");
    refuse_odd(&(struct odd){.zip64 = true, .local = UINT64_MAX - 3}, ERROR_CORRUPT, "outside");
    refuse_odd(&(struct odd){.local_name = "torch-2.9.0+cu126.dist-info/metadata"}, ERROR_CORRUPT,
               "not where");
}

static void a_metadata_of_the_most_bytes(void **state)
{
    (void)state;
    auto_free char *most = malloc(WHEEL_METADATA_MAX + 1);
    assert_non_null(most);
    memset(most, 'm', WHEEL_METADATA_MAX);
    most[WHEEL_METADATA_MAX] = '\0';
    for (int i = 0; i < 2; i++) {
        struct archive a;
        struct reading r;
        archive_begin(&a);
        add_odd(&a, MEMBER, most, WHEEL_METADATA_MAX, &(struct odd){.deflated = i});
        archive_end(&a, false, 0);
        assert_reads(&a, most, &r);
    }
}

static void none_or_too_many(void **state)
{
    struct archive a;
    const char *why;
    (void)state;
    archive_begin(&a);
    add(&a, "torch/__init__.py", "");
    archive_end(&a, false, 0);
    assert_int_equal(end_of(&a, a.bytes.len, &why), 0); /* it is whole all the same */
    assert_refused(&a, ERROR_CORRUPT, "no METADATA");

    archive_begin(&a);
    archive_end(&a, false, 0);
    assert_refused(&a, ERROR_CORRUPT, "no METADATA");

    archive_begin(&a);
    add(&a, MEMBER, "");
    archive_end(&a, false, 0);
    assert_refused(&a, ERROR_CORRUPT, "empty");

    archive_begin(&a);
    add(&a, "torch-2.9.0.dist-info/METADATA", text);
    add_metadata(&a, &(struct odd){0});
    archive_end(&a, false, 0);
    assert_refused(&a, ERROR_CORRUPT, "more than one");
}

/* Every cut, and every byte of the list and the end in turn: refused, or the same text. */
static void damage_anywhere(void **state)
{
    struct archive a;
    struct reading r;
    (void)state;
    archive_begin(&a);
    add(&a, "torch/__init__.py", "");
    add_metadata(&a, &(struct odd){.deflated = true, .zip64 = true});
    archive_end(&a, true, 3);
    for (size_t len = 0; len < a.bytes.len; len++) {
        read_wheel(a.bytes.data, len, WHEEL, &r);
        assert_int_equal(r.error, ERROR_CORRUPT);
        assert_int_equal(end_of(&a, len, &r.why), ERROR_CORRUPT);
        assert_non_null(strstr(r.why, "end is missing"));
        buf_release(&r.text);
    }
    assert_int_equal(end_of(&a, a.bytes.len, &r.why), 0);
    for (size_t i = 0; i < a.bytes.len * 8; i++) {
        a.bytes.data[i / 8] ^= (char)(1 << i % 8);
        read_wheel(a.bytes.data, a.bytes.len, WHEEL, &r);
        if (r.error == 0)
            assert_string_equal(r.text.data, text);
        else
            assert_true(*r.why && (r.error == ERROR_CORRUPT || r.error == ERROR_TOO_BIG));
        buf_release(&r.text);
        a.bytes.data[i / 8] ^= (char)(1 << i % 8);
    }
    archive_release(&a);
}

static void what_is_no_archive(void **state)
{
    static const char page[] = "<html><body>Sign in to the network, please</body></html>";
    struct reading r;
    (void)state;
    read_wheel(page, sizeof(page), WHEEL, &r);
    assert_int_equal(r.error, ERROR_CORRUPT);
    assert_non_null(strstr(r.why, "no zip archive"));
    buf_release(&r.text);
}

/* ------------------------------------------------------------------- header */

static struct wheel_header header_of(const char *document)
{
    struct wheel_header header;
    assert_int_equal(wheel_header_read(document, strlen(document), &header), 0);
    return header;
}

static void headers(void **state)
{
    (void)state;
    struct wheel_header h =
        header_of("metadata-version: 2.4\r\nNAME:  Torch \r\nVersion: 2.9.0+cu126"
                  "\r\nRequires-Python: >=3.10,!=3.13.0\r\n\r\nName: other\n");
    assert_string_equal(h.name, "Torch");
    assert_string_equal(h.requires_python, ">=3.10,!=3.13.0");
    assert_true(wheel_header_fits(&h, WHEEL));
    assert_false(wheel_header_fits(&h, "torch-2.9.0-cp312-cp312-linux_x86_64.whl"));
    assert_false(wheel_header_fits(&h, "torchvision-2.9.0+cu126-py3-none-any.whl"));
    wheel_header_release(&h);

    h = header_of("Name: a\nName: b\nVersion: 1\n\nRequires-Python: >=3\n");
    assert_string_equal(h.name, "a");
    assert_null(h.requires_python); /* the description */
    wheel_header_release(&h);

    h = header_of("Requires-Python: >=3\x01\nVersion:\nName");
    assert_null(h.requires_python);
    assert_null(h.version);
    assert_null(h.name);
    assert_false(wheel_header_fits(&h, WHEEL));
    wheel_header_release(&h);
}

static void versions_and_names_are_compared_as_such(void **state)
{
    (void)state;
    struct wheel_header h = header_of("Name: Typing_Extensions\nVersion: 04.10.0\n");
    assert_true(wheel_header_fits(&h, "typing.extensions-4.10.0-py3-none-any.whl"));
    wheel_header_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_and_deflated),
        cmocka_unit_test(only_what_is_needed_is_fetched),
        cmocka_unit_test(a_long_extra_field),
        cmocka_unit_test(a_long_list_is_read_from_its_end),
        cmocka_unit_test(a_long_list_with_dist_info_in_front),
        cmocka_unit_test(a_signature_in_a_name_misleads_nobody),
        cmocka_unit_test(a_comment_behind_the_end),
        cmocka_unit_test(vendored_projects_are_others),
        cmocka_unit_test(the_only_one_may_have_another_name),
        cmocka_unit_test(members_that_lie),
        cmocka_unit_test(a_metadata_of_the_most_bytes),
        cmocka_unit_test(none_or_too_many),
        cmocka_unit_test(damage_anywhere),
        cmocka_unit_test(what_is_no_archive),
        cmocka_unit_test(headers),
        cmocka_unit_test(versions_and_names_are_compared_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
