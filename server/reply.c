// SPDX-License-Identifier: Apache-2.0
/*
 * Every answer of the daemon passes through here, so the headers that protect browsers are added in
 * one place. An error is written in the form that the client shows: JSON for installers, HTML for
 * browsers, text for the rest.
 */
#include "server/reply.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "index/page.h"
#include "server/negotiate.h"

enum { PROBLEM_MAX_BYTES = 16 << 10 };

/* MHD wants a non-const pointer for what it only reads. */
static struct MHD_Response *response_of(const void *data, size_t len,
                                        enum MHD_ResponseMemoryMode mode)
{
    return MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, mode);
}

static void reply_fail(struct reply *reply)
{
    if (reply->response)
        MHD_destroy_response(reply->response);
    reply->response = NULL;
}

static struct reply guarded(struct reply reply)
{
    reply_guard(&reply);
    return reply;
}

struct reply reply_of_bytes(const void *data, size_t len)
{
    return guarded((struct reply){response_of(data, len, MHD_RESPMEM_PERSISTENT), (int64_t)len});
}

struct reply reply_of_text(const char *text, size_t len)
{
    return guarded((struct reply){response_of(text, len, MHD_RESPMEM_MUST_COPY), (int64_t)len});
}

/* A response without a body still needs a reader; MHD must never call this one. */
static ssize_t promise_read(void *cls, uint64_t position, char *to, size_t max)
{
    (void)cls, (void)position, (void)to, (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* A callback that is never called: MHD sends headers for it, and no body. */
struct reply reply_of_promise(int64_t size)
{
    uint64_t length = size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)size;
    struct reply reply = {MHD_create_response_from_callback(length, 1, promise_read, NULL, NULL),
                          0};
    /* Without this option MHD 0.9.75 sends the last chunk of a body that it does not send. */
    if (reply.response && size < 0 &&
        MHD_set_response_options(reply.response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END) !=
            MHD_YES)
        reply_fail(&reply);
    return guarded(reply);
}

/* The only style sheet is that of `/`, named by its digest (server/home.c, test_browsers.py). */
static const char policy[] =
    "default-src 'none'; style-src 'sha256-nu4ufZ6SbrPK5R9RKFqqS+hv8MoIX/ImMYKUEhkTd04='; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void reply_guard(struct reply *reply)
{
    reply_header(reply, "X-Content-Type-Options", "nosniff");
    reply_header(reply, "Content-Security-Policy", policy);
}

/* Pages of other sites may not load it. Pages and files of ours do not get this: installers need no
 * such rule. */
static void reply_guard_own(struct reply *reply)
{
    reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (reply->response && value && *value &&
        MHD_add_response_header(reply->response, name, value) != MHD_YES)
        reply_fail(reply);
}

enum MHD_Result reply_send_shared(const struct reply *reply, struct request *request,
                                  unsigned status)
{
    request->status = status;
    request->first_ms = clock_monotonic_ms();
    request->bytes = request->is_head || status == MHD_HTTP_NOT_MODIFIED ? 0 : reply->size;
    return MHD_queue_response(request->connection.mhd, status, reply->response);
}

enum MHD_Result reply_send(struct reply *reply, struct request *request, unsigned status)
{
    if (!reply->response)
        return MHD_NO;
    enum MHD_Result r = reply_send_shared(reply, request, status);
    reply_fail(reply); /* drops our reference; MHD has its own */
    return r;
}

/* application/problem+json (RFC 9457); pip and uv print its detail. */
static void problem_write(struct buf *to, unsigned status, const char *detail)
{
    buf_puts(to, "{");
    json_write_member(to, "type", "about:blank");
    json_write_member(to, "title", MHD_get_reason_phrase_for(status));
    json_write_integer(to, "status", status);
    if (detail && *detail)
        json_write_member(to, "detail", detail);
    buf_puts(to, "}\n");
}

static void problem_write_text(struct buf *to, unsigned status, const char *detail)
{
    buf_printf(to, "%u %s%s%s\n", status, MHD_get_reason_phrase_for(status), detail ? ": " : "",
               detail ? detail : "");
}

/* For people in a browser, who would otherwise see JSON. */
static void problem_write_html(struct buf *to, unsigned status, const char *detail)
{
    const char *title = MHD_get_reason_phrase_for(status);
    buf_printf(to,
               "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<title>%u %s</title>\n</head>\n<body>\n<h1>%u %s</h1>\n<p>",
               status, title, status, title);
    page_escape(to, detail ? detail : "");
    buf_puts(to, "</p>\n</body>\n</html>\n");
}

static const struct {
    void (*write)(struct buf *to, unsigned status, const char *detail);
    const char *content_type;
} problem_forms[] = {
    [PROBLEM_JSON] = {problem_write, "application/problem+json"},
    [PROBLEM_HTML] = {problem_write_html, "text/html; charset=utf-8"},
    [PROBLEM_TEXT] = {problem_write_text, "text/plain; charset=utf-8"},
};

/* Vary: the same URL answers in three forms. */
struct reply reply_of_problem(const struct request *request, unsigned status, const char *detail)
{
    enum problem_type type = negotiate_problem(request->headers[HEADER_ACCEPT]);
    auto_buf struct buf text;
    buf_init(&text, PROBLEM_MAX_BYTES);
    problem_forms[type].write(&text, status, detail);
    if (text.error) { /* the detail is too long: the status alone must do */
        buf_clear(&text);
        problem_forms[type].write(&text, status, NULL);
    }
    struct reply reply = reply_of_text(text.data, text.len);
    reply_guard_own(&reply);
    reply_header(&reply, "Content-Type", problem_forms[type].content_type);
    reply_header(&reply, "Cache-Control", "no-store");
    reply_header(&reply, "Vary", "Accept, Accept-Encoding");
    return reply;
}

enum MHD_Result reply_problem(struct request *request, unsigned status, const char *detail)
{
    struct reply reply = reply_of_problem(request, status, detail);
    return reply_send(&reply, request, status);
}

/* Every JSON answer of the daemon ends here. */
enum MHD_Result reply_buffer(struct request *request, const char *content_type,
                             const struct buf *body)
{
    if (body->error)
        return reply_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR, error_text(body->error));
    struct reply reply = reply_of_text(body->data, body->len);
    reply_guard_own(&reply);
    reply_header(&reply, "Content-Type", content_type);
    reply_header(&reply, "Cache-Control", "no-store");
    return reply_send(&reply, request, MHD_HTTP_OK);
}

unsigned reply_status_of_outcome(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return MHD_HTTP_OK;
    case OUTCOME_NO_PROJECT:
    case OUTCOME_NO_FILE:
        return MHD_HTTP_NOT_FOUND;
    case OUTCOME_NO_INDEX: /* clients do not show the text of a 404 */
        return MHD_HTTP_BAD_REQUEST;
    case OUTCOME_BROKEN:
        return MHD_HTTP_BAD_GATEWAY;
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_STOPPING:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case OUTCOME_SILENT:
        return MHD_HTTP_GATEWAY_TIMEOUT;
    case OUTCOME_LOOP:
        return MHD_HTTP_LOOP_DETECTED;
    case OUTCOME_FORBIDDEN:
        return MHD_HTTP_FORBIDDEN;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

unsigned reply_status_of_error(int error)
{
    switch ((enum error)error) {
    case ERROR_BAD_REQUEST:
        return MHD_HTTP_BAD_REQUEST;
    case ERROR_GONE:
        return MHD_HTTP_NOT_FOUND;
    case ERROR_DIGEST_MISMATCH:
    case ERROR_UNREACHABLE:
    case ERROR_UPSTREAM_STATUS:
    case ERROR_UPSTREAM_BROKEN:
    case ERROR_FORBIDDEN_ADDRESS:
    case ERROR_BAD_LISTING:
        return MHD_HTTP_BAD_GATEWAY;
    case ERROR_TIMEOUT:
        return MHD_HTTP_GATEWAY_TIMEOUT;
    case ERROR_NO_SPACE:
    case ERROR_MAX_SIZE:
    case ERROR_MIN_FREE:
        return MHD_HTTP_INSUFFICIENT_STORAGE;
    case ERROR_NO_MEMORY:
    case ERROR_STOPPING:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case ERROR_LOOP:
        return MHD_HTTP_LOOP_DETECTED;
    case ERROR_IO:
    case ERROR_NOT_FILE:
    case ERROR_READ_ONLY:
    case ERROR_DENIED:
    case ERROR_CORRUPT:
    case ERROR_TOO_BIG:
    case ERROR_CONFIG:
    case ERROR_IN_USE:
        break;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}
