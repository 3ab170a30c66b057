// SPDX-License-Identifier: Apache-2.0
#pragma once
/* TOML 1.0 by toml++ behind a C interface. A document is parsed whole; its nodes live as long as it
 * does. Not thread-safe. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct toml_document; /* a document */
struct toml_node;     /* a value in it */

enum toml_type {
    TOML_NONE, /* of a NULL node */
    TOML_TABLE,
    TOML_ARRAY,
    TOML_STRING,
    TOML_INTEGER,
    TOML_BOOLEAN,
    TOML_DATE,  /* a date, a time, or both */
    TOML_OTHER, /* floats: nothing here takes them */
};

/* Refuses texts beyond the bounds of base/toml_bounds.h. On ERROR_CONFIG, *ret_message (free() it)
 * and *ret_line say what is wrong; otherwise both are untouched. */
int toml_parse(const char *text, size_t len, struct toml_document **ret_document,
               char **ret_message, int *ret_line);
/* The same of a lock file, which a program wrote: it may have more tables. */
int toml_parse_lock(const char *text, size_t len, struct toml_document **ret_document,
                    char **ret_message, int *ret_line);
void toml_free(struct toml_document *document);
const struct toml_node *toml_root(const struct toml_document *document);

enum toml_type toml_type(const struct toml_node *node);
int toml_line(const struct toml_node *node); /* the line of its value; 1 is the first */
size_t toml_count(const struct toml_node *table_or_array);
/* The i-th member of a table in the order of the file, or the i-th element of an array; NULL past
 * the end. *ret_name lives as long as the document and is NULL for an array; ret_name may be NULL.
 */
const struct toml_node *toml_at(const struct toml_node *table_or_array, size_t i,
                                const char **ret_name);
const struct toml_node *toml_get(const struct toml_node *table, const char *name);
const char *toml_string(const struct toml_node *node); /* NULL unless a string; may hold no NUL */
int64_t toml_integer(const struct toml_node *node);    /* 0 unless an integer */
bool toml_boolean(const struct toml_node *node);
/* A date or a time as it is written; NULL of anything else. */
const char *toml_date(const struct toml_node *node);
/* Where a string stands in the text: its bytes between the quotes. False for what is no string, and
 * for one of several lines. What stands there differs from toml_string where it has escapes. */
bool toml_place(const struct toml_node *node, size_t *ret_offset, size_t *ret_len);
