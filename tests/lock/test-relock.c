// SPDX-License-Identifier: Apache-2.0
/* Other addresses in the text of a lock: which bytes change, and when none do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "lock/relock.h"

/* "https://a.example/" becomes what the context says; all else has no address. */
static int map_address(void *context, const struct lock_address *address, struct buf *to,
                       const char **ret_why)
{
    static const char from[] = "https://a.example/";

    if (str_starts(address->text, "https://same.example/")) {
        buf_puts(to, address->text);
        return 0;
    }
    if (!str_starts(address->text, from)) {
        *ret_why = "elsewhere";
        return RELOCK_NOT;
    }
    buf_printf(to, "%s%s", (const char *)context, address->text + strlen(from));
    return 0;
}

struct outcome {
    struct buf text;
    size_t changed, wrong;
    unsigned line;
    const char *why;
};

static struct outcome run(const char *name, const char *text, const char *base)
{
    char context[64];
    const struct lock_input input = {.name = name, .text = text, .len = strlen(text)};
    const struct relock_map map = {map_address, context};
    struct relock_report report;
    struct lock_wrong wrong;
    struct lock *lock = NULL;
    struct outcome o = {.line = 0};

    str_copy(context, sizeof context, base);
    buf_init(&o.text, 1 << 20);
    assert_int_equal(lock_read(&input, &lock, &wrong), 0);
    assert_int_equal(relock(lock, text, strlen(text), &map, &o.text, &report), 0);
    o.changed = report.changed;
    o.wrong = report.wrong_count;
    if (report.wrong_count) {
        o.line = report.wrong[0].address->line;
        o.why = report.wrong[0].why;
    }
    relock_report_release(&report);
    lock_free(lock);
    return o;
}

#define HEAD "version = 1\n[[package]]\nname = 'p'\n"

static void expect(const char *name, const char *text, const char *expected)
{
    struct outcome o = run(name, text, "http://h/");

    assert_int_equal(o.wrong, 0);
    assert_string_equal(o.text.data, expected);
    buf_release(&o.text);
}

static void test_only_addresses_change(void **state)
{
    (void)state;
    expect("uv.lock", HEAD "source = { registry = 'https://a.example/s' } # https://a.example/\r\n",
           HEAD "source = { registry = 'http://h/s' } # https://a.example/\r\n");
    expect("uv.lock", HEAD "source.registry = \"https://a.example/s\"\n",
           HEAD "source.registry = \"http://h/s\"\n");
    /* Another program's tables are its own. */
    expect("pylock.toml", "lock-version = '1.0'\n[tool.x]\nurl = 'https://a.example/'\n",
           "lock-version = '1.0'\n[tool.x]\nurl = 'https://a.example/'\n");
    expect("pixi.lock",
           "\xef\xbb\xbf# \xc3\xa9\nversion: 6\npackages:\n"
           "- pypi: \"https://a.example/x.whl\"  # https://a.example/\n  name: x\n"
           "- pypi: direct+https://a.example/y.whl\n  name: y\n- conda: https://a.example/c\n",
           "\xef\xbb\xbf# \xc3\xa9\nversion: 6\npackages:\n"
           "- pypi: \"http://h/x.whl\"  # https://a.example/\n  name: x\n"
           "- pypi: direct+http://h/y.whl\n  name: y\n- conda: https://a.example/c\n");
    expect("requirements.txt", "-f https://a.example/f\nx @ https://a.example/x.whl;y\n",
           "-f http://h/f\nx @ http://h/x.whl;y\n");
}

static void test_what_is_the_same_stays(void **state)
{
    struct outcome o = run("requirements.txt", "-i https://same.example/\n", "http://h/");

    (void)state;
    assert_int_equal(o.changed, 0);
    assert_int_equal(o.wrong, 0);
    buf_release(&o.text);
}

static void expect_nothing(const char *name, const char *text, const char *base, unsigned line,
                           const char *why)
{
    struct outcome o = run(name, text, base);

    assert_int_equal(o.changed, 0);
    assert_int_equal(o.line, line);
    assert_non_null(strstr(o.why, why));
    assert_string_equal(o.text.data, text);
    buf_release(&o.text);
}

static void test_one_obstacle_leaves_all(void **state)
{
    (void)state;
    expect_nothing("requirements.txt", "-i https://a.example/\n\n-f https://b.example/\n",
                   "http://h/", 3, "elsewhere");
    expect_nothing("uv.lock", HEAD "source = { registry = \"https://a.example/\\u0041\" }\n",
                   "http://h/", 4, "escapes");
    expect_nothing("uv.lock", HEAD "source = { registry = '''https://a.example/x''' }\n",
                   "http://h/", 4, "several lines");
    expect_nothing("pixi.lock",
                   "version: 6\npackages:\n- name: x\n  pypi: >-\n    https://a.example/x.whl\n",
                   "http://h/", 4, "several lines");
    expect_nothing("requirements.txt", "-i https://a.example/\n", "http://h/\"", 1,
                   "cannot stand there");
}

/* A folder, a path and the project itself are no addresses. */
static void test_paths_are_no_obstacle(void **state)
{
    (void)state;
    expect("uv.lock", HEAD "source = { editable = '.' }\n", HEAD "source = { editable = '.' }\n");
    expect("pixi.lock", "version: 6\npackages:\n- pypi: ./x\n  name: x\n",
           "version: 6\npackages:\n- pypi: ./x\n  name: x\n");
    expect("requirements.txt", "-e .\n./x.whl\nfile:///x.whl\n", "-e .\n./x.whl\nfile:///x.whl\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_addresses_change),
        cmocka_unit_test(test_what_is_the_same_stays),
        cmocka_unit_test(test_one_obstacle_leaves_all),
        cmocka_unit_test(test_paths_are_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
