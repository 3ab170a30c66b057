// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard add`: wheels that a person has downloaded by hand enter the cache. The page of the
 * index says under which origin and path a file belongs, and which digest it has; a flag says it
 * where no page lists the file. The daemon gets the open file, copies it and judges it.
 */
#include "cli/command_add.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/terminal.h"
#include "base/url.h"
#include "cli/file_address.h"
#include "cli/query.h"
#include "cli/reach.h"
#include "config/argument.h"
#include "index/name.h"

enum { OUTPUT_MAX_BYTES = 8 << 20, ROW_MAX_BYTES = 64 << 10, DETAIL_BYTES = 1024 };

static const char usage[] =
    "usage: wheelyard add FILE... [FLAGS]\n\n"
    "Puts wheels and source archives that you have downloaded by hand into the cache of the\n"
    "running daemon. The page of the index says where each belongs and which digest it has.\n\n"
    "  --index NAME       the index whose page lists the files: cu126 ...; default: as for wheels\n"
    "  --origin NAME      the origin they belong to; for files that no page lists\n"
    "  --channel NAME     with --origin: the channel that is to list them\n"
    "  --json             print one JSON object\n"
    "  --url URL          address of the daemon; default: `listen` of the configuration\n"
    "  --socket PATH      control socket of the daemon; default: that of the configuration\n"
    "  --config FILE      wheelyard's own configuration\n\n"
    "Exit: 0 all are in the cache, 1 not all, 2 wrong usage, 3 no daemon.\n";

static const char *const flags[] = {"--index", "--origin", "--channel", "--json",
                                    "--url",   "--socket", "--config",  NULL};

struct add {
    const char *index, *origin, *channel, *url, *socket, *config;
    bool as_json;
    char **files;
    int file_count;
    struct control_client client;
    struct buf report; /* of --json */
};

/* Where a file belongs, and what its page says of it. */
struct place {
    char *origin, *path, *sha256;
    struct buf row; /* JSON: control/control_add.h */
};

static void place_release(struct place *p)
{
    free(p->origin);
    free(p->path);
    free(p->sha256);
    buf_release(&p->row);
}

/* ---------------------------------------------------------------- arguments */

static int parse(struct add *a, int argc, char **argv)
{
    a->files = argv; /* in place: what is no flag moves to the front */
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(usage, stdout) < 0 || fflush(stdout) ? EXIT_NO : EXIT_YES;
        if (argv[i][0] != '-')
            a->files[a->file_count++] = argv[i];
        else if (argument_is(argv[i], "--json"))
            a->as_json = true;
        else if ((value = argument_value(argc, argv, &i, "--index")))
            a->index = value;
        else if ((value = argument_value(argc, argv, &i, "--origin")))
            a->origin = value;
        else if ((value = argument_value(argc, argv, &i, "--channel")))
            a->channel = value;
        else if ((value = argument_value(argc, argv, &i, "--url")))
            a->url = value;
        else if ((value = argument_value(argc, argv, &i, "--socket")))
            a->socket = value;
        else if ((value = argument_value(argc, argv, &i, "--config")))
            a->config = value;
        else {
            argument_refuse("add", argv[i], flags);
            return EXIT_USAGE;
        }
    }
    const char *wrong = !a->file_count             ? "which files?"
                        : a->channel && !a->origin ? "--channel goes with --origin"
                        : a->origin && a->index    ? "--origin or --index, not both"
                                                   : NULL;
    if (wrong)
        (void)fprintf(stderr, "wheelyard add: %s\n", wrong);
    return wrong ? EXIT_USAGE : QUERY_GO;
}

/* ------------------------------------------------------------------ placing */

static void write_channel(struct buf *row, const char *channel)
{
    json_write_name(row, "channels");
    buf_putc(row, '[');
    if (channel && *channel)
        json_write_string(row, channel);
    buf_putc(row, ']');
}

static int place_by_flag(const struct add *a, const char *name, struct place *ret)
{
    ret->origin = strdup(a->origin);
    ret->path = a->channel ? str_printf("%s/%s", a->channel, name) : strdup(name);
    ret->sha256 = strdup("");
    buf_putc(&ret->row, '{');
    write_channel(&ret->row, a->channel);
    buf_putc(&ret->row, '}');
    return ret->origin && ret->path && ret->sha256 && !ret->row.error ? 0 : ERROR_NO_MEMORY;
}

static void write_row(const struct query *q, const struct json *file, struct buf *row)
{
    const struct json *yanked = json_member(file, "yanked");
    buf_putc(row, '{');
    write_channel(row, q->index);
    json_write_member(row, "requires-python", json_string(json_member(file, "requires-python")));
    if (!json_string(json_member(file, "_upload-time-source")))
        json_write_member(row, "upload-time", json_string(json_member(file, "upload-time")));
    if (json_string(yanked))
        json_write_member(row, "yanked", json_string(yanked));
    buf_putc(row, '}');
}

static int place_on_page(const struct query *q, const char *name, struct place *ret)
{
    for (size_t i = 0; i < q->file_count; i++) {
        const char *href = json_string(json_member(q->entries[i], "url"));
        auto_free char *url = NULL;
        if (strcmp(q->files[i].name, name) != 0 || !href ||
            url_resolve(q->page_url, href, &url) != 0)
            continue;
        const char *sha256 =
            json_string(json_member(json_member(q->entries[i], "hashes"), "sha256"));
        int r = file_address_split(url, &ret->origin, &ret->path);
        ret->sha256 = strdup(sha256 ? sha256 : "");
        write_row(q, q->entries[i], &ret->row);
        return r ? r : ret->sha256 && !ret->row.error ? 0 : ERROR_NO_MEMORY;
    }
    return ERROR_GONE;
}

/* 0, an error, or ERROR_GONE: no page lists it; *code: the exit code, when all has been said. */
static int place_by_page(const struct add *a, const char *name, const char *project,
                         struct place *ret, int *code)
{
    static const struct query_command command = {.name = "add", .usage = usage};
    const struct query_place place = {a->index, a->url, a->config};
    struct query q;
    int r = ERROR_GONE;
    *code = query_page(&command, project, &place, &q);
    if (*code == QUERY_GO)
        r = place_on_page(&q, name, ret);
    query_release(&q);
    return r;
}

/* ------------------------------------------------------------------- adding */

static void report(struct add *a, const char *file, const char *state, const struct place *p,
                   const char *detail)
{
    if (a->as_json) {
        json_write_comma(&a->report);
        buf_putc(&a->report, '{');
        json_write_member(&a->report, "file", file);
        json_write_member(&a->report, "state", state);
        json_write_member(&a->report, "origin", p->origin);
        json_write_member(&a->report, "path", p->path);
        json_write_member(&a->report, "detail", detail && *detail ? detail : NULL);
        buf_putc(&a->report, '}');
        return;
    }
    auto_buf struct buf line;
    buf_init(&line, OUTPUT_MAX_BYTES);
    if (detail && *detail)
        buf_printf(&line, "wheelyard add: %s: %s\n", file, detail);
    else
        buf_printf(&line, "%s %s/%s\n", state, p->origin, p->path);
    terminal_clean(line.data, line.len);
    (void)fputs(line.data, detail && *detail ? stderr : stdout);
}

static int open_file(const char *file, int64_t *ret_size, char *ret_why, size_t size)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        str_copy(ret_why, size, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        str_copy(ret_why, size, "not a regular file");
        (void)close(fd);
        return -1;
    }
    *ret_size = st.st_size;
    return fd;
}

/* Hands it over. The exit code; *ret_state "kept" or "held", or ret_why says what is wrong. */
static int hand_over(struct add *a, const struct place *p, int fd, int64_t size,
                     const char **ret_state, char *ret_why, size_t why_size)
{
    char length[24];
    struct json *reply = NULL;
    (void)snprintf(length, sizeof length, "%" PRId64, size);
    int r = control_client_ask_with(&a->client,
                                    (const char *const[]){"add", p->origin, p->path, "0", length,
                                                          p->sha256, "", p->row.data, NULL},
                                    fd, &reply);
    if (r) {
        str_copy(ret_why, why_size,
                 r == ERROR_UNREACHABLE ? "the daemon has gone away" : error_text(r));
        return EXIT_UNREACHABLE;
    }
    const char *state = json_string(json_member(reply, "state"));
    const char *message = json_string(json_member(reply, "message"));
    *ret_state = !state ? NULL : strcmp(state, "held") == 0 ? "held" : "kept";
    if (!state)
        str_copy(ret_why, why_size, message && *message ? message : "refused");
    json_free(reply);
    return state ? EXIT_YES : EXIT_NO;
}

static int add_file(struct add *a, const char *file)
{
    struct place place = {NULL, NULL, NULL, {0}};
    struct file_name name = {0};
    char why[DETAIL_BYTES] = "";
    const char *state = "refused", *base = str_last_segment(file);
    int64_t size = 0;
    int code = EXIT_NO;
    buf_init(&place.row, ROW_MAX_BYTES);
    auto_close int fd = open_file(file, &size, why, sizeof why);
    if (fd >= 0 && (file_name_parse(base, &name) || name.kind == FILE_OTHER))
        str_copy(why, sizeof why, "not the name of a wheel or a source archive");
    if (fd >= 0 && !*why) {
        int said = QUERY_GO;
        int r = a->origin ? place_by_flag(a, base, &place)
                          : place_by_page(a, base, name.project, &place, &said);
        if (said != QUERY_GO) {
            code = said;
            str_copy(why, sizeof why, "its page cannot be had");
        } else if (r) {
            str_copy(why, sizeof why,
                     r == ERROR_GONE ? "no page of that index lists it; --index NAME names "
                                       "another index, --origin NAME says where it belongs"
                                     : error_text(r));
        } else {
            code = hand_over(a, &place, fd, size, &state, why, sizeof why);
        }
    }
    report(a, file, *why ? "refused" : state, &place, why);
    file_name_release(&name);
    place_release(&place);
    return code;
}

int command_add(int argc, char **argv)
{
    struct add a = {.index = NULL};
    int code = parse(&a, argc, argv);
    if (code != QUERY_GO)
        return code;
    code = reach_daemon(a.socket, a.config, &a.client);
    if (code)
        return code;
    buf_init(&a.report, OUTPUT_MAX_BYTES);
    buf_puts(&a.report, "{\"files\":[");
    for (int i = 0; i < a.file_count && code != EXIT_UNREACHABLE; i++) {
        int r = add_file(&a, a.files[i]);
        code = r > code ? r : code;
    }
    buf_puts(&a.report, "]}\n");
    if (a.as_json)
        code = query_print(&a.report, code);
    buf_release(&a.report);
    control_client_close(&a.client);
    return code;
}
