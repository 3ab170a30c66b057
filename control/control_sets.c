// SPDX-License-Identifier: Apache-2.0
#include "control/control_sets.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "control/control_cache.h"
#include "control/control_request.h"
#include "engine/engine.h"
#include "engine/files/inventory.h"
#include "engine/files/sets.h"

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_USAGE = 2 };

static void refuse(struct buf *reply, const char *name, int r)
{
    if (r == ENGINE_ABSENT) {
        auto_free char *why = str_printf("%s: no set has this name", name);
        buf_printf(reply, "{\"code\":%d", CODE_FAILED);
        json_write_member(reply, "message", why ? why : "");
        json_write_boolean(reply, "absent", true);
        buf_putc(reply, '}');
        return;
    }
    auto_free char *why = str_printf("%s: %s", name,
                                     r == ERROR_BAD_REQUEST ? "no name of letters, digits and `._-`"
                                     : r == ERROR_TOO_BIG   ? "there are too many sets already"
                                                            : error_text(r));
    control_refuse(reply, r == ERROR_BAD_REQUEST ? CODE_USAGE : CODE_FAILED, why ? why : "");
}

/* ------------------------------------------------------------------ pictures */

static int write_set(void *context, const struct set_summary *set)
{
    struct buf *to = context;
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "name", set->name);
    json_write_integer(to, "files", set->files);
    json_write_integer(to, "bytes", set->bytes);
    json_write_integer(to, "held", set->held);
    json_write_integer(to, "held_bytes", set->held_bytes);
    buf_putc(to, '}');
    return to->error;
}

static int write_file(void *context, const struct set_file *file)
{
    struct buf *to = context;
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", file->origin);
    json_write_member(to, "path", file->path);
    if (file->size >= 0)
        json_write_integer(to, "size", file->size);
    buf_putc(to, '}');
    return to->error;
}

/* name NULL: all sets. A reply that fails halfway is begun anew. */
static void picture(struct engine *engine, const char *name, struct buf *reply)
{
    size_t begin = reply->len;
    buf_printf(reply, "{\"code\":%d,\"message\":\"\",\"%s\":[", CODE_DONE, name ? "files" : "sets");
    int r = name ? sets_each_file(engine_files(engine), name, write_file, reply)
                 : sets_each(engine_files(engine), write_set, reply);
    buf_puts(reply, "]}");
    if (r && !reply->error) {
        reply->len = begin;
        refuse(reply, name ? name : "sets", r);
    }
}

/* ------------------------------------------------------------------- changes */

struct list {
    struct set_file *files;
    size_t count;
};

/* Cuts "SIZE ORIGIN/PATH" in place. */
static int take_line(struct list *list, char *line)
{
    char *end = NULL;
    int64_t size = strtoll(line, &end, 10);
    char *origin = end + 1, *slash = *end == ' ' ? strchr(origin, '/') : NULL;
    if (end == line || !slash || slash == origin || !slash[1])
        return ERROR_BAD_REQUEST;
    struct set_file *files = vec_grow(list->files, list->count, sizeof(*files));
    if (!files)
        return ERROR_NO_MEMORY;
    *slash = '\0';
    list->files = files;
    list->files[list->count++] = (struct set_file){origin, slash + 1, size};
    return 0;
}

static void add(struct engine *engine, const char *name, const char *files, struct buf *reply)
{
    struct list list = {NULL, 0};
    auto_free char *text = strdup(files);
    char *rest = text;
    int r = text ? 0 : ERROR_NO_MEMORY;
    for (char *line = strsep(&rest, "\n"); line && r == 0; line = strsep(&rest, "\n"))
        r = *line ? take_line(&list, line) : 0;
    if (r == ERROR_BAD_REQUEST)
        control_refuse(reply, CODE_USAGE, "not a list of files");
    else {
        if (r == 0)
            r = sets_add(engine_files(engine), name, list.files, list.count);
        if (r)
            refuse(reply, name, r);
        else
            control_refuse(reply, CODE_DONE, "");
    }
    free(list.files);
}

static void drop(struct engine *engine, const char *name, struct buf *reply)
{
    int r = sets_drop(engine_files(engine), name);
    if (r) {
        refuse(reply, name, r);
        return;
    }
    auto_free char *message = str_printf("unpinned the set %s", name);
    control_refuse(reply, CODE_DONE, message ? message : "");
}

void control_sets(struct engine *engine, const struct control_request *request, struct buf *reply)
{
    const char *const *w = request->words;
    if (request->count == 2 && strcmp(w[1], "ls") == 0)
        picture(engine, NULL, reply);
    else if (request->count == 3 && strcmp(w[1], "files") == 0)
        picture(engine, w[2], reply);
    else if (request->count == 3 && strcmp(w[1], "drop") == 0)
        drop(engine, w[2], reply);
    else if (request->count == 4 && strcmp(w[1], "add") == 0)
        add(engine, w[2], w[3], reply);
    else
        control_refuse(reply, CODE_USAGE, "there is no such request");
}
