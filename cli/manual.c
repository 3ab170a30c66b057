// SPDX-License-Identifier: Apache-2.0
/* manual TEMPLATE DOCDIR: writes a manual page to standard output at build time. The prose is in
 * docs/man/, with placeholders for the table of options: @flags@ and @keys@ are lines of their own,
 * @version@ and @docdir@ may stand anywhere. So a new option appears in the manual without an edit
 * of it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "config/config.h"
#include "config/options.h"

enum { MANUAL_MAX_BYTES = 1 << 20 };

/* The page so far, and what fills its placeholders. */
struct manual {
    struct buf page;
    struct config defaults;
    const char *docdir;
};

/* Writes text as roff. Hyphens must neither break a line nor copy as another character, and no byte
 * may act as an escape or a request. */
static void put_text(struct buf *to, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_puts(to, "\\&");
    for (; *text; text++) {
        if (*text == '-')
            buf_puts(to, "\\-");
        else if (*text == '\\')
            buf_puts(to, "\\e");
        else if (*text == '"')
            buf_puts(to, "\\(dq");
        else if (*text == '~')
            buf_puts(to, "\\(ti");
        else if (*text == '\'')
            buf_puts(to, "\\(cq");
        else
            buf_putc(to, *text);
    }
}

static void put_sentence(struct buf *to, const char *text)
{
    char first[2] = {(char)toupper((unsigned char)*text), '\0'};
    put_text(to, first);
    put_text(to, text + 1);
    buf_puts(to, text[strlen(text) - 1] == '.' ? "\n" : ".\n");
}

/* The flag is the key with dashes. */
static void put_flags(struct manual *manual)
{
    for (size_t i = 0; i < option_count; i++) {
        buf_puts(&manual->page, ".TP\n.BI \\-\\-");
        for (const char *s = option_table[i].key; *s; s++)
            buf_puts(&manual->page, *s == '_' ? "\\-" : (char[]){*s, '\0'});
        if (*option_table[i].argument)
            buf_printf(&manual->page, " \" %s\"", option_table[i].argument);
        buf_putc(&manual->page, '\n');
        put_text(&manual->page, option_table[i].help);
        buf_putc(&manual->page, '\n');
    }
}

static const char *type_text(enum option_type type)
{
    switch (type) {
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_LEVEL:
        return "string";
    case OPTION_LIST:
        return "list of strings";
    case OPTION_SIZE:
        return "size";
    case OPTION_DURATION:
        return "duration";
    case OPTION_COUNT:
        return "number";
    case OPTION_BOOL:
        return "boolean";
    }
    return "";
}

/* Only built-in defaults: those of directories depend on the machine. */
static void put_default(struct manual *manual, size_t i)
{
    struct buf value;
    if (manual->defaults.sources[i] != CONFIG_BUILT_IN)
        return;
    buf_init(&value, MANUAL_MAX_BYTES);
    option_write(&option_table[i], &manual->defaults, &value);
    if (value.len) {
        buf_puts(&manual->page, "Default: ");
        put_text(&manual->page, value.data);
        buf_puts(&manual->page, ".\n");
    }
    buf_release(&value);
}

/* Key, type, help, more prose, default. */
static void put_keys(struct manual *manual)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *option = &option_table[i];
        buf_printf(&manual->page, ".TP\n.BR %s \" (%s%s)\"\n", option->key, type_text(option->type),
                   option->at_start ? "; at start" : "");
        put_sentence(&manual->page, option->help);
        if (option->more) {
            put_text(&manual->page, option->more);
            buf_putc(&manual->page, '\n');
        }
        put_default(manual, i);
    }
}

/* ------------------------------------------------------------------ template */

static bool take(const char **text, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*text, word, len) != 0)
        return false;
    *text += len;
    return true;
}

/* A placeholder that is unknown stays as text, which the test of the pages notices. */
static void put_page(struct manual *manual, const char *text)
{
    while (*text) {
        if (take(&text, "@flags@\n"))
            put_flags(manual);
        else if (take(&text, "@keys@\n"))
            put_keys(manual);
        else if (take(&text, "@version@"))
            buf_puts(&manual->page, VERSION);
        else if (take(&text, "@docdir@"))
            put_text(&manual->page, manual->docdir);
        else
            buf_putc(&manual->page, *text++);
    }
}

/* The defaults must not depend on the user who builds. */
static const char *no_environment(const char *name)
{
    return strcmp(name, "CACHE_DIRECTORY") == 0 ? "/var/cache/wheelyard" : NULL;
}

int main(int argc, char **argv)
{
    struct manual manual = {.docdir = argc == 3 ? argv[2] : ""};
    struct config_request request = {.file = "/dev/null", .environment = no_environment};
    struct buf template;
    if (argc != 3)
        return EXIT_FAILURE;
    buf_init(&template, MANUAL_MAX_BYTES);
    buf_init(&manual.page, MANUAL_MAX_BYTES);
    int r = file_read_all(argv[1], &template);
    if (r == 0)
        r = config_load(&request, &manual.defaults);
    if (r == 0) {
        put_page(&manual, template.data);
        r = manual.page.error;
        if (fputs(manual.page.data, stdout) < 0 || fflush(stdout))
            r = ERROR_IO;
        config_release(&manual.defaults);
    }
    buf_release(&manual.page);
    buf_release(&template);
    if (r)
        (void)fprintf(stderr, "%s: %s\n", argv[1], error_text(r));
    return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
