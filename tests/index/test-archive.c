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
#include "base/digest.h"
#include "base/error.h"
#include "base/str.h"
#include "index/archive.h"
#include "zip_stage.h"

#define WHEEL "demo-1.0-py3-none-any.whl"
#define INFO "demo-1.0.dist-info/"
#define METADATA "Metadata-Version: 2.1\nName: Demo\nVersion: 1.0\n\nAbout.\n"

static int read_bytes(void *userdata, int64_t from, void *to, size_t len)
{
    const struct buf *bytes = userdata;
    assert_true(from >= 0 && (size_t)from <= bytes->len && len <= bytes->len - (size_t)from);
    memcpy(to, bytes->data + from, len);
    return 0;
}

static int broken_disk(void *userdata, int64_t from, void *to, size_t len)
{
    (void)userdata, (void)from, (void)to, (void)len;
    return ERROR_IO;
}

static void judge(struct buf *bytes, const char *file, bool record, struct archive_verdict *ret)
{
    struct archive_source source = {read_bytes, bytes, (int64_t)bytes->len};
    assert_int_equal((record ? archive_record : archive_structure)(&source, file, ret), 0);
}

static void expect(struct buf *bytes, const char *file, bool record, enum archive_level level,
                   const char *why)
{
    struct archive_verdict v;
    judge(bytes, file, record, &v);
    if (v.level != level || !strstr(v.why, why))
        print_message("level %d, \"%s\"\n", v.level, v.why);
    assert_int_equal(v.level, level);
    assert_non_null(strstr(v.why, why));
}

static void expect_text(const char *text, size_t len, const char *file, const char *why)
{
    struct buf bytes = {.data = (char *)(uintptr_t)text, .len = len};
    expect(&bytes, file, false, ARCHIVE_NONE, why);
}

/* ------------------------------------------------------------------- wheels */

/* Adds a member, and its row to RECORD. */
static void add_row(struct archive *a, struct buf *record, const char *algorithm, const char *name,
                    const char *data, const struct odd *odd)
{
    enum digest_algorithm which;
    struct digest *d;
    char hex[DIGEST_HEX];
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    add_odd(a, name, data, strlen(data), odd);
    assert_true(digest_find(algorithm, strlen(algorithm), &which));
    assert_int_equal(digest_new(which, &d), 0);
    assert_int_equal(digest_add(d, data, strlen(data)), 0);
    assert_int_equal(digest_finish(d, hex), 0);
    digest_free(d);
    buf_printf(record, strchr(name, ',') ? "\"%s\",%s=" : "%s,%s=", name, algorithm);
    unsigned bits = 0, held = 0;
    for (const char *c = hex; *c; c++) {
        bits = bits << 4 | (unsigned)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
        for (held += 4; held >= 6; held -= 6)
            buf_putc(record, digits[bits >> (held - 6) & 63]);
    }
    if (held)
        buf_putc(record, digits[bits << (6 - held) & 63]);
    buf_printf(record, ",%zu\r\n", strlen(data));
}

static void begin_wheel(struct archive *a, struct buf *record, const char *metadata)
{
    archive_begin(a);
    buf_init(record, 1 << 20);
    add_row(a, record, "sha256", "demo/__init__.py", "import this\n", &(struct odd){0});
    add_row(a, record, "sha256", INFO "METADATA", metadata, &(struct odd){.deflated = true});
}

static void end_wheel(struct archive *a, struct buf *record, bool zip64)
{
    buf_puts(record, INFO "RECORD,,\n");
    add_odd(a, INFO "RECORD", record->data, record->len, &(struct odd){.deflated = true});
    archive_end(a, zip64, 0);
    buf_release(record);
}

static void plain_wheel(struct archive *a, const char *metadata)
{
    struct buf record;
    begin_wheel(a, &record, metadata);
    end_wheel(a, &record, false);
}

static void a_sound_wheel(void **state)
{
    static const char *const algorithms[] = {"sha256", "sha384", "sha512"};
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct archive a;
        struct buf record;
        begin_wheel(&a, &record, METADATA);
        add_row(&a, &record, algorithms[i % 3], "demo/a,b.py", "x = 1\nx = 1\n",
                &(struct odd){.deflated = i & 1, .zip64 = i & 2});
        add(&a, "demo/empty/", "");
        add(&a, INFO "RECORD.jws", "signed");
        end_wheel(&a, &record, i & 4);
        expect(&a.bytes, WHEEL, false, ARCHIVE_STRUCTURE, "");
        expect(&a.bytes, WHEEL, true, ARCHIVE_RECORD, "");
        archive_release(&a);
    }
}

static void bytes_before_the_archive_are_legal(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        struct archive a;
        struct buf record, whole;
        begin_wheel(&a, &record, METADATA);
        end_wheel(&a, &record, zip64);
        buf_init(&whole, 1 << 20);
        buf_puts(&whole, "#!/usr/bin/env python3\n");
        for (int i = 0; i < 9000; i++)
            buf_puts(&whole, "# PK\3\4 PK\6\6\n");
        buf_add(&whole, a.bytes.data, a.bytes.len);
        expect(&whole, WHEEL, false, ARCHIVE_STRUCTURE, "");
        expect(&whole, WHEEL, true, ARCHIVE_RECORD, "");
        buf_release(&whole);
        archive_release(&a);
    }
}

static void every_part_of_a_wheel_is_refused(void **state)
{
    struct archive a;
    (void)state;
    plain_wheel(&a, METADATA);
    for (size_t len = 0; len < a.bytes.len; len++) {
        struct buf part = {.data = a.bytes.data, .len = len};
        struct archive_verdict v;
        judge(&part, WHEEL, false, &v);
        assert_int_equal(v.level, ARCHIVE_NONE);
        assert_true(v.why[0]);
        part = (struct buf){.data = a.bytes.data + a.bytes.len - len, .len = len};
        judge(&part, WHEEL, false, &v);
        assert_int_equal(v.level, ARCHIVE_NONE);
    }
    archive_release(&a);
}

static void another_project_is_refused_another_version_flagged(void **state)
{
    struct archive a;
    struct archive_verdict v;
    (void)state;
    plain_wheel(&a, METADATA);
    expect(&a.bytes, "other-1.0-py3-none-any.whl", false, ARCHIVE_NONE, "another project: Demo");
    judge(&a.bytes, "demo-1.0+cu126-py3-none-any.whl", false, &v);
    assert_int_equal(v.level, ARCHIVE_STRUCTURE);
    assert_true(v.other_version);
    judge(&a.bytes, WHEEL, true, &v);
    assert_false(v.other_version);
    archive_release(&a);
    plain_wheel(&a, "Metadata-Version: 2.1\n\nName: demo\n");
    expect(&a.bytes, WHEEL, false, ARCHIVE_NONE, "names no project");
    archive_release(&a);
    archive_begin(&a);
    add(&a, "demo/__init__.py", "");
    archive_end(&a, false, 0);
    expect(&a.bytes, WHEEL, false, ARCHIVE_NONE, "no METADATA");
    archive_release(&a);
    archive_begin(&a);
    archive_end(&a, false, 0);
    expect(&a.bytes, WHEEL, false, ARCHIVE_NONE, "empty");
    archive_release(&a);
}

static void what_came_instead_is_named(void **state)
{
    static const struct {
        const char *text, *is;
    } others[] = {{"<!DOCTYPE html><html>Please log in</html>", "a web page"},
                  {"\xef\xbb\xbf \n<HTML>", "a web page"},
                  {"<?xml version='1.0'?><Error/>", "an XML document"},
                  {"{\"error\": 404}", "a JSON document"},
                  {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
                  {"Not Found", "text"},
                  {"\x1f\x8b\x08", "a gzip stream"},
                  {"\1\2\3", "other bytes"},
                  {"", "nothing"}};
    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        expect_text(others[i].text, strlen(others[i].text), WHEEL, others[i].is);
    expect_text("\0\0\0\0", 4, WHEEL, "zero bytes");
    expect_text("\0\0\0\0", 4, "demo-1.0.tar.gz", "zero bytes");
    expect_text("<html>", 6, "demo-1.0.zip", "a web page");
    expect_text("PK\3\4 and no end", 14, WHEEL, "its end is missing");
    struct archive_verdict v;
    struct archive_source source = {broken_disk, NULL, 100};
    assert_int_equal(archive_structure(&source, WHEEL, &v), ERROR_IO);
    assert_int_equal(archive_record(&source, WHEEL, &v), ERROR_IO);
    assert_true(archive_is_known("a.tar.xz") && archive_is_known(WHEEL));
    assert_false(archive_is_known("a.whl.metadata") || archive_is_known("a.exe"));
    expect_text("MZ", 2, "a.exe", "say nothing");
}

/* ------------------------------------------------------------------- lies */

static void refuse_odd(const struct odd *odd, bool record, const char *why)
{
    struct archive a;
    struct buf row;
    begin_wheel(&a, &row, METADATA);
    add_row(&a, &row, "sha256", "demo/big.so", "all the bytes of it", odd);
    end_wheel(&a, &row, false);
    if (record)
        expect(&a.bytes, WHEEL, false, ARCHIVE_STRUCTURE, "");
    expect(&a.bytes, WHEEL, record, ARCHIVE_NONE, why);
    archive_release(&a);
}

static void members_that_lie(void **state)
{
    (void)state;
    refuse_odd(&(struct odd){.packed = 100000}, false, "outside");
    refuse_odd(&(struct odd){.zip64 = true, .packed = UINT64_MAX}, false, "outside");
    refuse_odd(&(struct odd){.zip64 = true, .packed = INT64_MAX}, false, "outside");
    refuse_odd(&(struct odd){.local = UINT32_MAX - 1}, false, "outside");
    refuse_odd(&(struct odd){.zip64 = true, .local = UINT64_MAX}, false, "outside");
    refuse_odd(&(struct odd){.zip64 = true, .local = UINT64_MAX - 40}, false, "outside");
    refuse_odd(&(struct odd){.bad_crc = true}, true, "demo/big.so is damaged");
    refuse_odd(&(struct odd){.bad_crc = true, .deflated = true}, true, "damaged");
    refuse_odd(&(struct odd){.size = 5, .deflated = true}, true, "damaged");
    refuse_odd(&(struct odd){.size = 5000000, .deflated = true}, true, "damaged");
    refuse_odd(&(struct odd){.size = 5}, true, "damaged");
    refuse_odd(&(struct odd){.packed = 5}, true, "damaged");
    refuse_odd(&(struct odd){.packed = 5, .deflated = true}, true, "damaged");
    refuse_odd(&(struct odd){.local = 3}, true, "damaged");
    refuse_odd(&(struct odd){.local_name = "demo/bigger.so"}, true, "damaged");
}

/* The same bytes for a thousand members, as bombs have them. */
static void members_over_each_other(void **state)
{
    struct archive a;
    struct buf record;
    static char zeros[1 << 20];
    (void)state;
    begin_wheel(&a, &record, METADATA);
    uint64_t at = a.bytes.len;
    add_odd(&a, "demo/bomb", zeros, sizeof(zeros), &(struct odd){.deflated = true});
    size_t end = a.bytes.len;
    for (int i = 0; i < 1000; i++)
        add_odd(&a, "demo/bomb", zeros, sizeof(zeros),
                &(struct odd){.deflated = true, .local = at});
    a.bytes.len = end; /* their own bytes go */
    end_wheel(&a, &record, false);
    expect(&a.bytes, WHEEL, false, ARCHIVE_NONE, "over each other");
    archive_release(&a);
}

/* Fields of the end record: where they are before its last byte, and what they say. */
static void ends_that_lie(void **state)
{
    static const struct {
        size_t before;
        unsigned char value;
    } lies[] = {{22, 0},   {18, 1},   {14, 9}, {12, 9}, {10, 0xff},
                {9, 0xff}, {6, 0xff}, {3, 1},  {2, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct archive a;
        struct archive_verdict v;
        plain_wheel(&a, METADATA);
        a.bytes.data[a.bytes.len - lies[i].before] = (char)lies[i].value;
        judge(&a.bytes, WHEEL, false, &v);
        assert_int_equal(v.level, ARCHIVE_NONE);
        archive_release(&a);
    }
}

/* ------------------------------------------------------------------ RECORD */

/* In `record`, each `@` is all the rows that are right. */
static void with_record(const char *record, const char *more, enum archive_level level,
                        const char *why)
{
    struct archive a;
    struct buf rows;
    begin_wheel(&a, &rows, METADATA);
    if (more)
        add(&a, more, "x");
    if (record) {
        auto_buf struct buf said;
        buf_init(&said, 1 << 20);
        for (const char *c = record; *c; c++)
            *c == '@' ? buf_puts(&said, rows.data) : buf_putc(&said, *c);
        add(&a, INFO "RECORD", said.data);
    }
    archive_end(&a, false, 0);
    buf_release(&rows);
    expect(&a.bytes, WHEEL, true, level, why);
    archive_release(&a);
}

static void what_record_cannot_tell(void **state)
{
    (void)state;
    with_record("@", NULL, ARCHIVE_RECORD, "");
    with_record("\n@\n\n", NULL, ARCHIVE_RECORD, "");
    with_record(NULL, NULL, ARCHIVE_STRUCTURE, "no RECORD");
    with_record("", NULL, ARCHIVE_STRUCTURE, "does not name");
    with_record("@", "demo/more.py", ARCHIVE_STRUCTURE, "does not name");
    with_record("@demo/more.py,,\n", "demo/more.py", ARCHIVE_STRUCTURE, "no digest");
    with_record("@demo/more.py\n", "demo/more.py", ARCHIVE_STRUCTURE, "no digest");
    with_record("@demo/more.py,md5=AAAA,1\n", "demo/more.py", ARCHIVE_STRUCTURE, "no digest");
    with_record("@demo/more.py,sha256=AAAA,1\n", "demo/more.py", ARCHIVE_STRUCTURE, "no digest");
    with_record("@demo/more.py,sha256=***,1\n", "demo/more.py", ARCHIVE_STRUCTURE, "no digest");
    with_record("@demo/gone.py,sha256=AAAA,1\n", NULL, ARCHIVE_STRUCTURE, "does not have");
    with_record("@@", NULL, ARCHIVE_STRUCTURE, "twice");
    with_record("\"@", NULL, ARCHIVE_STRUCTURE, "does not name");
    with_record("@demo/more.py,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,1\n",
                "demo/more.py", ARCHIVE_NONE, "not what its RECORD says");
    with_record("@", "more-1.0.dist-info/RECORD", ARCHIVE_STRUCTURE, "does not name");
}

static void another_member_than_record_says(void **state)
{
    struct archive a;
    struct archive_verdict v;
    (void)state;
    plain_wheel(&a, METADATA);
    char *at = memmem(a.bytes.data, a.bytes.len, "import this", 11);
    assert_non_null(at);
    *at = 'I';
    judge(&a.bytes, WHEEL, true, &v); /* the CRC finds it */
    assert_int_equal(v.level, ARCHIVE_NONE);
    assert_false(v.contradicted);
    archive_release(&a);
    struct buf record;
    begin_wheel(&a, &record, METADATA);
    add_row(&a, &record, "sha512", "demo/b.py", "x", &(struct odd){0});
    char *equals = strrchr(record.data, '=');
    equals[1] = equals[1] == 'A' ? 'B' : 'A';
    end_wheel(&a, &record, false);
    judge(&a.bytes, WHEEL, true, &v);
    assert_int_equal(v.level, ARCHIVE_NONE);
    assert_true(v.contradicted);
    assert_string_equal(v.why, "its member demo/b.py is not what its RECORD says");
    archive_release(&a);
}

/* ------------------------------------------------------------------- sdists */

static void tar_block(struct buf *tar, const char *name)
{
    char block[512] = "", sum[8];
    unsigned total = 8 * ' ';
    str_copy(block, 100, name);
    for (unsigned i = 0; i < 512; i++)
        total += (unsigned char)block[i];
    (void)snprintf(sum, sizeof(sum), "%06o", total);
    memcpy(block + 148, sum, 7);
    block[155] = ' ';
    buf_add(tar, block, sizeof(block));
}

static void sdists_by_the_stream(void **state)
{
    struct buf tar, packed;
    (void)state;
    buf_init(&tar, 8 << 20);
    buf_init(&packed, 8 << 20);
    tar_block(&tar, "demo-1.0/PKG-INFO");
    for (int i = 0; i < 100000; i++)
        buf_printf(&tar, "%d ", i);
    assert_int_equal(gzip_compress(tar.data, tar.len, &packed), 0);
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_STRUCTURE, "");
    expect(&packed, "demo-1.0.tgz", true, ARCHIVE_STRUCTURE, "");
    size_t whole = packed.len;
    for (size_t cut = 1; cut < whole; cut += 997) {
        packed.len = whole - cut;
        struct archive_verdict v;
        judge(&packed, "demo-1.0.tar.gz", false, &v);
        assert_int_equal(v.level, ARCHIVE_NONE);
    }
    packed.len = whole;
    packed.data[whole / 2] ^= 1;
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_NONE, "damaged");
    packed.data[whole / 2] ^= 1;
    packed.data[whole - 1] ^= 1; /* the length in the trailer */
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_NONE, "damaged");
    packed.data[whole - 1] ^= 1;
    buf_add(&packed, "\0\0\0", 3); /* padding, which gzip passes over */
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_STRUCTURE, "");
    packed.len = whole;
    assert_int_equal(gzip_compress(tar.data, 100, &packed), 0); /* a second member */
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_STRUCTURE, "");
    packed.len -= 3;
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_NONE, "part of one");
    buf_clear(&packed);
    assert_int_equal(gzip_compress("<html>Sign in", 13, &packed), 0);
    expect(&packed, "demo-1.0.tar.gz", false, ARCHIVE_NONE, "no tar archive");
    buf_release(&packed);
    buf_release(&tar);
}

/* A line of text in each form, as the programs of that name write it. */
static const char xz[] =
    "\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f"
    "\xe5\xa3\xe0\x00\x24\x00\x19\x5d\x00\x32\x19\x49\xfe\xd7\x10\xb0\x42\x7a\x14\x20\x74\x24"
    "\xa8\xec\x63\x09\xef\xd2\x02\xa6\x58\x58\xc0\x00\x00\x00\x00\x00\x1f\x59\x39\xd7\x62\x1e"
    "\x04\x83\x00\x01\x35\x25\xda\xa3\xb3\xc9\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a";
static const char bzip2[] =
    "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x7b\xd9\x4b\x57\x00\x00\x09\xd1\x00\x00\x10\x40"
    "\x04\x26\xa3\xa0\x00\x21\x24\x9e\xa6\x4c\x42\x01\xa6\x9a\x33\x4e\x94\x37\x25\x90\x32\x0a"
    "\x95\xe0\xb5\x87\x0d\x5f\x17\x72\x45\x38\x50\x90\x7b\xd9\x4b\x57";
static const char longer[] =
    "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x60\x02\xa1\x31\x00\x00\x0a\xd1\x00\x00\x10\x60"
    "\x04\x26\xa3\xa0\x00\x21\x24\x8c\x46\x04\x0d\x03\x42\xf0\x83\xc3\xcc\x44\x94\x31\xd1\x87"
    "\x95\xf0\xa5\x67\x0c\x5a\x2e\xe4\x8a\x70\xa1\x20\xc0\x05\x42\x62";

static void expect_end(const char *data, size_t len, const char *file)
{
    char copy[256] = "";
    assert_true(len + 8 <= sizeof(copy));
    memcpy(copy, data, len);
    for (size_t cut = 0; cut < len; cut++) {
        struct buf part = {.data = copy, .len = len - cut};
        struct archive_verdict v;
        judge(&part, file, false, &v);
        assert_int_equal(v.level, cut ? ARCHIVE_NONE : ARCHIVE_STRUCTURE);
    }
    expect_text(copy, len + 7, file, "part of one");
}

/* A member of an sdist: its header, and its bytes up to a whole block. */
static void tar_member(struct buf *tar, const char *name, const char *text, size_t len)
{
    char block[512] = "";
    unsigned sum = 0;
    snprintf(block, 100, "%s", name);
    snprintf(block + 124, 12, "%011o", (unsigned)len);
    memset(block + 148, ' ', 8);
    block[156] = '0';
    for (unsigned i = 0; i < sizeof(block); i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    buf_add(tar, block, sizeof(block));
    memset(block, 0, sizeof(block));
    buf_add(tar, text, len);
    buf_add(tar, block, (512 - len % 512) % 512);
}

static void expect_sdist(const char *file, const char *member, const char *text, const char *why)
{
    static char filling[100000];
    struct buf tar, packed;
    buf_init(&tar, 8 << 20);
    buf_init(&packed, 8 << 20);
    memset(filling, 'x', sizeof(filling));
    tar_member(&tar, "demo-1.0/setup.py", filling, sizeof(filling));
    tar_member(&tar, "demo-1.0/demo.egg-info/PKG-INFO", "Name: other\n", 12);
    tar_member(&tar, member, text, strlen(text));
    memset(filling, 0, sizeof(filling));
    buf_add(&tar, filling, 1024);
    assert_int_equal(gzip_compress(tar.data, tar.len, &packed), 0);
    expect(&packed, file, false, *why ? ARCHIVE_NONE : ARCHIVE_STRUCTURE, why);
    buf_release(&tar);
    buf_release(&packed);
}

static void the_name_of_an_sdist(void **state)
{
    (void)state;
    const char *own = "demo-1.0/PKG-INFO", *is = "Metadata-Version: 2.1\nName: Demo\n";
    expect_sdist("demo-1.0.tar.gz", own, is, "");
    expect_sdist("demo-1.0.tar.gz", "./demo-1.0/PKG-INFO", is, "");
    expect_sdist("demo-1.0-1.tar.gz", own, is, "");
    expect_sdist("zope.demo-1.0.tar.gz", own, "Name: zope_demo\n", "");
    expect_sdist("demo_more-1.0.tar.gz", own, "Name: demo-more\n", "");
    expect_sdist("demo-1.0.tar.gz", own, "Name: !\n", "");
    expect_sdist("demo-1.0.tar.gz", own, "", "");
    expect_sdist("demo-1.0.tar.gz", "demo-1.0/README", "Name: other\n", "");
    expect_sdist("demo-1.0.tar.gz", own, "Name: other\n", "another project: other");
    expect_sdist("demos-1.0.tar.gz", own, is, "another project: Demo");
}

static void sdists_whose_end_alone_is_looked_at(void **state)
{
    char padded[sizeof(xz) + 3] = "";
    (void)state;
    expect_end(xz, sizeof(xz) - 1, "demo-1.0.tar.xz");
    expect_end(bzip2, sizeof(bzip2) - 1, "demo-1.0.tar.bz2");
    expect_end(longer, sizeof(longer) - 1, "demo-1.0.tbz2"); /* it ends at another bit */
    memcpy(padded, xz, sizeof(xz) - 1);
    struct buf bytes = {.data = padded, .len = sizeof(padded)}; /* four zeros behind it */
    expect(&bytes, "demo-1.0.tar.xz", false, ARCHIVE_STRUCTURE, "");
    expect_text("<html>", 6, "demo-1.0.tar.xz", "a web page");
}

static void plain_tars(void **state)
{
    struct buf tar;
    (void)state;
    buf_init(&tar, 1 << 20);
    tar_block(&tar, "demo-1.0/PKG-INFO");
    tar_block(&tar, "demo-1.0/setup.py");
    expect(&tar, "demo-1.0.tar", false, ARCHIVE_STRUCTURE, "");
    tar.data[3]++;
    expect(&tar, "demo-1.0.tar", false, ARCHIVE_NONE, "no tar archive");
    tar.len--;
    expect(&tar, "demo-1.0.tar", false, ARCHIVE_NONE, "length");
    buf_release(&tar);
}

static void expect_tar(const char *file, const char *text, const char *why)
{
    static const char filling[3000];
    struct buf tar;
    buf_init(&tar, 1 << 20);
    tar_member(&tar, "demo-1.0/setup.py", filling, sizeof(filling));
    tar_member(&tar, "demo-1.0/demo.egg-info/PKG-INFO", "Name: other\n", 12);
    tar_member(&tar, "demo-1.0/PKG-INFO", text, strlen(text));
    buf_add(&tar, filling, 1024);
    expect(&tar, file, false, *why ? ARCHIVE_NONE : ARCHIVE_STRUCTURE, why);
    buf_release(&tar);
}

static void the_name_in_a_plain_tar(void **state)
{
    (void)state;
    expect_tar("demo-1.0.tar", "Metadata-Version: 2.1\nName: Demo\n", "");
    expect_tar("demo-1.0.tar", "Name: other\n", "another project: other");
    expect_tar("demo-1.0.tar", "", "");
}

/* An sdist with such a member, beside a PKG-INFO that is not its own. */
static void expect_zip(const char *path, const char *text, size_t len, const struct odd *odd,
                       const char *why)
{
    struct archive a;
    archive_begin(&a);
    add(&a, "demo-1.0/setup.py", "import this");
    add(&a, "demo-1.0/demo.egg-info/PKG-INFO", "Name: other\n");
    add_odd(&a, path, text, len, odd);
    archive_end(&a, false, 0);
    expect(&a.bytes, "demo-1.0.zip", false, *why ? ARCHIVE_NONE : ARCHIVE_STRUCTURE, why);
    archive_release(&a);
}

static void the_name_in_a_zip(void **state)
{
    static char very_long[2 << 20] = "Name: other\n";
    const char *own = "demo-1.0/PKG-INFO", *other = "Name: other\n";
    (void)state;
    memset(very_long + strlen(very_long), '\n', sizeof(very_long) - strlen(very_long));
    for (int deflated = 0; deflated < 2; deflated++) {
        const struct odd odd = {.deflated = deflated};
        expect_zip(own, "Name: Demo\n", 11, &odd, "");
        expect_zip(own, other, 12, &odd, "another project: other");
        expect_zip(own, other, 0, &odd, "");
        expect_zip("demo-1.0/README", other, 12, &odd, "");
        expect_zip("PKG-INFO", other, 12, &odd, "");
        expect_zip(own, very_long, sizeof(very_long), &odd, ""); /* too long to be looked at */
    }
}

static void a_damaged_name_in_a_zip(void **state)
{
    struct archive a;
    (void)state;
    archive_begin(&a);
    add(&a, "demo-1.0/PKG-INFO", "Name: Demo\n");
    archive_end(&a, false, 0);
    char *at = memmem(a.bytes.data, a.bytes.len, "Name: Demo", 10);
    assert_non_null(at);
    at[9] = 'O';
    expect(&a.bytes, "demo-1.0.zip", false, ARCHIVE_NONE, "PKG-INFO is damaged");
    archive_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_wheel),
        cmocka_unit_test(bytes_before_the_archive_are_legal),
        cmocka_unit_test(every_part_of_a_wheel_is_refused),
        cmocka_unit_test(another_project_is_refused_another_version_flagged),
        cmocka_unit_test(what_came_instead_is_named),
        cmocka_unit_test(members_that_lie),
        cmocka_unit_test(members_over_each_other),
        cmocka_unit_test(ends_that_lie),
        cmocka_unit_test(what_record_cannot_tell),
        cmocka_unit_test(another_member_than_record_says),
        cmocka_unit_test(sdists_by_the_stream),
        cmocka_unit_test(the_name_of_an_sdist),
        cmocka_unit_test(sdists_whose_end_alone_is_looked_at),
        cmocka_unit_test(plain_tars),
        cmocka_unit_test(the_name_in_a_plain_tar),
        cmocka_unit_test(the_name_in_a_zip),
        cmocka_unit_test(a_damaged_name_in_a_zip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
