// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/url.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

struct resolve_case {
    const char *reference;
    const char *result; /* NULL: ERROR_BAD_REQUEST */
};

static void check_resolve(const char *base, const struct resolve_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        int r = url_resolve(base, cases[i].reference, &text);

        if (!cases[i].result) {
            if (r != ERROR_BAD_REQUEST)
                fail_msg("<%s> gave <%s>", cases[i].reference, text ? text : "");
            continue;
        }
        if (r != 0)
            fail_msg("<%s> gave %d", cases[i].reference, r);
        assert_string_equal(text, cases[i].result);
        free(text);
    }
}

/* RFC 3986 5.4.1 and 5.4.2, with an empty path written as "/". */
static void test_rfc3986_examples(void **state)
{
    static const struct resolve_case cases[] = {
        {"g:h", NULL},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/./x", "http://a/b/c/g#s/./x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
        {"http:g", NULL}, /* strict */
    };

    (void)state;
    check_resolve("http://a/b/c/d;p?q", cases, COUNT(cases));
}

static void test_links_as_pages_write_them(void **state)
{
    static const struct resolve_case cases[] = {
        {"javascript:void(0);", NULL},
        {"JavaScript:void(0)", NULL},
        {"mailto:ali-yum@alibaba-inc.com", NULL},
        {"data:text/html,x", NULL},
        {"ftp://h/x", NULL},
        {"file:///etc/passwd", NULL},
        {"//host.example/x", "https://host.example/x"},
        {"///x", NULL},
        {"http://", NULL},
        {"https:///x", NULL},
        {"../../packages/x-1.0.zip", "https://m.example/packages/x-1.0.zip"},
        {"x%2Bcu126.whl", "https://m.example/a/b/x%2Bcu126.whl"},
        {"x+cu126.whl", "https://m.example/a/b/x+cu126.whl"},
        {" \n\tx.whl\r\n ", "https://m.example/a/b/x.whl"},
        {"x y.whl", NULL},
        {"x\ny.whl", NULL},
        {"x\x7f.whl", NULL},
        {"HTTPS://User:Pass@M.Example:443/X", "https://m.example/X"},
        {"http://u:p@x@m.example:80/X", "http://m.example/X"},
        {"http://m.example:443/X", "http://m.example:443/X"},
        {"http://m.example:/X", "http://m.example/X"},
        {"http://m.example:0/X", NULL},
        {"http://m.example:65536/X", NULL},
        {"http://m.example:99999999999/X", NULL},
        {"http://m.example:8x/X", NULL},
        {"http://[::1]:8080/X", "http://[::1]:8080/X"},
        {"http://[::1/X", NULL},
        {"http://[::1]x/X", NULL},
        {"http://a%2eb/X", NULL},
        {"http://a\\b/X", NULL},
        {"./colon:first-1.0.zip", "https://m.example/a/b/colon:first-1.0.zip"},
        {"colon:first-1.0.zip", NULL},
        {"colon%3Afirst-1.0.zip", "https://m.example/a/b/colon%3Afirst-1.0.zip"},
        {"%2e%2e/x", "https://m.example/a/b/%2e%2e/x"},
        {"?C=N;O=D", "https://m.example/a/b/?C=N;O=D"},
        {"x.whl#sha256=ab", "https://m.example/a/b/x.whl#sha256=ab"},
        {"\xE8\xBD\xAE.whl", "https://m.example/a/b/\xE8\xBD\xAE.whl"},
    };
    char long_reference[URL_MAX_BYTES + 2];
    char *text = NULL;

    (void)state;
    check_resolve("https://m.example/a/b/", cases, COUNT(cases));
    memset(long_reference, 'x', sizeof(long_reference));
    long_reference[URL_MAX_BYTES + 1] = '\0';
    assert_int_equal(url_resolve("https://h/", long_reference, &text), ERROR_BAD_REQUEST);
    long_reference[URL_MAX_BYTES - 3] = '\0';
    assert_int_equal(url_resolve("https://h/", long_reference, &text), ERROR_BAD_REQUEST);
    assert_null(text);
}

static void test_base_must_be_http(void **state)
{
    char *text = NULL;

    (void)state;
    assert_int_equal(url_resolve("ftp://h/", "x", &text), ERROR_BAD_REQUEST);
    assert_int_equal(url_resolve("", "x", &text), ERROR_BAD_REQUEST);
    assert_int_equal(url_resolve("/a/b", "x", &text), ERROR_BAD_REQUEST);
    assert_int_equal(url_resolve("http://h", "x", &text), 0);
    assert_string_equal(text, "http://h/x");
    free(text);
}

static void test_parse(void **state)
{
    struct url u;

    (void)state;
    assert_int_equal(url_parse("HTTP://user:pw@Example.ORG:8080/a/../%2e?q#f%20", &u), 0);
    assert_string_equal(u.scheme, "http");
    assert_string_equal(u.host, "example.org");
    assert_int_equal(u.port, 8080);
    assert_string_equal(u.path, "/%2e");
    assert_string_equal(u.query, "q");
    assert_string_equal(u.fragment, "f%20");
    url_release(&u);

    assert_int_equal(url_parse("https://[2001:DB8::1]", &u), 0);
    assert_string_equal(u.host, "2001:db8::1");
    assert_int_equal(u.port, 443);
    assert_string_equal(u.path, "/");
    assert_null(u.query);
    assert_null(u.fragment);
    url_release(&u);
}

static void test_parse_refuses(void **state)
{
    static const char *const texts[] = {
        "",          "x",         "/x",           "//h/x",     "http:/h/x",       "http:h",
        "http://",   "http://@/", "http://h /x",  " http://h", "http://h\n",      "http://h:70000/",
        "ftp://h/x", "httpx://h", "http://h:-1/", "http://[]", "http://[g::1]/x", "http://h\x01",
    };
    struct url u;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (url_parse(texts[i], &u) != ERROR_BAD_REQUEST)
            fail_msg("<%s> was taken", texts[i]);
}

static void test_decode(void **state)
{
    static const struct {
        const char *text;
        const char *result; /* NULL: refused */
    } cases[] = {
        {"", ""},         {"a+b%2Bc", "a+b+c"}, {"%e8%BD%ae", "\xE8\xBD\xAE"},
        {"%252B", "%2B"}, {"%20", " "},         {"%", NULL},
        {"%2", NULL},     {"%2g", NULL},        {"%%20", NULL},
        {"%00", NULL},    {"%0a", NULL},        {"%7f", NULL},
        {"\t", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_buf struct buf b;
        int r;

        buf_init(&b, 100);
        r = url_decode(cases[i].text, strlen(cases[i].text), &b);
        assert_int_equal(r, cases[i].result ? 0 : ERROR_BAD_REQUEST);
        if (cases[i].result)
            assert_string_equal(b.data, cases[i].result);
    }
}

static void test_encode_path(void **state)
{
    auto_buf struct buf b;

    (void)state;
    buf_init(&b, 1000);
    url_encode_path(&b, "/a-._~!$&'()*+,;=:@[]{}%#? \"<>\\^`|\xE8z9");
    assert_string_equal(b.data, "/a-._~!$%26'()*%2B,;=:@%5B%5D%7B%7D%25%23%3F%20%22%3C%3E%5C%5E%60"
                                "%7C%E8z9");
}

/* Decoding what was encoded gives it back, for every byte a key may hold. */
static void test_encode_decode(void **state)
{
    auto_buf struct buf coded;
    auto_buf struct buf decoded;
    char path[256] = "";
    size_t n = 0;

    (void)state;
    for (int c = ' '; c < 256; c++)
        if (c != 0x7F)
            path[n++] = (char)c;
    buf_init(&coded, 1000);
    buf_init(&decoded, 1000);
    url_encode_path(&coded, path);
    assert_int_equal(url_decode(coded.data, coded.len, &decoded), 0);
    assert_string_equal(decoded.data, path);
}

static void test_below(void **state)
{
    static const struct {
        const char *prefix;
        const char *text;
        int r;
        const char *path;
    } cases[] = {
        {"https://h/whl/", "https://h/whl/cu126/x%2B1.whl#sha256=1", 0, "cu126/x+1.whl"},
        {"https://h/whl/", "http://H:80/whl/x+1.whl?query", 0, "x+1.whl"},
        {"https://h/wh%6C/", "https://h/%77hl/x", 0, "x"},
        {"http://h:8080/", "http://h:8080/a/b", 0, "a/b"},
        {"http://h:8080/", "https://h:8080/a/b", 0, "a/b"},
        {"http://h:8080/", "http://h/a/b", URL_ELSEWHERE, NULL},
        {"http://h:443/", "https://h/a", 0, "a"},
        {"https://h/whl/", "https://h2/whl/x", URL_ELSEWHERE, NULL},
        {"https://h/whl/", "https://h/whlx/x", URL_ELSEWHERE, NULL},
        {"https://h/whl/", "https://h/whl/../x", URL_ELSEWHERE, NULL},
        {"https://h/whl/", "https://h/whl", URL_ELSEWHERE, NULL},
        {"https://h/whl/", "https://h/whl/", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl/x/", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl//x", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl/%2e%2e/x", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl/a%2Fb", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl/a%5cb", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl/a%00b", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "https://h/whl/a%ffb", ERROR_BAD_REQUEST, NULL},
        {"https://h/whl/", "mailto:x", ERROR_BAD_REQUEST, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *path = NULL;
        int r = url_below(cases[i].prefix, cases[i].text, &path);

        if (r != cases[i].r)
            fail_msg("<%s> below <%s> gave %d", cases[i].text, cases[i].prefix, r);
        if (cases[i].path)
            assert_string_equal(path, cases[i].path);
        else
            assert_null(path);
        free(path);
    }
}

static void test_keys(void **state)
{
    static const char *const good[] = {"a", "a/b", "...", ".a", "a+b c", "\xE8\xBD\xAE"};
    static const char *const bad[] = {"",     "/",   "/a",   "a/",   "a//b",  ".",    "..",
                                      "a/..", "./a", "a\\b", "a\nb", "a\x7f", "\xff", "a/./b"};
    char text[1026];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(url_key_is_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(url_key_is_valid(bad[i]));
    memset(text, 'x', sizeof(text));
    text[1024] = '\0';
    assert_true(url_key_is_valid(text));
    text[1024] = 'x';
    text[1025] = '\0';
    assert_false(url_key_is_valid(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3986_examples),
        cmocka_unit_test(test_links_as_pages_write_them),
        cmocka_unit_test(test_base_must_be_http),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode_path),
        cmocka_unit_test(test_encode_decode),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
