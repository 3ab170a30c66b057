// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/network.h"

static struct in6_addr address(const char *text)
{
    struct in6_addr ret;
    assert_int_equal(network_address_parse(text, &ret), 0);
    return ret;
}

static void test_networks_hold_their_addresses(void **state)
{
    static const struct {
        const char *network, *address;
        bool has;
    } rows[] = {
        {"192.168.0.0/16", "192.168.255.255", true},
        {"192.168.0.0/16", "192.169.0.0", false},
        {"192.168.77.1/16", "192.168.0.9", true}, /* bits beyond the prefix are dropped */
        {"10.0.0.0/9", "10.127.0.1", true},
        {"10.0.0.0/9", "10.128.0.1", false},
        {"10.0.0.7", "10.0.0.7", true},
        {"10.0.0.7", "10.0.0.6", false},
        {"10.0.0.7/32", "::ffff:10.0.0.7", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "203.0.113.9", true},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::2", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct network network;
        struct in6_addr one = address(rows[i].address);
        assert_int_equal(network_parse(rows[i].network, &network), 0);
        assert_int_equal(network_has(&network, &one), rows[i].has);
    }
}

static void test_what_is_no_network_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "10.0.0.0/33",
                                        "10.0.0.0/",
                                        "10.0.0.0/-1",
                                        "10.0.0",
                                        "10.0.0.0/8/8",
                                        "::/129",
                                        "lab.example",
                                        "10.0.0.0/0008",
                                        "[::1]",
                                        "10.0.0.1 ",
                                        "fe80::1%eth0",
                                        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/64"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct network network = {.bits = 7};
        assert_int_equal(network_parse(texts[i], &network), ERROR_BAD_REQUEST);
        assert_int_equal(network.bits, 7);
    }
}

static void test_lists(void **state)
{
    static const char *const good[] = {"10.0.0.0/8", "fd00::/8", NULL};
    static const char *const bad[] = {"10.0.0.0/8", "nonsense", NULL};
    struct network_list list = {0};
    struct in6_addr in = address("fd00::5"), out = address("11.0.0.1");

    (void)state;
    assert_false(network_list_has(&list, &in));
    assert_int_equal(network_list_read(bad, &list), ERROR_BAD_REQUEST);
    assert_null(list.list);
    assert_int_equal(network_list_read(NULL, &list), 0);
    assert_false(network_list_has(&list, &in));
    network_list_release(&list);
    assert_int_equal(network_list_read(good, &list), 0);
    assert_true(network_list_has(&list, &in));
    assert_false(network_list_has(&list, &out));
    network_list_release(&list);
}

static void test_addresses_are_written_as_people_know_them(void **state)
{
    static const char *const texts[] = {"10.0.0.1", "fd00::1", "::1", "127.0.0.1"};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr nobody = {.sa_family = AF_UNIX};
    char text[INET6_ADDRSTRLEN];
    struct in6_addr one;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        one = address(texts[i]);
        network_address_write(&one, text);
        assert_string_equal(text, texts[i]);
        assert_int_equal(network_is_loopback(&one), i >= 2);
    }
    in.sin_addr.s_addr = htonl(0x0a000001);
    assert_true(network_address((const struct sockaddr *)&in, &one));
    network_address_write(&one, text);
    assert_string_equal(text, "10.0.0.1");
    assert_false(network_address(&nobody, &one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks_hold_their_addresses),
        cmocka_unit_test(test_what_is_no_network_is_refused),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_addresses_are_written_as_people_know_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
