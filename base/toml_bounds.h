// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Checks that a TOML text stays within bounds in which the parser is fast and not deeply recursive.
 * The parser recurses for each level and searches a list of all tables for each dotted key. In a
 * valid text this scan finds strings and comments as the parser does. In an invalid text it may
 * count wrongly after the place where the parser stops. Pure; any thread. */
#include <stddef.h>

enum {
    TOML_DEPTH_MAX = 64,           /* nested brackets and braces */
    TOML_PARTS_MAX = 32,           /* of one dotted key or heading */
    TOML_TABLES_MAX = 20000,       /* headings, dots in keys, and inline tables, in all */
    TOML_LOCK_TABLES_MAX = 400000, /* the same of a lock, which has a table for each file */
    TOML_DOTS_MAX = 20000,         /* of keys and headings of a lock, in all */
    TOML_VALUES_MAX = 2000000, /* of tables and arrays: each takes some hundred bytes of memory */
};

/* NULL: within the bounds; otherwise what exceeds them, and *ret_line where. tables_most: one of the
 * two above. */
const char *toml_check_bounds(const char *text, size_t len, size_t tables_most, int *ret_line);
