// SPDX-License-Identifier: Apache-2.0
/*
 * A scanner, not a parser. It only needs to know whether a byte stands in a string, a comment, a
 * key or a value, because only dots in keys count. It moves forward only and uses constant memory,
 * so it is safe on any bytes. A text within the bounds then goes to the real parser.
 */
#include "base/toml_bounds.h"

#include <stdbool.h>
#include <string.h>

/* The kinds of open brackets: keys occur in headings and inline tables only. */
enum bracket { HEADING, ARRAY, INLINE };

/* The position of the scanner, and what it has counted. */
struct scan {
    const char *at, *end;
    int line;
    size_t depth, parts, dots, tables, values;
    enum bracket open[TOML_DEPTH_MAX + 1]; /* the first `depth` of them */
    bool in_value;                         /* in a value dots mean nothing */
};

static void skip_comment(struct scan *s)
{
    while (s->at < s->end && *s->at != '\n')
        s->at++;
}

static bool begins_with(const struct scan *s, const char *mark, size_t len)
{
    return (size_t)(s->end - s->at) >= len && memcmp(s->at, mark, len) == 0;
}

/* Three quotes open a text of several lines. Up to two quotes may directly precede the three that
 * close it. */
static void skip_string(struct scan *s)
{
    char quote = *s->at;
    const char marks[3] = {quote, quote, quote};
    bool is_long = begins_with(s, marks, sizeof marks);

    s->at += is_long ? sizeof marks : 1;
    while (s->at < s->end) {
        if (*s->at == '\\' && quote == '"') {
            s->at++;
            if (s->at < s->end && *s->at != '\n')
                s->at++;
            continue;
        }
        if (!is_long && (*s->at == quote || *s->at == '\n'))
            break;
        if (is_long && begins_with(s, marks, sizeof marks))
            break;
        s->line += *s->at == '\n';
        s->at++;
    }
    if (!is_long && s->at < s->end && *s->at == quote)
        s->at++;
    while (is_long && s->at < s->end && *s->at == quote)
        s->at++;
}

/* Outside brackets a line feed ends a value; inside, it is only white space. */
static void end_of_line(struct scan *s)
{
    s->line++;
    s->parts = 0;
    if (!s->depth)
        s->in_value = false;
}

static enum bracket innermost(const struct scan *s)
{
    return s->depth ? s->open[s->depth - 1] : INLINE; /* at the top level keys also occur */
}

/* A bracket in a value is an array, elsewhere a heading; a brace is an inline table. */
static void open_bracket(struct scan *s, char c)
{
    enum bracket kind = c == '{' ? INLINE : s->in_value ? ARRAY : HEADING;
    bool is_second = kind == HEADING && s->depth && innermost(s) == HEADING; /* of "[[" */

    s->tables += kind != ARRAY && !is_second;
    s->parts = 0;
    s->in_value = kind == ARRAY;
    s->open[s->depth++] = kind; /* the caller ends the scan at one too many */
}

/* Any byte outside strings and comments. */
static void take(struct scan *s, char c)
{
    s->values += c == ',' || c == '=';
    if (c == '\n') {
        end_of_line(s);
    } else if (c == '[' || c == '{') {
        open_bracket(s, c);
    } else if (c == ']' || c == '}') {
        s->depth -= s->depth > 0;
        s->in_value = true; /* a comma follows, or the line ends */
    } else if (c == '=') {
        s->in_value = true;
        s->parts = 0;
    } else if (c == ',') {
        s->in_value = innermost(s) == ARRAY;
        s->parts = 0;
    } else if (c == '.' && !s->in_value) {
        s->parts++;
        s->dots++;
    }
}

/* The check runs after every byte or string, so the first excess ends the scan. */
const char *toml_check_bounds(const char *text, size_t len, size_t tables_most, int *ret_line)
{
    struct scan s = {.at = text, .end = text + len, .line = 1};

    while (s.at < s.end) {
        if (*s.at == '#')
            skip_comment(&s);
        else if (*s.at == '"' || *s.at == '\'')
            skip_string(&s);
        else
            take(&s, *s.at++);
        const char *what = s.depth > TOML_DEPTH_MAX          ? "nested too deeply"
                           : s.parts >= TOML_PARTS_MAX       ? "a key of too many parts"
                           : s.tables + s.dots > tables_most ? "too many tables and dotted keys"
                           : s.dots > TOML_DOTS_MAX          ? "too many dotted keys"
                           : s.values > TOML_VALUES_MAX      ? "too many values"
                                                             : NULL;
        if (what) {
            *ret_line = s.line;
            return what;
        }
    }
    return NULL;
}
