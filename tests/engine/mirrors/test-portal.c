// SPDX-License-Identifier: Apache-2.0
/* What is taken for a captive portal, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/mirrors/portal.h"

enum { MINUTE = 60 * 1000 };

static void the_same_page_for_two_files(void **state)
{
    (void)state;
    struct portal *p;
    assert_int_equal(portal_new(&p), 0);
    assert_false(portal_note(p, 0, "", NULL, 0)); /* nothing was there before */
    assert_false(portal_note(p, 1, "aa", NULL, 1000));
    assert_false(portal_note(p, 1, "aa", NULL, 2000)); /* of one file: its own error page */
    assert_false(portal_note(p, 2, "bb", NULL, 3000));
    assert_false(portal_note(p, 3, "aa", NULL, 2000 + 10 * MINUTE)); /* too long ago */
    assert_true(portal_note(p, 4, "aa", NULL, 3000 + 10 * MINUTE));
    assert_true(portal_note(p, 5, "cc", NULL, 4000 + 10 * MINUTE)); /* it may say what was asked */
    assert_true(portal_over(p));
    assert_false(portal_over(p));
    assert_false(portal_note(p, 6, "aa", NULL, 5000 + 10 * MINUTE));
    portal_free(p);
}

static void one_of_a_stranger(void **state)
{
    (void)state;
    struct portal *p;
    assert_int_equal(portal_new(&p), 0);
    assert_true(portal_note(p, 1, "aa", "login.campus.example", 0));
    assert_true(portal_over(p));
    portal_free(p);
}

static void web_pages(void **state)
{
    (void)state;
    assert_true(portal_is_web_page("text/html"));
    assert_true(portal_is_web_page("Text/HTML; charset=utf-8"));
    assert_true(portal_is_web_page("text/html;charset=gbk"));
    assert_true(portal_is_web_page("application/xhtml+xml"));
    assert_false(portal_is_web_page("text/htmlx"));
    assert_false(portal_is_web_page("application/octet-stream"));
    assert_false(portal_is_web_page(""));
    assert_false(portal_is_web_page(NULL));
}

static void check_stranger(const char *url, const char *host)
{
    struct mirror mirrors[] = {{.index = (char[]){"https://a.example/simple/{project}/"},
                                .files = (char[]){"https://a.example:8443/files/"}},
                               {.index = (char[]){"http://user:w@rd@b.example/"},
                                .files = (char[]){"http://user:w@rd@b.example/w/"}}};
    struct origin origin = {.mirrors = mirrors, .mirror_count = 2};
    const struct origins origins = {.list = &origin, .count = 1};
    char *got = portal_stranger(&origins, url);
    if (host)
        assert_string_equal(got, host);
    else
        assert_null(got);
    free(got);
}

static void strangers(void **state)
{
    (void)state;
    check_stranger("https://a.example/login", NULL);
    check_stranger("https://A.example:8443", NULL);
    check_stranger("http://b.example/w/x?y#z", NULL);
    check_stranger("https://a.example:80/", "a.example:80");
    check_stranger("http://login.campus.example/?from=http://a.example/", "login.campus.example");
    check_stranger("http://b.example.evil.example/", "b.example.evil.example");
    check_stranger("http://b.exampl", "b.exampl");
    check_stranger("no url", NULL);
    check_stranger("http://", NULL);
    check_stranger(NULL, NULL);
}

static bool begins(const char *body)
{
    char sha256[SHA256_HEX] = "";
    bool is_page = portal_begins_page(body, strlen(body), sha256);
    assert_int_equal(is_page, sha256[0] != '\0');
    return is_page;
}

static void how_pages_begin(void **state)
{
    (void)state;
    assert_true(begins("<!DOCTYPE html>"));
    assert_true(begins("<html>"));
    assert_true(begins(" \r\n\t<a"));
    assert_true(begins("\xef\xbb\xbf\n<!-- -->"));
    assert_false(begins("PK\3\4<html>"));
    assert_false(begins("\x1f\x8b\x08"));
    assert_false(begins("Metadata-Version: 2.1\n"));
    assert_false(begins("\xef\xbb\xbf"));
    assert_false(begins(" \n"));
    assert_false(begins(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_page_for_two_files),
        cmocka_unit_test(one_of_a_stranger),
        cmocka_unit_test(how_pages_begin),
        cmocka_unit_test(web_pages),
        cmocka_unit_test(strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
