// SPDX-License-Identifier: Apache-2.0
/*
 * The file is read line by line and never parsed into a tree, because the comments, the order and
 * the layout belong to its owner. A cursor knows whether a line continues the value of the option
 * above (INI). Everything else follows from three questions: is this our heading, where does the
 * section end, which key does this line set. Lines that are not ours are copied byte by byte.
 */
#include "cli/setup/edit.h"
#include "base/ascii.h"

#include <string.h>
#include <strings.h>

/* A cursor over lines. It starts as {0}, at the start of a file or after a heading. */
struct line {
    const char *text;
    size_t len;     /* with its line feed */
    size_t indent;  /* of the option above, */
    bool in_option; /* if there is one */
    bool goes_on;   /* continues that option's value: neither key nor heading */
};

static const char *behind_blanks(const char *text, const char *end)
{
    while (text < end && ascii_is_space(*text))
        text++;
    return text;
}

static const char *line_end(const struct line *line)
{
    return line->text + line->len;
}

/* The start of the line's first word; its end when there is none. */
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

/* The same, with the kind of the line: empty lines and comments do not end a value. */
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

/* Whether the line is this heading, with at most a comment after it. */
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

/* The value in a line `name = value`; NULL for any other line. pip accepts _ for -. */
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

/* Only TOML has comments after values. */
static bool has_value(const struct edit *edit, const struct line *line, const struct edit_key *key)
{
    const char *value = value_in(line, key->name);
    size_t len = strlen(key->value);

    if (!value || strncmp(value, key->value, len) != 0)
        return false;
    value = behind_blanks(value + len, line_end(line));
    return value == line_end(line) || (edit->format == EDIT_TOML && *value == '#');
}

/* Words are separated by any white space. */
static bool is_word_of(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);

    for (p = behind_blanks(p, end); p < end; p = behind_blanks(p, end)) {
        const char *start = p;

        while (p < end && !ascii_is_space(*p))
            p++;
        if ((size_t)(p - start) == len && strncmp(start, word, len) == 0)
            return true;
    }
    return false;
}

/* Whether the list that begins in this line has the word, here or in later lines. */
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

/* A part of the text, from after its heading to the next heading. */
struct section {
    const char *start; /* after the heading; NULL: no such section */
    const char *end;
};

/* A section ends at the next heading or at the end of the file. */
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

/* An element of several ([[index]]) is ours only with our first key. */
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

/* Indents like the line `like`: deeper than an option would continue that option. */
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

/* Writes a line that sets one of the keys. */
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

/* Any value counts: the key is then changed in place. */
static bool section_sets(const struct edit *edit, struct section section, const char *name)
{
    struct line line = {0};

    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);)
        if (value_in(&line, name))
            return true;
    return false;
}

/* Writes the missing keys before the section's options, indented like the next line. */
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

/* Lines are copied, except those of our keys and the rest of a replaced value. */
static void write_section(const struct edit *edit, struct section section, struct buf *to)
{
    const struct edit_key *key = NULL;
    struct line line = {0};

    write_missing(edit, section, to);
    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);) {
        if (line.goes_on && key && !key->is_list)
            continue; /* it belongs to the replaced value */
        bool is_option = !line.goes_on && !says_nothing(&line);
        if (is_option)
            key = key_in(edit, &line);
        if (is_option && key)
            write_set_line(edit, &line, key, to);
        else
            buf_add(to, line.text, line.len);
    }
}

/* A missing final line feed is added first, so that a new section begins a line. */
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

/* --------------------------------------------------------------- undoing */

/* Quotes are kept; the caller knows whether the format has them. */
char *edit_value(const struct edit *edit, const char *text, size_t key)
{
    struct section section = find_section(edit, text);
    struct line line = {0};

    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);) {
        const char *value = value_in(&line, edit->keys[key].name);
        const char *end = line_end(&line);

        if (!value)
            continue;
        const char *closing = *value == '"' || *value == '\''
                                  ? memchr(value + 1, *value, (size_t)(end - value - 1))
                                  : NULL;
        if (closing)
            return strndup(value, (size_t)(closing + 1 - value));
        while (end > value && ascii_is_space(end[-1]))
            end--;
        return strndup(value, (size_t)(end - value));
    }
    return NULL;
}

/* The length of the option that begins with this line, with all lines of its value. */
static size_t option_length(const struct edit *edit, struct line line, const char *end)
{
    const char *begin = line.text, *p = line_end(&line);
    size_t len = line.len;

    while (p < end && next_of(edit, &p, &line) && (line.goes_on || says_nothing(&line)))
        if (line.goes_on)
            len = (size_t)(line_end(&line) - begin);
    return len;
}

/* Finds the line of `section` that sets the key. Returns the length of the option; 0: absent. */
static size_t find_key(const struct edit *edit, struct section section, const struct edit_key *key,
                       struct line *ret)
{
    struct line line = {0};

    for (const char *p = section.start; p < section.end && next_of(edit, &p, &line);)
        if (value_in(&line, key->name)) {
            *ret = line;
            return option_length(edit, line, section.end);
        }
    return 0;
}

/* The state of an undo on its way through the section. */
struct undoing {
    const struct edit *edit;
    struct section section, before; /* before: may be empty */
    const struct edit_key *key;     /* the key of the current option */
    bool drops;                     /* the current option was removed */
    size_t kept_options;
    struct buf *to;
};

/* Copies a further line of a value; in a list it drops our word where it stands alone. */
static void undo_value(struct undoing *u, const struct line *line)
{
    const struct edit_key *key = u->key;
    size_t len = key ? strlen(key->value) : 0;
    const char *word = first_word(line);
    bool is_ours = key && key->is_list && strncmp(word, key->value, len) == 0 &&
                   behind_blanks(word + len, line_end(line)) == line_end(line);
    struct line old = {0};

    if (is_ours && find_key(u->edit, u->before, key, &old) && has_word(u->edit, old, key))
        is_ours = false; /* it was there before us */
    if (!u->drops && !is_ours)
        buf_add(u->to, line->text, line->len);
}

/* Our value becomes the value before the change, or goes; a changed value is the user's and stays.
 */
static void undo_option(struct undoing *u, const struct line *line)
{
    struct line old = {0};
    const struct edit_key *key = u->key = key_in(u->edit, line);
    bool is_ours = key && has_value(u->edit, line, key);
    size_t old_len = is_ours ? find_key(u->edit, u->before, key, &old) : 0;
    bool has_more = option_length(u->edit, *line, u->section.end) > line->len;

    u->drops = is_ours && !old_len && !has_more;
    if (u->drops)
        return;
    u->kept_options++;
    if (old_len)
        buf_add(u->to, old.text, old_len);
    else if (is_ours) /* in a list the rest stays */
        buf_printf(u->to, "%s =\n", key->name);
    else
        buf_add(u->to, line->text, line->len);
}

/* Writes the rest of the section; the caller writes the heading. */
static void undo_section(struct undoing *u)
{
    struct line line = {0};

    for (const char *p = u->section.start; p < u->section.end && next_of(u->edit, &p, &line);) {
        if (line.goes_on)
            undo_value(u, &line);
        else if (says_nothing(&line))
            buf_add(u->to, line.text, line.len);
        else
            undo_option(u, &line);
    }
}

/* The start of the heading before `start`, including the empty line that edit_apply adds before it.
 */
static const char *heading_start(const char *text, const char *start, bool with_blank)
{
    const char *p = start;

    while (p > text && p[-1] == '\n')
        p--;
    while (p > text && p[-1] != '\n')
        p--;
    if (with_blank && p - text >= 2 && p[-1] == '\n' && p[-2] == '\n')
        p--;
    return p;
}

/* If so, nothing else has changed since, and the old file itself is the result. */
static bool was_applied_to(const struct edit *edit, const char *before, const char *text)
{
    auto_buf struct buf applied;

    buf_init(&applied, strlen(text) + 1);
    edit_apply(edit, before, &applied);
    return !applied.error && strcmp(applied.data, text) == 0;
}

/* The section is written aside first, because only its rest decides about the heading. */
int edit_undo(const struct edit *edit, const char *text, const char *before, struct buf *to)
{
    bool is_list = strncmp(edit->heading, "[[", 2) == 0;
    struct section section = find_section(edit, text);
    auto_buf struct buf rest;

    buf_init(&rest, strlen(text) + (before ? strlen(before) : 0) + 1);
    if (was_applied_to(edit, before ? before : "", text)) {
        buf_puts(to, before ? before : "");
        return to->error;
    }
    if (!section.start) {
        buf_puts(to, text);
        return to->error;
    }
    struct undoing u = {.edit = edit, .section = section, .to = &rest};
    if (before)
        u.before = find_section(edit, before);
    undo_section(&u);
    if (rest.error)
        return rest.error;
    if (is_list && u.kept_options && !u.before.start)
        return EDIT_MIXED;
    const char *end = rest.data + rest.len;
    bool has_comments = !is_list && behind_blanks(rest.data, end) < end;
    bool heading_stays = u.kept_options || u.before.start || has_comments;
    const char *head = heading_stays ? section.start : heading_start(text, section.start, true);
    buf_add(to, text, (size_t)(head - text));
    buf_puts(to, rest.data);
    buf_puts(to, section.end);
    return to->error;
}
