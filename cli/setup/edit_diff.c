// SPDX-License-Identifier: Apache-2.0
/*
 * setup changes one place of a file, so one hunk is always enough. The common start and the common
 * end of both texts are cut off. The rest is shown with three lines of context.
 */
#include <string.h>

#include "cli/setup/edit.h"

enum { CONTEXT_LINES = 3 };

/* A line of a text that is walked through. */
struct line {
    const char *text;
    size_t len; /* with its line feed */
};

/* Takes the next line of *text; false at the end. */
static bool next_line(const char **text, struct line *line)
{
    const char *end = strchr(*text, '\n');

    line->text = *text;
    line->len = end ? (size_t)(end + 1 - *text) : strlen(*text);
    *text += line->len;
    return line->len > 0;
}

static size_t count_lines(const char *text, size_t len)
{
    size_t lines = 0;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || i + 1 == len;
    return lines;
}

/* The bytes of whole lines that both texts begin with. */
static size_t common_start(const char *a, const char *b)
{
    size_t same = 0;

    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '\n')
            same = i + 1;
    return same;
}

/* The bytes of whole lines that both texts end with, after the first `start`. */
static size_t common_end(const char *a, const char *b, size_t start)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    size_t same = 0;

    for (size_t i = 1; i <= a_len - start && i <= b_len - start && a[a_len - i] == b[b_len - i];
         i++)
        if (i == a_len - start || i == b_len - start || a[a_len - i - 1] == '\n')
            same = i;
    /* When a line begins here in one text, a line must begin in the other as well. */
    if (same && ((a_len - same > start && a[a_len - same - 1] != '\n') ||
                 (b_len - same > start && b[b_len - same - 1] != '\n')))
        return 0;
    return same;
}

/* A missing line feed at the end of a file is marked as diff(1) does. */
static void write_lines(const char *before, const char *text, size_t len, struct buf *to)
{
    const char *end = text + len;
    struct line line = {0};

    while (text < end && next_line(&text, &line)) {
        buf_puts(to, before);
        buf_add(to, line.text, line.len);
        if (line.text[line.len - 1] != '\n')
            buf_puts(to, "\n\\ No newline at end of file\n");
    }
}

/* The start of the last CONTEXT_LINES of the first `len` bytes. */
static size_t context_start(const char *text, size_t len)
{
    size_t lines = 0;

    for (; len; len--)
        if (text[len - 1] == '\n' && lines++ == CONTEXT_LINES)
            break;
    return len;
}

static size_t context_length(const char *text)
{
    const char *p = text;
    struct line line = {0};

    for (int i = 0; i < CONTEXT_LINES && next_line(&p, &line); i++)
        ;
    return (size_t)(p - text);
}

/* Line numbers count from 1; an empty old file has line 0. */
void edit_diff(const char *path, const char *old, const char *new, struct buf *to)
{
    size_t start = common_start(old, new);
    size_t end = common_end(old, new, start);
    size_t removed = strlen(old) - start - end;
    size_t added = strlen(new) - start - end;
    size_t before = context_start(old, start);
    size_t after = context_length(old + start + removed);
    size_t shown =
        count_lines(old + before, start - before) + count_lines(old + start + removed, after);

    if (!removed && !added)
        return;
    buf_printf(to, "--- %s\n+++ %s\n", path, path);
    buf_printf(to, "@@ -%zu,%zu +%zu,%zu @@\n", count_lines(old, before) + (*old != '\0'),
               shown + count_lines(old + start, removed), count_lines(old, before) + 1,
               shown + count_lines(new + start, added));
    write_lines(" ", old + before, start - before, to);
    write_lines("-", old + start, removed, to);
    write_lines("+", new + start, added, to);
    write_lines(" ", old + start + removed, after, to);
}
