// SPDX-License-Identifier: Apache-2.0
/* `wheelyard indexes`: the indexes and channels of the running daemon, from /-/indexes. Channels
 * that only a pattern allows are named at the end, because they exist only if a mirror has them. */
#include "cli/command_indexes.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/query.h"
#include "config/argument.h"
#include "config/setup.h"
#include "upstream/http_get.h"

enum { OUTPUT_MAX_BYTES = 1 << 20 };

static const struct query_command command = {
    .name = "indexes",
    .usage =
        "usage: wheelyard indexes [--json] [FLAGS]\n\n"
        "Lists the indexes of the running daemon: /simple, those of its configuration, and\n"
        "channels. A channel is listed with the last date when a mirror listed a file in it, or\n"
        "because the root page of a mirror names it.\n\n"
        "  --json         print the JSON object that the daemon sends at /-/indexes\n"
        "  --url URL      address of the daemon; default: `listen` of the configuration\n"
        "  --config FILE  wheelyard's own configuration\n\n"
        "Exit: 0 done, 1 failed, 2 wrong usage, 3 no daemon.\n",
};

static const char *const flags[] = {"--json", "--url", "--config", "--help", NULL};

/* It takes no requirement, so query_parse does not fit. */
static int parse(int argc, char **argv, struct query *ret)
{
    *ret = (struct query){.command = &command, .index = ""};
    for (int i = 0; i < argc; i++) {
        const char *value;

        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(command.usage, stdout) < 0 || fflush(stdout) ? EXIT_NO : EXIT_YES;
        if (argument_is(argv[i], "--json")) {
            ret->as_json = true;
        } else if ((value = argument_value(argc, argv, &i, "--url"))) {
            ret->url = value;
        } else if ((value = argument_value(argc, argv, &i, "--config"))) {
            ret->config = value;
        } else {
            argument_refuse(command.name, argv[i], flags);
            return EXIT_USAGE;
        }
    }
    setup_take_url(&ret->url, &ret->index, &ret->url_own, &ret->index_own);
    return QUERY_GO;
}

/* The origins in the order in which they are asked. */
static void write_indexes(const struct json *all, struct buf *to)
{
    const struct json *row = json_first(json_member(all, "indexes"));

    for (; row; row = json_next(row)) {
        const struct json *origin = json_first(json_member(row, "origins"));

        buf_printf(to, "%-20s", json_text(row, "name"));
        for (const char *comma = " "; origin; origin = json_next(origin), comma = ", ")
            buf_printf(to, "%s%s", comma, json_string(origin) ? json_string(origin) : "");
        buf_putc(to, '\n');
    }
}

/* A channel with a date was listed; one without is only named on a root page. */
static void write_channels(const struct json *all, struct buf *to)
{
    const struct json *first = json_first(json_member(all, "channels"));
    const struct json *pattern = json_first(json_member(all, "patterns"));

    for (const struct json *row = first; row; row = json_next(row))
        buf_printf(to, "%-20s %-12s %s %s\n", json_text(row, "name"), json_text(row, "origin"),
                   *json_text(row, "listed") ? "listed" : "named on a root page",
                   *json_text(row, "listed") ? json_text(row, "listed") : json_text(row, "named"));
    if (pattern)
        buf_puts(to, first ? "\nOther names are looked for when they are asked for:"
                           : "\nNo mirror names a channel; these are looked for:");
    for (const char *comma = " "; pattern; pattern = json_next(pattern), comma = ", ")
        buf_printf(to, "%s%s", comma, json_text(pattern, "pattern"));
    if (json_first(json_member(all, "patterns")))
        buf_putc(to, '\n');
}

static int print(struct query *a, int status, const struct buf *body)
{
    auto_buf struct buf text;

    buf_init(&text, OUTPUT_MAX_BYTES);
    if (status != 200 || json_parse(body->data, body->len, &a->page)) {
        (void)fprintf(stderr, "wheelyard: %s answers %d, and is no daemon of this version\n",
                      a->page_url, status);
        return EXIT_NO;
    }
    if (a->as_json) {
        buf_add(&text, body->data, body->len);
    } else {
        write_indexes(a->page, &text);
        write_channels(a->page, &text);
    }
    return query_print(&text, EXIT_YES);
}

int command_indexes(int argc, char **argv)
{
    struct query a;
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, HTTP_GET_MAX_BYTES);
    int code = parse(argc, argv, &a);
    if (code == QUERY_GO)
        code = query_ask(&a, "/-/indexes", &status, &body);
    if (code == QUERY_GO)
        code = print(&a, status, &body);
    query_release(&a);
    return code;
}
