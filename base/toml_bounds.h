// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a TOML text keeps within bounds in which the parser is quick and not deeply nested: it
 * recurses for each level, and searches a list of the tables that dotted keys made for each of
 * them. Of what the parser takes, strings and comments are told apart as it does; what it refuses
 * may be counted otherwise behind the place that it refuses. Pure; any thread.
 */
#include <stddef.h>

enum {
    TOML_DEPTH_MAX = 64,      /* brackets and braces in each other */
    TOML_PARTS_MAX = 32,      /* of one dotted key or heading */
    TOML_DOTS_MAX = 20000,    /* of keys and headings, in all */
    TOML_TABLES_MAX = 400000, /* headings and inline tables, in all: a lock has one for each file */
    TOML_VALUES_MAX = 2000000, /* of tables and arrays: each takes some hundred bytes of memory */
};

/* NULL: within; else what is too much, and *ret_line where. */
const char *toml_check_bounds(const char *text, size_t len, int *ret_line);
