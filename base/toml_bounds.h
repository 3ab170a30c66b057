// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Checks that a TOML text stays within bounds in which the parser is fast and not deeply recursive.
 * The parser recurses for each level and searches a list of all tables for each dotted key. In a
 * valid text this scan finds strings and comments as the parser does. In an invalid text it may
 * count wrongly after the place where the parser stops. Pure; any thread. */
#include <stddef.h>

enum {
    TOML_DEPTH_MAX = 64,      /* nested brackets and braces */
    TOML_PARTS_MAX = 32,      /* of one dotted key or heading */
    TOML_DOTS_MAX = 20000,    /* of keys and headings, in all */
    TOML_TABLES_MAX = 400000, /* headings and inline tables, in all: a lock has one for each file */
    TOML_VALUES_MAX = 2000000, /* of tables and arrays: each takes some hundred bytes of memory */
};

/* NULL: within the bounds; otherwise what exceeds them, and *ret_line where. */
const char *toml_check_bounds(const char *text, size_t len, int *ret_line);
