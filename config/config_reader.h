// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reads the members of a table of a configuration file and reports each mistake. The reader
 * continues after a mistake, so that all are reported at once.
 *
 *     struct reader in = {report, &error, table, "origin"};
 *     char *name = reader_text(&in, "name", true, check_name);
 *     ... error, report->count ...
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/toml.h"

/* Where reports go, and how many there were. */
struct config_report {
    FILE *to;
    const char *file;
    unsigned count;
};

/* Writes one line that is safe for a terminal, whatever the file contains. Only REPORT_LINES_MAX
 * lines are written, but all are counted. */
enum { REPORT_LINES_MAX = 100 };
void config_report_line(struct config_report *report, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* One line, `file:line: key: what is wrong`, with the line of `node`. */
void config_complain(struct config_report *report, const struct toml_node *node, const char *key,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for an unknown key; `meant` is a key with a similar spelling, or NULL. */
void config_complain_unknown(struct config_report *report, const struct toml_node *node,
                             const char *key, const char *meant);

/* One table that is being read. A failed allocation sets *error, which stays set, and leaves a gap.
 */
enum { READER_PATH_SIZE = 256 };
struct reader {
    struct config_report *report;
    int *error;
    const struct toml_node *table;
    char path[READER_PATH_SIZE]; /* "origin.pytorch" */
};

/* Returns what is wrong with a text; NULL: nothing. */
typedef const char *text_check(const char *text);

/* The line is that of `node`, or of the table when node is NULL. `name` is the member's, or NULL.
 */
void reader_complain(const struct reader *in, const struct toml_node *node, const char *name,
                     const char *what);
struct reader reader_below(const struct reader *above, const struct toml_node *table,
                           const char *name);
void *reader_allocate(const struct reader *in, size_t count, size_t size);
char *reader_copy(const struct reader *in, const char *text);
bool reader_is_table(const struct reader *in);
/* Reports every key that is not in `known`: a misspelt key that was skipped would cost a mirror or
 * an owner. */
void reader_refuse_unknown(const struct reader *in, const char *const *known);
/* A string that passes the check, or NULL when it is missing (reported when required) or wrong. */
char *reader_text(const struct reader *in, const char *name, bool required, text_check *check);
/* A path; a relative one is relative to the folder of the configuration file. */
char *reader_absolute(const struct reader *in, const char *path);
/* A list without its wrong elements; NULL only after a failed allocation. The first form takes a
 * node, which may be NULL and need not be a member. */
char **reader_list_of(const struct reader *in, const struct toml_node *node, const char *name,
                      text_check *check);
char **reader_list(const struct reader *in, const char *name, text_check *check);
