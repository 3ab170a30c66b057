// SPDX-License-Identifier: Apache-2.0
#include "server/indexes.h"

#include "base/json.h"

enum { INDEXES_MAX_BYTES = 1 << 20 };

static void write_named(struct buf *to, const char *name, char *const *origins)
{
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "name", name);
    json_write_name(to, "origins");
    buf_putc(to, '[');
    for (; *origins; origins++) {
        json_write_comma(to);
        json_write_string(to, *origins);
    }
    buf_puts(to, "]}");
}

static void write_patterns(struct buf *to, const struct origin *origin)
{
    for (char *const *channel = origin->channels; *channel; channel++) {
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "pattern", *channel);
        json_write_member(to, "origin", origin->name);
        buf_putc(to, '}');
    }
}

/* `indexes`: /simple/ ("simple") and those that the configuration names. `channels`: those that a
 * mirror has listed, and when it did last, or names on its root page, and when that was read.
 * `patterns`: the names that the configuration allows. */
enum MHD_Result indexes_send(struct request *request)
{
    const struct origins *origins = request->site->origins;
    bool first = !request->has_waited;
    request->has_waited = true;
    if (first &&
        engine_ask_roots(request->site->engine, &request->connection.waiter) == ENGINE_WAIT)
        return MHD_YES;
    struct index_view simple;
    char *rest[2] = {NULL, NULL};
    auto_buf struct buf json;
    buf_init(&json, INDEXES_MAX_BYTES);
    if (origins_index(origins, "", &simple) == 0)
        rest[0] = simple.origins[0]->name;
    buf_putc(&json, '{');
    json_write_name(&json, "indexes");
    buf_putc(&json, '[');
    write_named(&json, "simple", rest);
    for (size_t i = 0; i < origins->index_count; i++)
        write_named(&json, origins->indexes[i].name, origins->indexes[i].origins);
    buf_putc(&json, ']');
    json_write_name(&json, "channels");
    buf_putc(&json, '[');
    engine_write_channels(request->site->engine, &json);
    buf_putc(&json, ']');
    json_write_name(&json, "patterns");
    buf_putc(&json, '[');
    for (size_t i = 0; i < origins->count; i++)
        write_patterns(&json, &origins->list[i]);
    buf_puts(&json, "]}\n");
    return reply_buffer(request, "application/json", &json);
}
