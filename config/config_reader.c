// SPDX-License-Identifier: Apache-2.0
/*
 * All reports pass through config_report_line, which removes control bytes and limits their number:
 * a cloned project may bring a hostile configuration file. The path of a table ("origin.pytorch")
 * is kept as text for the reports.
 */
#include "config/config_reader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/near.h"
#include "base/str.h"
#include "base/terminal.h"

enum { LINE_MAX_BYTES = 2 << 20 };

/* A stranger's file may have a million mistakes; 100 lines are enough to begin with. */
void config_report_line(struct config_report *report, const char *format, va_list args)
{
    struct buf line;
    if (report->count++ >= REPORT_LINES_MAX)
        return;
    buf_init(&line, LINE_MAX_BYTES);
    buf_vprintf(&line, format, args);
    terminal_clean(line.data, line.len);
    (void)fprintf(report->to, "%s\n", line.data);
    buf_release(&line);
}

static void report_printf(struct config_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void report_printf(struct config_report *report, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    config_report_line(report, format, args);
    va_end(args);
}

void config_complain(struct config_report *report, const struct toml_node *node, const char *key,
                     const char *format, ...)
{
    auto_free char *what = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&what, format, args);
    va_end(args);
    report_printf(report, "%s:%d: %s: %s", report->file, toml_line(node), key,
                  len < 0 ? "wrong" : what);
}

void config_complain_unknown(struct config_report *report, const struct toml_node *node,
                             const char *key, const char *meant)
{
    config_complain(report, node, key, "unknown key%s%s%s", meant ? "; did you mean " : "",
                    meant ? meant : "", meant ? "?" : "");
}

/* "origin.pytorch.owns"; without a name that of the table itself. */
static void reader_path(const struct reader *in, const char *name, char ret[2 * READER_PATH_SIZE])
{
    (void)snprintf(ret, 2 * (size_t)READER_PATH_SIZE, "%s%s%s", in->path,
                   name && in->path[0] ? "." : "", name ? name : "");
}

void reader_complain(const struct reader *in, const struct toml_node *node, const char *name,
                     const char *what)
{
    char key[2 * READER_PATH_SIZE];
    reader_path(in, name, key);
    config_complain(in->report, node ? node : in->table, key, "%s", what);
}

/* Long names are cut in the path only; the report's line number still finds them. */
struct reader reader_below(const struct reader *above, const struct toml_node *table,
                           const char *name)
{
    struct reader in = {above->report, above->error, table, ""};
    (void)snprintf(in.path, sizeof in.path, "%.120s%s%.120s", above->path,
                   above->path[0] ? "." : "", name);
    return in;
}

void *reader_allocate(const struct reader *in, size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        *in->error = ERROR_NO_MEMORY;
    return p;
}

char *reader_copy(const struct reader *in, const char *text)
{
    char *s = strdup(text);
    if (!s)
        *in->error = ERROR_NO_MEMORY;
    return s;
}

static bool is_known(const char *name, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

bool reader_is_table(const struct reader *in)
{
    if (toml_type(in->table) == TOML_TABLE)
        return true;
    reader_complain(in, NULL, NULL, "must be a table");
    return false;
}

/* Every key that is not known, with the nearest known one. */
void reader_refuse_unknown(const struct reader *in, const char *const *known)
{
    const struct toml_node *node;
    const char *name;
    for (size_t i = 0; (node = toml_at(in->table, i, &name)); i++)
        if (!is_known(name, known)) {
            char key[2 * READER_PATH_SIZE];
            reader_path(in, name, key);
            config_complain_unknown(in->report, node ? node : in->table, key,
                                    near_find(name, known));
        }
}

/* Missing, of another type, and refused by the check are three different messages. */
char *reader_text(const struct reader *in, const char *name, bool required, text_check *check)
{
    const struct toml_node *node = toml_get(in->table, name);
    const char *text = toml_string(node);
    const char *why = !node   ? (required ? "is missing" : NULL)
                      : !text ? "must be a string"
                      : check ? check(text)
                              : NULL;
    if (why)
        reader_complain(in, node, name, why);
    return why || !text ? NULL : reader_copy(in, text);
}

char *reader_absolute(const struct reader *in, const char *path)
{
    const char *file = in->report->file, *slash = strrchr(file, '/');
    auto_free char *here = *file == '/' ? NULL : getcwd(NULL, 0);
    char *absolute = *path == '/' ? reader_copy(in, path)
                                  : str_printf("%s%s%.*s%s", here ? here : "", here ? "/" : "",
                                               slash ? (int)(slash - file + 1) : 0, file, path);
    if (!absolute)
        *in->error = ERROR_NO_MEMORY;
    return absolute;
}

/* The list is allocated for all elements and then filled by the good ones. */
char **reader_list_of(const struct reader *in, const struct toml_node *node, const char *name,
                      text_check *check)
{
    char **list = reader_allocate(in, toml_count(node) + 1, sizeof *list);
    if (node && toml_type(node) != TOML_ARRAY) {
        reader_complain(in, node, name, "must be a list of strings");
        return list;
    }
    const struct toml_node *element;
    size_t n = 0;
    for (size_t i = 0; list && (element = toml_at(node, i, NULL)); i++) {
        const char *text = toml_string(element);
        const char *why = text ? check(text) : "must be a string";
        if (why) {
            char what[2 * READER_PATH_SIZE];
            (void)snprintf(what, sizeof what, "\"%.200s\": %s", text ? text : "...", why);
            reader_complain(in, element, name, what);
        } else if ((list[n] = reader_copy(in, text))) {
            n++;
        }
    }
    return list;
}

char **reader_list(const struct reader *in, const char *name, text_check *check)
{
    return reader_list_of(in, toml_get(in->table, name), name, check);
}
