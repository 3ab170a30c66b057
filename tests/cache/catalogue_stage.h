// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A catalogue, opened and opened again, and a file in it of which all is known. For the files of
 * tests alone: everything is static.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cache/catalogue.h"
#include "tests/cache/scratch.h"

#define AAA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BBB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static inline struct catalogue *open_catalogue(const char *path)
{
    struct catalogue *c = NULL;
    assert_int_equal(catalogue_open(path, &c), 0);
    return c;
}

/* Closed and opened: what the next run will see. */
static inline struct catalogue *reopen(struct catalogue *c, const char *path)
{
    catalogue_close(c);
    return open_catalogue(path);
}

/* NULL equals NULL alone. */
static inline void assert_same(const char *a, const char *b)
{
    assert_int_equal(!a, !b);
    if (a)
        assert_string_equal(a, b);
}

static const struct catalogue_file full = {
    .origin = "pytorch",
    .path = "cu126/torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl",
    .size = INT64_C(3) << 32,
    .etag = "\"sha256-aaa\"",
    .blob = AAA,
    .authoritative = true,
    .mirrors = "aliyun,nju",
    .validator = "\"5f-1\"",
    .last_used_s = 1700000000,
};
