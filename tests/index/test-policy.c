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
#include "index/policy.h"

enum { DAY_S = 86400, NOW_S = 1764500000 };

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* A rule of each kind, and what it makes of a file. A list has at most two rows. */
static const struct {
    const char *deny[2], *allow[2], *except, *advisories;
    int64_t min_age_s;
    const char *name, *project, *sha256;
    int64_t age_s;  /* -1: not known */
    int refused_by; /* enum policy_rule; -1: it passes */
} cases[] = {
    {.name = "evil-1.0-py3-none-any.whl", .refused_by = -1},
    {.deny = {"evil"}, .name = "evil-1.0-py3-none-any.whl", .refused_by = POLICY_DENY},
    {.deny = {"Evil_Name"}, .name = "evil_name-1.0.tar.gz", .refused_by = POLICY_DENY},
    {.deny = {"evil"}, .name = "evil2-1.0-py3-none-any.whl", .refused_by = -1},
    {.deny = {"other", "ev*"}, .name = "evil2-1.0-py3-none-any.whl", .refused_by = POLICY_DENY},
    {.deny = {"evil<2.1"}, .name = "evil-2.0-py3-none-any.whl", .refused_by = POLICY_DENY},
    {.deny = {"evil <2.1, >1"}, .name = "evil-2.0-py3-none-any.whl", .refused_by = POLICY_DENY},
    {.deny = {"evil<2.1"}, .name = "evil-2.1-py3-none-any.whl", .refused_by = -1},
    {.deny = {"evil==2.0"}, .name = "evil-2.0+cu126-py3-none-any.whl", .refused_by = POLICY_DENY},
    /* a version that nobody understands is no way around */
    {.deny = {"evil<2.1"}, .name = "evil-funny-py3-none-any.whl", .refused_by = POLICY_DENY},
    {.allow = {"evil<2.1"}, .name = "evil-funny-py3-none-any.whl", .refused_by = POLICY_ALLOW},
    /* the readings of an old sdist */
    {.deny = {"evil"}, .name = "evil-1.0-2.tar.gz", .refused_by = POLICY_DENY},
    {.allow = {"evil-1-0"}, .name = "evil-1.0-2.tar.gz", .refused_by = POLICY_ALLOW},
    {.deny = {"evil"}, .name = "evil-more-1.0.tar.gz", .refused_by = -1},
    {.deny = {"evil"}, .name = "evil-x-1.tar.gz", .project = "evil", .refused_by = POLICY_DENY},
    /* no project, no passage, but only where there are rules */
    {.deny = {"x"}, .name = "evil.exe", .refused_by = POLICY_NAME},
    {.name = "evil.exe", .refused_by = -1},
    /* bytes */
    {.deny = {"sha256:" SHA_A},
     .name = "a-1-py3-none-any.whl",
     .sha256 = SHA_A,
     .refused_by = POLICY_DENY},
    {.deny = {"sha256:" SHA_A}, .name = "a-1-py3-none-any.whl", .sha256 = SHA_B, .refused_by = -1},
    {.deny = {"sha256:" SHA_A}, .name = "a-1-py3-none-any.whl", .refused_by = -1},
    {.allow = {"sha256:" SHA_A}, .name = "a-1-py3-none-any.whl", .sha256 = SHA_A, .refused_by = -1},
    {.allow = {"sha256:" SHA_A}, .name = "a-1-py3-none-any.whl", .refused_by = POLICY_ALLOW},
    /* what is allowed may still be denied, advised against and too young */
    {.allow = {"a"}, .name = "a-1-py3-none-any.whl", .refused_by = -1},
    {.allow = {"a"}, .name = "b-1-py3-none-any.whl", .refused_by = POLICY_ALLOW},
    {.allow = {"a"}, .deny = {"a"}, .name = "a-1-py3-none-any.whl", .refused_by = POLICY_DENY},
    {.allow = {"a"},
     .min_age_s = DAY_S,
     .name = "a-1-py3-none-any.whl",
     .age_s = 5,
     .refused_by = POLICY_MIN_AGE},
    /* age, to the second */
    {.min_age_s = DAY_S, .name = "a-1.tar.gz", .age_s = DAY_S - 1, .refused_by = POLICY_MIN_AGE},
    {.min_age_s = DAY_S, .name = "a-1.tar.gz", .age_s = DAY_S, .refused_by = -1},
    {.min_age_s = DAY_S, .name = "a-1.tar.gz", .age_s = -1, .refused_by = POLICY_MIN_AGE},
    {.min_age_s = DAY_S, .name = "a-1.tar.gz", .age_s = -3 * DAY_S, .refused_by = POLICY_MIN_AGE},
    {.min_age_s = DAY_S, .except = "our-*", .name = "our_lib-1.tar.gz", .refused_by = -1},
    {.min_age_s = DAY_S, .except = "our-*", .name = "ours-1.tar.gz", .refused_by = POLICY_MIN_AGE},
    /* an exception for one reading is none for another */
    {.min_age_s = DAY_S, .except = "a-1-0", .name = "a-1.0-2.tar.gz", .refused_by = POLICY_MIN_AGE},
    {.advisories = "{\"id\":\"X-1\",\"package\":{\"name\":\"evil\"},\"versions\":[\"1.0\"]}",
     .name = "evil-1.0+cpu-py3-none-any.whl",
     .refused_by = POLICY_ADVISORY},
    {.advisories = "{\"id\":\"X-1\",\"package\":{\"name\":\"evil\"},\"versions\":[\"1.0\"]}",
     .name = "evil-1.1-py3-none-any.whl",
     .refused_by = -1},
};

static void fill(struct policy_list *list, const char *const what[2], struct policy_row rows[2])
{
    const char *why;
    for (; list->count < 2 && what[list->count]; list->count++)
        assert_int_equal(policy_row_parse(what[list->count], "why", &rows[list->count], &why), 0);
    list->rows = rows;
    list->is_set = list->count > 0;
}

static void each_rule_judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *except[] = {(char *)(uintptr_t)cases[i].except, NULL};
        struct policy_row deny[2], allow[2];
        struct policy p = {.place = (char *)(uintptr_t) "", .min_age_s = cases[i].min_age_s};
        struct policy_verdict verdict = {.rule = POLICY_NAME};
        struct advisories *advisories = NULL;
        fill(&p.deny, cases[i].deny, deny);
        fill(&p.allow, cases[i].allow, allow);
        p.min_age_except = except;
        if (cases[i].advisories) {
            p.advisories = except[0] = (char *)(uintptr_t) "x";
            assert_int_equal(
                advisories_parse(cases[i].advisories, strlen(cases[i].advisories), &advisories), 0);
        }
        const struct policy_file file = {
            .name = cases[i].name,
            .project = cases[i].project,
            .sha256 = cases[i].sha256,
            .uploaded_s = cases[i].age_s == -1 ? POLICY_UNKNOWN : NOW_S - cases[i].age_s,
            .now_s = NOW_S};
        bool passes = policy_admits(&p, advisories, &file, &verdict);
        if (passes != (cases[i].refused_by < 0) ||
            (!passes && (int)verdict.rule != cases[i].refused_by))
            fail_msg("case %zu, %s: %s %s", i, cases[i].name,
                     passes ? "passes" : policy_rule_name(verdict.rule), verdict.reason);
        for (size_t n = 0; n < p.deny.count; n++)
            policy_row_release(&deny[n]);
        for (size_t n = 0; n < p.allow.count; n++)
            policy_row_release(&allow[n]);
        advisories_free(advisories);
    }
}

static void reasons_say_rule_and_place(void **state)
{
    (void)state;
    const char *why;
    struct policy_row row;
    struct policy_verdict verdict;
    struct policy p = {.place = (char *)(uintptr_t) "[index.lab]"};
    struct policy_file file = {.name = "evil-1.0.tar.gz", .uploaded_s = NOW_S, .now_s = NOW_S};
    assert_int_equal(policy_row_parse("evil<2", "steals tokens", &row, &why), 0);
    p.deny = (struct policy_list){&row, 1, true};
    assert_false(policy_admits(&p, NULL, &file, &verdict));
    assert_string_equal(verdict.reason, "denied by \"evil<2\" in [index.lab]: steals tokens");
    p.deny = (struct policy_list){.count = 0};
    policy_row_release(&row);
    p.min_age_s = 36 * 3600;
    assert_false(policy_admits(&p, NULL, &file, &verdict));
    assert_string_equal(verdict.reason, "uploaded 2025-11-30T10:53:20Z, and min_age in [index.lab] "
                                        "is 36h: wait until 2025-12-01T22:53:20Z");
    assert_int_equal(verdict.until_s, NOW_S + 36 * 3600);
}

static void wrong_rows_say_why(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",      "<2",           "evil<",     "evil<two",          "evil 2",
        "a b<2", "evil[x]",      "sha256:12", "sha256:" SHA_A "a", "evil;python",
        "-evil", "evil@http://x"};
    struct policy_row row;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *why = NULL;
        if (policy_row_parse(wrong[i], NULL, &row, &why) != ERROR_BAD_REQUEST || !why)
            fail_msg("%s is taken", wrong[i]);
    }
}

static void needs_are_told(void **state)
{
    (void)state;
    const char *why;
    struct policy_row row;
    char *except[] = {(char *)(uintptr_t) "our-*", NULL};
    struct policy p = {.place = (char *)(uintptr_t) "", .min_age_s = 1, .min_age_except = except};
    struct policy_file file = {.name = "evil-1.0.tar.gz"};
    assert_int_equal(policy_needs(&p, &file), POLICY_NEEDS_DATE);
    file.name = "our-lib-1.0.tar.gz";
    assert_int_equal(policy_needs(&p, &file), 0);
    assert_int_equal(policy_row_parse("sha256:" SHA_A, NULL, &row, &why), 0);
    p.deny = (struct policy_list){&row, 1, true};
    assert_int_equal(policy_needs(&p, &file), POLICY_NEEDS_DIGEST);
    policy_row_release(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_judges),
        cmocka_unit_test(reasons_say_rule_and_place),
        cmocka_unit_test(wrong_rows_say_why),
        cmocka_unit_test(needs_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
