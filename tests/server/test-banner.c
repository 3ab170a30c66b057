// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_engine.h"
#include "fake_origins.h"
#include "server/banner.h"

struct output {
    char *text;
    size_t len;
    FILE *file;
};

static void clients_are_told_a_name_for_loopback(void **state)
{
    static const struct {
        const char *address;
        const char *base;
    } rows[] = {
        {"127.0.0.1:8503", "http://localhost:8503/cu126/simple\n"},
        {"[::1]:80", "http://localhost:80/cu126/simple\n"},
        {"0.0.0.0:8503", "http://localhost:8503/cu126/simple\n"},
        {"192.168.1.7:8503", "http://192.168.1.7:8503/cu126/simple\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct output o = {0};
        o.file = open_memstream(&o.text, &o.len);
        banner_clients(rows[i].address, &fake_origins, o.file);
        (void)fclose(o.file);
        assert_non_null(strstr(o.text, rows[i].base));
        assert_non_null(strstr(o.text, "uv pip install torch --index-url "));
        free(o.text);
    }
}

static void addresses_are_listed(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:1", "[::1]:2", NULL};
    struct output o = {0};
    (void)state;
    o.file = open_memstream(&o.text, &o.len);
    banner_addresses(addresses, o.file);
    (void)fclose(o.file);
    assert_string_equal(o.text, "listening on http://127.0.0.1:1\nlistening on http://[::1]:2\n");
    free(o.text);
}

/* What a probe says of an engine whose mirrors answer, or do not. */
static char *probe(bool silent, unsigned *ret_pages)
{
    struct engine *engine = fake_engine_new();
    struct banner *banner = NULL;
    struct output o = {0};
    o.file = open_memstream(&o.text, &o.len);
    if (silent)
        fake_silence(engine);
    assert_int_equal(banner_probe(engine, &fake_origins, o.file, &banner), 0);
    banner_free(banner);
    engine_stop(engine);
    *ret_pages = fake_page_count(engine);
    engine_free(engine);
    (void)fclose(o.file);
    return o.text;
}

static void silence_of_all_mirrors_is_said(void **state)
{
    unsigned pages;
    (void)state;
    char *text = probe(true, &pages);
    assert_int_equal(pages, 2);
    assert_non_null(strstr(text, "make demo\n"));
    free(text);
}

static void one_answer_is_enough_for_silence(void **state)
{
    unsigned pages;
    (void)state;
    char *text = probe(false, &pages);
    assert_int_equal(pages, 1);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_told_a_name_for_loopback),
        cmocka_unit_test(addresses_are_listed),
        cmocka_unit_test(silence_of_all_mirrors_is_said),
        cmocka_unit_test(one_answer_is_enough_for_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
