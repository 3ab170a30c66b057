// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard status`: /-/status as one screen, once or again and again; `wheelyard health`: whether
 * /-/ready is 200, for images without curl.
 *
 * With --watch the screen is drawn over the last one on a terminal, and below it elsewhere, until a
 * signal ends the command or the daemon is gone.
 */
#include "cli/command_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/query.h"
#include "cli/status_screen.h"
#include "config/argument.h"
#include "config/setup.h"
#include "upstream/http_get.h"

static const char target[] = "/-/status";

enum { SCREEN_MAX_BYTES = 16 << 20, WATCH_S = 1 };

static const struct query_command status_command = {
    .name = "status",
    .usage =
        "usage: wheelyard status [--watch] [--json] [FLAGS]\n\n"
        "Shows the running daemon on one screen: its disk, what it saved, its mirrors, running\n"
        "downloads, and problems with what to do about each.\n\n"
        "  --watch        draw it again every second, until Ctrl-C\n"
        "  --json         print the JSON object that the daemon sends at /-/status\n"
        "  --url URL      address of the daemon; default: `listen` of the configuration\n"
        "  --config FILE  wheelyard's own configuration\n\n"
        "Exit: 0 no problems, 1 problems, 2 wrong usage, 3 no daemon.\n",
};

static const struct query_command health_command = {
    .name = "health",
    .usage = "usage: wheelyard health [FLAGS]\n\n"
             "Whether the daemon can serve: for health checks of images without curl.\n\n"
             "  --url URL      address of the daemon; default: `listen` of the configuration\n"
             "  --config FILE  wheelyard's own configuration\n\n"
             "Exit: 0 ready, 1 not ready, 2 wrong usage, 3 no daemon.\n",
};

static const char *const status_flags[] = {"--json",  "--url",  "--config",
                                           "--watch", "--help", NULL};
static const char *const health_flags[] = {"--url", "--config", "--help", NULL};

/* ret_watch NULL: the command is health, which has neither --watch nor --json. */
static int parse(int argc, char **argv, struct query *ret, bool *ret_watch)
{
    for (int i = 0; i < argc; i++) {
        const char *value;

        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(ret->command->usage, stdout) < 0 || fflush(stdout) ? EXIT_NO : EXIT_YES;
        if (ret_watch && argument_is(argv[i], "--json")) {
            ret->as_json = true;
        } else if (ret_watch && argument_is(argv[i], "--watch")) {
            *ret_watch = true;
        } else if ((value = argument_value(argc, argv, &i, "--url"))) {
            ret->url = value;
        } else if ((value = argument_value(argc, argv, &i, "--config"))) {
            ret->config = value;
        } else {
            argument_refuse(ret->command->name, argv[i], ret_watch ? status_flags : health_flags);
            return EXIT_USAGE;
        }
    }
    setup_take_url(&ret->url, &ret->index, &ret->url_own, &ret->index_own);
    return QUERY_GO;
}

/* The cursor goes to the corner; what is left of the last screen is cleared behind the new one. */
static void begin_screen(const struct query *a, bool watches)
{
    if (watches && !a->as_json && isatty(STDOUT_FILENO))
        (void)fputs("\033[H\033[J", stdout);
}

static int print(struct query *a, const struct buf *body, bool watches)
{
    struct json *status;
    auto_buf struct buf text;

    auto_free char *base =
        str_printf("%.*s", (int)(strlen(a->page_url) - strlen(target)), a->page_url);

    buf_init(&text, SCREEN_MAX_BYTES);
    if (!base)
        return EXIT_NO;
    if (json_parse(body->data, body->len, &status)) {
        (void)fprintf(stderr, "wheelyard: %s is no daemon of this version\n", a->page_url);
        return EXIT_NO;
    }
    if (a->as_json)
        buf_add(&text, body->data, body->len);
    else
        status_screen_write(status, base, &text);
    int code = json_first(json_member(status, "problems")) ? EXIT_NO : EXIT_YES;
    json_free(status);
    begin_screen(a, watches);
    return query_print(&text, code);
}

/* One look at the daemon. QUERY_GO is never returned. */
static int look(struct query *a, bool watches)
{
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, HTTP_GET_MAX_BYTES);
    free(a->page_url);
    a->page_url = NULL;
    int code = query_ask(a, target, &status, &body);
    if (code != QUERY_GO)
        return code;
    if (status == 200)
        return print(a, &body, watches);
    (void)fprintf(stderr, "wheelyard: %s answers %d\n", a->page_url, status);
    return EXIT_NO;
}

int command_status(int argc, char **argv)
{
    struct query a = {.command = &status_command, .index = ""};
    bool watches = false;
    int code = parse(argc, argv, &a, &watches);

    bool goes_on = code == QUERY_GO && watches;
    if (code == QUERY_GO)
        code = look(&a, watches);
    while (goes_on && (code == EXIT_YES || code == EXIT_NO) && !ferror(stdout)) {
        (void)nanosleep(&(struct timespec){.tv_sec = WATCH_S}, NULL);
        code = look(&a, watches);
    }
    query_release(&a);
    return code;
}

int command_health(int argc, char **argv)
{
    struct query a = {.command = &health_command, .index = ""};
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, HTTP_GET_MAX_BYTES);
    int code = parse(argc, argv, &a, NULL);
    if (code == QUERY_GO)
        code = query_ask(&a, "/-/ready", &status, &body);
    if (code == QUERY_GO && status != 200)
        (void)fprintf(stderr, "wheelyard: not ready: %s answers %d\n", a.page_url, status);
    query_release(&a);
    return code == QUERY_GO ? status == 200 ? EXIT_YES : EXIT_NO : code;
}
