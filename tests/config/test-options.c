// SPDX-License-Identifier: Apache-2.0
/* One value at a time: sizes, durations, addresses, proxies. */
#include "config/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void sizes_and_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } sizes[] = {{"1", 1},
                 {"4096B", 4096},
                 {"5 KiB", 5120},
                 {"3kB", 3000},
                 {"3KB", 3000},
                 {"7MiB", 7 << 20},
                 {"200GB", INT64_C(200000000000)},
                 {"5GiB", INT64_C(5) << 30},
                 {"2TiB", INT64_C(2) << 40},
                 {"9223372036854775807", INT64_MAX}};
    static const struct {
        const char *text;
        int ms;
    } durations[] = {
        {"250ms", 250}, {"5s", 5000}, {"10min", 600000}, {"2 h", 7200000}, {"7d", 604800000}};
    struct config config = {.workers = 0};
    const char *why;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        print_message("%s\n", sizes[i].text);
        assert_int_equal(option_set_text(option_find("max_size"), sizes[i].text, &config, &why), 0);
        assert_true(config.engine.max_size == sizes[i].bytes);
    }
    for (size_t i = 0; i < COUNT(durations); i++) {
        print_message("%s\n", durations[i].text);
        assert_int_equal(
            option_set_text(option_find("page_refresh"), durations[i].text, &config, &why), 0);
        assert_int_equal(config.engine.page_refresh_ms, durations[i].ms);
    }
    static const char *const not_sizes[] = {
        "",          "GB",    "-1",  "1gb",  "1 GB ",
        "1  GB",     "1.5GB", "0x1", "1GBs", "9223372036854775808",
        "10000000TB"};
    for (size_t i = 0; i < COUNT(not_sizes); i++) {
        print_message("%s\n", not_sizes[i]);
        assert_int_equal(option_set_text(option_find("max_size"), not_sizes[i], &config, &why),
                         OPTION_WRONG);
    }
    assert_true(config.engine.max_size == INT64_MAX); /* untouched by what was refused */
}

static void addresses_to_listen_on(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
    } fine[] = {{"127.0.0.1:8503", "127.0.0.1", 8503},
                {"0.0.0.0:0", "0.0.0.0", 0},
                {"[::1]:65535", "::1", 65535},
                {"[::]:80", "::", 80},
                {"localhost:80", "127.0.0.1", 80}};
    char host[CONFIG_HOST_SIZE] = "untouched";
    int port = -1;
    static const char *const wrong[] = {
        "",          ":80",          "127.0.0.1",     "127.0.0.1:",     "127.0.0.1:65536",
        "::1:80",    "[::1]",        "[::1:80",       "[127.0.0.1]:80", "[]:80",
        "a.test:80", "127.0.0.1:8x", "127.0.0.1: 80", "1.2.3:80",       "127.0.0.1:-1"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(config_split_listen(wrong[i], host, &port), ERROR_CONFIG);
        assert_string_equal(host, "untouched");
        assert_int_equal(port, -1);
    }
    for (size_t i = 0; i < COUNT(fine); i++) {
        print_message("%s\n", fine[i].text);
        assert_int_equal(config_split_listen(fine[i].text, host, &port), 0);
        assert_string_equal(host, fine[i].host);
        assert_int_equal(port, fine[i].port);
    }
}

static void proxies(void **state)
{
    (void)state;
    struct config config = {.workers = 0};
    const char *why;
    static const char *const fine[] = {"http://127.0.0.1:7890", "https://user:pw@p.test",
                                       "socks5h://127.0.0.1:1080"};
    static const char *const wrong[] = {"",        "127.0.0.1:7890", "ftp://x",
                                        "http://", "http:// x",      "socks://x"};
    for (size_t i = 0; i < COUNT(fine); i++)
        assert_int_equal(option_set_text(option_find("proxy"), fine[i], &config, &why), 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(option_set_text(option_find("proxy"), wrong[i], &config, &why),
                         OPTION_WRONG);
    }
    assert_string_equal(config.engine.proxy, fine[2]);
    config_release(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_durations),
        cmocka_unit_test(addresses_to_listen_on),
        cmocka_unit_test(proxies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
