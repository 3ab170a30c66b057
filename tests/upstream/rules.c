// SPDX-License-Identifier: Apache-2.0
/* The rules that need no network: addresses, proxies, redirects judged. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#include "base/error.h"
#include "upstream/address.h"
#include "upstream/proxy.h"
#include "upstream/target.h"

static bool is_special(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_is_special((struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_is_special((struct sockaddr *)&in6);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const special[] = {"0.0.0.0",
                                          "10.1.2.3",
                                          "100.64.0.1",
                                          "100.127.255.255",
                                          "127.0.0.1",
                                          "127.255.0.9",
                                          "169.254.1.1",
                                          "172.16.0.1",
                                          "172.31.255.255",
                                          "192.0.0.8",
                                          "192.0.2.1",
                                          "192.88.99.1",
                                          "192.168.1.1",
                                          "198.51.100.1",
                                          "203.0.113.9",
                                          "224.0.0.1",
                                          "240.0.0.1",
                                          "255.255.255.255",
                                          "::",
                                          "::1",
                                          "::7f00:1",
                                          "::ffff:10.0.0.1",
                                          "64:ff9b::127.0.0.1",
                                          "64:ff9b:1::1",
                                          "100::1",
                                          "2001::1",
                                          "2001:db8::1",
                                          "2002:7f00:1::1",
                                          "3fff:1::1",
                                          "fc00::1",
                                          "fd12::1",
                                          "fe80::1",
                                          "fec0::1",
                                          "ff02::1"};
    static const char *const fine[] = {"1.1.1.1",          "9.255.255.255",   "11.0.0.0",
                                       "100.63.255.255",   "100.128.0.0",     "128.0.0.1",
                                       "172.15.255.255",   "172.32.0.0",      "192.167.0.1",
                                       "198.18.0.1",       "198.19.255.255",  "223.255.255.255",
                                       "2400:3200::1",     "2606:4700::1111", "::ffff:1.1.1.1",
                                       "64:ff9b::1.1.1.1", "2001:da8::1",     "2002:101:101::1"};
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (!is_special(special[i]))
            fail_msg("%s passes", special[i]);
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        if (is_special(fine[i]))
            fail_msg("%s is refused", fine[i]);
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_true(address_is_special(&local));
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const special[] = {"localhost",  "LOCALHOST.",   "a.localhost", "127.1",
                                          "0x7f000001", "017700000001", "[::1]",       "::1",
                                          "fe80::1%lo", "10.0.0.1."};
    static const char *const fine[] = {"example.org",  "localhost.example.org",
                                       "notlocalhost", "198.18.0.7",
                                       "1.1.1.1",      "torch-2.0"};
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (!address_host_is_special(special[i]))
            fail_msg("%s passes", special[i]);
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        if (address_host_is_special(fine[i]))
            fail_msg("%s is refused", fine[i]);
}

static void test_allowed(void **state)
{
    (void)state;
    const char *list[] = {"Mirror.lab:80", "127.0.0.1:9001", "[::1]:9001", NULL};
    struct address_rules *rules = NULL;
    assert_int_equal(address_rules_new(list, &rules), 0);
    assert_true(address_is_allowed(rules, "mirror.lab", 80));
    assert_true(address_is_allowed(rules, "MIRROR.lab.", 80));
    assert_false(address_is_allowed(rules, "mirror.lab", 81));
    assert_false(address_is_allowed(rules, "a.mirror.lab", 80));
    assert_true(address_is_allowed(rules, "127.1", 9001));
    assert_false(address_is_allowed(rules, "127.0.0.2", 9001));
    assert_true(address_is_allowed(rules, "[0:0::1]", 9001));
    assert_true(address_is_allowed(rules, "::1", 9001));
    address_rules_free(rules);

    static const char *const bad[] = {"mirror.lab", ":80", "a:", "a:0", "a:65536", "a:8x", "a:-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *one[] = {bad[i], NULL};
        rules = NULL;
        assert_int_equal(address_rules_new(one, &rules), ERROR_CONFIG);
        assert_null(rules);
    }
}

static void clear_environment(void)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

static const char *proxy_of(const char *proxy, const char *no_proxy, bool https, const char *host)
{
    static char answer[128];
    struct proxy_rules *rules = NULL;
    assert_int_equal(proxy_rules_new(proxy, no_proxy, &rules), 0);
    const char *found = proxy_for(rules, https, host);
    strncpy(answer, found ? found : "(direct)", sizeof(answer) - 1);
    proxy_rules_free(rules);
    return answer;
}

static void test_proxy_environment(void **state)
{
    (void)state;
    clear_environment();
    assert_string_equal(proxy_of(NULL, NULL, true, "a.org"), "(direct)");
    setenv("HTTP_PROXY", "http://cgi", 1);
    assert_string_equal(proxy_of(NULL, NULL, false, "a.org"), "(direct)");
    setenv("all_proxy", "http://all", 1);
    assert_string_equal(proxy_of(NULL, NULL, false, "a.org"), "http://all");
    setenv("HTTPS_PROXY", "http://upper", 1);
    assert_string_equal(proxy_of(NULL, NULL, true, "a.org"), "http://upper");
    setenv("https_proxy", "http://lower", 1);
    setenv("http_proxy", "http://plain", 1);
    assert_string_equal(proxy_of(NULL, NULL, true, "a.org"), "http://lower");
    assert_string_equal(proxy_of(NULL, NULL, false, "a.org"), "http://plain");
    assert_string_equal(proxy_of("http://own", NULL, false, "a.org"), "http://own");
    assert_string_equal(proxy_of("", NULL, false, "a.org"), "(direct)");
    setenv("no_proxy", "a.org", 1);
    assert_string_equal(proxy_of("http://own", NULL, true, "a.org"), "(direct)");
    assert_string_equal(proxy_of("http://own", "b.org", true, "a.org"), "http://own");
    clear_environment();
}

static void test_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *list, *host;
        bool direct;
    } cases[] = {
        {"*", "a.org", true},
        {"a.org", "a.org", true},
        {"a.org", "b.a.org", true},
        {".a.org", "a.org", true},
        {"A.ORG.", "b.a.org", true},
        {"a.org", "ba.org", false},
        {"b.a.org", "a.org", false},
        {"x, a.org", "a.org", true},
        {"x a.org", "a.org", true},
        {"10.0.0.0/8", "10.9.9.9", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.168.4.0/22", "192.168.7.1", true},
        {"192.168.4.0/22", "192.168.8.1", false},
        {"10.0.0.0/33", "10.0.0.1", false},
        {"10.0.0.0/", "10.0.0.1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"fd00::/8", "fd12::1", true},
        {"[::1]", "::1", true},
        {"0.0.0.0/0", "a.org", false},
        {",", "a.org", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = proxy_of("http://p", cases[i].list, true, cases[i].host);
        if ((strcmp(found, "(direct)") == 0) != cases[i].direct)
            fail_msg("no_proxy=%s for %s: %s", cases[i].list, cases[i].host, found);
    }
}

static int follow(const char *from, const char *location, const char *end)
{
    const char *list[] = {"plain.lab:80", "127.0.0.1:9001", NULL};
    struct address_rules *rules = NULL;
    struct target target = {0};
    assert_int_equal(address_rules_new(list, &rules), 0);
    assert_int_equal(target_init(from, rules, &target), 0);
    char place[TARGET_PLACE];
    int r = target_follow(&target, location, rules, place);
    char *text = target_text(&target);
    assert_string_equal(text, end);
    free(text);
    target_release(&target);
    address_rules_free(rules);
    return r;
}

static void test_downgrade(void **state)
{
    (void)state;
    const char *from = "https://me:pw@a.org/x/y#z", *stays = "https://a.org/x/y";
    assert_int_equal(follow(from, "http://b.org/", stays), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(follow(from, "http://a.org/", stays), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(follow(from, "http://plain.lab:81/", stays), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(follow(from, "http://plain.lab/q", "http://plain.lab/q"), 0);
    assert_int_equal(follow(from, "https://b.org/q", "https://b.org/q"), 0);
    assert_int_equal(follow(from, "//b.org/q", "https://b.org/q"), 0);
    assert_int_equal(follow(from, "http://127.0.0.1:9001/", "http://127.0.0.1:9001/"), 0);
    assert_int_equal(follow(from, "https://127.0.0.1:9002/", stays), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(follow("http://a.org/", "http://b.org/", "http://b.org/"), 0);
    assert_int_equal(follow("http://a.org/", "https://b.org/", "https://b.org/"), 0);
}

static char *user_after(const char *from, const char *location)
{
    struct address_rules *rules = NULL;
    struct target target = {0};
    char *user = NULL;
    assert_int_equal(address_rules_new(NULL, &rules), 0);
    assert_int_equal(target_init(from, rules, &target), 0);
    char place[TARGET_PLACE];
    assert_int_equal(target_follow(&target, location, rules, place), 0);
    if (curl_url_get(target.url, CURLUPART_USER, &user, 0) != CURLUE_OK)
        user = NULL;
    target_release(&target);
    address_rules_free(rules);
    return user;
}

static void test_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *location;
        bool kept;
    } cases[] = {{"/b", true},
                 {"https://a.org/b", true},
                 {"https://a.org:443/b", true},
                 {"https://x:y@a.org/b", true}, /* ours, not theirs */
                 {"https://a.org:444/b", false},
                 {"https://b.org/", false},
                 {"https://x:y@b.org/", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *user = user_after("https://me:pw@a.org/a", cases[i].location);
        if (cases[i].kept)
            assert_string_equal(user, "me");
        else
            assert_null(user);
        curl_free(user);
    }
    char *user = user_after("http://me:pw@a.org/a", "https://a.org/a");
    assert_null(user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_allowed),     cmocka_unit_test(test_proxy_environment),
        cmocka_unit_test(test_no_proxy),    cmocka_unit_test(test_downgrade),
        cmocka_unit_test(test_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
