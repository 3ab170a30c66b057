// SPDX-License-Identifier: Apache-2.0
/* Every lock of the saved data, against the table of what it holds; and what is wrong with a lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../index/data.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "lock/lock.h"

DEFINE_CLEANUP(struct lock, lock_free)

static const char *const locks[] = {
    "pdm/demo.pdm.lock",
    "pdm/pdm.pdm.lock",
    "pixi/detectron2-from-source-v6.pixi.lock",
    "pixi/llama-index-inference-v5.pixi.lock",
    "pixi/old_lock_file-v7.pixi.lock",
    "pixi/pixi-pack-pypi-wheel-packages-v6.pixi.lock",
    "pixi/pypi-dynamic-version-v7.pixi.lock",
    "pixi/pypi-find-links-index-v7.pixi.lock",
    "pixi/pypi-index-added-v7.pixi.lock",
    "pixi/pypi-source-deps-v6.pixi.lock",
    "pixi/pypi-v6.pixi.lock",
    "pixi/rattler-v5-flat-index-lock.yml",
    "pixi/rattler-v6-numpy-as-pypi-lock.yml",
    "pixi/rattler-v7-pypi_custom_index.yml",
    "pixi/rattler-v7-pypi_relative_url.yml",
    "pixi/wheels-with-wrong-tags-v6.pixi.lock",
    "poetry/dependabot.poetry.lock",
    "poetry/poetry-2.1.poetry.lock",
    "poetry/with_path_dependency.poetry.lock",
    "pylock/odh-codeserver-baseline.pylock.toml",
    "pylock/odh-pytorch-cuda.pylock.toml",
    "pylock/pdm-demo.pylock.toml",
    "pylock/spec-example.toml",
    "pylock/pip/pylock.certifi-with-upload_time.toml",
    "pylock/pip/pylock.invalidhash.toml",
    "pylock/pip/pylock.oldpython.toml",
    "pylock/pip/pylock.onearchive.toml",
    "pylock/pip/pylock.onesdist.toml",
    "pylock/pip/pylock.onewheel.toml",
    "pylock/pip/pylock.prerelease-archive.toml",
    "pylock/pip/pylock.toml",
    "requirements/odh-pytorch-cuda.txt",
    "requirements/proxpi-app.txt",
    "requirements/warehouse-main.txt",
    "uv/benchmark.uv.lock",
    "uv/built-by-uv.uv.lock",
    "uv/nanochat.uv.lock",
    "uv/script.py.lock",
    "uv/semantic-kernel.uv.lock.gz",
};

/* Sorted, because readers give wheels before the sdist, and skipped packages at the end. */
struct rows {
    char **list;
    size_t count;
};

static void add_row(struct rows *rows, char *row)
{
    assert_non_null(row);
    rows->list = reallocarray(rows->list, rows->count + 1, sizeof(*rows->list));
    assert_non_null(rows->list);
    rows->list[rows->count++] = row;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static void release(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->list[i]);
    free(rows->list);
}

static int read_lock(const char *name, const char *text, size_t len, struct lock **ret,
                     struct lock_wrong *wrong)
{
    const struct lock_input input = {.name = name, .text = text, .len = len};

    return lock_read(&input, ret, wrong);
}

static bool load(const char *name, struct buf *bytes, struct lock **ret)
{
    struct lock_wrong wrong;
    auto_free char *path = str_printf("locks/%s", name);
    auto_free char *bare = str_dup(name);

    assert_non_null(path);
    if (!data_read(path, bytes))
        return false;
    if (str_ends(bare, ".gz"))
        bare[strlen(bare) - strlen(".gz")] = '\0';
    int r = read_lock(bare, bytes->data, bytes->len, ret, &wrong);
    if (r)
        fail_msg("%s: %s, line %u: %s", name, error_text(r), wrong.line, wrong.text);
    return true;
}

/* What python's datetime prints of the same moment. */
static char *python_time(const char *text)
{
    size_t len = strlen(text);

    if (!str_ends(text, "Z"))
        return str_dup(text);
    const char *fraction = strchr(text, '.');
    int missing = fraction ? 6 - (int)(text + len - 1 - fraction - 1) : 0;
    return str_printf("%.*s%.*s+00:00", (int)len - 1, text, missing, "000000");
}

static void add_files(const struct lock *lock, struct rows *rows)
{
    static const char *const kinds[] = {"wheel", "sdist", "archive", "any"};

    for (size_t i = 0; i < lock->file_count; i++) {
        const struct lock_file *file = &lock->files[i];
        const struct lock_package *package = &lock->packages[file->package];
        bool is_toml = lock->kind == LOCK_UV || lock->kind == LOCK_PYLOCK;
        bool is_list = lock->kind == LOCK_POETRY || lock->kind == LOCK_PDM;
        char size[24] = "";
        auto_free char *time = lock->kind == LOCK_PYLOCK && file->upload_time
                                   ? python_time(file->upload_time)
                                   : str_dup(file->upload_time ? file->upload_time : "");
        const char *place = file->address ? file->address : file->path;
        const char *prefix =
            lock->kind == LOCK_PIXI && package->source == LOCK_FROM_URL ? "direct+" : "";

        if (lock->kind == LOCK_REQUIREMENTS && !*file->hashes)
            continue;
        if (file->size >= 0)
            (void)snprintf(size, sizeof size, "%lld", (long long)file->size);
        if (is_list && !place)
            place = file->name;
        add_row(rows,
                str_printf(
                    "%s|%s|%s|%s%s|%s|%s|%s|%s", package->name,
                    package->version ? package->version : "",
                    is_toml                   ? kinds[file->kind]
                    : is_list                 ? "file"
                    : lock->kind == LOCK_PIXI ? "pypi"
                                              : "req",
                    prefix, place ? place : "", file->hashes, size, time,
                    lock->kind == LOCK_UV || lock->kind == LOCK_PYLOCK || lock->kind == LOCK_PIXI
                        ? package->source == LOCK_FROM_INDEX && package->place ? package->place : ""
                        : ""));
    }
}

/* pixi's table has the packages that are no files, too. */
static void add_trees(const struct lock *lock, struct rows *rows)
{
    for (size_t i = 0; lock->kind == LOCK_PIXI && i < lock->package_count; i++) {
        const struct lock_package *package = &lock->packages[i];

        if (!package->file_count)
            add_row(rows, str_printf("%s|%s|pypi|%s||||", package->name,
                                     package->version ? package->version : "", package->place));
    }
}

static void add_expected(const char *name, struct rows *rows)
{
    struct buf table;
    char *f[8];
    auto_free char *path = str_printf("locks/%s", name);

    assert_true(data_read_table(path, &table));
    char *text = table.data;
    assert_true(data_next_row(&text, f, 8));
    while (data_next_row(&text, f, 8)) {
        const char *index = str_starts(f[7], "registry:") ? f[7] + strlen("registry:") : f[7];

        if (strcmp(f[2], "option") != 0)
            add_row(rows, str_printf("%s|%s|%s|%s|%s|%s|%s|%s", f[0], f[1], f[2], f[3], f[4], f[5],
                                     f[6], index));
    }
    buf_release(&table);
}

static void compare(const char *name, struct rows *found, struct rows *expected)
{
    qsort(found->list, found->count, sizeof(*found->list), by_text);
    qsort(expected->list, expected->count, sizeof(*expected->list), by_text);
    for (size_t i = 0; i < found->count && i < expected->count; i++)
        if (strcmp(found->list[i], expected->list[i]) != 0)
            fail_msg("%s: %s\nis expected to be %s", name, found->list[i], expected->list[i]);
    if (found->count != expected->count)
        fail_msg("%s: %zu rows, expected %zu", name, found->count, expected->count);
}

static void test_tables(void **state)
{
    size_t rows = 0;

    (void)state;
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        auto_buf struct buf bytes;
        AUTO(lock_free) struct lock *lock = NULL;
        struct rows found = {0};
        struct rows expected = {0};

        if (!load(locks[i], &bytes, &lock)) {
            print_message("no saved locks: WHEELYARD_DATA names none\n");
            skip();
        }
        add_files(lock, &found);
        add_trees(lock, &found);
        add_expected(locks[i], &expected);
        compare(locks[i], &found, &expected);
        rows += found.count;
        release(&found);
        release(&expected);
    }
    assert_true(rows > 10000);
}

/* Each address stands where it is said to stand, and its line is that of the byte. */
static void test_places(void **state)
{
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        auto_buf struct buf bytes;
        AUTO(lock_free) struct lock *lock = NULL;
        unsigned line = 1;
        size_t at = 0;

        if (!load(locks[i], &bytes, &lock))
            skip();
        for (size_t k = 0; k < lock->address_count; k++) {
            const struct lock_address *address = &lock->addresses[k];

            if (!address->is_plain)
                continue;
            assert_true(address->offset >= at);
            for (; at < address->offset; at++)
                line += bytes.data[at] == '\n';
            assert_int_equal(line, address->line);
            assert_memory_equal(bytes.data + at, address->text, address->len);
            seen++;
        }
    }
    assert_true(seen > 8000);
}

struct wrong_case {
    const char *name, *text, *said;
    unsigned line;
};

static const struct wrong_case wrong_cases[] = {
    {"uv.lock", "version = 2\n", "version 2 of uv.lock is not known here", 1},
    {"uv.lock", "revision = 3\n", "version is missing", 1},
    {"uv.lock", "version = 1\n[[package]]\nname = 1\n", "name is not a string", 3},
    {"uv.lock", "version = 1\n[[package]]\nname = 'a'\n", "without a source", 2},
    {"uv.lock", "version = 1\n[[package]]\nname = 'a'\nsource = { moon = 'x' }\n", "not known", 4},
    {"uv.lock", "version = 1\n\nx = ", "", 3},
    {"pylock.toml", "created-by = 'x'\n", "lock-version is missing", 1},
    {"pylock.toml", "\nlock-version = '2.0'\n", "lock-version 2.0 is not known here", 2},
    {"pylock.toml", "lock-version = '1.0'\n[[packages]]\nname = 'a'\nsdist = {path = 'x'}\n",
     "without hashes", 4},
    {"poetry.lock", "package = []\n", "metadata.lock-version is missing", 1},
    {"pdm.lock", "[metadata]\nlock_version = '9'\n", "lock_version 9 is not known", 2},
    {"pixi.lock", "a: 1\n", "version is missing", 1},
    {"pixi.lock", "\nversion: 8\n", "version 8 of pixi.lock is not known here", 2},
    {"pixi.lock", "version: 6\npackages:\n- pypi: ./x\n", "without a name", 3},
    {"pixi.lock", "version: 6\npackages: [\n", "", 3},
    {"pixi.lock", "version: 6\na: &x 1\nb: *x\n", "an alias", 3},
    {"requirements.txt", "a==1\n\n!!\n", "this is no requirement: !!", 3},
    {"requirements.txt", "a==1 \\\n  --hash\n", "a hash is missing", 1},
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_cases / sizeof *wrong_cases; i++) {
        const struct wrong_case *c = &wrong_cases[i];
        struct lock *lock = NULL;
        struct lock_wrong wrong;

        assert_int_equal(read_lock(c->name, c->text, strlen(c->text), &lock, &wrong), ERROR_CONFIG);
        if (!strstr(wrong.text, c->said) || wrong.line != c->line)
            fail_msg("%s: line %u: %s; expected line %u: %s", c->text, wrong.line, wrong.text,
                     c->line, c->said);
    }
}

static void test_kind_by_content(void **state)
{
    static const struct {
        const char *text;
        enum lock_kind kind;
    } cases[] = {
        {"version = 1\n", LOCK_UV},
        {"lock-version = '1.0'\n", LOCK_PYLOCK},
        {"# x\nversion: 6\n", LOCK_PIXI},
        {"[[package]]\nname = 'a'\nversion = '1'\n[metadata]\nlock-version = '2.1'\n", LOCK_POETRY},
        {"[metadata]\nlock_version = '4.5'\n", LOCK_PDM},
        {"a==1\n", LOCK_REQUIREMENTS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(lock_free) struct lock *lock = NULL;
        struct lock_wrong wrong;

        assert_int_equal(read_lock("x", cases[i].text, strlen(cases[i].text), &lock, &wrong), 0);
        assert_int_equal(lock->kind, cases[i].kind);
    }
}

/* Larger than any that was saved: a wheel is a table, and all of them can be read. */
static void test_many_files(void **state)
{
    enum { FILES = 60000 };
    struct lock *lock = NULL;
    struct lock_wrong wrong;
    struct buf text;

    (void)state;
    buf_init(&text, LOCK_MAX_BYTES);
    buf_puts(&text, "version = 1\n[[package]]\nname = 'a'\nsource = { registry = 'https://i/s' }\n"
                    "wheels = [\n");
    for (int i = 0; i < FILES; i++)
        buf_printf(&text, "  { url = 'https://h/a-%d-py3-none-any.whl' },\n", i);
    buf_puts(&text, "]\n");
    assert_int_equal(read_lock("uv.lock", text.data, text.len, &lock, &wrong), 0);
    assert_int_equal(lock->file_count, FILES);
    assert_int_equal(lock->files[FILES - 1].line, FILES + 5);
    lock_free(lock);
    buf_release(&text);
}

static void test_too_many_packages(void **state)
{
    struct lock *lock = NULL;
    struct lock_wrong wrong;
    struct buf text;

    (void)state;
    buf_init(&text, LOCK_MAX_BYTES);
    for (int i = 0; i <= LOCK_MAX_PACKAGES; i++)
        buf_printf(&text, "a%d==1\n", i);
    assert_int_equal(read_lock("requirements.txt", text.data, text.len, &lock, &wrong),
                     ERROR_CONFIG);
    assert_string_equal(wrong.text, "too many packages");
    assert_int_equal(wrong.line, LOCK_MAX_PACKAGES + 1);
    buf_release(&text);
}

/* ------------------------------------------------------------ requirements */

static int open_other(void *context, const char *from, const char *path, struct buf *to)
{
    (void)context;
    if (!strcmp(path, "loop.txt"))
        buf_puts(to, "-r loop.txt\n");
    else if (!strcmp(path, "pins.txt"))
        buf_puts(to, "b==2 # a pin\nunused==3\n");
    else if (!strcmp(path, "more.txt") && !*from)
        buf_puts(to, "d==4 \\\n --hash=sha256:dd\n");
    else
        return ERROR_IO;
    return 0;
}

static int read_text(const char *text, struct lock **ret, struct lock_wrong *wrong)
{
    const struct lock_input input = {
        .name = "requirements.txt", .text = text, .len = strlen(text), .open = open_other};

    return lock_read(&input, ret, wrong);
}

static void test_requirements(void **state)
{
    static const char text[] =
        "\xef\xbb\xbf# head\r\n"
        "-i https://i.example/simple\r\n"
        "A_b[x,y] == 1.0 ; sys_platform == \"linux\" \\\r\n"
        "    --hash=sha256:aa \\\r\n"
        "    --hash sha256:bb # tail\r\n"
        "b>=1\r\n"
        "-c pins.txt\r\n"
        "-r more.txt\r\n"
        "c @ https://h.example/c-1-py3-none-any.whl#sha256=1 ; python_version > '3'\r\n"
        "-e .\r\n"
        "git+https://g.example/x.git\r\n"
        "./d.whl\r\n";
    AUTO(lock_free) struct lock *lock = NULL;
    struct lock_wrong wrong;

    (void)state;
    assert_int_equal(read_text(text, &lock, &wrong), 0);
    assert_int_equal(lock->package_count, 4);
    assert_string_equal(lock->packages[0].project, "a-b");
    assert_string_equal(lock->packages[0].version, "1.0");
    assert_string_equal(lock->packages[0].marker, "sys_platform == \"linux\"");
    assert_string_equal(lock->packages[0].place, "https://i.example/simple");
    assert_int_equal(lock->packages[0].line, 3);
    assert_int_equal(lock->packages[0].file_count, 2);
    assert_string_equal(lock->files[1].hashes, "sha256:bb");
    assert_string_equal(lock->packages[1].version, "2");
    assert_string_equal(lock->packages[2].project, "d");
    assert_string_equal(lock->packages[3].marker, "python_version > '3'");
    assert_string_equal(lock->files[4].name, "c-1-py3-none-any.whl");
    assert_int_equal(lock->skip_count, 3);
    assert_int_equal(lock->skipped[0].line, 10);
    assert_false(lock->is_locked);
    assert_int_equal(lock->address_count, 3);
    assert_int_equal(lock->addresses[2].role, LOCK_ADDRESS_OTHER);
}

static void test_requirements_that_lead_elsewhere(void **state)
{
    struct lock *lock = NULL;
    struct lock_wrong wrong;

    (void)state;
    assert_int_equal(read_text("\n-r loop.txt\n", &lock, &wrong), ERROR_CONFIG);
    assert_string_equal(wrong.text, "too many files that lead to each other");
    assert_string_equal(wrong.file, "loop.txt");
    assert_int_equal(read_text("\n-r gone.txt\n", &lock, &wrong), ERROR_CONFIG);
    assert_non_null(strstr(wrong.text, "gone.txt cannot be read"));
    assert_int_equal(wrong.line, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_kind_by_content),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_too_many_packages),
        cmocka_unit_test(test_requirements),
        cmocka_unit_test(test_requirements_that_lead_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
