// SPDX-License-Identifier: Apache-2.0
/* Any text as a marker. One in brackets says the same; `A and A` and `A or A` say what A says. */
#include "base/error.h"
#include "base/str.h"
#include "fuzz.h"
#include "lock/marker.h"

static const char *const names[] = {"tests", "A.b"};
static const struct marker_environment environment = {
    .strings = {"cpython", "3.12.0", "posix", "x86_64", "CPython", "6.1.0-13", "Linux", "#1",
                "3.12.0", "3.12", "linux"},
    .extra = {names, 2},
    .extras = {names, 1},
    .groups = {names, 2},
};

static bool is_expected(int r)
{
    return r == 0 || r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG;
}

static void check_same(const char *other, int r, bool holds)
{
    bool other_holds = false;
    int other_r = other ? marker_text_holds(other, &environment, &other_holds) : ERROR_NO_MEMORY;

    if (other_r != ERROR_TOO_BIG)
        require(other_r == r && (r || other_holds == holds));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    struct marker *marker = NULL;
    bool holds = false;
    int r = marker_parse(text, &marker);

    require(is_expected(r));
    if (r)
        return 0;
    r = marker_holds(marker, &environment, &holds);
    marker_free(marker);
    require(is_expected(r));
    auto_free char *alone = str_printf("(%s)", text);
    auto_free char *both = str_printf("(%s) and (%s)", text, text);
    auto_free char *either = str_printf("(%s) or (%s)", text, text);
    check_same(alone, r, holds);
    check_same(both, r, holds);
    check_same(either, r, holds);
    return 0;
}
