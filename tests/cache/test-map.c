// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cache/map.h"

static const char BOOT[] = "11111111-1111-1111-1111-111111111111";
static const char OTHER[] = "22222222-2222-2222-2222-222222222222";

enum { CHUNKS = 10, LAST = 100 }; /* the last chunk has 100 bytes */
static const int64_t SIZE = (int64_t)(CHUNKS - 1) * MAP_CHUNK + LAST;

static int64_t chunk(int i)
{
    return (int64_t)i * MAP_CHUNK;
}

static struct map_about about_file(void)
{
    struct map_about about = {.origin = "o", .path = "p/w.whl", .size = SIZE, .created_s = 7};
    about.mirrors[0] = "first";
    about.mirrors[1] = "second";
    memcpy(about.boot_id, BOOT, sizeof(BOOT));
    return about;
}

static void *fresh(void)
{
    struct map_about about = about_file();
    void *block = calloc(1, (size_t)map_size(SIZE));
    assert_non_null(block);
    assert_int_equal(map_format(block, &about), 0);
    return block;
}

static void seal(void *block)
{
    uint8_t copy[CHUNKS];
    map_seal_begin(block, copy);
    map_seal(block, copy);
}

/* What the map tells in that boot, as one letter a chunk: '-', a mirror's place, 'x' for none. */
static void expect(const void *block, const char *boot_id, const char *chunks)
{
    struct map_opened opened;
    char got[CHUNKS + 1] = "----------";
    int64_t before = -1;
    assert_int_equal(map_open(block, (size_t)map_size(SIZE), boot_id, &opened), 0);
    for (size_t i = 0; i < opened.run_count; i++) {
        const struct map_run *run = &opened.runs[i];
        assert_true(run->from > before && run->from < run->to && run->to <= SIZE);
        assert_int_equal(run->from % MAP_CHUNK, 0);
        assert_true(run->to % MAP_CHUNK == 0 || run->to == SIZE);
        for (int64_t at = run->from; at < run->to; at += MAP_CHUNK)
            got[at / MAP_CHUNK] = run->mirror == MAP_NO_MIRROR ? 'x' : (char)('0' + run->mirror);
        before = run->from;
    }
    map_opened_release(&opened);
    assert_string_equal(got, chunks);
}

/* ------------------------------------------------------------------ tests */

static void tells_what_it_was_told(void **state)
{
    (void)state;
    auto_free void *block = calloc(1, (size_t)map_size(SIZE));
    struct map_about about = about_file();
    struct map_opened opened;
    about.etag = "\"e\"";
    about.validator_date = "";
    assert_int_equal(map_format(block, &about), 0);
    map_mark(block, 0, chunk(2), 1);
    assert_int_equal(map_open(block, (size_t)map_size(SIZE), BOOT, &opened), 0);
    assert_true(opened.same_boot);
    assert_string_equal(opened.about.origin, "o");
    assert_string_equal(opened.about.path, "p/w.whl");
    assert_string_equal(opened.about.etag, "\"e\"");
    assert_null(opened.about.validator_etag);
    assert_string_equal(opened.about.validator_date, "");
    assert_null(opened.about.validator_mirror);
    assert_string_equal(opened.about.mirrors[0], "first");
    assert_string_equal(opened.about.mirrors[1], "second");
    assert_null(opened.about.mirrors[2]);
    assert_string_equal(opened.about.boot_id, BOOT);
    assert_int_equal(opened.about.size, SIZE);
    assert_int_equal(opened.about.created_s, 7);
    assert_int_equal(opened.run_count, 1);
    map_opened_release(&opened);
    map_opened_release(&opened);
}

static void only_whole_chunks_count(void **state)
{
    (void)state;
    auto_free void *block = fresh();
    map_mark(block, 1, chunk(1), 0);
    map_mark(block, chunk(2) - 1, chunk(3) - 1, 0);
    map_mark(block, chunk(9), SIZE - 1, 0);
    map_mark(block, chunk(4), chunk(4), 0);
    expect(block, BOOT, "----------");
    map_mark(block, chunk(9), SIZE, 0); /* the last one is short */
    map_mark(block, 1, chunk(3), 1);
    expect(block, BOOT, "-11------0");
    map_mark(block, 0, chunk(3), MAP_NO_MIRROR); /* marks stay what they are */
    expect(block, BOOT, "x11------0");
    map_mark(block, chunk(3), INT64_MAX, 0); /* no further than the file */
    expect(block, BOOT, "x110000000");
}

static void runs_are_joined(void **state)
{
    (void)state;
    auto_free void *block = fresh();
    struct map_opened opened;
    map_mark(block, 0, chunk(1), 0);
    map_mark(block, chunk(2), chunk(3), 0);
    map_mark(block, chunk(1), chunk(2), 0);
    map_mark(block, chunk(3), chunk(4), 1);
    map_mark(block, chunk(9), SIZE, 1);
    assert_int_equal(map_open(block, (size_t)map_size(SIZE), BOOT, &opened), 0);
    assert_int_equal(opened.run_count, 3);
    assert_int_equal(opened.runs[0].from, 0);
    assert_int_equal(opened.runs[0].to, chunk(3));
    assert_int_equal(opened.runs[1].from, chunk(3));
    assert_int_equal(opened.runs[1].to, chunk(4));
    assert_int_equal(opened.runs[2].to, SIZE);
    map_opened_release(&opened);
}

static void another_boot_believes_what_was_sealed(void **state)
{
    (void)state;
    auto_free void *block = fresh();
    map_mark(block, 0, chunk(1), 0);
    expect(block, OTHER, "----------");
    seal(block);
    map_mark(block, chunk(1), chunk(2), 0);
    expect(block, OTHER, "0---------");
    expect(block, BOOT, "00--------");
    expect(block, "", "0---------");
    seal(block);
    expect(block, OTHER, "00--------");

    /* What was marked between begin and end is not sealed. */
    uint8_t copy[CHUNKS];
    assert_int_equal(map_copy_size(SIZE), CHUNKS);
    map_seal_begin(block, copy);
    map_mark(block, chunk(2), chunk(3), 0);
    map_seal(block, copy);
    expect(block, OTHER, "00--------");
}

static void a_boot_without_name_is_no_boot_twice(void **state)
{
    (void)state;
    auto_free void *block = calloc(1, (size_t)map_size(SIZE));
    struct map_about about = about_file();
    about.boot_id[0] = '\0';
    assert_int_equal(map_format(block, &about), 0);
    map_mark(block, 0, SIZE, 0);
    expect(block, "", "----------");
}

/* Bytes in which two blocks differ: where the last seal went. */
static size_t first_difference(const uint8_t *a, const uint8_t *b)
{
    size_t i = 0;
    while (i < (size_t)map_size(SIZE) && a[i] == b[i])
        i++;
    return i;
}

static void torn_copies_fall_back(void **state)
{
    (void)state;
    auto_free uint8_t *block = fresh(), *before = malloc((size_t)map_size(SIZE));
    map_mark(block, 0, chunk(1), 0);
    seal(block);
    memcpy(before, block, (size_t)map_size(SIZE));
    map_mark(block, chunk(1), chunk(2), 0);
    memcpy(before + MAP_HEAD, block + MAP_HEAD, CHUNKS);
    seal(block);
    size_t newer = first_difference(before, block);
    expect(block, OTHER, "00--------");
    block[newer + 16 + 5] ^= 1; /* a byte of its table */
    expect(block, OTHER, "0---------");

    /* The next seal goes over the torn one, so the good one stays until it is there. */
    memcpy(before, block, (size_t)map_size(SIZE));
    seal(block);
    assert_true(first_difference(before, block) >= newer);
    expect(block, OTHER, "00--------");
    memset(block + newer, 0xff, 16);
    expect(block, OTHER, "0---------");

    memset(block + MAP_HEAD + 4096, 0x55, (size_t)map_size(SIZE) - MAP_HEAD - 4096);
    expect(block, OTHER, "----------");
    expect(block, BOOT, "00--------");
    seal(block);
    expect(block, OTHER, "00--------");
}

static void is_adopted_by_the_next_boot(void **state)
{
    (void)state;
    auto_free void *block = fresh();
    map_mark(block, 0, chunk(1), 0);
    seal(block);
    map_mark(block, chunk(1), chunk(2), 0);
    map_adopt(block, BOOT);
    expect(block, BOOT, "00--------");
    map_adopt(block, OTHER);
    expect(block, OTHER, "0---------");
    expect(block, BOOT, "0---------");
    map_mark(block, chunk(3), chunk(4), 1);
    expect(block, OTHER, "0--1------");
    seal(block);
    expect(block, BOOT, "0--1------");

    auto_free void *never_sealed = fresh();
    map_mark(never_sealed, 0, SIZE, 0);
    map_adopt(never_sealed, OTHER);
    expect(never_sealed, OTHER, "----------");
}

static void values_that_no_mark_makes(void **state)
{
    (void)state;
    auto_free uint8_t *block = fresh();
    map_mark(block, 0, chunk(1), 5); /* a mirror that has no name */
    map_mark(block, chunk(1), chunk(2), 200);
    block[MAP_HEAD + 2] = 255;
    block[MAP_HEAD + 3] = 2;
    expect(block, BOOT, "xx-1------");
}

static void sizes(void **state)
{
    (void)state;
    struct map_about about = about_file();
    assert_int_equal(map_size(0), ERROR_TOO_BIG);
    assert_int_equal(map_size((INT64_C(1) << 40) + 1), ERROR_TOO_BIG);
    assert_true(map_size(INT64_C(1) << 40) < 64 << 20);
    assert_int_equal(map_copy_size(1), 1);
    assert_int_equal(map_copy_size(-1), ERROR_TOO_BIG);

    auto_free void *block = calloc(1, (size_t)map_size(SIZE));
    auto_free char *text = calloc(1, MAP_ABOUT_MAX + 1);
    memset(text, 'x', MAP_ABOUT_MAX);
    about.etag = text;
    assert_int_equal(map_format(block, &about), ERROR_TOO_BIG);
    about.etag = NULL;
    about.size = 0;
    assert_int_equal(map_format(block, &about), ERROR_TOO_BIG);

    auto_free void *all_named = calloc(1, (size_t)map_size(SIZE));
    about = about_file();
    for (size_t i = 0; i < MAP_MIRRORS; i++)
        about.mirrors[i] = "m";
    assert_int_equal(map_format(all_named, &about), 0);
    map_mark(all_named, 0, chunk(1), MAP_NO_MIRROR);
    map_mark(all_named, chunk(1), chunk(2), 7);
    expect(all_named, BOOT, "x7--------");
}

static void another_base(void **state)
{
    (void)state;
    auto_free void *block = fresh();
    struct map_opened opened;
    map_mark(block, 0, chunk(2), 1);
    seal(block);
    assert_int_equal(map_rebase(block, "\"fresh\"", NULL, "second"), 0);
    expect(block, BOOT, "11--------");
    expect(block, OTHER, "----------"); /* until it is sealed anew */
    map_mark(block, chunk(2), chunk(3), 0);
    seal(block);
    expect(block, OTHER, "110-------");
    assert_int_equal(map_open(block, (size_t)map_size(SIZE), BOOT, &opened), 0);
    assert_string_equal(opened.about.validator_etag, "\"fresh\"");
    assert_null(opened.about.validator_date);
    assert_string_equal(opened.about.validator_mirror, "second");
    assert_string_equal(opened.about.origin, "o");
    assert_string_equal(opened.about.path, "p/w.whl");
    assert_string_equal(opened.about.mirrors[1], "second");
    assert_null(opened.about.mirrors[2]);
    assert_int_equal(opened.about.created_s, 7);
    map_opened_release(&opened);
}

static void a_base_that_does_not_fit(void **state)
{
    (void)state;
    auto_free void *block = fresh();
    auto_free char *etag = calloc(1, MAP_ABOUT_MAX + 1);
    struct map_opened opened;
    memset(etag, 'x', MAP_ABOUT_MAX);
    map_mark(block, 0, chunk(2), 1);
    assert_int_equal(map_rebase(block, etag, NULL, NULL), ERROR_TOO_BIG);
    assert_int_equal(map_open(block, (size_t)map_size(SIZE), BOOT, &opened), ERROR_CORRUPT);
}

static void what_is_no_map(void **state)
{
    (void)state;
    auto_free uint8_t *block = fresh();
    size_t len = (size_t)map_size(SIZE);
    struct map_opened opened = {.run_count = 77};
    assert_int_equal(map_open(block, len - 1, BOOT, &opened), ERROR_CORRUPT);
    assert_int_equal(map_open(block, 0, BOOT, &opened), ERROR_CORRUPT);
    /* Any byte of magic, layout, chunk, size, time, counts and checksum; then of the strings. */
    for (size_t i = 0; i < 48; i++) {
        block[i] ^= 0x10;
        assert_int_equal(map_open(block, len, BOOT, &opened), ERROR_CORRUPT);
        block[i] ^= 0x10;
    }
    block[512] ^= 1;
    assert_int_equal(map_open(block, len, BOOT, &opened), ERROR_CORRUPT);
    assert_int_equal(opened.run_count, 77); /* untouched */
    block[512] ^= 1;
    expect(block, BOOT, "----------");
    memset(block, 0, len);
    assert_int_equal(map_open(block, len, BOOT, &opened), ERROR_CORRUPT);
}

/* A power cut tears the newest copy, and the next boot goes on without it. Its next seal is of the
 * same generation; torn as well, it may be made whole by what is left of the first one. */
static void a_torn_copy_does_not_come_back(void **state)
{
    (void)state;
    uint8_t *block = fresh();
    size_t at = (size_t)map_size(SIZE) - 2 * 4096; /* the first sealed copy */
    map_mark(block, 0, chunk(1), 0);
    seal(block);
    seal(block);
    map_mark(block, chunk(3), chunk(4), 0);
    seal(block);
    uint8_t lost = block[at + 16];
    block[at + 16] = 0;
    expect(block, OTHER, "0---------");
    map_adopt(block, OTHER);
    block[at + 16] = lost;
    expect(block, BOOT, "0---------");
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_it_was_told),
        cmocka_unit_test(only_whole_chunks_count),
        cmocka_unit_test(runs_are_joined),
        cmocka_unit_test(another_boot_believes_what_was_sealed),
        cmocka_unit_test(a_boot_without_name_is_no_boot_twice),
        cmocka_unit_test(torn_copies_fall_back),
        cmocka_unit_test(a_torn_copy_does_not_come_back),
        cmocka_unit_test(is_adopted_by_the_next_boot),
        cmocka_unit_test(values_that_no_mark_makes),
        cmocka_unit_test(sizes),
        cmocka_unit_test(another_base),
        cmocka_unit_test(a_base_that_does_not_fit),
        cmocka_unit_test(what_is_no_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
