// SPDX-License-Identifier: Apache-2.0
/* `wheelyard relock`: arguments, the file, and what is said. lock/relock.h changes the text,
 * engine/mirrors/addresses.h knows the addresses. */
#include "cli/command_relock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/place.h"
#include "base/str.h"
#include "base/url.h"
#include "config/argument.h"
#include "config/config.h"
#include "config/setup.h"
#include "engine/mirrors/addresses.h"
#include "lock/relock.h"

enum { EXIT_DONE = 0, EXIT_NOT = 1, EXIT_USAGE = 2 };
enum { GO = -1, OURS_MAX = 4096, OUTPUT_MAX_BYTES = 64 << 20 };

static const char usage[] =
    "usage: wheelyard relock LOCK [--to URL | --official] [FLAGS]\n\n"
    "Changes the addresses in a uv.lock, pylock.toml, pixi.lock or requirements.txt: those of\n"
    "the sites and mirrors of the configuration become those of a wheelyard, so that\n"
    "`uv sync --frozen` and its like go there. No other byte changes, and --official leads back\n"
    "to the very same file. Where one address cannot be changed, none is.\n\n"
    "  --to URL       that wheelyard; default: what the configuration listens on\n"
    "  --official     back to the addresses of the sites\n"
    "  --from URL     a wheelyard whose addresses are in the lock, besides --to, listen and\n"
    "                 hosts of the configuration; may be given several times\n"
    "  -o FILE        write there, and leave LOCK as it is\n"
    "  --check        write nothing; exit 1 where something would change\n"
    "  --json         one JSON object\n"
    "  --config FILE  that configuration\n\n"
    "Exit: 0 done, 1 not, 2 usage.\n";

static const char *const flags[] = {"--to",   "--official", "--from", "--output", "--check",
                                    "--json", "--config",   "--help", NULL};

struct command {
    const char *path, *to, *output, *config_file;
    bool is_official, is_check, as_json;
    struct config config;
    bool has_config;
    struct place place;
    bool has_place;
    char *base;
    char *ours[OURS_MAX + 1]; /* NULL-terminated */
    size_t ours_count;
    struct buf text, changed;
    struct lock *lock;
    struct relock_report report;
};

static int wrong(const char *what, const char *why)
{
    (void)fprintf(stderr, "wheelyard relock: %s: %s\n", what, why);
    return EXIT_USAGE;
}

static int failed(const char *what, int error)
{
    (void)fprintf(stderr, "wheelyard relock: %s: %s\n", what, error_text(error));
    return EXIT_NOT;
}

/* ---------------------------------------------------------------- arguments */

/* A base without a slash at its end, taken over. */
static int add_ours(struct command *c, char *base)
{
    if (!base)
        return failed("relock", ERROR_NO_MEMORY);
    if (c->ours_count == OURS_MAX) {
        free(base);
        return wrong("--from", "too many addresses");
    }
    for (size_t len = strlen(base); len && base[len - 1] == '/'; len--)
        base[len - 1] = '\0';
    c->ours[c->ours_count++] = base;
    return GO;
}

static int add_given(struct command *c, const char *flag, const char *value)
{
    struct url url;

    if (strpbrk(value, "\"'\\#?% ") || url_parse(value, &url))
        return wrong(flag, "not an address such as http://localhost:8503");
    url_release(&url);
    return add_ours(c, str_dup(value));
}

static int take(struct command *c, int argc, char **argv, int *i)
{
    const char *value;

    if (argument_is(argv[*i], "--official"))
        c->is_official = true;
    else if (argument_is(argv[*i], "--check"))
        c->is_check = true;
    else if (argument_is(argv[*i], "--json"))
        c->as_json = true;
    else if ((value = argument_value(argc, argv, i, "--to")))
        c->to = value;
    else if ((value = argument_value(argc, argv, i, "--from")))
        return add_given(c, "--from", value);
    else if ((value = argument_value(argc, argv, i, "--config")))
        c->config_file = value;
    else if ((value = argument_value(argc, argv, i, "--output")))
        c->output = value;
    else if (!strcmp(argv[*i], "-o") && *i + 1 < argc)
        c->output = argv[++*i];
    else if (*argv[*i] == '-' || c->path) {
        argument_refuse("relock", argv[*i], flags);
        return EXIT_USAGE;
    } else
        c->path = argv[*i];
    return GO;
}

static int parse(struct command *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(usage, stdout) < 0 || fflush(stdout) ? EXIT_NOT : EXIT_DONE;
        int code = take(c, argc, argv, &i);
        if (code != GO)
            return code;
    }
    if (!c->path) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (c->to && c->is_official)
        return wrong("--to", "not together with --official");
    if (c->output && c->is_check)
        return wrong("--check", "not together with -o: it writes nothing");
    return GO;
}

/* -------------------------------------------------- which addresses are ours */

/* A proxy in front may be on the usual port of http or https. */
static int add_host(struct command *c, const char *host, int port)
{
    int code = add_ours(c, str_printf("http://%s:%d", host, port));

    if (code == GO)
        code = add_ours(c, str_printf("http://%s", host));
    return code == GO ? add_ours(c, str_printf("https://%s", host)) : code;
}

/* By every name that the daemon answers to at this address. */
static int add_listen(struct command *c, const char *listen)
{
    char host[CONFIG_HOST_SIZE];
    char own[CONFIG_HOST_SIZE] = "";
    int port = 0;

    if (config_split_listen(listen, host, &port))
        return GO;
    const char *const names[] = {"localhost", "127.0.0.1", "[::1]", own};
    (void)gethostname(own, sizeof own - 1);
    int code = GO;
    for (size_t i = 0; code == GO && i < sizeof names / sizeof *names; i++)
        if (*names[i])
            code = add_ours(c, str_printf("http://%s:%d", names[i], port));
    if (code == GO && *host)
        code = add_ours(
            c, str_printf(strchr(host, ':') ? "http://[%s]:%d" : "http://%s:%d", host, port));
    for (char **name = c->config.hosts; code == GO && name && *name; name++)
        code = add_host(c, *name, port);
    return code;
}

static int load(struct command *c)
{
    auto_free char *errors = NULL;
    auto_buf struct buf base;
    int r = config_load_quietly(c->config_file, &c->config, &errors);
    int code = GO;

    buf_init(&base, URL_MAX_BYTES);
    if (r) {
        (void)fputs(errors ? errors : error_text(r), stderr);
        return r == ERROR_CONFIG ? EXIT_USAGE : EXIT_NOT;
    }
    c->has_config = true;
    if (c->to)
        code = add_given(c, "--to", c->to);
    else {
        setup_base(&base, c->config.listen[0]);
        code = add_ours(c, str_dup(base.data));
    }
    if (code == GO)
        c->base = c->ours[c->ours_count - 1];
    for (char **listen = c->config.listen; code == GO && *listen; listen++)
        code = add_listen(c, *listen);
    return code;
}

/* ------------------------------------------------------------------ the file */

static int read_file(struct command *c)
{
    struct lock_wrong told;
    int r = place_open(c->path, &c->place);

    if (r)
        return failed(c->path, r);
    c->has_place = true;
    r = place_read(&c->place, &c->text);
    if (r == FILE_MISSING) {
        (void)fprintf(stderr, "wheelyard relock: %s: there is no such file\n", c->path);
        return EXIT_NOT;
    }
    if (r)
        return failed(c->path, r);
    const struct lock_input input = {.name = c->path, .text = c->text.data, .len = c->text.len};
    r = lock_read(&input, &c->lock, &told);
    if (r == ERROR_CONFIG) {
        (void)fprintf(stderr, "wheelyard relock: %s:%u: %s\n", c->path, told.line, told.text);
        return EXIT_NOT;
    }
    return r ? failed(c->path, r) : GO;
}

static int map_address(void *context, const struct lock_address *address, struct buf *to,
                       const char **ret_why)
{
    const struct command *c = context;
    const struct addresses a = {
        .origins = &c->config.origins, .base = c->base, .ours = (const char *const *)c->ours};
    enum address_role role = address->role == LOCK_ADDRESS_INDEX ? ADDRESS_INDEX : ADDRESS_FILE;
    int r;

    if (c->is_official)
        r = addresses_to_official(&a, address->text, role, address->project, to, ret_why);
    else if (address->role == LOCK_ADDRESS_OTHER) {
        *ret_why = "a repository, which no mirror has";
        return RELOCK_NOT;
    } else
        r = addresses_to_ours(&a, address->text, role, to, ret_why);
    return r == ADDRESSES_NONE ? RELOCK_NOT : r;
}

static int change(struct command *c)
{
    const struct relock_map map = {.address = map_address, .context = c};
    int r = relock(c->lock, c->text.data, c->text.len, &map, &c->changed, &c->report);

    return r ? failed(c->path, r) : GO;
}

static bool is_done(const struct command *c)
{
    return !c->report.wrong_count && (!c->is_check || !c->report.changed);
}

static int write_file(struct command *c)
{
    int r = 0;

    if (c->report.wrong_count || c->is_check)
        return GO;
    if (c->output)
        r = file_replace(c->output, c->changed.data, c->changed.len);
    else if (c->report.changed)
        r = place_replace(&c->place, c->changed.data, c->changed.len);
    return r ? failed(c->output ? c->output : c->path, r) : GO;
}

/* ------------------------------------------------------------- what is said */

static void say_wrong(const struct command *c)
{
    for (size_t i = 0; i < c->report.wrong_count; i++) {
        const struct relock_wrong *one = &c->report.wrong[i];

        (void)fprintf(stderr, "%s:%u: %s: %s\n", c->path, one->address->line, one->address->text,
                      one->why);
    }
    (void)fprintf(stderr,
                  "wheelyard relock: %zu of %zu addresses cannot be changed; %s is as it "
                  "was\n",
                  c->report.wrong_count, c->lock->address_count, c->path);
}

/* An address of a wheelyard that nobody told about, or NULL. */
static const char *strange_wheelyard(const struct command *c)
{
    for (size_t i = 0; c->is_official && i < c->lock->address_count; i++) {
        const char *text = c->lock->addresses[i].text;

        for (size_t k = 0; k < c->config.origins.count; k++) {
            auto_free char *path = str_printf("/files/%s/", c->config.origins.list[k].name);

            if (path && strstr(text, path))
                return text;
        }
    }
    return NULL;
}

static void say_nothing_to_change(const struct command *c)
{
    const char *strange = strange_wheelyard(c);

    (void)printf("%s: nothing to change\n", c->path);
    if (strange)
        (void)printf("%s looks like a wheelyard's; --from URL says that it is one\n", strange);
}

static void say(const struct command *c)
{
    for (size_t i = 0; i < c->lock->skip_count; i++) {
        const struct lock_skip *skip = &c->lock->skipped[i];

        (void)printf("%s:%u: %s stays: %s\n", c->path, skip->line, skip->what, skip->reason);
    }
    if (c->lock->conda_count)
        (void)printf("%s: %zu packages of conda stay\n", c->path, c->lock->conda_count);
    if (c->report.wrong_count)
        say_wrong(c);
    else if (!c->report.changed)
        say_nothing_to_change(c);
    else
        (void)printf("%s: %zu of %zu addresses %s %s\n", c->path, c->report.changed,
                     c->lock->address_count, c->is_check ? "would lead to" : "lead to",
                     c->is_official ? "the sites" : c->base);
}

static void write_json(const struct command *c, struct buf *to)
{
    buf_putc(to, '{');
    json_write_member(to, "file", c->path);
    json_write_member(to, "kind", lock_kind_name(c->lock->kind));
    json_write_name(to, "addresses");
    buf_printf(to, "%zu", c->lock->address_count);
    json_write_name(to, "changed");
    buf_printf(to, "%zu", c->report.changed);
    json_write_name(to, "conda");
    buf_printf(to, "%zu", c->lock->conda_count);
    json_write_name(to, "unmapped");
    buf_putc(to, '[');
    for (size_t i = 0; i < c->report.wrong_count; i++) {
        json_write_comma(to);
        buf_printf(to, "{\"line\":%u", c->report.wrong[i].address->line);
        json_write_member(to, "address", c->report.wrong[i].address->text);
        json_write_member(to, "reason", c->report.wrong[i].why);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
    json_write_name(to, "skipped");
    buf_putc(to, '[');
    for (size_t i = 0; i < c->lock->skip_count; i++) {
        json_write_comma(to);
        buf_printf(to, "{\"line\":%u", c->lock->skipped[i].line);
        json_write_member(to, "what", c->lock->skipped[i].what);
        json_write_member(to, "place", c->lock->skipped[i].place);
        json_write_member(to, "reason", c->lock->skipped[i].reason);
        buf_putc(to, '}');
    }
    buf_puts(to, "]}\n");
}

static int tell(const struct command *c)
{
    auto_buf struct buf text;

    buf_init(&text, OUTPUT_MAX_BYTES);
    if (c->as_json) {
        write_json(c, &text);
        if (text.error)
            return failed(c->path, text.error);
        (void)fputs(text.data, stdout);
    } else {
        say(c);
    }
    if (fflush(stdout))
        return failed("standard output", ERROR_IO);
    return is_done(c) ? EXIT_DONE : EXIT_NOT;
}

static void release(struct command *c)
{
    if (c->lock && c->report.wrong)
        relock_report_release(&c->report);
    lock_free(c->lock);
    if (c->has_place)
        place_close(&c->place);
    if (c->has_config)
        config_release(&c->config);
    for (size_t i = 0; i < c->ours_count; i++)
        free(c->ours[i]);
    buf_release(&c->text);
    buf_release(&c->changed);
}

int command_relock(int argc, char **argv)
{
    struct command c = {0};

    buf_init(&c.text, LOCK_MAX_BYTES);
    buf_init(&c.changed, 2 * (size_t)LOCK_MAX_BYTES);
    int code = parse(&c, argc, argv);
    if (code == GO)
        code = load(&c);
    if (code == GO)
        code = read_file(&c);
    if (code == GO)
        code = change(&c);
    if (code == GO)
        code = write_file(&c);
    if (code == GO)
        code = tell(&c);
    release(&c);
    return code;
}
