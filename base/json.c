// SPDX-License-Identifier: Apache-2.0
/*
 * Reading: cJSON recurses and allocates a node for each value, and a hostile page decides how many.
 * So one pass over the text counts values and depth before cJSON sees it. A parsed document never
 * changes; json_free ends its handles.
 *
 * Writing: nothing is built in memory except the text itself. The last byte of the buffer tells
 * whether a comma is due, so writers need no state.
 */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/terminal.h"
#include "base/utf8.h"

/* A value is one cJSON node; its name and text are separate allocations. */
enum { MAX_DEPTH = 100, NODE_BYTES = sizeof(cJSON) + 16, TEXT_BYTES = 32 };
static const double MAX_INTEGER = 9007199254740992.0; /* 2^53 */

/* What one pass over the text finds before cJSON spends memory and stack on it. */
struct survey {
    size_t values; /* an upper bound: one, plus one for each separator outside strings */
    int depth;
    int deepest;
    bool has_nul; /* a NUL byte, or \u0000 in a string */
};

/* Returns the index after the string that begins at text[i] (its opening quote). */
static size_t survey_string(const char *text, size_t len, size_t i, struct survey *s)
{
    for (i++; i < len && text[i] != '"'; i++) {
        if (text[i] == '\0')
            s->has_nul = true;
        if (text[i] != '\\')
            continue;
        i++;
        if (len - i >= 5 && memcmp(text + i, "u0000", 5) == 0)
            s->has_nul = true;
    }
    return i < len ? i + 1 : len;
}

static void survey(const char *text, size_t len, struct survey *ret)
{
    struct survey s = {.values = 1};

    for (size_t i = 0; i < len;) {
        char c = text[i];

        if (c == '"') {
            i = survey_string(text, len, i, &s);
            continue;
        }
        if (c == '[' || c == '{') {
            s.values++;
            if (++s.depth > s.deepest)
                s.deepest = s.depth;
        } else if (c == ']' || c == '}') {
            s.depth--;
        } else if (c == ',') {
            s.values++;
        } else if (c == '\0') {
            s.has_nul = true;
        }
        i++;
    }
    *ret = s;
}

/* cJSON returns NUL-terminated strings, so a NUL inside one would cut it silently. */
static char *without_nuls(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (copy[i] == '\0') {
            copy[i] = '\1';
        } else if (copy[i] == '\\') {
            i++;
            if (len - i >= 5 && memcmp(copy + i, "u0000", 5) == 0)
                copy[i + 4] = '1';
        }
    }
    return copy;
}

/* cJSON stops after the first value; anything but white space after it makes the text invalid. */
static bool only_space(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
            return false;
    return true;
}

/* A caller reserves this much of max_memory before it parses a page. */
size_t json_need(const char *text, size_t len)
{
    struct survey found;

    survey(text, len, &found);
    return found.values * (NODE_BYTES + 2 * TEXT_BYTES) + (found.has_nul ? 2 : 1) * len;
}

/* The survey's bounds come first: cJSON would already have used the stack. */
int json_parse(const char *text, size_t len, struct json **ret_document)
{
    struct survey found;
    auto_free char *copy = NULL;
    const char *end = NULL;
    cJSON *document;

    survey(text, len, &found);
    if (found.deepest > MAX_DEPTH)
        return ERROR_BAD_LISTING;
    if (found.values > JSON_MAX_VALUES)
        return ERROR_TOO_BIG;
    if (found.has_nul) {
        copy = without_nuls(text, len);
        if (!copy)
            return ERROR_NO_MEMORY;
        text = copy;
    }
    document = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (!document)
        return ERROR_BAD_LISTING;
    if (!only_space(end, len - (size_t)(end - text))) {
        cJSON_Delete(document);
        return ERROR_BAD_LISTING;
    }
    *ret_document = (struct json *)document;
    return 0;
}

void json_free(struct json *document)
{
    cJSON_Delete((cJSON *)document);
}

static const cJSON *item(const struct json *value)
{
    return (const cJSON *)value;
}

const struct json *json_member(const struct json *object, const char *name)
{
    if (!cJSON_IsObject(item(object)))
        return NULL;
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(item(object), name);
}

/* An object's members are also a list, in the order of the text. */
const struct json *json_first(const struct json *array_or_object)
{
    if (!cJSON_IsObject(item(array_or_object)) && !cJSON_IsArray(item(array_or_object)))
        return NULL;
    return (const struct json *)item(array_or_object)->child;
}

const struct json *json_next(const struct json *element)
{
    return element ? (const struct json *)item(element)->next : NULL;
}

const char *json_name(const struct json *element)
{
    return element ? item(element)->string : NULL;
}

const char *json_string(const struct json *value)
{
    return cJSON_GetStringValue(item(value));
}

const char *json_text(const struct json *object, const char *name)
{
    const char *text = json_string(json_member(object, name));

    return text ? text : "";
}

bool json_is_true(const struct json *value)
{
    return cJSON_IsTrue(item(value));
}

bool json_is_object(const struct json *value)
{
    return cJSON_IsObject(item(value));
}

bool json_is_array(const struct json *value)
{
    return cJSON_IsArray(item(value));
}

/* cJSON stores numbers as double: beyond 2^53 they are no longer exact. */
int64_t json_integer(const struct json *value)
{
    double number;

    if (!cJSON_IsNumber(item(value)))
        return -1;
    number = item(value)->valuedouble;
    if (!(number >= 0 && number <= MAX_INTEGER) || floor(number) != number)
        return -1;
    return (int64_t)number;
}

/* The short forms of RFC 8259 where it has some. */
static void write_escaped(struct buf *to, unsigned char c)
{
    switch (c) {
    case '"':
        buf_puts(to, "\\\"");
        break;
    case '\\':
        buf_puts(to, "\\\\");
        break;
    case '\n':
        buf_puts(to, "\\n");
        break;
    case '\r':
        buf_puts(to, "\\r");
        break;
    case '\t':
        buf_puts(to, "\\t");
        break;
    default:
        buf_printf(to, "\\u%04x", c);
    }
}

/* Writes a character of two or three UTF-8 bytes as \uXXXX. */
static void write_code_point(struct buf *to, const unsigned char *s, size_t len)
{
    unsigned point = len == 2 ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                              : (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);

    buf_printf(to, "\\u%04x", point);
}

/* The number of bytes that need no escape; for most strings all of them. */
static size_t plain_length(const char *s)
{
    size_t n = 0;

    while ((unsigned char)s[n] >= ' ' && (unsigned char)s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

/* Runs of plain bytes are copied at once; pages have tens of thousands of strings. */
void json_write_string(struct buf *to, const char *s)
{
    size_t len = strlen(s);

    buf_putc(to, '"');
    for (size_t i = 0; i < len;) {
        size_t run = plain_length(s + i);
        buf_add(to, s + i, run);
        i += run;
        if (i == len)
            break;
        size_t n = utf8_length(s + i, len - i);
        if (n == 0)
            buf_puts(to, "\xEF\xBF\xBD");
        else if (n == 1)
            write_escaped(to, (unsigned char)s[i]);
        else if (terminal_harmful(s + i, n)) /* people read it on terminals */
            write_code_point(to, (const unsigned char *)s + i, n);
        else
            buf_add(to, s + i, n);
        i += n ? n : 1;
    }
    buf_putc(to, '"');
}

void json_write_name(struct buf *to, const char *name)
{
    json_write_comma(to);
    json_write_string(to, name);
    buf_putc(to, ':');
}

void json_write_member(struct buf *to, const char *name, const char *value)
{
    if (!value)
        return;
    json_write_name(to, name);
    json_write_string(to, value);
}

void json_write_integer(struct buf *to, const char *name, int64_t value)
{
    json_write_name(to, name);
    buf_printf(to, "%" PRId64, value);
}

void json_write_boolean(struct buf *to, const char *name, bool value)
{
    json_write_name(to, name);
    buf_puts(to, value ? "true" : "false");
}

/* The first value after a bracket has no comma before it. */
void json_write_comma(struct buf *to)
{
    char last = to->len ? to->data[to->len - 1] : '[';

    if (last != '{' && last != '[')
        buf_putc(to, ',');
}
