// SPDX-License-Identifier: Apache-2.0
/* What is written reads back as the same, and what is wrong is refused with its line. */
#include "bundle/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/str.h"
#include "bundle/layout.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* A manifest by hand: a page, a wheel with METADATA, one in two pieces, and one that is elsewhere.
 */
static const char whole[] =
    "{\"wheelyard-bundle\":1,\"id\":\"lab-2026-05-28\",\"name\":\"lab\","
    "\"date\":\"2026-05-28T20:26:40Z\",\"since\":{\"id\":\"lab-2026-05-01\",\"sha256\":\"" SHA_B
    "\"},\n"
    "\"parts\":[\n"
    "{\"name\":\"lab.part001.tar\",\"payload\":4096},\n"
    "{\"name\":\"lab.part002.tar\",\"payload\":2560},\n"
    "{\"name\":\"lab.part003.tar\",\"payload\":2048}\n"
    "],\n"
    "\"locks\":[\n"
    "{\"name\":\"uv.lock\",\"sha256\":\"" SHA_A "\",\"files\":[\"pypi/a/a-1-py3-none-any.whl\"]}\n"
    "],\n"
    "\"others\":[\n"
    "{\"path\":\"README.txt\",\"size\":5,\"sha256\":\"" SHA_A "\",\"part\":1,\"offset\":512}\n"
    "],\n"
    "\"files\":[\n"
    "{\"origin\":\"pypi\",\"path\":\"a/a-1-py3-none-any.whl\",\"project\":\"a\",\"kind\":\"wheel\","
    "\"requires-python\":\">=3.9\",\"yanked\":\"bad \\\"one\\\"\","
    "\"upload-time\":\"2026-01-02T03:04:05Z\",\"size\":9,\"sha256\":\"" SHA_A
    "\",\"part\":1,\"offset\":1536,\"metadata\":{\"size\":3,\"sha256\":\"" SHA_B
    "\",\"part\":1,\"offset\":2560}},\n"
    "{\"origin\":\"pypi\",\"path\":\"b/b-1.tar.gz\",\"project\":\"b\",\"kind\":\"sdist\","
    "\"yanked\":true,\"size\":1100,\"sha256\":\"" SHA_A
    "\",\"pieces\":[{\"part\":2,\"offset\":512,\"size\":1024,\"sha256\":\"" SHA_A
    "\"},{\"part\":3,\"offset\":512,\"size\":76,\"sha256\":\"" SHA_B "\"}]},\n"
    "{\"origin\":\"pypi\",\"path\":\"c/c-1.tar.gz\",\"project\":\"c\",\"kind\":\"sdist\","
    "\"size\":7,\"sha256\":\"" SHA_A "\"}\n"
    "]}\n";

static int read_text(const char *text, struct manifest **ret, char **ret_why)
{
    *ret = NULL;
    *ret_why = NULL;
    return manifest_read(text, strlen(text), ret, ret_why);
}

static void writes_what_it_read(void **state)
{
    (void)state;
    struct manifest *m;
    struct buf text;
    char *why;
    int r = read_text(whole, &m, &why);
    if (r)
        print_message("%s\n", why);
    assert_int_equal(r, 0);
    assert_int_equal(m->part_count, 3);
    assert_int_equal(m->file_count, 3);
    assert_string_equal(m->files[0].yanked_reason, "bad \"one\"");
    assert_true(m->files[1].yanked);
    assert_null(m->files[1].yanked_reason);
    assert_int_equal(m->files[1].bytes.piece_count, 2);
    assert_int_equal(m->files[2].bytes.piece_count, 0);
    assert_int_equal(m->files[2].metadata.size, -1);
    assert_ptr_equal(manifest_find(m, "pypi", "b/b-1.tar.gz"), &m->files[1]);
    assert_null(manifest_find(m, "pypi", "b/b-2.tar.gz"));
    buf_init(&text, 1 << 20);
    manifest_write(m, &text);
    assert_string_equal(text.data, whole);
    buf_release(&text);
    manifest_free(m);
}

/* The text with `from` replaced. */
static char *with(const char *from, const char *to)
{
    const char *at = strstr(whole, from);
    if (!at)
        print_message("%s is not there\n", from);
    assert_non_null(at);
    return str_printf("%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
}

static const struct {
    const char *from, *to, *why;
} breaches[] = {
    {"{\"wheelyard-bundle\":1", "{\"wheelyard-bundle\":2", "line 1: a newer wheelyard"},
    {"{\"wheelyard-bundle\":1", "{\"bundle\":1", "line 1: it is no manifest"},
    {"\"name\":\"lab\"", "\"name\":\"../lab\"", "line 1: name is no name"},
    {"2026-05-28T20:26:40Z", "2026-05-28", "line 1: date"},
    {"\"parts\":[", "\"part\":[", "line 2: `\"parts\":[` is missing here"},
    {"lab.part002.tar", "lab.part003.tar", "line 4: name is not that of the next part"},
    {"\"payload\":2560},", "\"payload\":2560}", "line 5: the comma is missing"},
    {"\"payload\":2048}\n", "\"payload\":2048},\n", "line 6: a record is missing"},
    {"\"payload\":4096", "\"payload\":-1", "line 3: payload"},
    {"\"payload\":4096", "\"payload\":4096.5", "line 3: payload"},
    {"\"payload\":4096", "\"payload\":1e300", "line 3: payload"},
    {"\"payload\":4096", "\"payload\":9007199254740992", "line 3: payload"},
    {"uv.lock", "../uv.lock", "line 8: name is no name of a file"},
    {"[\"pypi/a/a-1", "[7,\"pypi/a/a-1", "line 8: files has what is no origin/path"},
    {"README.txt", "bin/sh", "line 11: path is none that a bundle has"},
    {"README.txt", "simple/A/index.html", "line 11: path is none that a bundle has"},
    {"README.txt", "simple/../index.html", "line 11: path is none that a bundle has"},
    {"\"path\":\"a/a-1", "\"path\":\"../a-1", "line 14: path is not relative"},
    {"\"path\":\"a/a-1", "\"path\":\"/a-1", "line 14: path is not relative"},
    {"\"path\":\"a/a-1", "\"path\":\"a\\\\/a-1", "line 14: path is not relative"},
    {"\"path\":\"a/a-1", "\"path\":\"x.whl/a-1", "line 14: path is not relative"},
    {"\"origin\":\"pypi\"", "\"origin\":\"..\"", "line 14: origin is no name"},
    {"\"origin\":\"pypi\"", "\"origin\":\"a/b\"", "line 14: origin is no name"},
    {"a-1-py3-none-any.whl\",\"project\":\"a\"", "a-1.exe\",\"project\":\"a\"",
     "line 14: path names neither"},
    {"\"project\":\"a\"", "\"project\":\"b\"", "line 14: project is not that"},
    {"\"kind\":\"wheel\"", "\"kind\":\"sdist\"", "line 14: kind is not that"},
    {"\"kind\":\"wheel\"", "\"kind\":\"egg\"", "line 14: kind is missing"},
    {"2026-01-02T03:04:05Z", "yesterday", "line 14: upload-time"},
    {"\"size\":9,", "\"size\":\"9\",", "line 14: size is missing"},
    {"\"size\":9,\"sha256\":\"aaaa", "\"size\":9,\"sha256\":\"AAAA", "line 14: sha256"},
    {"\"part\":1,\"offset\":1536", "\"part\":4,\"offset\":1536", "line 14: part is missing"},
    {"\"part\":1,\"offset\":1536", "\"part\":0,\"offset\":1536", "line 14: part counts from 1"},
    {"b/b-1.tar.gz", "a/a-0.tar.gz", "line 15: project"},
    {"\"origin\":\"pypi\",\"path\":\"b/b-1", "\"origin\":\"pyp\",\"path\":\"b/b-1",
     "line 15: path comes twice, or not in its order"},
    {"{\"origin\":\"pypi\",\"path\":\"c/c-1", "{\"path\":\"c/c-1", "line 16: origin is missing"},
    {"\"size\":7,", "\"size\":7", "line 16: it is no JSON"},
    {"\"}\n]}\n", "\"}\n]}\nmore", "line 18: something follows"},
    {"\"offset\":1536", "\"offset\":1024", "its offset is not where"},
    {"\"offset\":1536", "\"offset\":2048", "its offset is not where"},
    {"\"size\":1100", "\"size\":1101", "its pieces have together another size"},
    {"\"payload\":2560", "\"payload\":3072", "it is not in the part where it must be"},
    {"\"payload\":2048", "\"payload\":2560", "the members do not fill the 3 parts"},
    {"\"part\":3,\"offset\":512", "\"part\":2,\"offset\":512", "its offset is not where"},
};

static void names_the_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(breaches) / sizeof(*breaches); i++) {
        char *text = with(breaches[i].from, breaches[i].to), *why;
        struct manifest *m;
        assert_non_null(text);
        int r = read_text(text, &m, &why);
        if (r != ERROR_CORRUPT || !why || !strstr(why, breaches[i].why))
            print_message("%s -> %s: %d, %s\n", breaches[i].from, breaches[i].to, r,
                          why ? why : "");
        assert_int_equal(r, ERROR_CORRUPT);
        assert_non_null(strstr(why, breaches[i].why));
        free(why);
        free(text);
    }
}

/* However short it is cut, it is refused, and nothing is read behind its end. */
static void refuses_every_beginning(void **state)
{
    (void)state;
    for (size_t len = 0; len + 1 < sizeof(whole); len++) {
        char *copy = malloc(len + 1), *why = NULL;
        struct manifest *m;
        assert_non_null(copy);
        memcpy(copy, whole, len);
        assert_int_equal(manifest_read(copy, len, &m, &why), ERROR_CORRUPT);
        assert_non_null(why);
        free(why);
        free(copy);
    }
}

static void bounds_lines(void **state)
{
    (void)state;
    size_t len = MANIFEST_LINE_MAX + 10;
    char *text = malloc(len + 1), *why = NULL;
    struct manifest *m;
    assert_non_null(text);
    (void)memset(text, ' ', len);
    text[len] = '\n';
    assert_int_equal(manifest_read(text, len + 1, &m, &why), ERROR_TOO_BIG);
    assert_string_equal(why, "line 1: the line is too long");
    free(why);
    free(text);
}

static void names(void **state)
{
    (void)state;
    char name[MANIFEST_PART_NAME];
    manifest_part_name("lab", 1, name);
    assert_string_equal(name, "lab.part002.tar");
    assert_true(manifest_name_is_valid("lab-1.x_Y"));
    assert_false(manifest_name_is_valid(""));
    assert_false(manifest_name_is_valid(".lab"));
    assert_false(manifest_name_is_valid("-lab"));
    assert_false(manifest_name_is_valid("l/ab"));
    assert_false(manifest_name_is_valid("l\xc3\xa4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_read),
        cmocka_unit_test(names_the_line),
        cmocka_unit_test(refuses_every_beginning),
        cmocka_unit_test(bounds_lines),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
