// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "base/buf.h"
#include "base/cleanup.h"
#include "server/forwarded.h"

enum { LONG_LIST = 4000 };

/* What comes of headers that the proxy 127.0.0.1 sent; it and 10.0.0.0/8 are trusted. */
static int read_from(const char *peer, const struct forwarded_headers *headers,
                     struct forwarded *ret)
{
    static const char *const trusted[] = {"127.0.0.1", "10.0.0.0/8", NULL};
    struct network_list list;
    struct in6_addr address;

    assert_int_equal(network_list_read(trusted, &list), 0);
    assert_int_equal(network_address_parse(peer, &address), 0);
    int r = forwarded_read(headers, &list, &address, ret);
    network_list_release(&list);
    return r;
}

static void assert_client(const struct forwarded *forwarded, const char *expected)
{
    char text[INET6_ADDRSTRLEN] = "-";
    if (forwarded->is_known)
        network_address_write(&forwarded->client, text);
    assert_string_equal(text, expected);
}

static void the_client_is_the_last_address_that_is_no_proxy(void **state)
{
    static const struct {
        const char *address, *forwarded;
        const char *client; /* NULL: malformed */
    } rows[] = {
        {NULL, NULL, "127.0.0.1"},
        {"203.0.113.5", NULL, "203.0.113.5"},
        {"1.2.3.4, 203.0.113.5", NULL, "203.0.113.5"}, /* 1.2.3.4 is the client's own word */
        {"nonsense, 203.0.113.5", NULL, "203.0.113.5"},
        {"203.0.113.5,10.0.0.1 , 10.0.0.2", NULL, "203.0.113.5"},
        {"10.0.0.1, 10.0.0.2", NULL, "10.0.0.1"},
        {"203.0.113.5:4711", NULL, "203.0.113.5"},
        {"[2001:db8::7]:4711", NULL, "2001:db8::7"},
        {"[2001:db8::7]", NULL, "2001:db8::7"},
        {"2001:db8::7", NULL, "2001:db8::7"},
        {"unknown", NULL, "-"},
        {"", NULL, NULL},
        {"203.0.113.5,", NULL, NULL},
        {"203.0.113.5:", NULL, NULL},
        {"203.0.113.5:999999", NULL, NULL},
        {"[2001:db8::7", NULL, NULL},
        {"[2001:db8::7]x", NULL, NULL},
        {"lab.example", NULL, NULL},
        {NULL, "for=203.0.113.5", "203.0.113.5"},
        {NULL, "For=203.0.113.5;proto=https;by=10.0.0.9", "203.0.113.5"},
        {NULL, "for=1.2.3.4, for=203.0.113.5 , for=10.0.0.1", "203.0.113.5"},
        {NULL, "for=\"[2001:db8::7]:4711\"", "2001:db8::7"},
        {NULL, "for=\"203.0.113.5:80\"", "203.0.113.5"},
        {NULL, "for=\"2\\03.0.113.5\"", "203.0.113.5"},
        {NULL, "proto=http", "-"},
        {NULL, "for=_hidden", "-"},
        {NULL, "for=unknown, for=10.0.0.1", "-"},
        {NULL, "x=\"a,b;for=1.1.1.1\";for=203.0.113.5", "203.0.113.5"},
        {NULL, "for=\"203.0.113.5", NULL},
        {NULL, "for=", NULL},
        {NULL, "for", NULL},
        {NULL, "for = 203.0.113.5", NULL},
        {NULL, "\"for\"=203.0.113.5", NULL},
        {NULL, "for=203.0.113.5 for=1.1.1.1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct forwarded_headers headers = {.address = rows[i].address,
                                            .forwarded = rows[i].forwarded};
        struct forwarded forwarded;
        int r = read_from("127.0.0.1", &headers, &forwarded);
        assert_int_equal(r, rows[i].client ? 0 : FORWARDED_MALFORMED);
        if (rows[i].client)
            assert_client(&forwarded, rows[i].client);
    }
}

static void two_headers_must_agree(void **state)
{
    struct forwarded_headers headers = {.address = "203.0.113.5", .forwarded = "for=203.0.113.5"};
    struct forwarded forwarded;

    (void)state;
    assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), 0);
    headers.forwarded = "for=192.168.0.1";
    assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), FORWARDED_CONFLICT);
    headers.forwarded = "for=unknown";
    assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), FORWARDED_CONFLICT);
}

static void nobody_else_is_believed(void **state)
{
    struct forwarded_headers headers = {.address = "192.168.0.1",
                                        .forwarded = "malformed",
                                        .scheme = "https",
                                        .host = "lab.example",
                                        .prefix = "/wheels"};
    struct forwarded forwarded;

    (void)state;
    assert_int_equal(read_from("203.0.113.5", &headers, &forwarded), 0);
    assert_client(&forwarded, "203.0.113.5");
    assert_false(forwarded.is_https);
    assert_string_equal(forwarded.host, "");
    assert_string_equal(forwarded.prefix, "");
}

static void the_address_by_which_a_client_calls(void **state)
{
    struct forwarded_headers headers = {
        .scheme = "http, https", .host = "a.example, lab.example:8443 ", .prefix = "/wheels/"};
    struct forwarded forwarded;

    (void)state;
    assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), 0);
    assert_true(forwarded.is_https);
    assert_string_equal(forwarded.host, "lab.example:8443");
    assert_string_equal(forwarded.prefix, "/wheels");

    headers.forwarded = "for=203.0.113.5;proto=http;host=\"wheels.lab:80\"";
    assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), 0);
    assert_false(forwarded.is_https);
    assert_string_equal(forwarded.host, "wheels.lab:80");
}

static void only_a_plain_path_is_a_prefix(void **state)
{
    static const char *const bad[] = {"",     "/",    "wheels", "//evil.example", "/a\"b", "/a<b",
                                      "/a?b", "/%2e", "/a b"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct forwarded_headers headers = {.prefix = bad[i]};
        struct forwarded forwarded;
        assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), 0);
        assert_string_equal(forwarded.prefix, "");
    }
}

/* Of a chain that is too long the end counts, so a client cannot hide behind its length. */
static void a_long_chain_is_read_from_its_end(void **state)
{
    auto_buf struct buf list, elements;
    struct forwarded forwarded;

    (void)state;
    buf_init(&list, LONG_LIST);
    buf_init(&elements, LONG_LIST);
    for (int i = 0; i < 100; i++) {
        buf_puts(&list, "1.1.1.1, ");
        buf_puts(&elements, "for=1.1.1.1, ");
    }
    buf_puts(&list, "203.0.113.5, 10.0.0.1");
    buf_puts(&elements, "for=203.0.113.5, for=10.0.0.1");
    assert_int_equal(list.error | elements.error, 0);
    struct forwarded_headers headers = {.address = list.data, .forwarded = elements.data};
    assert_int_equal(read_from("127.0.0.1", &headers, &forwarded), 0);
    assert_client(&forwarded, "203.0.113.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_the_last_address_that_is_no_proxy),
        cmocka_unit_test(two_headers_must_agree),
        cmocka_unit_test(nobody_else_is_believed),
        cmocka_unit_test(the_address_by_which_a_client_calls),
        cmocka_unit_test(only_a_plain_path_is_a_prefix),
        cmocka_unit_test(a_long_chain_is_read_from_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
