// SPDX-License-Identifier: Apache-2.0
/* `wheelyard wheels`: a matrix of versions and platforms by Pythons. Cells are sorted once: newest
 * version first, then platform, then Python. A row is then a run of cells with the same version and
 * platform. All widths are measured before the first line is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/command_explain.h"
#include "cli/query.h"
#include "index/version.h"

enum { OUTPUT_MAX_BYTES = 64 << 20, COLUMNS_MAX = 64, CELL_MAX = 32, GAP = 2 };

static const struct query_command command = {
    .name = "wheels",
    .usage =
        "usage: wheelyard wheels REQUIREMENT [--index NAME] [FLAGS]\n\n"
        "Lists the wheels of a project ('torch', 'torch>=2.8'): a line for each version and\n"
        "platform, a column for each Python. A cell is a size (`~` rounded, `?` unknown). The\n"
        "last column names the mirrors; `delisted` means that only the daemon has it. For\n"
        "example:\n\n"
        "    wheelyard wheels torch --index cu126\n\n"
        "  --index NAME       cu126, nightly/cu130 ...; default: a channel whose mirrors have the\n"
        "                     project, newest CUDA first; without one: simple, PyPI alone\n"
        "  --json             print one JSON object with every wheel\n"
        "  --url URL          address of the daemon or of the index; default: `listen` of the\n"
        "                     configuration\n"
        "  --config FILE      wheelyard's own configuration\n\n"
        "Exit: 0 there are wheels, 1 there are none, 2 wrong usage, 3 no daemon.\n",
};

/* One wheel with its labels. */
struct cell {
    size_t file; /* index of the file on the page */
    struct file_name name;
    char python[NAME_MAX_BYTES + 1], platform[NAME_MAX_BYTES + 1];
};

/* All wheels of the answer, and the layout of the table. */
struct matrix {
    struct query query;
    struct cell *cells; /* newest version first, then platform, then Python */
    size_t count;
    const char *columns[COLUMNS_MAX]; /* Pythons, oldest first */
    size_t column_count;
    int widths[COLUMNS_MAX + 2]; /* widths of version, platform, and the columns */
};

static int compare_rows(const struct cell *a, const struct cell *b)
{
    int c = version_compare(b->name.version, a->name.version);

    return c ? c : strcmp(a->platform, b->platform);
}

/* The file's index last, so that the order is total. */
static int by_place(const void *x, const void *y)
{
    const struct cell *a = x;
    const struct cell *b = y;
    int c = compare_rows(a, b);

    if (!c)
        c = python_label_compare(a->python, b->python);
    return c ? c : (a->file > b->file) - (a->file < b->file);
}

static int by_python(const void *x, const void *y)
{
    return python_label_compare(*(const char *const *)x, *(const char *const *)y);
}

/* Collects the wheels that the specifiers admit. */
static int collect(struct matrix *m)
{
    struct query *a = &m->query;

    m->cells = calloc(a->file_count + 1, sizeof(*m->cells));
    if (!m->cells)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < a->file_count; i++) {
        struct cell *cell = &m->cells[m->count];
        struct wheel_tags tags;
        int r;

        if (!wheel_tags_parse(a->files[i].name, &tags))
            continue;
        r = file_name_parse(a->files[i].name, &cell->name);
        if (r)
            return r;
        cell->file = i;
        wheel_tags_python_label(&tags, cell->python);
        wheel_tags_platform_label(&tags, cell->platform);
        if (specifiers_contain(a->specifiers, cell->name.version))
            m->count++;
        else
            file_name_release(&cell->name);
    }
    qsort(m->cells, m->count, sizeof(*m->cells), by_place);
    return 0;
}

/* Each Python once, oldest first. */
static void collect_columns(struct matrix *m)
{
    for (size_t i = 0; i < m->count; i++) {
        size_t k = 0;

        while (k < m->column_count && strcmp(m->columns[k], m->cells[i].python) != 0)
            k++;
        if (k == m->column_count && k < COLUMNS_MAX)
            m->columns[m->column_count++] = m->cells[i].python;
    }
    qsort(m->columns, m->column_count, sizeof(*m->columns), by_python);
}

/* ------------------------------------------------------------------ printing */

/* The first cell after the row that begins at `start`. */
static size_t row_end(const struct matrix *m, size_t start)
{
    size_t end = start + 1;

    while (end < m->count && compare_rows(&m->cells[start], &m->cells[end]) == 0)
        end++;
    return end;
}

/* Writes the wheel of one row and column: "868MB", with `+` when there are several; "-" for none.
 */
static void write_cell(const struct matrix *m, size_t start, size_t end, const char *python,
                       struct buf *to)
{
    size_t found = 0;

    buf_clear(to);
    for (size_t i = start; i < end; i++) {
        if (strcmp(m->cells[i].python, python) != 0)
            continue;
        if (found++ == 0)
            query_write_size(&m->query, m->cells[i].file, "", to);
    }
    buf_puts(to, found == 0 ? "-" : found > 1 ? "+" : "");
}

/* Names that a row has shown already. */
struct seen {
    const char *names[COLUMNS_MAX];
    size_t count;
};

/* A row's mirrors are few, so a linear search is enough. */
static void write_once(struct seen *seen, const char *name, struct buf *to)
{
    for (size_t k = 0; k < seen->count; k++)
        if (strcmp(seen->names[k], name) == 0)
            return;
    if (seen->count == COLUMNS_MAX)
        return;
    buf_printf(to, "%s%s", seen->count ? ", " : "", name);
    seen->names[seen->count++] = name;
}

/* Writes every mirror that lists a wheel of the row, once. */
static void write_row_mirrors(const struct matrix *m, size_t start, size_t end, struct buf *to)
{
    struct seen seen = {0};

    for (size_t i = start; i < end; i++) {
        const struct json *f = m->query.entries[m->cells[i].file];
        const struct json *mirror = json_first(json_member(f, "_mirrors"));

        for (; mirror; mirror = json_next(mirror))
            if (json_string(mirror))
                write_once(&seen, json_string(mirror), to);
    }
    for (size_t i = start; i < end; i++)
        if (query_is_delisted(&m->query, m->cells[i].file))
            write_once(&seen, QUERY_DELISTED, to);
}

static void widen(int *width, const char *text)
{
    int len = (int)strlen(text);

    if (len > *width)
        *width = len;
}

/* Every cell is written twice, first to measure it; the output is small. */
static void measure(struct matrix *m, struct buf *cell)
{
    m->widths[0] = (int)strlen("version");
    m->widths[1] = (int)strlen("platform");
    for (size_t k = 0; k < m->column_count; k++)
        widen(&m->widths[2 + k], m->columns[k]);
    for (size_t i = 0; i < m->count; i = row_end(m, i)) {
        widen(&m->widths[0], m->cells[i].name.version);
        widen(&m->widths[1], m->cells[i].platform);
        for (size_t k = 0; k < m->column_count; k++) {
            write_cell(m, i, row_end(m, i), m->columns[k], cell);
            widen(&m->widths[2 + k], cell->data);
        }
    }
}

/* A repeated version is left blank, which makes rows of one version stand together. */
static void write_matrix(struct matrix *m, struct buf *to)
{
    auto_buf struct buf cell;

    buf_init(&cell, CELL_MAX);
    measure(m, &cell);
    buf_printf(to, "%-*s%-*s", m->widths[0] + GAP, "version", m->widths[1] + GAP, "platform");
    for (size_t k = 0; k < m->column_count; k++)
        buf_printf(to, "%*s  ", m->widths[2 + k], m->columns[k]);
    buf_puts(to, "mirrors\n");
    for (size_t i = 0; i < m->count; i = row_end(m, i)) {
        const char *version = m->cells[i].name.version;
        bool repeats = i > 0 && strcmp(m->cells[i - 1].name.version, version) == 0;

        buf_printf(to, "%-*s%-*s", m->widths[0] + GAP, repeats ? "" : version, m->widths[1] + GAP,
                   m->cells[i].platform);
        for (size_t k = 0; k < m->column_count; k++) {
            write_cell(m, i, row_end(m, i), m->columns[k], &cell);
            buf_printf(to, "%*s  ", m->widths[2 + k], cell.data);
        }
        write_row_mirrors(m, i, row_end(m, i), to);
        buf_putc(to, '\n');
    }
}

/* Every wheel by itself, for scripts. */
static void write_json(const struct matrix *m, struct buf *to)
{
    const struct query *a = &m->query;

    buf_putc(to, '{');
    json_write_member(to, "project", a->project);
    json_write_member(to, "index", *a->index ? a->index : "simple");
    if (a->refusal)
        json_write_member(to, "detail", a->refusal);
    json_write_name(to, "wheels");
    buf_putc(to, '[');
    for (size_t i = 0; i < m->count; i++) {
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "version", m->cells[i].name.version);
        json_write_member(to, "python", m->cells[i].python);
        json_write_member(to, "platform", m->cells[i].platform);
        query_write_file(a, m->cells[i].file, to);
        buf_putc(to, '}');
    }
    buf_puts(to, "]}\n");
}

static void write_none(const struct matrix *m, struct buf *to)
{
    const struct query *a = &m->query;

    buf_printf(to, "no wheel of %s in %s%s%s\n", a->requirement, *a->index ? a->index : "simple",
               a->refusal ? ": " : "", a->refusal ? a->refusal : "");
}

static int run(struct matrix *m)
{
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    int code = query_fetch(&m->query);
    if (code != QUERY_GO)
        return code;
    int r = collect(m);
    if (r) {
        (void)fprintf(stderr, "wheelyard: %s\n", error_text(r));
        return EXIT_NO;
    }
    collect_columns(m);
    if (m->query.as_json)
        write_json(m, &text);
    else if (m->count)
        write_matrix(m, &text);
    else
        write_none(m, &text);
    return query_print(&text, m->count ? EXIT_YES : EXIT_NO);
}

int command_wheels(int argc, char **argv)
{
    struct matrix m = {.count = 0};
    int code = query_parse(argc, argv, &command, &m.query);

    if (code == QUERY_GO)
        code = run(&m);
    for (size_t i = 0; i < m.count; i++)
        file_name_release(&m.cells[i].name);
    free(m.cells);
    query_release(&m.query);
    return code;
}
