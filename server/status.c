// SPDX-License-Identifier: Apache-2.0
/*
 * Health answers without the engine, so it also works while the engine is busy. Status waits once
 * for the flight thread: figures that a thread owns are copied only on that thread.
 */
#include "server/status.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"

static enum MHD_Result send_word(struct request *request, const char *word)
{
    auto_buf struct buf text;
    buf_init(&text, 64);
    buf_puts(&text, word);
    return reply_buffer(request, "text/plain; charset=utf-8", &text);
}

enum MHD_Result status_send_health(struct request *request)
{
    return send_word(request, "ok\n");
}

enum MHD_Result status_send_ready(struct request *request)
{
    if (!engine_is_ready(request->site->engine))
        return reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                             "the catalogue is not open yet");
    return send_word(request, "ready\n");
}

/* The engine's members and our own form one object. */
void status_write(const struct site *site, struct buf *to)
{
    buf_puts(to, "{");
    engine_write_status(site->engine, to);
    json_write_name(to, "requests");
    buf_putc(to, '{');
    json_write_integer(to, "active", atomic_load(&site->active));
    json_write_integer(to, "waiting", connection_waiting());
    buf_putc(to, '}');
    json_write_member(to, "version", VERSION);
    json_write_boolean(to, "offline", engine_is_offline(site->engine));
    json_write_integer(to, "uptime_s", (clock_monotonic_ms() - site->started_ms) / 1000);
    buf_puts(to, "}\n");
}

bool status_must_wait(struct request *request)
{
    if (request->has_waited)
        return false;
    request->has_waited = true;
    return engine_refresh_status(request->site->engine, &request->connection.waiter) == ENGINE_WAIT;
}

enum MHD_Result status_send(struct request *request)
{
    if (status_must_wait(request))
        return MHD_YES;
    auto_buf struct buf json;
    buf_init(&json, STATUS_MAX_BYTES);
    status_write(request->site, &json);
    return reply_buffer(request, "application/json", &json);
}
