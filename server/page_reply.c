// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a shared response: the first worker that sends the page makes it and hangs it on the
 * page's body. Other workers find it there by an atomic load. The engine frees it together with the
 * page, after the last request has dropped its reference. The common reply is therefore one look-up
 * and one queue call.
 */
#include "server/page_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/str.h"
#include "server/hint.h"
#include "server/negotiate.h"

enum { ETAG_SIZE = 48, DETAIL_MAX_BYTES = 4096, STALE_AGE_S = 5 };

static const char vary[] = "Accept, Accept-Encoding";

/* One way to send a page: its bytes and the headers before them. */
struct variant {
    enum page_type type;
    const struct page *page;
    struct page_body *body;
    enum page_coding coding;
    enum page_state state;
    char etag[ETAG_SIZE];
};

static const char *state_name(enum page_state state)
{
    switch (state) {
    case PAGE_HIT:
        return "hit";
    case PAGE_MISS:
        return "miss";
    case PAGE_STALE:
        return "stale";
    }
    return NULL;
}

/* Picks the bytes and makes the tag that belongs to exactly these headers. */
static void variant_choose(struct variant *v, const struct request *request, struct page *page)
{
    enum page_format format = v->type == PAGE_TYPE_JSON ? PAGE_JSON : PAGE_HTML;
    v->page = page;
    v->coding = negotiate_coding(request->headers[HEADER_ACCEPT_ENCODING]);
    if (!page->body[format][v->coding].data)
        v->coding = PAGE_IDENTITY; /* small pages are not compressed */
    v->body = &page->body[format][v->coding];
    /* Two content types share the HTML bytes, but their entity tags must differ. */
    size_t len = strlen(v->body->etag);
    if (v->type == PAGE_TYPE_HTML_V1 && len > 0)
        (void)snprintf(v->etag, sizeof(v->etag), "%.*s-v1\"", (int)len - 1, v->body->etag);
    else
        str_copy(v->etag, sizeof(v->etag), v->body->etag);
}

/* A stale page lives at most STALE_AGE_S in caches, because a load is under way that will replace
 * it. */
static struct reply variant_build(const struct variant *v)
{
    char life[48], serial[24] = "";
    struct reply reply = reply_of_bytes(v->body->data, v->body->len);
    int max_age_s = v->page->max_age_s;
    if (v->state == PAGE_STALE && max_age_s > STALE_AGE_S)
        max_age_s = STALE_AGE_S;
    (void)snprintf(life, sizeof(life), "public, max-age=%d", max_age_s);
    reply_header(&reply, "Content-Type", negotiate_content_type(v->type));
    reply_header(&reply, "Content-Encoding", negotiate_coding_name(v->coding));
    reply_header(&reply, "ETag", v->etag);
    reply_header(&reply, "Cache-Control", life);
    reply_header(&reply, "Vary", vary);
    reply_header(&reply, "X-Cache", state_name(v->state));
    reply_header(&reply, "X-Mirror", v->page->mirrors);
    if (v->page->last_serial > 0)
        (void)snprintf(serial, sizeof(serial), "%" PRId64, v->page->last_serial);
    reply_header(&reply, "X-PyPI-Last-Serial", serial);
    return reply;
}

/* The response that hangs on the page. The first worker makes it; the loser of a race drops its
 * copy. It borrows the page's bytes, and every request that queued it holds a reference on the
 * page. */
static struct reply variant_shared(const struct variant *v)
{
    void *there = atomic_load(&v->body->attachment);
    if (!there) {
        struct reply mine = variant_build(v);
        if (atomic_compare_exchange_strong(&v->body->attachment, &there, mine.response))
            return mine;
        if (mine.response)
            MHD_destroy_response(mine.response);
    }
    return (struct reply){there, (int64_t)v->body->len};
}

void page_reply_free_attachment(void *attachment)
{
    MHD_destroy_response(attachment);
}

/* The shared response has the headers of a hit; every other state builds its own. */
static enum MHD_Result send_variant(const struct variant *v, struct request *request)
{
    bool same = negotiate_none_match(request->headers[HEADER_IF_NONE_MATCH], v->etag);
    unsigned status = same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK;
    request->cache = state_name(v->state);
    if (v->state != PAGE_HIT || v->type == PAGE_TYPE_HTML_V1) {
        struct reply own = variant_build(v);
        return reply_send(&own, request, status);
    }
    struct reply shared = variant_shared(v);
    return shared.response ? reply_send_shared(&shared, request, status) : MHD_NO;
}

/* Retry-After comes from the engine, which knows when it will ask again. */
static enum MHD_Result send_refusal(struct request *request, const struct page *page)
{
    char seconds[16] = "";
    unsigned status = reply_status_of_outcome(page->outcome);
    auto_buf struct buf detail;
    buf_init(&detail, DETAIL_MAX_BYTES);
    buf_puts(&detail, page->detail);
    if (page->outcome == OUTCOME_NO_PROJECT && request->route.project)
        hint_project(request->site->origins, request->route.index, request->route.project, &detail);
    struct reply reply = reply_of_problem(request, status, detail.data);
    reply_header(&reply, "X-Mirror", page->mirrors);
    if (page->retry_after_s)
        (void)snprintf(seconds, sizeof(seconds), "%d", page->retry_after_s);
    reply_header(&reply, "Retry-After", seconds);
    return reply_send(&reply, request, status);
}

/* The type is negotiated first: a client that reads none of ours costs no look-up. */
enum MHD_Result page_reply_send(struct request *request)
{
    struct variant v;
    if (request->route.flat)
        v.type = PAGE_TYPE_HTML; /* a flat page has no other form */
    else if (negotiate_page(request->headers[HEADER_ACCEPT], request->route.format, &v.type))
        return reply_problem(request, MHD_HTTP_NOT_ACCEPTABLE,
                             "pages come as application/vnd.pypi.simple.v1+json, "
                             "application/vnd.pypi.simple.v1+html and text/html");
    struct page_query query = {
        .index = request->route.index,
        .project = request->route.project,
        .flat = request->route.flat,
        .official = request->route.official,
        .refresh = request_wants_refresh(request),
        .via = request->headers[HEADER_VIA],
        .client = connection_client_id(&request->forwarded.client),
    };
    int r = engine_page(request->site->engine, &query, &request->connection.waiter,
                        request->has_waited, &request->page, &v.state);
    if (r == ENGINE_WAIT) {
        request->has_waited = true;
        return MHD_YES;
    }
    if (r)
        return reply_problem(request, reply_status_of_error(r), error_text(r));
    if (request->page->outcome != OUTCOME_OK)
        return send_refusal(request, request->page);
    variant_choose(&v, request, request->page);
    return send_variant(&v, request);
}
