// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "base/error.h"
#include "index/advisories.h"

#define EVENTS(text)                                                                               \
    "{\"package\":{\"ecosystem\":\"PyPI\",\"name\":\"Evil_Lib\"},"                                 \
    "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" text "]}]}"

/* Whether a version of evil-lib is affected by one object. */
static const struct {
    const char *text, *version;
    bool is_affected;
} cases[] = {
    {EVENTS("{\"introduced\":\"0\"}"), "9.9", true},
    {EVENTS("{\"introduced\":\"0\"},{\"fixed\":\"2.0\"}"), "1.9", true},
    {EVENTS("{\"introduced\":\"0\"},{\"fixed\":\"2.0\"}"), "2.0", false},
    {EVENTS("{\"introduced\":\"0\"},{\"fixed\":\"2.0\"}"), "2.0rc1", true},
    {EVENTS("{\"introduced\":\"0\"},{\"fixed\":\"2.0\"}"), "2.0+cu126", false},
    {EVENTS("{\"fixed\":\"2.0\"},{\"introduced\":\"1.0\"}"), "0.9", false},
    {EVENTS("{\"fixed\":\"2.0\"},{\"introduced\":\"1.0\"}"), "1.0", true},
    {EVENTS("{\"introduced\":\"1.0\"},{\"last_affected\":\"1.5\"}"), "1.5", true},
    {EVENTS("{\"introduced\":\"1.0\"},{\"last_affected\":\"1.5\"}"), "1.5+cpu", true},
    {EVENTS("{\"introduced\":\"1.0\"},{\"last_affected\":\"1.5\"}"), "1.6", false},
    {EVENTS("{\"introduced\":\"1.5\"},{\"last_affected\":\"1.5\"}"), "1.6", false},
    {EVENTS("{\"introduced\":\"1\"},{\"fixed\":\"2\"},{\"introduced\":\"3\"},{\"fixed\":\"4\"}"),
     "2.5", false},
    {EVENTS("{\"introduced\":\"1\"},{\"fixed\":\"2\"},{\"introduced\":\"3\"},{\"fixed\":\"4\"}"),
     "3.5", true},
    {"{\"package\":{\"name\":\"evil-lib\"},\"versions\":[\"1.0\"]}", "1.0+cpu", true},
    {"{\"package\":{\"name\":\"evil-lib\"},\"versions\":[\"1.0\"]}", "1.0.0", true},
    {"{\"package\":{\"name\":\"evil-lib\"},\"versions\":[\"1.0\"]}", "1.1", false},
    {"{\"package\":{\"name\":\"evil-lib\"},\"versions\":[\"1.0\"]}", "no version", true},
    {"{\"package\":{\"name\":\"evil-lib\"}}", "1.1", true},
    {"{\"package\":{\"name\":\"evil-lib\",\"ecosystem\":\"npm\"}}", "1.1", false},
    {"{\"package\":{\"name\":\"evil-lib\"},\"withdrawn\":\"2026-01-01T00:00:00Z\"}", "1.1", false},
    {"{\"package\":{\"name\":\"evil-lib\"},\"ranges\":[{\"type\":\"GIT\",\"events\":"
     "[{\"introduced\":\"0\"}]}],\"versions\":[\"2\"]}",
     "1.1", false},
    {"{\"package\":{\"name\":\"other\"}}", "1.1", false},
    {"[{\"affected\":[{\"package\":{\"name\":\"x\"}},{\"package\":{\"name\":\"evil-lib\"}}]}]", "1",
     true},
    {"{\"vulns\":[{\"affected\":[{\"package\":{\"name\":\"evil-lib\"}}]}]}", "1", true},
};

static void versions_are_affected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct advisories *a;
        struct advisory found;
        assert_int_equal(advisories_parse(cases[i].text, strlen(cases[i].text), &a), 0);
        assert_int_equal(advisories_problem_count(a), 0);
        if (advisories_find(a, "evil-lib", cases[i].version, &found) != cases[i].is_affected)
            fail_msg("case %zu: %s of %s", i, cases[i].version, cases[i].text);
        advisories_free(a);
    }
}

/* An entry that cannot be understood is named and left out; the others count. */
static void problems_have_places(void **state)
{
    (void)state;
    static const char text[] =
        "{\"vulns\":[7,{\"id\":\"A\",\"affected\":{}},{\"id\":\"B\",\"affected\":[{}]},"
        "{\"id\":\"C\",\"affected\":[{\"package\":{\"name\":\"ok\"}},"
        "{\"package\":{\"name\":\"evil\"},\"ranges\":[{\"events\":[{\"fixed\":\"?\"}]}]}]},"
        "{\"id\":\"D\",\"package\":{\"name\":\"evil\"},\"versions\":[null]}]}";
    static const char *const expected[] = {
        "vulns[0]: no object",
        "vulns[1]: `affected` is no list",
        "vulns[2].affected[0]: no `package`",
        "vulns[3].affected[1]: an event names something that is no version",
        "vulns[4]: `versions` has something that is no version",
        NULL};
    struct advisories *a;
    struct advisory found;
    assert_int_equal(advisories_parse(text, strlen(text), &a), 0);
    for (size_t i = 0; expected[i]; i++)
        assert_string_equal(advisories_problem(a, i), expected[i]);
    assert_int_equal(advisories_problem_count(a), 5);
    assert_null(advisories_problem(a, 5));
    assert_int_equal(advisories_count(a), 1);
    assert_true(advisories_find(a, "ok", "1", &found));
    assert_string_equal(found.id, "C");
    assert_false(advisories_find(a, "evil", "1", &found));
    advisories_free(a);
}

static void other_forms_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "7", "{", "null", "\"x\"", "{\"vulns\":7}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct advisories *a = NULL;
        assert_int_equal(advisories_parse(wrong[i], strlen(wrong[i]), &a), ERROR_BAD_LISTING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_affected),
        cmocka_unit_test(problems_have_places),
        cmocka_unit_test(other_forms_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
