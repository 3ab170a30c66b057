// SPDX-License-Identifier: Apache-2.0
#include "server/file_reply.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "server/hint.h"
#include "server/negotiate.h"
#include "server/range.h"

/* MHD holds one block per reply: larger ones would save some CPU per byte, but then each of
 * thousands of slow readers costs as much. */
enum { FILE_BLOCK_BYTES = 64 << 10, MIRRORS_SIZE = 256 };
enum { DETAIL_MAX_BYTES = 4096 };

static const char *state_name(enum file_state state)
{
    switch (state) {
    case FILE_HIT:
        return "hit";
    case FILE_PARTIAL:
        return "partial";
    case FILE_MISS:
        return "miss";
    case FILE_PASS:
        return "pass";
    }
    return NULL;
}

static void add_origin(struct reply *reply, const struct request *request)
{
    char mirrors[MIRRORS_SIZE] = "";
    file_mirrors(request->file, mirrors, sizeof(mirrors));
    reply_header(reply, "X-Cache", request->cache);
    reply_header(reply, "X-Mirror", mirrors);
}

static void add_facts(struct reply *reply, const struct request *request)
{
    const struct file_facts *facts = file_facts(request->file);
    bool metadata = str_ends(request->route.path, ".metadata");
    reply_header(reply, "Content-Type",
                 metadata ? "text/plain; charset=utf-8" : "application/octet-stream");
    reply_header(reply, "ETag", facts->etag);
    reply_header(reply, "Cache-Control",
                 facts->immutable ? "public, max-age=365000000, immutable" : "public, max-age=600");
    reply_header(reply, "Accept-Ranges", facts->size >= 0 ? "bytes" : NULL);
    add_origin(reply, request);
}

/* ------------------------------------------------------------------ bodies */

/* A plain end would tell the client that this was all; where there was no length to fall short of,
 * only a reset says otherwise. */
static ssize_t body_cut(struct request *request)
{
    if (request->to < 0)
        connection_reset(&request->connection);
    connection_end(&request->connection);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t body_read(void *cls, uint64_t position, char *to, size_t max)
{
    struct request *request = cls;
    if (request->connection.waiter.gone)
        return body_cut(request);
    int64_t offset = request->from + (int64_t)position;
    if (request->to >= 0 && (int64_t)max > request->to - offset)
        max = (size_t)(request->to - offset);
    int64_t n = file_read(request->file, offset, to, max, &request->connection.waiter);
    if (n == FILE_END && request->to < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n < 0)
        return body_cut(request);
    request->bytes += n;
    return (ssize_t)n; /* 0: suspended */
}

static struct reply body_of(struct request *request)
{
    const char *mapping = file_mapping(request->file);
    request->is_mapped = mapping && request->to >= 0;
    if (request->is_mapped)
        return reply_of_bytes(mapping + request->from, (size_t)(request->to - request->from));
    uint64_t length = request->to < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)(request->to - request->from);
    return (struct reply){
        MHD_create_response_from_callback(length, FILE_BLOCK_BYTES, body_read, request, NULL), 0};
}

static enum MHD_Result send_body(struct request *request, bool is_range, enum file_use use)
{
    int64_t size = file_facts(request->file)->size;
    int r = file_select(request->file, request->from, request->to, use);
    if (r < 0)
        return reply_problem(request, reply_status_of_error(r), error_text(r));
    struct reply reply = body_of(request);
    add_facts(&reply, request);
    if (!is_range)
        return reply_send(&reply, request, MHD_HTTP_OK);
    char range[80];
    (void)snprintf(range, sizeof(range), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, request->from,
                   request->to - 1, size);
    reply_header(&reply, "Content-Range", range);
    return reply_send(&reply, request, MHD_HTTP_PARTIAL_CONTENT);
}

static enum MHD_Result send_promise(struct request *request, unsigned status)
{
    struct reply reply = reply_of_promise(file_facts(request->file)->size);
    add_facts(&reply, request);
    return reply_send(&reply, request, status);
}

static enum MHD_Result send_unsatisfiable(struct request *request, int64_t size)
{
    char range[40];
    (void)snprintf(range, sizeof(range), "bytes */%" PRId64, size);
    struct reply reply = reply_of_problem(request, MHD_HTTP_RANGE_NOT_SATISFIABLE,
                                          "the file ends before this range");
    reply_header(&reply, "Content-Range", range);
    add_origin(&reply, request);
    return reply_send(&reply, request, MHD_HTTP_RANGE_NOT_SATISFIABLE);
}

/* ------------------------------------------------------------------ decisions */

static enum file_use use_of(const struct request *request, struct range range)
{
    if (request->is_head)
        return FILE_USE_HEAD;
    bool bounded = range.kind == RANGE_BOUNDED || range.kind == RANGE_SUFFIX;
    return bounded ? FILE_USE_RANGE : FILE_USE_WHOLE;
}

static enum MHD_Result send_file(struct request *request, struct range range)
{
    const struct file_facts *facts = file_facts(request->file);
    if (negotiate_none_match(request->headers[HEADER_IF_NONE_MATCH], facts->etag))
        return send_promise(request, MHD_HTTP_NOT_MODIFIED);
    if (request->is_head)
        return send_promise(request, MHD_HTTP_OK);
    request->from = 0;
    request->to = facts->size;
    if (range.kind == RANGE_NONE || facts->size < 0 ||
        !negotiate_if_range(request->headers[HEADER_IF_RANGE], facts->etag))
        return send_body(request, false, FILE_USE_WHOLE);
    if (range_resolve(range, facts->size, &request->from, &request->to))
        return send_unsatisfiable(request, facts->size);
    return send_body(request, true, use_of(request, range));
}

static enum MHD_Result send_refusal(struct request *request, const struct file_facts *facts)
{
    auto_buf struct buf detail;
    buf_init(&detail, DETAIL_MAX_BYTES);
    buf_puts(&detail, facts->detail ? facts->detail : "");
    if (facts->outcome == OUTCOME_NO_FILE)
        hint_file(request->site->engine, request->route.origin, request->route.path, &detail);
    return reply_problem(request, reply_status_of_outcome(facts->outcome), detail.data);
}

enum MHD_Result file_reply_send(struct request *request)
{
    /* A range is defined for GET alone. */
    const char *header = request->is_head ? NULL : request->headers[HEADER_RANGE];
    struct range range = range_parse(header);
    struct file_query query = {
        .origin = request->route.origin,
        .path = request->route.path,
        .use = use_of(request, range),
        .waited = request->has_waited,
        .via = request->headers[HEADER_VIA],
    };
    int r = engine_file(request->site->engine, &query, &request->connection.waiter, &request->file);
    if (r == ENGINE_WAIT) {
        request->has_waited = true;
        return MHD_YES;
    }
    if (r)
        return reply_problem(request, reply_status_of_error(r), error_text(r));
    const struct file_facts *facts = file_facts(request->file);
    request->cache = state_name(facts->state);
    if (facts->outcome == OUTCOME_OK)
        return send_file(request, range);
    request->cache = NULL;
    return send_refusal(request, facts);
}
