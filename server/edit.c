// SPDX-License-Identifier: Apache-2.0
#include "server/edit.h"

#include <string.h>
#include <strings.h>

enum { CONTEXT_LINES = 3 };

/* A cursor over lines; begins as {0}, at the start of a file or behind a heading. */
struct line {
    const char *text;
    size_t len;     /* with its line feed */
    size_t indent;  /* of the option above, */
    bool in_option; /* where there is one */
    bool goes_on;   /* more of that option's value: neither key nor heading */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static const char *behind_blanks(const char *text, const char *end)
{
    while (text < end && is_blank(*text))
        text++;
    return text;
}

static const char *line_end(const struct line *line)
{
    return line->text + line->len;
}

/* Where the line's first word begins: its end when there is none. */
static const char *first_word(const struct line *line)
{
    return behind_blanks(line->text, line_end(line));
}

/* Takes the next line of *text; false at the end. */
static bool next_line(const char **text, struct line *line)
{
    const char *end = strchr(*text, '\n');

    line->text = *text;
    line->len = end ? (size_t)(end + 1 - *text) : strlen(*text);
    *text += line->len;
    return line->len > 0;
}

static bool says_nothing(const struct line *line)
{
    const char *word = first_word(line);

    return word == line_end(line) || *word == '#' || *word == ';';
}

/* The same, with what the line is: empty lines and comments do not end an option's value. */
static bool next_of(const struct edit *edit, const char **text, struct line *line)
{
    if (!next_line(text, line))
        return false;
    const char *word = first_word(line);
    size_t indent = (size_t)(word - line->text);

    line->goes_on = false;
    if (edit->format != EDIT_INI || says_nothing(line))
        return true;
    line->goes_on = line->in_option && indent > line->indent;
    if (!line->goes_on) {
        line->in_option = *word != '[';
        line->indent = indent;
    }
    return true;
}

/* Whether the line is this heading, with nothing but a comment behind it. */
static bool is_heading(const struct line *line, const char *heading)
{
    const char *end = line_end(line);
    const char *p = first_word(line);
    size_t len = strlen(heading);

    if (line->goes_on || (size_t)(end - p) < len || strncmp(p, heading, len) != 0)
        return false;
    p = behind_blanks(p + len, end);
    return p == end || *p == '#' || *p == ';';
}

static bool begins_section(const struct line *line)
{
    return !line->goes_on && first_word(line) < line_end(line) && *first_word(line) == '[';
}

/* The value in a line `name = value`; NULL when it is another line. pip takes _ for -. */
static const char *value_in(const struct line *line, const char *name)
{
    const char *end = line_end(line);
    const char *p = first_word(line);

    if (line->goes_on)
        return NULL;
    for (; *name; name++, p++)
        if (p == end || (*p != *name && !(*name == '-' && *p == '_')))
            return NULL;
    p = behind_blanks(p, end);
    return p < end && (*p == '=' || *p == ':') ? behind_blanks(p + 1, end) : NULL;
}

/* Only TOML has comments behind values. */
static bool has_value(const struct edit *edit, const struct line *line, const struct edit_key *key)
{
    const char *value = value_in(line, key->name);
    size_t len = strlen(key->value);

    if (!value || strncmp(value, key->value, len) != 0)
        return false;
    value = behind_blanks(value + len, line_end(line));
    return value == line_end(line) || (edit->format == EDIT_TOML && *value == '#');
}

static bool is_word_of(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);

    for (p = behind_blanks(p, end); p < end; p = behind_blanks(p, end)) {
        const char *start = p;

        while (p < end && !is_blank(*p))
            p++;
        if ((size_t)(p - start) == len && strncmp(start, word, len) == 0)
            return true;
    }
    return false;
}

/* Whether the list that begins in this line has the word, there or further down. */
static bool has_word(const struct edit *edit, struct line line, const struct edit_key *key)
{
    const char *text = line_end(&line);

    if (is_word_of(value_in(&line, key->name), line_end(&line), key->value))
        return true;
    while (next_of(edit, &text, &line) && (line.goes_on || says_nothing(&line)))
        if (line.goes_on && is_word_of(line.text, line_end(&line), key->value))
            return true;
    return false;
}

/* ---------------------------------------------------------------- searching */

struct section {
    const char *start; /* behind the heading; NULL: there is none */
    const char *end;
};

static const char *section_end(const struct edit *edit, const char *text)
{
    struct line line = {0};

    while (next_of(edit, &text, &line))
        if (begins_section(&line))
            return line.text;
    return text;
}

static bool section_has(const struct edit *edit, struct section section, const struct edit_key *key)
{
    struct line line = {0};

    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);)
        if (has_value(edit, &line, key))
            return true;
    return false;
}

static struct section find_section(const struct edit *edit, const char *text)
{
    bool one_of_several = strncmp(edit->heading, "[[", 2) == 0;
    struct line line = {0};

    while (next_of(edit, &text, &line)) {
        if (!is_heading(&line, edit->heading))
            continue;
        struct section found = {text, section_end(edit, text)};
        if (!one_of_several || section_has(edit, found, &edit->keys[0]))
            return found;
    }
    return (struct section){NULL, NULL};
}

/* ------------------------------------------------------------------ writing */

/* Indented as the line `like` is: what stands deeper than an option would be more of its value. */
static void write_key(const struct edit_key *key, const struct line *like, struct buf *to)
{
    if (like)
        buf_add(to, like->text, (size_t)(first_word(like) - like->text));
    buf_printf(to, "%s = %s\n", key->name, key->value);
}

void edit_write(const struct edit *edit, struct buf *to)
{
    buf_printf(to, "%s\n", edit->heading);
    for (size_t i = 0; i < edit->key_count; i++)
        write_key(&edit->keys[i], NULL, to);
}

/* The key that a line sets, or NULL. */
static const struct edit_key *key_in(const struct edit *edit, const struct line *line)
{
    for (size_t i = 0; i < edit->key_count; i++)
        if (value_in(line, edit->keys[i].name))
            return &edit->keys[i];
    return NULL;
}

/* A line with one of the keys. */
static void write_set_line(const struct edit *edit, const struct line *line,
                           const struct edit_key *key, struct buf *to)
{
    if (!key->is_list && !has_value(edit, line, key)) {
        write_key(key, line, to);
        return;
    }
    buf_add(to, line->text, line->len);
    if (key->is_list && !has_word(edit, *line, key)) {
        if (line->text[line->len - 1] != '\n')
            buf_putc(to, '\n');
        buf_add(to, line->text, (size_t)(first_word(line) - line->text));
        buf_printf(to, "    %s\n", key->value);
    }
}

static bool section_sets(const struct edit *edit, struct section section, const char *name)
{
    struct line line = {0};

    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);)
        if (value_in(&line, name))
            return true;
    return false;
}

/* The keys that the section lacks, before its options and as indented as what follows. */
static void write_missing(const struct edit *edit, struct section section, struct buf *to)
{
    const char *p = section.start;
    struct line next = {0};
    bool follows;

    do
        follows = next_of(edit, &p, &next);
    while (follows && says_nothing(&next));
    for (size_t i = 0; i < edit->key_count; i++)
        if (!section_sets(edit, section, edit->keys[i].name))
            write_key(&edit->keys[i], follows ? &next : NULL, to);
}

static void write_section(const struct edit *edit, struct section section, struct buf *to)
{
    const struct edit_key *key = NULL;
    struct line line = {0};

    write_missing(edit, section, to);
    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);) {
        if (line.goes_on && key && !key->is_list)
            continue; /* of the value that was replaced */
        bool is_option = !line.goes_on && !says_nothing(&line);
        if (is_option)
            key = key_in(edit, &line);
        if (is_option && key)
            write_set_line(edit, &line, key, to);
        else
            buf_add(to, line.text, line.len);
    }
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
    struct line line = {0};

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
    struct line line = {0};

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
