// SPDX-License-Identifier: Apache-2.0
#include "control/control_export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "control/control_cache.h"
#include "engine/engine.h"
#include "engine/files/inventory.h"
#include "engine/files/last_listed.h"
#include "index/name.h"

enum { CODE_DONE = 0, CODE_FAILED = 1 };

DEFINE_CLEANUP(struct inventory, inventory_free)

static void write_listed(struct buf *to, const struct last_listed *listed)
{
    json_write_member(to, "requires-python", listed->requires_python);
    json_write_member(to, "upload-time", listed->upload_time);
    if (listed->yanked && listed->yanked_reason)
        json_write_member(to, "yanked", listed->yanked_reason);
    else if (listed->yanked)
        buf_puts(to, ",\"yanked\":true");
}

static void write_file(struct buf *to, const struct inventory_row *row, const char *origin,
                       const struct file_name *name, const struct last_listed *listed)
{
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", origin);
    json_write_member(to, "path", row->name + row->origin_len + 1);
    json_write_member(to, "project", name->project);
    json_write_member(to, "kind", name->kind == FILE_SDIST ? "sdist" : "wheel");
    buf_printf(to, ",\"size\":%" PRId64, row->size);
    json_write_member(to, "sha256", row->sha256);
    write_listed(to, listed);
    buf_putc(to, '}');
}

/* Only wheels and sdists travel: a bundle makes pages and METADATA of them itself. */
static int add_row(struct engine *engine, const struct inventory_row *row, struct buf *to)
{
    struct last_listed listed = {.is_known = false};
    struct file_name name;
    auto_free char *origin = strndup(row->name, row->origin_len);
    if (!origin)
        return ERROR_NO_MEMORY;
    int r = file_name_parse(str_last_segment(row->name), &name);
    if (r)
        return r;
    if (name.kind == FILE_WHEEL || name.kind == FILE_SDIST) {
        r = last_listed_get(engine_files(engine), origin, name.project,
                            row->name + row->origin_len + 1, &listed);
        if (r == 0)
            write_file(to, row, origin, &name, &listed);
    }
    last_listed_release(&listed);
    file_name_release(&name);
    return r;
}

void control_export(struct engine *engine, const _Atomic bool *stop, struct buf *reply)
{
    AUTO(inventory_free) struct inventory *inventory = NULL;
    int r = inventory_new(engine_files(engine), &inventory);
    size_t begin = reply->len;
    buf_printf(reply, "{\"code\":%d,\"message\":\"\"", CODE_DONE);
    json_write_member(reply, "cache_dir", inventory_cache_dir(engine_files(engine)));
    buf_puts(reply, ",\"files\":[");
    for (size_t i = 0; r == 0 && i < inventory->count; i++) {
        if (*stop)
            r = ERROR_STOPPING;
        else if (inventory->rows[i].sha256[0])
            r = add_row(engine, &inventory->rows[i], reply);
    }
    buf_puts(reply, "]}");
    if (r) {
        reply->len = begin;
        control_refuse(reply, CODE_FAILED, error_text(r));
    }
}
