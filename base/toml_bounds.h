// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a TOML text keeps within bounds in which the parser is quick and not deeply nested: it
 * recurses for each level, and searches a list of all tables for each dotted key. Of what the
 * parser takes, strings and comments are told apart as it does; what it refuses may be counted
 * otherwise behind the place that it refuses. Pure; any thread.
 */
#include <stddef.h>

enum {
    TOML_DEPTH_MAX = 64,     /* brackets and braces in each other */
    TOML_PARTS_MAX = 32,     /* of one dotted key or heading */
    TOML_TABLES_MAX = 20000, /* headings, dots in keys, and inline tables, in all */
};

/* NULL: within; else what is too much, and *ret_line where. */
const char *toml_check_bounds(const char *text, size_t len, int *ret_line);
