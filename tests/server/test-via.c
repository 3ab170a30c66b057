// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "server/via.h"

static void only_names_of_wheelyards_are_left(void **state)
{
    static const struct {
        const char *written, *left;
    } rows[] = {
        {"", NULL},
        {"1.1 proxy.corp:8080 (joe's)", NULL},
        {"1.1 wheelyard-12ab", "1.1 wheelyard-12ab"},
        {"HTTP/1.1 wheelyard-12ab (x (y\\)) z)", "1.1 wheelyard-12ab"},
        {" , 1.0 a,, 1.1 wheelyard-1 ,\t2 b, 1.1 wheelyard-2", "1.1 wheelyard-1, 1.1 wheelyard-2"},
        {"1.1 wheelyard-1, 1.1 wheelyard-", "1.1 wheelyard-1"},
        {"1.1 wheelyard-xyz", NULL},
        {"1.1 wheelyard-1, malformed, 1.1 wheelyard-2", "1.1 wheelyard-1"},
        {"1.1 a (not ended, 1.1 wheelyard-2", NULL},
        {"/1.1 wheelyard-2", NULL},
        {"1.1 \"wheelyard-2\"", NULL},
        {"(1.1 wheelyard-2)", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_free char *left = via_clean(rows[i].written);

        if (!left != !rows[i].left || (left && strcmp(left, rows[i].left) != 0))
            fail_msg("%s: %s", rows[i].written, left ? left : "nothing");
    }
}

static void rings_are_found(void **state)
{
    auto_buf struct buf chain;

    (void)state;
    buf_init(&chain, 4096);
    for (int i = 0; i < VIA_NAMES_MAX; i++)
        buf_printf(&chain, "%s1.1 wheelyard-%d", i ? ", " : "", i + 10);
    assert_int_equal(via_judge(NULL, "1"), VIA_GOES_ON);
    assert_int_equal(via_judge(chain.data, "1"), VIA_GOES_ON); /* no name, but the start of some */
    assert_int_equal(via_judge(chain.data, "10"), VIA_LOOPS);
    assert_int_equal(via_judge(chain.data, "25"), VIA_LOOPS);
    buf_puts(&chain, ", 1.1 wheelyard-99");
    auto_free char *clean = via_clean(chain.data);
    assert_int_equal(via_judge(clean, "1"), VIA_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_names_of_wheelyards_are_left),
        cmocka_unit_test(rings_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
