// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard setup`. What is printed and what is written is the same change (struct edit); --write
 * applies it to the file, after a copy of the file and a look at whether the result can be read.
 */
#include "server/command_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/near.h"
#include "base/str.h"
#include "base/toml.h"
#include "base/url.h"
#include "server/argument.h"
#include "server/ask.h"
#include "server/config.h"
#include "server/edit.h"
#include "server/setup.h"
#include "server/user.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { FILE_MAX_BYTES = 4 << 20, BACKUPS_MAX = 100, ANSWER_S = 5 };

static const char usage[] =
    "usage: wheelyard setup pip|uv|pixi|poetry|pdm [--index NAME] [--url URL] [--write]\n\n"
    "Prints the configuration that makes the client install through wheelyard, and where it "
    "goes.\n\n"
    "  --index NAME   cu126, nightly/cu130 ...; simple is PyPI alone; default: what --url names,\n"
    "                 else a CUDA channel\n"
    "  --url URL      how clients reach the daemon: http://wheels.lab:8503, or the address of an\n"
    "                 index of it; default: localhost, with the port that the configuration\n"
    "                 listens on\n"
    "  --write        put it there: shows the change, keeps a copy of the old file beside it.\n"
    "                 pip and uv: for this user; pixi, Poetry, PDM: in the project of this folder\n"
    "  --config FILE  wheelyard's own configuration\n\n"
    "Exit: 0 done, 1 not, 2 usage, or there is no such index.\n";

struct setup {
    const char *client, *index, *given_url, *config;
    bool write;
    char *url;       /* of the index; owned, as are these */
    char *quoted;    /* the same as TOML */
    char *host;      /* without port */
    char *index_own; /* where it was not given */
    bool has_config;
    struct config loaded;
};

struct client {
    const char *name;
    const char *places; /* for people: lines */
    void (*fill)(const struct setup *setup, const char *path, struct edit *ret);
    char *(*find)(const struct setup *setup); /* path, free() it; NULL after saying why */
    const char *install, *run;                /* what goes before `torch`, before `python` */
    bool is_toml;
};

/* ------------------------------------------------------------------- clients */

/* pip refuses plain http from elsewhere until it is told to trust the host. */
static void fill_pip(const struct setup *s, const char *path, struct edit *ret)
{
    (void)path;
    *ret = (struct edit){.format = EDIT_INI,
                         .heading = "[global]",
                         .keys = {{"index-url", s->url, false}, {"trusted-host", s->host, true}},
                         .key_count = url_is_loopback(s->host) ? 1 : 2};
}

static void fill_uv(const struct setup *s, const char *path, struct edit *ret)
{
    (void)path;
    *ret = (struct edit){.heading = "[[index]]",
                         .keys = {{"name", "\"wheelyard\"", false},
                                  {"url", s->quoted, false},
                                  {"default", "true", false}},
                         .key_count = 3};
}

static void fill_pixi(const struct setup *s, const char *path, struct edit *ret)
{
    bool in_pyproject = path && str_ends(path, "pyproject.toml");
    *ret = (struct edit){.heading = in_pyproject ? "[tool.pixi.pypi-options]" : "[pypi-options]",
                         .keys = {{"index-url", s->quoted, false}},
                         .key_count = 1};
}

static void fill_poetry(const struct setup *s, const char *path, struct edit *ret)
{
    (void)path;
    *ret = (struct edit){.heading = "[[tool.poetry.source]]",
                         .keys = {{"name", "\"wheelyard\"", false},
                                  {"url", s->quoted, false},
                                  {"priority", "\"primary\"", false}},
                         .key_count = 3};
}

/* A source called pypi takes the place of the public one. */
static void fill_pdm(const struct setup *s, const char *path, struct edit *ret)
{
    (void)path;
    *ret = (struct edit){.heading = "[[tool.pdm.source]]",
                         .keys = {{"name", "\"pypi\"", false},
                                  {"url", s->quoted, false},
                                  {"verify_ssl", "false", false}},
                         .key_count = 3};
}

static char *in_config_home(const char *rest)
{
    char *path = user_in_config_home(rest);

    if (!path)
        (void)fputs("wheelyard setup: HOME is not set\n", stderr);
    return path;
}

static char *find_pip(const struct setup *s)
{
    const char *named = user_environment("PIP_CONFIG_FILE");

    (void)s;
    return named && strcmp(named, "/dev/null") != 0 ? strdup(named)
                                                    : in_config_home("pip/pip.conf");
}

static char *find_uv(const struct setup *s)
{
    (void)s;
    return in_config_home("uv/uv.toml");
}

static char *find_in_folder(const struct setup *s)
{
    if (strcmp(s->client, "pixi") == 0 && access("pixi.toml", F_OK) == 0)
        return strdup("pixi.toml");
    if (access("pyproject.toml", F_OK) == 0)
        return strdup("pyproject.toml");
    (void)fprintf(stderr, "wheelyard setup: this folder has no pyproject.toml%s\n",
                  strcmp(s->client, "pixi") == 0 ? " and no pixi.toml" : "");
    return NULL;
}

static const struct client clients[] = {
    {"pip",
     "# ~/.config/pip/pip.conf                         Linux\n"
     "# ~/Library/Application Support/pip/pip.conf     macOS\n"
     "# %APPDATA%\\pip\\pip.ini                          Windows\n",
     fill_pip, find_pip, "pip install", "", false},
    {"uv",
     "# ~/.config/uv/uv.toml                           Linux, macOS\n"
     "# %APPDATA%\\uv\\uv.toml                           Windows\n"
     "# or pyproject.toml of a project, as [[tool.uv.index]]\n",
     fill_uv, find_uv, "uv pip install", "uv run ", true},
    {"pixi", "# pixi.toml of the project; in its pyproject.toml: [tool.pixi.pypi-options]\n",
     fill_pixi, find_in_folder, "pixi add --pypi", "pixi run ", true},
    {"poetry", "# pyproject.toml of the project\n", fill_poetry, find_in_folder, "poetry add",
     "poetry run ", true},
    {"pdm", "# pyproject.toml of the project\n", fill_pdm, find_in_folder, "pdm add", "pdm run ",
     true},
};

enum { CLIENTS = sizeof clients / sizeof *clients };

static const struct client *find_client(const char *name)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (name && strcmp(clients[i].name, name) == 0)
            return &clients[i];
    return NULL;
}

/* ------------------------------------------------------------------ printing */

static void print_check(const struct setup *s, const struct client *client, struct buf *to)
{
    if (*s->index)
        buf_printf(to,
                   "# install: %s torch\n"
                   "# verify:  %spython -c \"import torch; print(torch.__version__, "
                   "torch.version.cuda, torch.cuda.is_available())\"\n",
                   client->install, client->run);
    else
        buf_printf(to, "# install: %s requests\n# verify:  %spython -c \"import requests\"\n",
                   client->install, client->run);
}

static int print(const struct buf *text, int code)
{
    bool failed = text->error || fputs(text->data, stdout) < 0 || fflush(stdout);
    return failed ? EXIT_FAILED : code;
}

static int run_print(const struct setup *s, const struct client *client)
{
    struct edit edit;
    auto_buf struct buf text;

    buf_init(&text, FILE_MAX_BYTES);
    client->fill(s, NULL, &edit);
    buf_puts(&text, client->places);
    edit_write(&edit, &text);
    buf_putc(&text, '\n');
    print_check(s, client, &text);
    return print(&text, EXIT_DONE);
}

/* ------------------------------------------------------------------- writing */

static int failed(const char *path, const char *why)
{
    (void)fprintf(stderr, "wheelyard setup: %s: %s\n", path, why);
    return EXIT_FAILED;
}

/* An element of uv's that is the default already: two are an error to uv. */
static bool has_other_default(const struct toml_node *indexes)
{
    for (size_t i = 0; i < toml_count(indexes); i++) {
        const struct toml_node *index = toml_at(indexes, i, NULL);
        const char *name = toml_string(toml_get(index, "name"));

        if (toml_boolean(toml_get(index, "default")) && (!name || strcmp(name, "wheelyard") != 0))
            return true;
    }
    return false;
}

/* Whether the result is what the client reads; says why not. */
static bool is_sound(const char *path, const struct client *client, const struct buf *text)
{
    struct toml_document *document;
    auto_free char *message = NULL;
    int line = 0;

    if (!client->is_toml)
        return true;
    if (toml_parse(text->data, text->len, &document, &message, &line)) {
        (void)fprintf(stderr, "wheelyard setup: %s: cannot be changed here (line %d: %s)\n", path,
                      line, message ? message : "out of memory");
        return false;
    }
    bool twice = strcmp(client->name, "uv") == 0 &&
                 has_other_default(toml_get(toml_root(document), "index"));
    toml_free(document);
    if (twice)
        (void)failed(path, "another index is the default already: take its `default` away first");
    return !twice;
}

/* Copies the old file to the first of FILE.bak, FILE.bak2 ... that is free. */
static int keep_copy(const char *path, const struct buf *old, mode_t mode, char **ret_copy)
{
    for (int i = 1; i < BACKUPS_MAX; i++) {
        auto_free char *copy =
            i == 1 ? str_printf("%s.bak", path) : str_printf("%s.bak%d", path, i);

        if (!copy)
            return ERROR_NO_MEMORY;
        if (access(copy, F_OK) == 0)
            continue;
        int r = file_replace(copy, old->data, old->len);
        if (r == 0 && chmod(copy, mode) < 0)
            r = error_from_errno(errno);
        if (r)
            return r;
        *ret_copy = copy;
        copy = NULL;
        return 0;
    }
    return ERROR_TOO_BIG;
}

static int make_parent(const char *path)
{
    auto_free char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return ERROR_NO_MEMORY;
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_directory(folder, 0755);
}

/* Nobody but its owner reads either file before it has the old one's mode: pip.conf may hold
 * passwords. */
static int put_file(const char *path, const struct buf *old, const struct buf *new, bool exists,
                    char **ret_copy)
{
    struct stat st = {.st_mode = 0644};
    mode_t mask = umask(077);
    int r = exists && stat(path, &st) < 0 ? error_from_errno(errno) : 0;
    mode_t mode = exists ? st.st_mode & 07777 : 0666 & ~mask;

    if (r == 0)
        r = exists ? keep_copy(path, old, mode, ret_copy) : make_parent(path);
    if (r == 0)
        r = file_replace(path, new->data, new->len);
    if (r == 0 && chmod(path, mode) < 0)
        r = error_from_errno(errno);
    (void)umask(mask);
    return r;
}

static int write_change(const struct setup *s, const struct client *client, const char *path)
{
    auto_buf struct buf old;
    auto_buf struct buf new;
    auto_buf struct buf text;
    auto_free char *copy = NULL;
    struct edit edit;

    buf_init(&old, FILE_MAX_BYTES);
    buf_init(&new, FILE_MAX_BYTES);
    buf_init(&text, 4 * FILE_MAX_BYTES);
    int r = file_read_all(path, &old);
    if (r < 0)
        return failed(path, error_text(r));
    client->fill(s, path, &edit);
    edit_apply(&edit, old.data, &new);
    if (new.error || memchr(old.data, '\0', old.len))
        return failed(path, "is no text file of a usual size");
    if (!is_sound(path, client, &new))
        return EXIT_FAILED;
    edit_diff(path, old.data, new.data, &text);
    if (text.len)
        r = put_file(path, &old, &new, r == 0, &copy);
    if (r < 0)
        return failed(path, error_text(r));
    if (!text.len)
        buf_printf(&text, "%s: already so\n", path);
    if (copy)
        buf_printf(&text, "# the old file: %s\n", copy);
    print_check(s, client, &text);
    return print(&text, EXIT_DONE);
}

/* A link stays one: what it leads to is changed. */
static int run_write(const struct setup *s, const struct client *client)
{
    auto_free char *path = client->find(s);
    auto_free char *real = path ? realpath(path, NULL) : NULL;

    if (!path)
        return EXIT_FAILED;
    return write_change(s, client, real ? real : path);
}

/* ----------------------------------------------------------------- arguments */

static int wrong(const char *argument, const char *what)
{
    (void)fprintf(stderr, "wheelyard setup: %s: %s\n", argument, what);
    return EXIT_USAGE;
}

static int refuse_flag(const char *argument)
{
    static const char *const flags[] = {"--write", "--index", "--url", "--config", NULL};

    argument_refuse("setup", argument, flags);
    return EXIT_USAGE;
}

static int refuse_client(const char *client)
{
    struct near near = {.typed = client ? client : ""};
    auto_buf struct buf what;

    buf_init(&what, FILE_MAX_BYTES);
    for (size_t i = 0; i < CLIENTS; i++) {
        near_offer(&near, clients[i].name);
        buf_printf(&what, "%s%s", !i ? "" : i + 1 < CLIENTS ? ", " : " or ", clients[i].name);
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
    if (!find_client(s->client))
        return refuse_client(s->client);
    if (s->index && *s->index && !origins_is_index_name(s->index))
        return wrong(s->index, "not the name of an index, such as cu126");
    return EXIT_DONE;
}

/* ----------------------------------------------------------------- addresses */

/* Asks the daemon for what it sends on to the index's list, which costs nobody anything. 1: it has
 * the index; 0: not; < 0: nobody says. */
static int ask_index(const char *base, const char *index)
{
    auto_free char *target = str_printf("%s%s/simple", *index ? "/" : "", index);
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, FILE_MAX_BYTES);
    if (!target || ask_get_within(base, target, "text/html", ANSWER_S, &status, &body))
        return -1;
    return status == 404 ? 0 : status < 400 ? 1 : -1;
}

/* Another machine's daemon has a configuration of its own. What ours does not know either is asked
 * of it, and taken as it is where nobody answers: the daemon may be there tomorrow. */
static int check_index(const struct setup *s, const char *base)
{
    const char *name = *s->index ? s->index : "simple";
    struct index_view view;
    auto_buf struct buf known;

    buf_init(&known, FILE_MAX_BYTES);
    if (s->has_config && origins_index(&s->loaded.origins, s->index, &view) == 0)
        return EXIT_DONE;
    int has = s->given_url ? ask_index(base, s->index) : 0;
    if (has > 0)
        return EXIT_DONE;
    if (has == 0 && s->given_url) {
        buf_printf(&known, "%s has no such index; it shows those it has to a browser", base);
        return wrong(name, known.data);
    }
    if (s->has_config && (has == 0 || url_is_loopback(s->host))) {
        buf_puts(&known, "there is no such index; there are: ");
        setup_write_indexes(&known, &s->loaded.origins);
        return wrong(name, known.data);
    }
    (void)fprintf(stderr, "wheelyard setup: %s: %s does not say whether it has this index\n", name,
                  base);
    return EXIT_DONE;
}

/* Where nothing is wanted of a configuration, one that is wrong is none. */
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

/* What was not given comes from wheelyard's own configuration. */
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
    s->host = strdup(url.host);
    url_release(&url);
    s->url = str_printf("%s%s%s/simple", base.data, *s->index ? "/" : "", s->index);
    s->quoted = s->url ? str_printf("\"%s\"", s->url) : NULL;
    return s->host && s->quoted ? check_index(s, base.data) : EXIT_FAILED;
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
        code =
            s.write ? run_write(&s, find_client(s.client)) : run_print(&s, find_client(s.client));
    free(s.url);
    free(s.quoted);
    free(s.host);
    free(s.index_own);
    if (s.has_config)
        config_release(&s.loaded);
    return code;
}
