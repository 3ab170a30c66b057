// SPDX-License-Identifier: Apache-2.0
/*
 * A query goes through these steps; each returns QUERY_GO or the exit code after a message:
 *
 * - arguments: the requirement, the index, the daemon's address;
 * - without --index, a few channels are tried, the newest CUDA first, until one has the project;
 * - the project's page is fetched as JSON, exactly as a client would fetch it;
 * - its files are kept as entries of the JSON document, which lives until query_release.
 *
 * A refusal of the daemon (404) is a result and not a failure: the commands print its reason.
 */
#include "cli/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/terminal.h"
#include "base/url.h"
#include "config/argument.h"
#include "config/config.h"
#include "config/setup.h"
#include "engine/mirrors/origins.h"
#include "upstream/http_get.h"

static const char json_type[] = "application/vnd.pypi.simple.v1+json";

/* ---------------------------------------------------------------- arguments */

static int wrong(const struct query *a, const char *argument, const char *what)
{
    (void)fprintf(stderr, "wheelyard %s: %s: %s\n", a->command->name, argument, what);
    return EXIT_USAGE;
}

/* Converts a platform to the spelling of wheels; Python itself says "win-amd64" and
 * "macosx-14.0-arm64". */
static int set_platform(struct query *a, const char *text)
{
    str_copy(a->platform, sizeof a->platform, text);
    if (!*text || strlen(text) >= sizeof a->platform)
        return wrong(a, text, "not a platform such as win_amd64 or manylinux_2_28_x86_64");
    for (char *p = a->platform; *p; p++) {
        if (*p == '-' || *p == '.')
            *p = '_';
        else if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    }
    return QUERY_GO;
}

/* A command without a target accepts only the common flags. */
static const char *const flags[] = {"--json",   "--index",    "--url", "--config",
                                    "--python", "--platform", NULL};
enum { COMMON_FLAGS = 4 };

static int refuse_flag(const struct query *a, const char *argument)
{
    const char *common[COMMON_FLAGS + 1] = {NULL};

    for (size_t i = 0; i < COMMON_FLAGS; i++)
        common[i] = flags[i];
    argument_refuse(a->command->name, argument, a->command->takes_target ? flags : common);
    return EXIT_USAGE;
}

static void set_index(struct query *a, const char *name)
{
    a->index = strcmp(name, "simple") == 0 ? "" : name;
    a->has_index = true;
}

/* Flags of the target are unknown to a command without one. */
static int set_flag(struct query *a, int argc, char **argv, int *i)
{
    const char *value;

    if (argument_is(argv[*i], "--json"))
        a->as_json = true;
    else if ((value = argument_value(argc, argv, i, "--index")))
        set_index(a, value);
    else if ((value = argument_value(argc, argv, i, "--url")))
        a->url = value;
    else if ((value = argument_value(argc, argv, i, "--config")))
        a->config = value;
    else if (a->command->takes_target && (value = argument_value(argc, argv, i, "--python")))
        a->python = value;
    else if (a->command->takes_target && (value = argument_value(argc, argv, i, "--platform")))
        return set_platform(a, value);
    else
        return refuse_flag(a, argv[*i]);
    return QUERY_GO;
}

static void set_own_platform(struct query *a)
{
    struct utsname machine;

    if (!*a->platform && uname(&machine) == 0)
        (void)snprintf(a->platform, sizeof a->platform, "linux_%.40s", machine.machine);
}

/* Everything that needs no daemon is checked before one is asked. */
static int check(struct query *a)
{
    if (!a->requirement)
        return wrong(a, "which project?", "torch, or a requirement such as 'torch>=2.9'");
    int r = requirement_parse(a->requirement, a->project, &a->specifiers);
    if (r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG)
        return wrong(a, a->requirement, "not a requirement such as 'torch>=2.9' (without markers)");
    if (r)
        return EXIT_NO;
    setup_take_url(&a->url, &a->index, &a->url_own, &a->index_own);
    a->has_index |= a->index_own != NULL;
    if (*a->index && !origins_is_index_name(a->index))
        return wrong(a, a->index, "not the name of an index, such as cu126");
    set_own_platform(a);
    return QUERY_GO;
}

/* After `--` a word that begins with '-' is a requirement. */
int query_parse(int argc, char **argv, const struct query_command *command, struct query *ret)
{
    bool only_words = false;

    *ret = (struct query){.command = command, .index = ""};
    for (int i = 0; i < argc; i++) {
        int code = QUERY_GO;

        if (!only_words && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")))
            return fputs(command->usage, stdout) < 0 || fflush(stdout) ? EXIT_NO : EXIT_YES;
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && argv[i][0] == '-')
            code = set_flag(ret, argc, argv, &i);
        else if (ret->requirement)
            code = wrong(ret, argv[i], "one requirement at a time");
        else
            ret->requirement = argv[i];
        if (code != QUERY_GO)
            return code;
    }
    return check(ret);
}

void query_release(struct query *a)
{
    specifiers_free(a->specifiers);
    json_free(a->page);
    free(a->page_url);
    free(a->url_own);
    free(a->index_own);
    free(a->entries);
    free(a->files);
    free(a->refusal);
}

/* ------------------------------------------------------------------ fetching */

/* Prints why the daemon cannot be asked, and returns the exit code. */
static int failed(const char *url, int error)
{
    (void)fprintf(stderr, "wheelyard: %s: %s\n", url,
                  error == HTTP_GET_UNTRUSTED
                      ? "its certificate is of no authority that this machine knows; name a file "
                        "with it in SSL_CERT_FILE"
                  : error == ERROR_UNREACHABLE ? "no daemon answers; is `wheelyard serve` running?"
                  : error == ERROR_BAD_REQUEST ? "not a URL such as http://wheels.lab:8503"
                                               : error_text(error));
    return error == ERROR_BAD_REQUEST ? EXIT_USAGE : EXIT_UNREACHABLE;
}

static int ask_at(struct query *a, const char *url, const char *target, int *ret_status,
                  struct buf *body)
{
    size_t len = strlen(url);
    int r = http_get(url, target, json_type, HTTP_GET_TIMEOUT_S, ret_status, body);

    if (r)
        return r;
    a->page_url =
        str_printf("%.*s%s", (int)(len && url[len - 1] == '/' ? len - 1 : len), url, target);
    return a->page_url ? 0 : ERROR_NO_MEMORY;
}

/* Tries each address of the configuration until one answers. */
static int ask_configured(struct query *a, const char *target, int *ret_status, struct buf *body)
{
    struct config_request request = {.file = a->config};
    struct config config;
    int r = config_load(&request, &config);

    if (r)
        return r == ERROR_CONFIG ? EXIT_USAGE : EXIT_NO;
    int code = EXIT_UNREACHABLE;
    for (char **listen = config.listen; *listen && code != QUERY_GO; listen++) {
        auto_free char *url = setup_listen_url(*listen);

        r = url ? ask_at(a, url, target, ret_status, body) : ERROR_NO_MEMORY;
        if (r == 0)
            code = QUERY_GO;
        else if (r != ERROR_UNREACHABLE || !listen[1])
            code = failed(url ? url : *listen, r);
    }
    config_release(&config);
    return code;
}

/* Two passes over the list: count, then fill. */
static int take_files(struct query *a)
{
    const struct json *list = json_member(a->page, "files");

    for (const struct json *f = json_first(list); f; f = json_next(f))
        a->file_count++;
    a->entries = calloc(a->file_count + 1, sizeof(*a->entries));
    a->files = calloc(a->file_count + 1, sizeof(*a->files));
    if (!a->entries || !a->files)
        return EXIT_NO;
    size_t i = 0;
    for (const struct json *f = json_first(list); f; f = json_next(f), i++) {
        const struct json *yanked = json_member(f, "yanked");
        const char *name = json_string(json_member(f, "filename"));

        a->entries[i] = f;
        a->files[i] = (struct choice_file){
            .name = name ? name : "",
            .requires_python = json_string(json_member(f, "requires-python")),
            .yanked = json_is_true(yanked) || json_string(yanked),
        };
    }
    return QUERY_GO;
}

/* Handles a refusal; its reason is the detail of problem+json. */
static int take_refusal(struct query *a, int status)
{
    const char *detail = json_string(json_member(a->page, "detail"));

    if (a->is_trying)
        return EXIT_NO;
    if (status == 400 && detail) { /* no such index; the detail lists the indexes */
        (void)fprintf(stderr, "wheelyard %s: %s\n", a->command->name, detail);
        return EXIT_USAGE;
    }
    if (status != 404) {
        (void)fprintf(stderr, "wheelyard: the daemon says %d: %s\n", status,
                      detail ? detail : "nothing more");
        return EXIT_NO;
    }
    a->refusal = str_dup(detail ? detail : "not found");
    return a->refusal ? take_files(a) : EXIT_NO;
}

int query_ask(struct query *a, const char *target, int *ret_status, struct buf *body)
{
    if (!a->url)
        return ask_configured(a, target, ret_status, body);
    int r = ask_at(a, a->url, target, ret_status, body);
    return r ? failed(a->url, r) : QUERY_GO;
}

/* Used between two tries of an index. */
static void forget_page(struct query *a)
{
    json_free(a->page);
    free(a->page_url);
    free(a->entries);
    free(a->files);
    free(a->refusal);
    a->page = NULL;
    a->page_url = a->refusal = NULL;
    a->entries = NULL;
    a->files = NULL;
    a->file_count = 0;
}

/* JSON only: it has sizes, mirrors and yanked reasons. */
static int fetch_page(struct query *a)
{
    auto_free char *target =
        str_printf("%s%s/simple/%s/", *a->index ? "/" : "", a->index, a->project);
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, HTTP_GET_MAX_BYTES);
    if (!target)
        return EXIT_NO;
    int code = query_ask(a, target, &status, &body);
    if (code != QUERY_GO)
        return code;
    if (json_parse(body.data, body.len, &a->page) && status == 200)
        return failed(a->page_url, ERROR_BAD_LISTING);
    return status == 200 ? take_files(a) : take_refusal(a, status);
}

/* ------------------------------------------------------------------ choosing */

enum { CHANNELS_TRIED = 4 };

/* A rank: the newest CUDA first, then others; listed channels before those that only a root page
 * names. */
static int worth(const struct json *channel)
{
    const char *name = json_string(json_member(channel, "name"));
    bool cuda = name && str_starts(name, "cu") && name[2] >= '0' && name[2] <= '9';
    int number = cuda ? (int)strtol(name + 2, NULL, 10) % 10000 : 0;
    return number + (json_string(json_member(channel, "listed")) ? 10000 : 0);
}

/* The next channel in descending rank, without sorting the document. */
static const struct json *next_channel(const struct json *list, const struct json *last)
{
    const struct json *best = NULL;
    bool is_behind = !last; /* equal ones in the order of the list */
    for (const struct json *c = json_first(list); c; c = json_next(c)) {
        bool may = !last || worth(c) < worth(last) || (is_behind && worth(c) == worth(last));
        if (may && (!best || worth(c) > worth(best)))
            best = c;
        is_behind |= c == last;
    }
    return best;
}

/* Whether the page has files of the channel's own origin; an index also joins other origins. */
static bool has_files_of(const struct query *a, const char *origin)
{
    auto_free char *folder = str_printf("/files/%s/", origin);
    for (size_t i = 0; folder && i < a->file_count; i++) {
        const char *url = json_string(json_member(a->entries[i], "url"));
        if (url && strstr(url, folder + 1))
            return true;
    }
    return false;
}

/* On standard error, so that the output stays the same as with --index. */
static void say_choice(const struct query *a, const struct json *list)
{
    auto_buf struct buf text;
    buf_init(&text, HTTP_GET_MAX_BYTES);
    buf_printf(&text,
               "wheelyard %s: index %s taken (--index NAME for another); there are also simple",
               a->command->name, a->index);
    for (const struct json *c = json_first(list); c; c = json_next(c)) {
        const char *name = json_string(json_member(c, "name"));
        if (name && strcmp(name, a->index) != 0)
            buf_printf(&text, ", %s", name);
    }
    terminal_clean(text.data, text.len);
    (void)fprintf(stderr, "%s\n", text.error ? "" : text.data);
}

/* Picks the channel whose own origin has the project, with its page; otherwise PyPI alone, without
 * a page yet. A daemon without a list of channels gets PyPI asked. */
static int choose_index(struct query *a)
{
    struct json *all = NULL;
    auto_buf struct buf body;
    int status = 0;
    buf_init(&body, HTTP_GET_MAX_BYTES);
    int code = query_ask(a, "/-/indexes", &status, &body);
    if (code == QUERY_GO && status == 200)
        (void)json_parse(body.data, body.len, &all);
    forget_page(a);
    if (code != QUERY_GO)
        return code;
    const struct json *list = json_member(all, "channels"), *c = NULL;
    for (int tries = 0; tries < CHANNELS_TRIED && (c = next_channel(list, c)); tries++) {
        const char *name = json_string(json_member(c, "name"));
        const char *origin = json_string(json_member(c, "origin"));
        if (!name || !origin || !origins_is_index_name(name))
            continue;
        free(a->index_own);
        a->index = a->index_own = str_dup(name);
        a->is_trying = true;
        bool is_it = a->index && fetch_page(a) == QUERY_GO && has_files_of(a, origin);
        a->is_trying = false;
        if (is_it) {
            say_choice(a, list);
            json_free(all);
            return QUERY_GO;
        }
        forget_page(a);
    }
    a->index = "";
    json_free(all);
    return QUERY_GO;
}

int query_fetch(struct query *a)
{
    int code = a->has_index ? QUERY_GO : choose_index(a);
    return code == QUERY_GO && !a->page ? fetch_page(a) : code;
}

int query_page(const struct query_command *command, const char *project,
               const struct query_place *place, struct query *ret)
{
    *ret = (struct query){.command = command,
                          .requirement = project,
                          .index = "",
                          .url = place->url,
                          .config = place->config};
    if (place->index)
        set_index(ret, place->index);
    int code = check(ret);
    return code == QUERY_GO ? query_fetch(ret) : code;
}

/* ------------------------------------------------------------------ printing */

static int64_t size_of(const struct query *a, size_t file, const char *key)
{
    return json_integer(json_member(a->entries[file], key));
}

static int64_t exact_size_of(const struct query *a, size_t file)
{
    int64_t size = size_of(a, file, "size");
    return size < 0 ? size_of(a, file, "_size") : size; /* when the page lacks some sizes */
}

void query_write_size(const struct query *a, size_t file, const char *separator, struct buf *to)
{
    int64_t exact = exact_size_of(a, file);
    int64_t bytes = exact < 0 ? size_of(a, file, "_size-about") : exact;
    char text[STR_SIZE] = "?";

    if (bytes >= 0)
        str_size(bytes, separator, text);
    buf_printf(to, "%s%s", bytes >= 0 && exact < 0 ? "~" : "", text);
}

void query_write_mirrors(const struct query *a, size_t file, struct buf *to)
{
    const struct json *first = json_first(json_member(a->entries[file], "_mirrors"));

    for (const struct json *m = first; m; m = json_next(m))
        buf_printf(to, "%s%s", m == first ? "" : ", ", json_string(m) ? json_string(m) : "");
    if (query_is_delisted(a, file))
        buf_printf(to, "%s%s", first ? ", " : "", QUERY_DELISTED);
}

bool query_is_delisted(const struct query *a, size_t file)
{
    return json_is_true(json_member(a->entries[file], "_delisted"));
}

static void write_number(struct buf *to, const char *name, int64_t value)
{
    if (value < 0)
        return;
    json_write_integer(to, name, value);
}

/* The names are those of PEP 691 where it has one. */
void query_write_file(const struct query *a, size_t file, struct buf *to)
{
    const struct json *f = a->entries[file];
    const char *href = json_string(json_member(f, "url"));
    auto_free char *url = NULL;

    json_write_member(to, "filename", a->files[file].name);
    if (href && url_resolve(a->page_url, href, &url) == 0)
        json_write_member(to, "url", url);
    write_number(to, "size", exact_size_of(a, file));
    write_number(to, "size-about", size_of(a, file, "_size-about"));
    json_write_member(to, "sha256", json_string(json_member(json_member(f, "hashes"), "sha256")));
    json_write_member(to, "requires-python", a->files[file].requires_python);
    json_write_boolean(to, "yanked", a->files[file].yanked);
    json_write_boolean(to, "delisted", query_is_delisted(a, file));
    json_write_name(to, "mirrors");
    buf_putc(to, '[');
    const struct json *m = json_first(json_member(f, "_mirrors"));
    for (; m; m = json_next(m)) {
        json_write_comma(to);
        json_write_string(to, json_string(m) ? json_string(m) : "");
    }
    buf_putc(to, ']');
}

void query_write_lines(const char *text, struct buf *to)
{
    buf_putc(to, '[');
    while (*text) {
        size_t len = strcspn(text, "\n");
        auto_free char *line = strndup(text, len);

        json_write_comma(to);
        json_write_string(to, line ? line : "");
        text += len + (text[len] == '\n');
    }
    buf_putc(to, ']');
}

int query_print(struct buf *text, int code)
{
    if (text->error) {
        (void)fprintf(stderr, "wheelyard: %s\n", error_text(text->error));
        return EXIT_NO;
    }
    terminal_clean(text->data, text->len);
    return fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) ? EXIT_NO : code;
}
