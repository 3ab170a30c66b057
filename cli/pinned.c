// SPDX-License-Identifier: Apache-2.0
#include "cli/pinned.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cli/lock_set.h"

/* A request has 64 KiB at most, and JSON may double what a path has of quotes. */
enum { LINES_BYTES = 24 << 10, LINES_MAX_BYTES = 60 << 10, PATH_MAX_BYTES = 4 << 10 };

/* SET_GO, or the exit code after a message. *ret: json_free it, in any case. */
static int ask(const char *command, struct control_client *client, const char *const *words,
               struct json **ret)
{
    *ret = NULL;
    int r = control_client_ask(client, words, ret);
    if (r) {
        (void)fprintf(stderr, "wheelyard %s: %s\n", command,
                      r == ERROR_UNREACHABLE ? "the daemon has gone away" : error_text(r));
        return r == ERROR_UNREACHABLE ? EXIT_UNREACHABLE : EXIT_NO;
    }
    int64_t code = json_integer(json_member(*ret, "code"));
    if (code == 0)
        return SET_GO;
    (void)fprintf(stderr, "wheelyard %s: %s\n", command, json_text(*ret, "message"));
    return code == EXIT_USAGE ? EXIT_USAGE : EXIT_NO;
}

static int send(const char *command, struct control_client *client, const char *set,
                struct buf *lines)
{
    struct json *reply;
    const char *text = lines->len ? lines->data : "";
    int code = ask(command, client, (const char *const[]){"sets", "add", set, text, NULL}, &reply);
    json_free(reply);
    buf_clear(lines);
    return code;
}

/* A lock may name what can be no file of the daemon: its line would spoil those of others. */
static bool is_line(const struct wanted_file *f)
{
    return strlen(f->path) < PATH_MAX_BYTES && !strchr(f->path, '\n');
}

int pinned_add(const char *command, struct control_client *client, const char *set,
               const struct wanted *wanted)
{
    auto_buf struct buf lines;
    int code = SET_GO;
    buf_init(&lines, LINES_MAX_BYTES);
    for (size_t i = 0; i < wanted->count && code == SET_GO; i++) {
        const struct wanted_file *f = &wanted->files[i];
        if (is_line(f))
            buf_printf(&lines, "%" PRId64 " %s/%s\n", f->size, f->origin, f->path);
        if (lines.len > LINES_BYTES || i + 1 == wanted->count)
            code = send(command, client, set, &lines);
    }
    return code;
}

int pinned_read(const char *command, struct control_client *client, const char *set,
                struct wanted *ret)
{
    struct json *reply;
    int code = ask(command, client, (const char *const[]){"sets", "files", set, NULL}, &reply);
    const struct json *f = code == SET_GO ? json_first(json_member(reply, "files")) : NULL;
    for (; f && code == SET_GO; f = json_next(f)) {
        struct wanted_file file = {.origin = strdup(json_text(f, "origin")),
                                   .path = strdup(json_text(f, "path")),
                                   .digests = strdup(""),
                                   .size = json_integer(json_member(f, "size"))};
        if (wanted_add(ret, &file)) {
            (void)fprintf(stderr, "wheelyard %s: %s\n", command, error_text(ERROR_NO_MEMORY));
            code = EXIT_NO;
        }
    }
    wanted_settle(ret);
    json_free(reply);
    return code;
}
