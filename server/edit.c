// SPDX-License-Identifier: Apache-2.0
#include "server/edit.h"

#include <string.h>
#include <strings.h>

enum { CONTEXT_LINES = 3 };

struct line {
    const char *text;
    size_t len; /* with its line feed */
};

/* Takes the next line of *text; false at the end. */
static bool next_line(const char **text, struct line *ret)
{
    const char *end = strchr(*text, '\n');

    *ret = (struct line){*text, end ? (size_t)(end + 1 - *text) : strlen(*text)};
    *text += ret->len;
    return ret->len > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *behind_blanks(const char *text, const char *end)
{
    while (text < end && is_blank(*text))
        text++;
    return text;
}

/* Whether the line is this heading, with nothing but a comment behind it. */
static bool is_heading(struct line line, const char *heading)
{
    const char *end = line.text + line.len;
    const char *p = behind_blanks(line.text, end);
    size_t len = strlen(heading);

    if ((size_t)(end - p) < len || strncmp(p, heading, len) != 0)
        return false;
    p = behind_blanks(p + len, end);
    return p == end || *p == '#' || *p == ';';
}

static bool begins_section(struct line line)
{
    const char *p = behind_blanks(line.text, line.text + line.len);

    return p < line.text + line.len && *p == '[';
}

/* The value in a line `name = value`; NULL when it is another line. pip takes _ for -. */
static const char *value_in(struct line line, const char *name)
{
    const char *end = line.text + line.len;
    const char *p = behind_blanks(line.text, end);

    for (; *name; name++, p++)
        if (p == end || (*p != *name && !(*name == '-' && *p == '_')))
            return NULL;
    p = behind_blanks(p, end);
    return p < end && (*p == '=' || *p == ':') ? behind_blanks(p + 1, end) : NULL;
}

static bool has_value(struct line line, const struct edit_key *key)
{
    const char *value = value_in(line, key->name);
    size_t len = strlen(key->value);

    return value && strncmp(value, key->value, len) == 0 &&
           (value + len == line.text + line.len || is_blank(value[len]) || value[len] == '#');
}

/* A list goes on in lines that begin with white space. */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    struct line line;

    for (bool first = true; next_line(&text, &line); first = false) {
        const char *end = line.text + line.len;

        if (!first && !is_blank(*line.text))
            return false;
        for (const char *p = line.text; p < end; p++)
            if ((p == line.text || is_blank(p[-1]) || p[-1] == '=') && strncmp(p, word, len) == 0 &&
                (!p[len] || is_blank(p[len])))
                return true;
    }
    return false;
}

/* ---------------------------------------------------------------- searching */

struct section {
    const char *start; /* behind the heading; NULL: there is none */
    const char *end;
};

static const char *section_end(const char *text)
{
    struct line line;

    while (next_line(&text, &line))
        if (begins_section(line))
            return line.text;
    return text;
}

static bool section_has(struct section section, const struct edit_key *key)
{
    struct line line;

    for (const char *p = section.start; p < section.end && next_line(&p, &line);)
        if (has_value(line, key))
            return true;
    return false;
}

static struct section find_section(const struct edit *edit, const char *text)
{
    bool one_of_several = strncmp(edit->heading, "[[", 2) == 0;
    struct line line;

    while (next_line(&text, &line)) {
        if (!is_heading(line, edit->heading))
            continue;
        struct section found = {text, section_end(text)};
        if (!one_of_several || section_has(found, &edit->keys[0]))
            return found;
    }
    return (struct section){NULL, NULL};
}

/* ------------------------------------------------------------------ writing */

static void write_key(const struct edit_key *key, struct buf *to)
{
    buf_printf(to, "%s = %s\n", key->name, key->value);
}

void edit_write(const struct edit *edit, struct buf *to)
{
    buf_printf(to, "%s\n", edit->heading);
    for (size_t i = 0; i < edit->key_count; i++)
        write_key(&edit->keys[i], to);
}

/* The key that a line sets, or NULL. */
static const struct edit_key *key_in(const struct edit *edit, struct line line)
{
    for (size_t i = 0; i < edit->key_count; i++)
        if (value_in(line, edit->keys[i].name))
            return &edit->keys[i];
    return NULL;
}

static void write_line(const struct edit *edit, struct line line, struct buf *to)
{
    const struct edit_key *key = key_in(edit, line);

    if (!key || (!key->is_list && has_value(line, key))) {
        buf_add(to, line.text, line.len);
    } else if (key->is_list) {
        buf_add(to, line.text, line.len);
        if (line.text[line.len - 1] != '\n')
            buf_putc(to, '\n');
        if (!has_word(line.text, key->value))
            buf_printf(to, "    %s\n", key->value);
    } else {
        write_key(key, to);
    }
}

static void write_section(const struct edit *edit, struct section section, struct buf *to)
{
    struct line line;

    for (size_t i = 0; i < edit->key_count; i++) {
        bool there = false;

        for (const char *p = section.start; p < section.end && next_line(&p, &line);)
            there |= value_in(line, edit->keys[i].name) != NULL;
        if (!there)
            write_key(&edit->keys[i], to);
    }
    for (const char *p = section.start; p < section.end && next_line(&p, &line);)
        write_line(edit, line, to);
}

void edit_apply(const struct edit *edit, const char *old, struct buf *to)
{
    struct section section = find_section(edit, old);
    size_t len = section.start ? (size_t)(section.start - old) : strlen(old);

    buf_add(to, old, len);
    if (len && old[len - 1] != '\n')
        buf_putc(to, '\n');
    if (section.start) {
        write_section(edit, section, to);
        buf_puts(to, section.end);
        return;
    }
    if (len)
        buf_putc(to, '\n');
    edit_write(edit, to);
}

/* --------------------------------------------------------------------- diff */

static size_t count_lines(const char *text, size_t len)
{
    size_t lines = 0;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || i + 1 == len;
    return lines;
}

/* Bytes of whole lines that both begin with. */
static size_t common_start(const char *a, const char *b)
{
    size_t same = 0;

    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '\n')
            same = i + 1;
    return same;
}

/* Bytes of whole lines that both end with, beyond the first `start`. */
static size_t common_end(const char *a, const char *b, size_t start)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    size_t same = 0;

    for (size_t i = 1; i <= a_len - start && i <= b_len - start && a[a_len - i] == b[b_len - i];
         i++)
        if (i == a_len - start || i == b_len - start || a[a_len - i - 1] == '\n')
            same = i;
    /* Where one begins here the other must begin a line, too. */
    if (same && ((a_len - same > start && a[a_len - same - 1] != '\n') ||
                 (b_len - same > start && b[b_len - same - 1] != '\n')))
        return 0;
    return same;
}

static void write_lines(const char *before, const char *text, size_t len, struct buf *to)
{
    const char *end = text + len;
    struct line line;

    while (text < end && next_line(&text, &line)) {
        buf_puts(to, before);
        buf_add(to, line.text, line.len);
        if (line.text[line.len - 1] != '\n')
            buf_puts(to, "\n\\ No newline at end of file\n");
    }
}

/* Where the last CONTEXT_LINES of the first `len` bytes begin. */
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
    struct line line;

    for (int i = 0; i < CONTEXT_LINES && next_line(&p, &line); i++)
        ;
    return (size_t)(p - text);
}

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
