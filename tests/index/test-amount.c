// SPDX-License-Identifier: Apache-2.0
/* Sizes in rows of directory listings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "index/amount.h"

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t size;
    } cases[] = {
        {"</a></td>\n<td class=\"size\">812.5 MB</td><td>2025-10-12 11:29</td>", 851968000},
        {"</a>          15-Oct-2026 18:04           868123456\n", 868123456},
        {"</a>  2026-10-15 18:04   5K  </td>", 5120},
        {"</a></td><td>1.2 GiB</td>", 1288490188},
        {"</a> Mon, 23 Nov 2026 01:16:57 GMT", -1},
        {"</a></td><td>-</td>", -1},
        {"</a></td><td>5 months ago</td>", -1},
        {"</a> 3 Kbps 12.MB 99999M", -1},
        {"</a> 1234567890123456789\n", -1},
        {"", -1},
        {"7", -1},
        {"7.", -1},
        {"2 m", 2 << 20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t size = amount_find(cases[i].text, strlen(cases[i].text));
        if (size != cases[i].size)
            fail_msg("%s: %lld", cases[i].text, (long long)size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
