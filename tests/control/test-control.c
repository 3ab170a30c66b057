// SPDX-License-Identifier: Apache-2.0
/* Commands towards the daemon, without one: places, requests, and what a blob may be called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "control/control_place.h"
#include "control/control_request.h"
#include "engine/files/inventory.h"

#define LEN(a) (sizeof(a) / sizeof *(a))

static const char *runtime, *session;

static const char *environment(const char *name)
{
    return strcmp(name, "RUNTIME_DIRECTORY") == 0 ? runtime : session;
}

static void check_places(const char *given, const char *const *expected)
{
    char *places[CONTROL_PLACES];
    size_t count = control_places(given, environment, places);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(expected[i]);
        assert_string_equal(places[i], expected[i]);
        free(places[i]);
    }
    assert_null(expected[count]);
}

static void places(void **state)
{
    (void)state;
    static const char last[] = "/run/wheelyard/control.sock";
    runtime = session = NULL;
    check_places(NULL, (const char *const[]){last, NULL});
    check_places("/a/b", (const char *const[]){"/a/b", NULL});
    session = "/run/user/7";
    check_places("", (const char *const[]){"/run/user/7/wheelyard/control.sock", last, NULL});
    runtime = "/run/a:/run/b";
    check_places(NULL, (const char *const[]){"/run/a/control.sock",
                                             "/run/user/7/wheelyard/control.sock", last, NULL});
    runtime = session = "relative";
    check_places(NULL, (const char *const[]){last, NULL});
}

static void requests(void **state)
{
    (void)state;
    static const char fine[] = "[\"cache\", \"rm\", \"a b\"]";
    struct control_request request;
    assert_int_equal(control_request_parse(fine, strlen(fine), &request), 0);
    assert_int_equal(request.count, 3);
    assert_string_equal(request.words[0], "cache");
    assert_string_equal(request.words[2], "a b");
    control_request_release(&request);
}

static void what_is_no_request(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "\"cache\"",
        "[1]",
        "[\"a\",null]",
        "[\"a\"",
        "[\"a\"] x",
        "[[\"a\"]]",
        "[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"};
    struct control_request request;
    for (size_t i = 0; i < LEN(wrong); i++)
        assert_int_equal(control_request_parse(wrong[i], strlen(wrong[i]), &request),
                         ERROR_BAD_REQUEST);
    assert_int_equal(control_request_parse("", CONTROL_REQUEST_MAX_BYTES + 1, &request),
                     ERROR_TOO_BIG);
}

static struct inventory_row rows[] = {
    {.name = (char[]){"pypi/a/one.whl"}, .sha256 = "aaaa1"},
    {.name = (char[]){"pypi/b/one.whl"}, .sha256 = "bbbb1"},
    {.name = (char[]){"pypi/b/two.whl"}, .sha256 = "bbbb2"},
    {.name = (char[]){"pypi/c/two.whl"}, .sha256 = "bbbb2"},
    {.name = (char[]){"pypi/d/partial.whl"}, .sha256 = ""},
    {.name = (char[]){"pypi/aaaa"}, .sha256 = "cccc1"},
};
static const struct inventory inventory = {rows, LEN(rows)};

static void check_found(const char *name, int result, const char *expected)
{
    const struct inventory_row *row = NULL;
    assert_int_equal(inventory_find(&inventory, name, &row), result);
    if (expected)
        assert_string_equal(row->name, expected);
    else
        assert_null(row);
}

static void names(void **state)
{
    (void)state;
    check_found("pypi/b/one.whl", 0, "pypi/b/one.whl");
    check_found("one.whl", INVENTORY_SEVERAL, NULL);
    check_found("two.whl", 0, "pypi/b/two.whl"); /* two paths of one blob */
    check_found("partial.whl", 0, "pypi/d/partial.whl");
    check_found("aaaa1", 0, "pypi/a/one.whl");
    check_found("AAAA1", 0, "pypi/a/one.whl");
    check_found("sha256:bbbb1", 0, "pypi/b/one.whl");
    check_found("bbbb", INVENTORY_SEVERAL, NULL);
    check_found("aaaa", INVENTORY_SEVERAL, NULL); /* a digest and a file name */
    check_found("aaa", INVENTORY_NONE, NULL);     /* too short for a digest */
    check_found("", INVENTORY_NONE, NULL);
    check_found("one", INVENTORY_NONE, NULL);
    check_found("b/one.whl", INVENTORY_NONE, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(requests),
        cmocka_unit_test(what_is_no_request),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
