// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a bundle and reading it: parts in any order, damaged, missing, hostile. The files of the
 * bundle are made up: `bytes_of` says what each holds.
 */
#include "bundle/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "tests/cache/scratch.h"

enum { FILES = 6, PART = 20 << 10, BIG = 50 << 10, TEXT = 1 << 20 };
#define DATE INT64_C(1780000000)

static const uint8_t seed_of_key[ED25519_KEY] = {1, 2, 3};
static struct minisign_secret secret;

/* ------------------------------------------------------------------ the files */

static int64_t size_of(unsigned i)
{
    return i == 4 ? BIG : 1700 + 1900 * (int64_t)i;
}

static void bytes_of(unsigned i, char *to)
{
    for (int64_t k = 0; k < size_of(i); k++)
        to[k] = (char)(k * 7 + i * 31 + k / 251);
}

static char *path_of(unsigned i)
{
    return str_printf("aa/p%u-1.0+cpu-py3-none-any.whl", i);
}

static int memory_file(const void *data, size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    return fd;
}

/* Which file gives other bytes than its row says; -1: none. */
static int liar = -1;

static int open_file(void *context, const struct manifest_file *file, bool is_metadata, int *ret_fd)
{
    static char bytes[BIG];
    unsigned i = (unsigned)(file->path[4] - '0');
    (void)context;
    if (is_metadata) {
        *ret_fd = memory_file("Name: p\n", 8);
        return 0;
    }
    bytes_of(i, bytes);
    if ((int)i == liar)
        bytes[10] ^= 1;
    *ret_fd = memory_file(bytes, (size_t)size_of(i));
    return 0;
}

static void add(struct writer *w, unsigned i)
{
    static char bytes[BIG];
    char project[16], origin[] = "pypi";
    struct manifest_file row = {.origin = origin, .path = path_of(i), .project = project};
    (void)snprintf(project, sizeof(project), "p%u", i);
    row.kind = FILE_WHEEL;
    bytes_of(i, bytes);
    row.bytes.size = size_of(i);
    row.metadata.size = i % 2 ? 8 : -1;
    assert_int_equal(sha256_of(bytes, (size_t)row.bytes.size, row.bytes.sha256), 0);
    assert_int_equal(sha256_of("Name: p\n", 8, row.metadata.sha256), 0);
    assert_int_equal(writer_add(w, &row), 0);
    free(row.path);
}

static int run_writer(const struct writer_options *options, unsigned count,
                      struct writer_summary *summary, char *why)
{
    struct writer_source source = {.open = open_file};
    struct writer *w;
    assert_int_equal(writer_new(options, &w), 0);
    for (unsigned i = count; i > 0; i--) /* in any order */
        add(w, i - 1);
    int r = writer_run(w, &source, summary);
    str_copy(why, 256, writer_why(w));
    writer_free(w);
    return r;
}

static void write_bundle(const char *folder, unsigned count)
{
    struct writer_options options = {
        .folder = folder, .name = "lab", .date_s = DATE, .part_bytes = PART, .secret = &secret};
    struct writer_summary summary;
    char why[256];
    int r = run_writer(&options, count, &summary, why);
    if (r)
        print_message("%s\n", why);
    assert_int_equal(r, 0);
    assert_true(summary.parts > 3);
    assert_int_equal(summary.carried, count);
}

/* ----------------------------------------------------------------- the reading */

static struct reader *open_reader(const char *const *paths, size_t count)
{
    struct reader_options options = {.key = &secret.public};
    struct reader *reader;
    assert_int_equal(reader_open(&options, paths, count, &reader), 0);
    assert_int_equal(reader_check(reader, NULL), 0);
    return reader;
}

static struct reader *open_folder(const char *folder)
{
    return open_reader(&folder, 1);
}

static char *part_text(const struct reader_bundle *bundle, size_t k)
{
    struct buf text;
    buf_init(&text, TEXT);
    reader_part_text(bundle, k, &text);
    return buf_take(&text, NULL);
}

static void expect_part(const struct reader_bundle *bundle, size_t k, const char *text)
{
    char *found = part_text(bundle, k);
    assert_non_null(found);
    if (!strstr(found, text))
        print_message("%s\n", found);
    assert_non_null(strstr(found, text));
    free(found);
}

static size_t count_good(const struct reader_bundle *bundle)
{
    size_t count = 0;
    for (size_t k = 0; k < bundle->manifest->part_count; k++)
        count += bundle->parts[k].state == READER_GOOD;
    return count;
}

/* Every piece that is good has, at its place, the bytes that its file has there. */
static void check_places(const struct reader_bundle *bundle)
{
    static char bytes[BIG], found[BIG];
    for (size_t i = 0; i < bundle->piece_count; i++) {
        const struct layout_piece *piece = &bundle->pieces[i];
        struct reader_place place;
        if (bundle->found[i].state != READER_GOOD) {
            assert_int_not_equal(reader_place(bundle, i, &place), 0);
            continue;
        }
        if (!piece->file || piece->member != &piece->file->bytes)
            continue;
        assert_int_equal(reader_place(bundle, i, &place), 0);
        assert_int_equal(place.length, piece->piece->size);
        assert_int_equal(file_read_at(place.fd, found, (size_t)place.length, place.offset), 0);
        (void)close(place.fd);
        bytes_of((unsigned)(piece->file->path[4] - '0'), bytes);
        int64_t from = 0;
        for (uint32_t k = 0; k < piece->number; k++)
            from += piece->member->pieces[k].size;
        assert_memory_equal(found, bytes + from, (size_t)place.length);
    }
}

/* ------------------------------------------------------------------- on the disk */

static struct buf slurp(const char *path)
{
    struct buf b;
    buf_init(&b, TEXT);
    assert_int_equal(file_read_all(path, &b), 0);
    return b;
}

static void spill(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_all(const char *folder)
{
    (void)nftw(folder, forget, 16, FTW_DEPTH | FTW_PHYS);
}

/* -------------------------------------------------------------------- the tests */

static void is_whole_and_the_same_again(void **state)
{
    (void)state;
    write_bundle("one", FILES);
    write_bundle("two", FILES);
    struct reader *reader = open_folder("one");
    assert_int_equal(reader->bundle_count, 1);
    assert_int_equal(reader->problem_count, 0);
    struct reader_bundle *bundle = &reader->bundles[0];
    assert_int_equal(bundle->trust, READER_SIGNED);
    assert_true(reader_is_whole(bundle));
    check_places(bundle);
    for (size_t k = 0; k < bundle->manifest->part_count; k++) {
        char name[MANIFEST_PART_NAME], *paths[2];
        manifest_part_name("lab", k, name);
        paths[0] = str_printf("one/%s", name);
        paths[1] = str_printf("two/%s", name);
        struct buf a = slurp(paths[0]), b = slurp(paths[1]);
        assert_int_equal(a.len, b.len);
        assert_true(a.len <= PART);
        assert_memory_equal(a.data, b.data, a.len);
        buf_release(&a);
        buf_release(&b);
        free(paths[0]);
        free(paths[1]);
    }
    assert_false(scratch_exists("one/.wheelyard-unfinished"));
    reader_free(reader);
    remove_all("one");
    remove_all("two");
}

/* Any byte of a part: the damage is found, named as this part's, and no other part suffers. */
static void finds_every_damaged_byte(void **state)
{
    (void)state;
    write_bundle("one", FILES);
    struct buf part = slurp("one/lab.part002.tar");
    size_t comment = (size_t)((char *)memmem(part.data, part.len, "untrusted", 9) - part.data);
    size_t comment_end = comment + strcspn(part.data + comment, "\n");
    for (size_t i = 0; i < part.len;
         i += i < 700 || (i > comment - 700 && i < comment + 900) ? 7 : 197) {
        if (i >= comment && i < comment_end) /* it proves nothing, and nothing looks at it */
            continue;
        part.data[i] ^= 0x20;
        spill("one/lab.part002.tar", part.data, part.len);
        part.data[i] ^= 0x20;
        struct reader *reader = open_folder("one");
        struct reader_bundle *bundle = NULL;
        for (size_t b = 0; b < reader->bundle_count; b++)
            if (!reader->bundles[b].is_explained) {
                assert_null(bundle);
                bundle = &reader->bundles[b];
            }
        if (!bundle || reader->problem_count || bundle->parts[1].state != READER_DAMAGED)
            print_message("byte %zu\n", i);
        assert_non_null(bundle);
        assert_int_equal(reader->problem_count, 0);
        assert_int_equal(bundle->trust, READER_SIGNED);
        assert_int_equal(bundle->parts[1].state, READER_DAMAGED);
        assert_int_equal(count_good(bundle), bundle->manifest->part_count - 1);
        check_places(bundle);
        reader_free(reader);
    }
    buf_release(&part);
    remove_all("one");
}

static void names_what_is_missing(void **state)
{
    (void)state;
    write_bundle("one", FILES);
    assert_int_equal(unlink("one/lab.part002.tar"), 0);
    struct reader *reader = open_folder("one");
    struct reader_bundle *bundle = &reader->bundles[0];
    char *expected = str_printf("part 2 of %zu of lab-2026-05-28 (lab.part002.tar) is missing: ",
                                bundle->manifest->part_count);
    assert_false(reader_is_whole(bundle));
    assert_int_equal(bundle->parts[1].state, READER_MISSING);
    expect_part(bundle, 1, expected);
    expect_part(bundle, 1, "file");
    assert_int_equal(count_good(bundle), bundle->manifest->part_count - 1);
    check_places(bundle);
    free(expected);
    reader_free(reader);
    remove_all("one");
}

/* Parts alone, from two media, under other names, in another order, one of them twice. */
static void takes_any_order(void **state)
{
    (void)state;
    write_bundle("one", FILES);
    assert_int_equal(mkdir("stick", 0755), 0);
    assert_int_equal(rename("one/lab.part003.tar", "stick/x.tar"), 0);
    struct buf copy = slurp("one/lab.part001.tar");
    spill("stick/again.tar", copy.data, copy.len);
    copy.data[copy.len - 1500] ^= 1; /* and the first copy is damaged */
    spill("one/lab.part001.tar", copy.data, copy.len);
    buf_release(&copy);
    assert_int_equal(unlink("one/manifest.json"), 0);
    assert_int_equal(unlink("one/manifest.json.minisig"), 0);
    const char *paths[] = {"one", "stick"};
    struct reader *reader = open_reader(paths, 2);
    assert_int_equal(reader->bundle_count, 1);
    assert_true(reader_is_whole(&reader->bundles[0]));
    check_places(&reader->bundles[0]);
    reader_free(reader);
    remove_all("one");
    remove_all("stick");
}

static void sees_cut_and_longer_parts(void **state)
{
    (void)state;
    write_bundle("one", FILES);
    struct buf part = slurp("one/lab.part003.tar");
    static const size_t cuts[] = {1, 1024, 1025, 3000};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        spill("one/lab.part003.tar", part.data, part.len - cuts[i]);
        struct reader *reader = open_folder("one");
        assert_int_equal(reader->bundles[0].parts[2].state, READER_DAMAGED);
        check_places(&reader->bundles[0]);
        reader_free(reader);
    }
    buf_add(&part, "more", 4);
    spill("one/lab.part003.tar", part.data, part.len);
    struct reader *reader = open_folder("one");
    expect_part(&reader->bundles[0], 2, "something follows the archive");
    expect_part(&reader->bundles[0], 2, "no file");
    reader_free(reader);
    spill("one/lab.part003.tar", part.data, 100); /* not even a head: known by its name */
    reader = open_folder("one");
    assert_int_equal(reader->bundles[0].parts[2].state, READER_DAMAGED);
    reader_free(reader);
    buf_release(&part);
    remove_all("one");
}

static void repair(char *block)
{
    unsigned sum = 0;
    (void)memset(block + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += (unsigned char)block[i];
    (void)snprintf(block + 148, 8, "%06o", sum);
}

/* Sound headers of tar that are not those of the manifest. */
static void refuses_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        char type;
        const char *name, *what;
    } table[] = {{'2', NULL, "a symbolic link stands"},
                 {'1', NULL, "a hard link stands"},
                 {'3', NULL, "a device stands"},
                 {'5', NULL, "a folder stands"},
                 {'S', NULL, "a sparse file stands"},
                 {'x', NULL, "an extension of another content stands"},
                 {'0', "../../etc/passwd", "a file of another name"},
                 {'0', "/etc/passwd", "a file of another name"},
                 {'0', "files/pypi/aa/p0-1.0+cpu-py3-none-any.whl", "a file of another name"}};
    write_bundle("one", FILES);
    struct reader *reader = open_folder("one");
    struct reader_bundle *bundle = &reader->bundles[0];
    struct buf part = slurp("one/lab.part002.tar");
    const struct layout_piece *piece = &bundle->pieces[bundle->parts[1].first_piece];
    size_t at = (size_t)(layout_head((int64_t)bundle->text_len, (int64_t)bundle->signature_len) +
                         piece->piece->offset - TAR_BLOCK);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char saved[TAR_BLOCK];
        memcpy(saved, part.data + at, TAR_BLOCK);
        part.data[at + 156] = table[i].type;
        if (table[i].name) {
            (void)memset(part.data + at, 0, 100);
            memcpy(part.data + at, table[i].name, strlen(table[i].name));
        }
        repair(part.data + at);
        spill("one/lab.part002.tar", part.data, part.len);
        memcpy(part.data + at, saved, TAR_BLOCK);
        struct reader *again = open_folder("one");
        expect_part(&again->bundles[0], 1, table[i].what);
        assert_int_equal(again->bundles[0].found[bundle->parts[1].first_piece].state,
                         READER_DAMAGED);
        reader_free(again);
    }
    buf_release(&part);
    reader_free(reader);
    remove_all("one");
}

/* ----------------------------------------------------------------------- trust */

static void believes_only_the_key(void **state)
{
    (void)state;
    struct minisign_public other = secret.public;
    struct reader *reader;
    const char *folder = "one";
    write_bundle("one", FILES);

    struct reader_options options = {.key = NULL};
    assert_int_equal(reader_open(&options, &folder, 1, &reader), 0);
    assert_int_equal(reader->bundles[0].trust, READER_NO_KEY);
    assert_null(reader->bundles[0].manifest);
    reader_free(reader);

    options.key = &other;
    other.id[0] ^= 1;
    assert_int_equal(reader_open(&options, &folder, 1, &reader), 0);
    assert_int_equal(reader->bundles[0].trust, READER_OTHER_KEY);
    assert_null(reader->bundles[0].manifest);
    reader_free(reader);

    other.id[0] ^= 1;
    other.key[0] ^= 1;
    assert_int_equal(reader_open(&options, &folder, 1, &reader), 0);
    assert_int_equal(reader->bundles[0].trust, READER_REFUTED);
    assert_null(reader->bundles[0].manifest);
    reader_free(reader);

    options = (struct reader_options){.takes_unsigned = true};
    assert_int_equal(reader_open(&options, &folder, 1, &reader), 0);
    assert_int_equal(reader_check(reader, NULL), 0);
    assert_int_equal(reader->bundles[0].trust, READER_NO_KEY);
    assert_true(reader_is_whole(&reader->bundles[0]));
    reader_free(reader);
    remove_all("one");
}

static void unsigned_ones_are_asked_for(void **state)
{
    (void)state;
    struct writer_options options = {
        .folder = "one", .name = "lab", .date_s = DATE, .part_bytes = PART};
    struct writer_summary summary;
    char why[256];
    assert_int_equal(run_writer(&options, FILES, &summary, why), 0);
    assert_false(scratch_exists("one/manifest.json.minisig"));
    struct reader *reader = open_folder("one");
    assert_int_equal(reader->bundles[0].trust, READER_UNSIGNED);
    assert_null(reader->bundles[0].manifest);
    assert_string_equal(reader->bundles[0].why, "it is not signed");
    reader_free(reader);

    /* A manifest that is signed later, beside parts that have no signature, is fine. */
    struct buf text = slurp("one/manifest.json"), signature;
    buf_init(&signature, MINISIGN_FILE_MAX);
    assert_int_equal(minisign_sign(&secret, text.data, text.len, "later", &signature), 0);
    spill("one/manifest.json.minisig", signature.data, signature.len);
    reader = open_folder("one");
    assert_int_equal(reader->bundles[0].trust, READER_SIGNED);
    assert_true(reader_is_whole(&reader->bundles[0]));
    reader_free(reader);
    buf_release(&signature);
    buf_release(&text);
    remove_all("one");
}

/* ---------------------------------------------------------------- the writer */

static void carries_only_what_is_new(void **state)
{
    (void)state;
    struct writer_summary summary;
    struct manifest *since;
    char why[256], sha256[SHA256_HEX], *wrong = NULL;
    write_bundle("one", FILES - 1);
    struct buf text = slurp("one/manifest.json");
    assert_int_equal(manifest_read(text.data, text.len, &since, &wrong), 0);
    assert_int_equal(sha256_of(text.data, text.len, sha256), 0);
    struct writer_options options = {.folder = "two",
                                     .name = "lab",
                                     .date_s = DATE + 86400,
                                     .secret = &secret,
                                     .since = since,
                                     .since_sha256 = sha256};
    assert_int_equal(run_writer(&options, FILES, &summary, why), 0);
    assert_int_equal(summary.parts, 1);
    assert_int_equal(summary.files, FILES);
    assert_int_equal(summary.carried, 1);

    const char *paths[] = {"two", "one"};
    struct reader *reader = open_reader(paths, 2);
    assert_int_equal(reader->bundle_count, 2);
    assert_true(reader_is_whole(&reader->bundles[0]) && reader_is_whole(&reader->bundles[1]));
    const struct manifest *m = reader->bundles[0].manifest;
    assert_string_equal(m->since_id, "lab-2026-05-28");
    assert_string_equal(m->since_sha256, reader->bundles[1].sha256);
    assert_int_equal(m->file_count, FILES);
    assert_int_equal(m->files[0].bytes.piece_count, 0);
    assert_int_equal(m->files[FILES - 1].bytes.piece_count, 1);
    reader_free(reader);
    manifest_free(since);
    buf_release(&text);
    remove_all("one");
    remove_all("two");
}

static void leaves_nothing_when_it_fails(void **state)
{
    (void)state;
    struct writer_options options = {
        .folder = "one", .name = "lab", .date_s = DATE, .part_bytes = PART, .secret = &secret};
    struct writer_summary summary;
    char why[256];
    for (liar = 0; liar < FILES; liar++) {
        assert_int_equal(run_writer(&options, FILES, &summary, why), ERROR_DIGEST_MISMATCH);
        char *name = path_of((unsigned)liar);
        assert_non_null(strstr(why, name));
        free(name);
        assert_true(scratch_count("one") <= 0);
    }
    liar = -1;
    options.part_bytes = 2048;
    assert_int_equal(run_writer(&options, FILES, &summary, why), ERROR_TOO_BIG);
    assert_non_null(strstr(why, "too small"));
    options.part_bytes = PART;
    options.name = "../lab";
    assert_int_equal(run_writer(&options, FILES, &summary, why), ERROR_BAD_REQUEST);
    assert_true(scratch_count("one") <= 0);
    remove_all("one");
}

/* What a killed run leaves is taken away by the next one, and a bundle is never overwritten. */
static void begins_anew_after_a_crash(void **state)
{
    (void)state;
    struct writer_options options = {
        .folder = "one", .name = "lab", .date_s = DATE, .part_bytes = PART, .secret = &secret};
    struct writer_summary summary;
    char why[256];
    assert_int_equal(mkdir("one", 0755), 0);
    scratch_write("one/.wheelyard-unfinished", "old");
    scratch_write("one/old.part001.tar", "x");
    scratch_write("one/old.part002.tar.tmp", "x");
    scratch_write("one/manifest.json.minisig", "x");
    scratch_write("one/older.part001.tar", "somebody else's");
    write_bundle("one", FILES);
    assert_false(scratch_exists("one/old.part001.tar"));
    assert_false(scratch_exists("one/old.part002.tar.tmp"));
    assert_true(scratch_exists("one/older.part001.tar"));
    assert_int_equal(unlink("one/older.part001.tar"), 0);

    struct buf before = slurp("one/manifest.json");
    options.date_s++;
    assert_int_equal(run_writer(&options, FILES, &summary, why), ERROR_IN_USE);
    assert_non_null(strstr(why, "has a bundle already"));
    struct buf after = slurp("one/manifest.json");
    assert_string_equal(before.data, after.data);
    buf_release(&before);
    buf_release(&after);
    struct reader *reader = open_folder("one");
    assert_true(reader_is_whole(&reader->bundles[0]));
    reader_free(reader);
    remove_all("one");
}

static void refuses_rows(void **state)
{
    (void)state;
    struct writer_options options = {.folder = "one", .name = "lab", .date_s = DATE};
    struct writer_source source = {.open = open_file};
    struct writer_summary summary;
    struct writer *w;
    char origin[] = "pypi", path[] = "../p-1.tar.gz", project[] = "p";
    struct manifest_file row = {.origin = origin,
                                .path = path,
                                .project = project,
                                .kind = FILE_SDIST,
                                .metadata.size = -1};
    assert_int_equal(writer_new(&options, &w), 0);
    assert_int_equal(writer_add(w, &row), ERROR_BAD_REQUEST);
    add(w, 1);
    add(w, 1);
    assert_int_equal(writer_run(w, &source, &summary), ERROR_BAD_REQUEST);
    assert_non_null(strstr(writer_why(w), "named twice"));
    writer_free(w);
}

static int enter(void **state)
{
    memcpy(secret.seed, seed_of_key, sizeof(seed_of_key));
    memcpy(secret.public.id, "numbered", MINISIGN_ID);
    return ed25519_public(secret.seed, secret.public.key) ? -1 : scratch_enter(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_whole_and_the_same_again),
        cmocka_unit_test(finds_every_damaged_byte),
        cmocka_unit_test(names_what_is_missing),
        cmocka_unit_test(takes_any_order),
        cmocka_unit_test(sees_cut_and_longer_parts),
        cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(believes_only_the_key),
        cmocka_unit_test(unsigned_ones_are_asked_for),
        cmocka_unit_test(carries_only_what_is_new),
        cmocka_unit_test(leaves_nothing_when_it_fails),
        cmocka_unit_test(begins_anew_after_a_crash),
        cmocka_unit_test(refuses_rows),
    };
    return cmocka_run_group_tests(tests, enter, scratch_leave);
}
