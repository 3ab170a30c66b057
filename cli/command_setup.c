// SPDX-License-Identifier: Apache-2.0
/* `wheelyard setup`: arguments and addresses. It finds out which client, which daemon and which
 * index are meant, and checks that the index exists. The change itself is in cli/setup/. A wrong
 * index in a client's file would only show much later, as "not found" from pip, so it is refused
 * here. */
#include "cli/command_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/near.h"
#include "base/str.h"
#include "base/url.h"
#include "cli/setup/setup_file.h"
#include "cli/setup/setup_index.h"
#include "config/argument.h"
#include "config/config.h"
#include "config/setup.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { TEXT_MAX_BYTES = 4 << 20 };

static const char usage[] =
    "usage: wheelyard setup pip|uv|pixi|poetry|pdm|pipenv [--index NAME] [--url URL] [--write]\n"
    "       wheelyard setup CLIENT --undo\n\n"
    "Prints the configuration that makes the client install through wheelyard, and its place.\n\n"
    "  --index NAME   cu126, nightly/cu130 ...; simple is PyPI alone; default: the index in\n"
    "                 --url, else a CUDA channel\n"
    "  --url URL      address by which clients reach the daemon (http://wheels.lab:8503), or\n"
    "                 of one of its indexes; default: localhost and the port in `listen`\n"
    "  --write        write it there, show the change, keep a copy of the old file beside it.\n"
    "                 pip and uv: for this user; the others: in the project of this folder\n"
    "  --project      uv: in the project of this folder, not for this user\n"
    "  --undo         take out what --write has put there, and nothing else\n"
    "  --config FILE  wheelyard's own configuration\n\n"
    "Exit: 0 done, 1 not done, 2 wrong usage or no such index.\n";

/* Arguments, and what follows from them. */
struct setup {
    const char *client, *index, *given_url, *config;
    bool write, undo, in_project;
    char *base;      /* the daemon's URL; owned, like the next four */
    char *url;       /* the index's URL */
    char *quoted;    /* the same as a TOML string */
    char *host;      /* without port */
    char *index_own; /* the index when it was not given */
    bool has_config;
    struct config loaded;
};

/* ----------------------------------------------------------------- arguments */

static int wrong(const char *argument, const char *what)
{
    (void)fprintf(stderr, "wheelyard setup: %s: %s\n", argument, what);
    return EXIT_USAGE;
}

static int refuse_flag(const char *argument)
{
    static const char *const flags[] = {"--write", "--undo",   "--project", "--index",
                                        "--url",   "--config", NULL};

    argument_refuse("setup", argument, flags);
    return EXIT_USAGE;
}

/* Names all clients, and the nearest one. */
static int refuse_client(const char *client)
{
    struct near near = {.typed = client ? client : ""};
    auto_buf struct buf what;

    buf_init(&what, TEXT_MAX_BYTES);
    for (size_t i = 0; i < setup_client_count; i++) {
        near_offer(&near, setup_clients[i].name);
        buf_printf(&what, "%s%s",
                   !i                           ? ""
                   : i + 1 < setup_client_count ? ", "
                                                : " or ",
                   setup_clients[i].name);
    }
    if (near.best)
        buf_printf(&what, "; did you mean %s?", near.best);
    return wrong(client ? client : "which client?", what.data);
}

static int parse(int argc, char **argv, struct setup *s)
{
    for (int i = 0; i < argc; i++) {
        const char *value;

        if (argument_is(argv[i], "--write"))
            s->write = true;
        else if (argument_is(argv[i], "--undo"))
            s->undo = true;
        else if (argument_is(argv[i], "--project"))
            s->in_project = true;
        else if ((value = argument_value(argc, argv, &i, "--index")))
            s->index = strcmp(value, "simple") == 0 ? "" : value;
        else if ((value = argument_value(argc, argv, &i, "--url")))
            s->given_url = value;
        else if ((value = argument_value(argc, argv, &i, "--config")))
            s->config = value;
        else if (argv[i][0] == '-')
            return refuse_flag(argv[i]);
        else if (s->client)
            return wrong(argv[i], "one client at a time");
        else
            s->client = argv[i];
    }
    const struct setup_client *client = setup_client_find(s->client);
    if (!client)
        return refuse_client(s->client);
    if (s->in_project && !client->has_project)
        return wrong("--project", "pip has no configuration of a project");
    if (s->undo && s->write)
        return wrong("--undo", "not together with --write");
    if (s->index && *s->index && !origins_is_index_name(s->index))
        return wrong(s->index, "not the name of an index, such as cu126");
    return EXIT_DONE;
}

/* ----------------------------------------------------------------- addresses */

/* Whether the configuration names the index itself; a pattern may allow channels that no mirror
 * has. */
static bool is_named(const struct origins *origins, const char *index)
{
    bool named = !*index;
    for (size_t i = 0; i < origins->index_count; i++)
        named |= strcmp(origins->indexes[i].name, index) == 0;
    for (size_t i = 0; i < origins->count; i++)
        for (char *const *channel = origins->list[i].channels; *channel; channel++)
            named |= strcmp(*channel, index) == 0;
    return named;
}

/* An offline daemon answers for each index, also where it holds nothing. The change is made all the
 * same: a bundle may come later. */
static void warn_where_nothing_is_held(const struct setup *s, const char *base)
{
    auto_buf struct buf told;

    buf_init(&told, TEXT_MAX_BYTES);
    if (setup_ask_held(base, s->index, &told) > 0)
        (void)fprintf(stderr, "wheelyard setup: %s: %s\n", *s->index ? s->index : "simple",
                      told.data);
}

/* The running daemon knows best, because a pattern of the configuration allows more channels than
 * mirrors have. When it does not answer, this machine's configuration decides. A daemon on another
 * machine has its own, and may be started later. */
static int check_index(const struct setup *s, const char *base)
{
    const char *name = *s->index ? s->index : "simple";
    struct index_view view;
    auto_buf struct buf told;

    buf_init(&told, TEXT_MAX_BYTES);
    int has = setup_ask_index(base, s->index, &told);
    if (has > 0) {
        warn_where_nothing_is_held(s, base);
        return EXIT_DONE;
    }
    if (has == 0) {
        auto_free char *what =
            str_printf("%s has no such index%s%s", base, told.len ? "; " : "", told.data);
        return wrong(name, what ? what : "there is no such index");
    }
    if (s->has_config && origins_index(&s->loaded.origins, s->index, &view) == 0) {
        if (!is_named(&s->loaded.origins, s->index))
            (void)fprintf(stderr,
                          "wheelyard setup: %s: no daemon answers at %s, so whether a mirror has "
                          "this channel could not be checked\n",
                          name, base);
        return EXIT_DONE;
    }
    if (s->has_config && (!s->given_url || url_is_loopback(s->host))) {
        buf_clear(&told);
        buf_puts(&told, "there is no such index; there are: ");
        setup_write_indexes(&told, &s->loaded.origins);
        return wrong(name, told.data);
    }
    (void)fprintf(stderr, "wheelyard setup: %s: %s does not say whether it has this index\n", name,
                  base);
    return EXIT_DONE;
}

/* Loads the configuration. When nothing is needed from it, a wrong one counts as none. */
static int load(struct setup *s, bool is_needed)
{
    auto_free char *errors = NULL;
    int r = config_load_quietly(s->config, &s->loaded, &errors);

    s->has_config = r == 0;
    if (r == 0 || !is_needed)
        return EXIT_DONE;
    (void)fputs(errors ? errors : "", stderr);
    return r == ERROR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}

/* Takes missing values from wheelyard's own configuration. */
static int complete(struct setup *s, struct buf *base)
{
    const struct origins *known = s->has_config ? &s->loaded.origins : NULL;

    if (s->given_url)
        buf_puts(base, s->given_url);
    else
        setup_base(base, s->loaded.listen[0]);
    setup_cut_index(base, known, s->index, &s->index_own);
    if (s->index)
        return EXIT_DONE;
    if (!s->index_own && known)
        s->index_own = str_dup(setup_example_index(known));
    s->index = s->index_own;
    if (s->index)
        return EXIT_DONE;
    int code = s->has_config ? EXIT_FAILED : load(s, true);
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

/* The address goes into files of other programs, so characters that would need quoting are refused.
 */
static int resolve(struct setup *s)
{
    auto_buf struct buf base;
    struct url url;
    int code = load(s, !s->given_url);

    buf_init(&base, URL_MAX_BYTES);
    if (code == EXIT_DONE)
        code = complete(s, &base);
    if (code != EXIT_DONE)
        return code;
    if (base.error || strpbrk(base.data, "\"\\#?% ") || url_parse(base.data, &url))
        return wrong(s->given_url ? s->given_url : base.data,
                     "not an address such as http://localhost:8503");
    s->base = str_dup(base.data);
    s->host = strdup(url.host);
    url_release(&url);
    s->url = str_printf("%s%s%s/simple", base.data, *s->index ? "/" : "", s->index);
    s->quoted = s->url ? str_printf("\"%s\"", s->url) : NULL;
    if (!s->base || !s->host || !s->quoted)
        return EXIT_FAILED;
    return s->undo ? EXIT_DONE : check_index(s, base.data);
}

/* The goal is what every client's change is made from. */
static int run(const struct setup *s)
{
    const struct setup_client *client = setup_client_find(s->client);
    struct setup_goal goal = {.url = s->url,
                              .quoted = s->quoted,
                              .host = s->host,
                              .has_torch = *s->index != '\0',
                              .in_project = s->in_project};

    if (s->undo)
        return setup_undo(client, &goal, s->base);
    return s->write ? setup_put(client, &goal) : setup_print(client, &goal);
}

int command_setup(int argc, char **argv)
{
    struct setup s = {.client = NULL};

    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(usage, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
    int code = parse(argc, argv, &s);
    if (code == EXIT_DONE)
        code = resolve(&s);
    if (code == EXIT_DONE)
        code = run(&s);
    free(s.base);
    free(s.url);
    free(s.quoted);
    free(s.host);
    free(s.index_own);
    if (s.has_config)
        config_release(&s.loaded);
    return code;
}
