// SPDX-License-Identifier: Apache-2.0
/*
 * One reply with a file, all on the connection's worker:
 *
 * - open_file asks the engine for the file, and `choose` picks the status and the range;
 * - file_begin waits until the first byte is there, or until nothing can be had;
 * - send_body queues a response, over the mapping or over body_read;
 * - MHD calls body_read for each block; it copies bytes, suspends, or cuts.
 *
 * The request holds the open file until it completes. FILE_CHANGED starts again with a new open.
 */
#include "server/file_reply.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "server/hint.h"
#include "server/negotiate.h"
#include "server/range.h"

/* MHD allocates one block per reply. Larger blocks would save some CPU per byte, but thousands of
 * slow clients would each hold one. A file reply is never an fd response: MHD hangs on one whose
 * file has become too short. */
enum { FILE_BLOCK_BYTES = 64 << 10, MIRRORS_SIZE = 256 };
enum { DETAIL_MAX_BYTES = 4096, TRIES_MOST = 8 };

static const char *state_name(enum file_state state)
{
    switch (state) {
    case FILE_HIT:
        return "hit";
    case FILE_PARTIAL:
        return "partial";
    case FILE_MISS:
        return "miss";
    case FILE_PASSTHROUGH:
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

/* `immutable` only when the engine has verified the bytes against a claimed digest. */
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

/* A plain end would look like the end of the file. Without a Content-Length only a reset tells the
 * client that bytes are missing. */
static ssize_t body_cut(struct request *request)
{
    if (request->to < 0)
        connection_reset(&request->connection);
    connection_end(&request->connection);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* MHD calls it for each block; 0 means that the connection was suspended. */
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

/* A file of unknown length is never mapped, because a mapping needs a complete file. */
static struct reply body_of(struct request *request)
{
    const char *mapping = file_mapping(request->file);
    request->is_mapped = mapping && request->to >= 0;
    if (request->is_mapped)
        return reply_of_bytes(mapping + request->from, (size_t)(request->to - request->from));
    uint64_t length = request->to < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)(request->to - request->from);
    struct reply reply = {
        MHD_create_response_from_callback(length, FILE_BLOCK_BYTES, body_read, request, NULL), 0};
    reply_guard(&reply);
    return reply;
}

static enum MHD_Result send_body(struct request *request)
{
    struct reply reply = body_of(request);
    add_facts(&reply, request);
    if (!request->is_range)
        return reply_send(&reply, request, MHD_HTTP_OK);
    char range[80];
    (void)snprintf(range, sizeof(range), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, request->from,
                   request->to - 1, file_facts(request->file)->size);
    reply_header(&reply, "Content-Range", range);
    return reply_send(&reply, request, MHD_HTTP_PARTIAL_CONTENT);
}

/* HEAD and 304: all headers of the body, and no body. */
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

/* The engine fetches a bounded range alone, and reserves space only for clients that read the whole
 * file. */
static enum file_use use_of(const struct request *request, struct range range)
{
    if (request->is_head)
        return FILE_USE_HEAD;
    bool bounded = range.kind == RANGE_BOUNDED || range.kind == RANGE_SUFFIX;
    return bounded ? FILE_USE_RANGE : FILE_USE_WHOLE;
}

/* The engine's reason, and for a missing file a hint at files that exist. */
static enum MHD_Result send_refusal(struct request *request)
{
    const struct file_facts *facts = file_facts(request->file);
    auto_buf struct buf detail;
    buf_init(&detail, DETAIL_MAX_BYTES);
    buf_puts(&detail, facts->detail ? facts->detail : "");
    request->cache = NULL;
    if (facts->outcome == OUTCOME_NO_FILE)
        hint_file(request->site->engine, request->route.origin, request->route.path, &detail);
    unsigned status = reply_status_of_outcome(facts->outcome);
    struct reply reply = reply_of_problem(request, status, detail.data);
    /* Only where a retry can succeed soon: pip would sleep for every Retry-After, five times. */
    reply_header(&reply, "Retry-After", facts->outcome == OUTCOME_UNAVAILABLE ? "1" : NULL);
    return reply_send(&reply, request, status);
}

static enum MHD_Result send_error(struct request *request, int error)
{
    return reply_problem(request, reply_status_of_error(error), error_text(error));
}

/* Decides what to send of an open file. REPLIED: `ret` is the answer without any byte of it. 0:
 * file_select took the range. Otherwise an error. */
enum { REPLIED = 10 };
/* In the order of RFC 9110 13.2: conditions first, then the range. */
static int choose(struct request *request, struct range range, enum MHD_Result *ret)
{
    const struct file_facts *facts = file_facts(request->file);
    *ret = MHD_YES;
    if (facts->outcome != OUTCOME_OK)
        *ret = send_refusal(request);
    else if (negotiate_none_match(request->headers[HEADER_IF_NONE_MATCH], facts->etag))
        *ret = send_promise(request, MHD_HTTP_NOT_MODIFIED);
    else if (request->is_head)
        *ret = send_promise(request, MHD_HTTP_OK);
    else {
        request->from = 0;
        request->to = facts->size;
        request->is_range = range.kind != RANGE_NONE && facts->size >= 0 &&
                            negotiate_if_range(request->headers[HEADER_IF_RANGE], facts->etag);
        if (request->is_range && range_resolve(range, facts->size, &request->from, &request->to)) {
            *ret = send_unsatisfiable(request, facts->size);
            return REPLIED;
        }
        return file_select(request->file, request->from, request->to,
                           request->is_range ? use_of(request, range) : FILE_USE_WHOLE);
    }
    return REPLIED;
}

/* Opens the file and selects the wanted part. */
static int open_file(struct request *request, enum MHD_Result *ret)
{
    /* A range is defined for GET alone. */
    struct range range = range_parse(request->is_head ? NULL : request->headers[HEADER_RANGE]);
    struct file_query query = {
        .origin = request->route.origin,
        .path = request->route.path,
        .use = use_of(request, range),
        .waited = request->has_waited,
        .via = request->headers[HEADER_VIA],
        .refresh = request_wants_refresh(request),
    };
    int r = engine_file(request->site->engine, &query, &request->connection.waiter, &request->file);
    if (r)
        return r;
    if (!request->cache) /* a second open serves the same request, so its first state stays in the
                            log */
        request->cache = state_name(file_facts(request->file)->state);
    return choose(request, range, ret);
}

/* The status line goes out when there is a byte to send or when nothing can be had, never before.
 * So a status is always true. The engine resumes the request at `until_ms` at the latest. */
enum MHD_Result file_reply_send(struct request *request)
{
    struct waiter *waiter = &request->connection.waiter;
    enum MHD_Result sent = MHD_YES;
    int r = FILE_CHANGED;
    waiter->until_ms = request->started_ms + FILE_STATUS_LINE_MS;
    for (int tries = 0; r == FILE_CHANGED && tries < TRIES_MOST; tries++) {
        r = request->file ? 0 : open_file(request, &sent);
        if (r == 0)
            r = file_begin(request->file, waiter);
        else if (r == REPLIED)
            return sent;
        if (r == FILE_CHANGED) {
            file_close(request->file);
            request->file = NULL;
        }
    }
    request->has_waited |= r == ENGINE_WAIT;
    if (r == ENGINE_WAIT)
        return MHD_YES;
    waiter->until_ms = 0; /* a body may take its time */
    if (r == FILE_CHANGED)
        return reply_problem(request, MHD_HTTP_BAD_GATEWAY, "the file keeps changing");
    if (r)
        return send_error(request, r);
    if (file_facts(request->file)->outcome != OUTCOME_OK)
        return send_refusal(request);
    return send_body(request);
}
