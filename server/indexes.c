// SPDX-License-Identifier: Apache-2.0
/*
 * The request is suspended once at most. engine_ask_roots then looks at the mirrors' root pages
 * that are due. The second call writes what is known by then.
 */
#include "server/indexes.h"

#include "base/json.h"

enum { INDEXES_MAX_BYTES = 1 << 20 };

/* The order of the origins is the order in which they are asked. */
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

/* `indexes`: /simple/ ("simple") and the indexes of the configuration. `channels`: the channels
 * that a mirror has listed, with the time of its last listing, or that its root page names.
 * `patterns`: the channel names that the configuration allows. */
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
