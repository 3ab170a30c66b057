// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reading the members of a table of a configuration file, with a complaint for each that is wrong:
 * the reader goes on behind it, so that all is said at once.
 *
 *     struct reader in = {report, &error, table, "origin"};
 *     char *name = reader_text(&in, "name", true, check_name);
 *     ... error, report->count ...
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/toml.h"

/* Where complaints go, and how many there were. */
struct config_report {
    FILE *to;
    const char *file;
    unsigned count;
};

/* One line, fit for a terminal whatever stands in the file; no more than REPORT_LINES_MAX are told,
 * and all are counted. */
enum { REPORT_LINES_MAX = 100 };
void config_report_line(struct config_report *report, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* One line, `file:line: key: what is wrong`, with the line of `node`. */
void config_complain(struct config_report *report, const struct toml_node *node, const char *key,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same of a key that nobody knows; `meant` is what it may be meant for, or NULL. */
void config_complain_unknown(struct config_report *report, const struct toml_node *node,
                             const char *key, const char *meant);

/* One table being read. A failed allocation sticks in *error and leaves gaps behind it. */
enum { READER_PATH_SIZE = 256 };
struct reader {
    struct config_report *report;
    int *error;
    const struct toml_node *table;
    char path[READER_PATH_SIZE]; /* "origin.pytorch" */
};

/* What is wrong with a text; NULL when nothing is. */
typedef const char *text_check(const char *text);

/* `node` says the line, else the table does; `name` is a member's, or NULL. */
void reader_complain(const struct reader *in, const struct toml_node *node, const char *name,
                     const char *what);
struct reader reader_below(const struct reader *above, const struct toml_node *table,
                           const char *name);
void *reader_allocate(const struct reader *in, size_t count, size_t size);
char *reader_copy(const struct reader *in, const char *text);
bool reader_is_table(const struct reader *in);
/* A misspelt key that is silently skipped is a mirror or an owner less. */
void reader_refuse_unknown(const struct reader *in, const char *const *known);
/* A string that passes the check, or NULL: missing (a complaint when required) or wrong. */
char *reader_text(const struct reader *in, const char *name, bool required, text_check *check);
/* A list without its wrong elements; never NULL but after a failed allocation. The first is of a
 * node that need not be a member, or NULL. */
char **reader_list_of(const struct reader *in, const struct toml_node *node, const char *name,
                      text_check *check);
char **reader_list(const struct reader *in, const char *name, text_check *check);
