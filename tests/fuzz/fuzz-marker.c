// SPDX-License-Identifier: Apache-2.0
/* Any text as a marker. One in brackets says the same; `A and A` and `A or A` say what A says. */
#include <stdio.h>

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

static void check_same(const char *format, const char *text, int r, bool holds)
{
    auto_free char *other = NULL;
    bool other_holds = false;

    if (asprintf(&other, format, text, text) < 0)
        abort();
    int other_r = marker_text_holds(other, &environment, &other_holds);
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
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    check_same("(%s)", text, r, holds);
    check_same("(%s) and (%s)", text, r, holds);
    check_same("(%s) or (%s)", text, r, holds);
#pragma GCC diagnostic pop
    return 0;
}
