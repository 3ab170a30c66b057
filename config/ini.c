// SPDX-License-Identifier: Apache-2.0
/*
 * A line either continues the open option, opens a section, or opens an option. An option is handed
 * out when the next one begins or the text ends, because its value may go on until then.
 */
#include "config/ini.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"

enum { VALUE_MAX_BYTES = 1 << 20 };

/* The option that is open, and its value so far. */
struct reader {
    void (*take)(void *context, const char *section, const char *key, const char *value);
    void *context;
    char *section, *key;
    struct buf value;
    size_t indent; /* of the option */
};

/* Trailing white space is no part of a value that goes over several lines. */
static void end_option(struct reader *r)
{
    while (r->value.len && isspace((unsigned char)r->value.data[r->value.len - 1]))
        r->value.data[--r->value.len] = '\0';
    if (r->key && r->section && !r->value.error)
        r->take(r->context, r->section, r->key, r->value.data);
    free(r->key);
    r->key = NULL;
    buf_clear(&r->value);
}

/* A line without '=' or ':' is skipped: pip refuses the file anyway, and says so itself. */
static void begin_option(struct reader *r, const char *line, size_t len)
{
    size_t key_len = 0;

    while (key_len < len && line[key_len] != '=' && line[key_len] != ':')
        key_len++;
    if (key_len == len)
        return;
    const char *value = line + key_len + 1;
    while (value < line + len && isspace((unsigned char)*value))
        value++;
    buf_add(&r->value, value, (size_t)(line + len - value));
    while (key_len && isspace((unsigned char)line[key_len - 1]))
        key_len--;
    r->key = strndup(line, key_len);
    for (char *c = r->key; c && *c; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
}

/* Deeper indentation than the option's own continues its value, even before a '[' or a '='. */
static void take_line(struct reader *r, const char *line, size_t len)
{
    size_t indent = 0;

    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    while (indent < len && isspace((unsigned char)line[indent]))
        indent++;
    if (indent == len || line[indent] == '#' || line[indent] == ';')
        return;
    line += indent;
    len -= indent;
    if (r->key && indent > r->indent) {
        buf_putc(&r->value, '\n');
        buf_add(&r->value, line, len);
        return;
    }
    end_option(r);
    r->indent = indent;
    const char *end = *line == '[' ? memrchr(line, ']', len) : NULL;
    if (end) {
        free(r->section);
        r->section = strndup(line + 1, (size_t)(end - line - 1));
    } else {
        begin_option(r, line, len);
    }
}

void ini_read(const char *text,
              void (*take)(void *context, const char *section, const char *key, const char *value),
              void *context)
{
    struct reader r = {.take = take, .context = context};

    buf_init(&r.value, VALUE_MAX_BYTES);
    while (*text) {
        size_t len = strcspn(text, "\n");

        take_line(&r, text, len);
        text += len + (text[len] == '\n');
    }
    end_option(&r);
    free(r.section);
    buf_release(&r.value);
}
