// SPDX-License-Identifier: Apache-2.0
/* Requests as they leave, header sections and bodies as they come: framing, ranges, codings. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/gzip.h"

enum { SLABS = 8 };

static const char TEXT[] = "abcdefghijklmnopqrstuvwxyz";

static void say_plain(struct peer *p)
{
    peer_say(p,
             "HTTP/1.1 200 OK\r\nContent-Length: 26\r\nETag: \"one\"\r\n"
             "Last-Modified: Mon, 23 Nov 2026 06:30:21 GMT\r\nContent-Type: text/plain\r\n"
             "Accept-Ranges: bytes\r\nVia: 1.1 a\r\nVia: 1.1 b\r\n\r\n%s",
             p->is_head ? "" : TEXT);
}

static void say_gzip(struct peer *p, size_t zeros)
{
    struct buf coded;
    char *plain = calloc(1, zeros);
    buf_init(&coded, zeros);
    assert_int_equal(gzip_compress(plain, zeros, &coded), 0);
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             coded.len);
    peer_send(p, coded.data, coded.len);
    buf_release(&coded);
    free(plain);
}

/* What is said for a path, where nothing has to be looked at or computed. */
static const struct {
    const char *path, *reply;
    bool keep;
} SAYINGS[] = {
    {"/range",
     "HTTP/1.1 206 Partial\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/26\r\n\r\ncdefg", true},
    {"/range-unknown-total",
     "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/*\r\n\r\ncdefg", true},
    {"/range-small-total",
     "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/6\r\n\r\ncdefg", true},
    {"/range-other-start",
     "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 3-7/26\r\n\r\ndefgh", true},
    {"/range-short", "HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 2-3/26\r\n\r\ncd",
     true},
    {"/from-zero-whole",
     "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/5\r\n\r\nabcde", true},
    {"/from-zero-part",
     "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/26\r\n\r\nabcde", true},
    {"/from-zero-unknown-total",
     "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/*\r\n\r\nabcde", true},
    {"/range-other-length",
     "HTTP/1.1 206 P\r\nContent-Length: 4\r\nContent-Range: bytes 2-6/26\r\n\r\ncdef", true},
    {"/range-multipart",
     "HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Type: multipart/byteranges; boundary=x"
     "\r\n\r\nxx",
     true},
    {"/range-long-chunks",
     "HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n"
     "Content-Range: bytes 2-6/26\r\n\r\n6\r\ncdefgh\r\n0\r\n\r\n",
     true},
    {"/range-short-chunks",
     "HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n"
     "Content-Range: bytes 2-6/26\r\n\r\n2\r\ncd\r\n0\r\n\r\n",
     true},
    {"/range-open",
     "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 20-25/26\r\n\r\n"
     "uvwxyz",
     true},
    {"/range-past-end",
     "HTTP/1.1 416 Range\r\nContent-Length: 0\r\nContent-Range: bytes */26\r\n\r\n", true},
    {"/chunks",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n"
     "X-Trailer: 1\r\n\r\n",
     true},
    {"/chunks-cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false},
    {"/until-close", "HTTP/1.0 200 OK\r\n\r\nabcde", false},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcde", false},
    {"/too-long", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", true},
    {"/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
     false},
    {"/coded", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", false},
    {"/coded-transfer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     false},
    {"/interim",
     "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     true},
    {"/not-modified", "HTTP/1.1 304 Not Modified\r\nETag: \"one\"\r\nContent-Length: 26\r\n\r\n",
     true},
    {"/forbidden", "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n<xml>", true},
    {"/short-lived",
     "HTTP/1.1 200 OK\r\nCache-Control: public,  Max-Age=10, s-maxage=9\r\nContent-Length: "
     "0\r\n\r\n",
     true},
    {"/long-lived",
     "HTTP/1.1 200 OK\r\nCache-Control: max-age=99999999999999999999\r\nContent-Length: 0\r\n\r\n",
     true},
    {"/busy", "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", true},
    {"/nothing", "", false},
    {"/no-http", "SSH-2.0-what\r\n\r\n", false},
};

static bool serve(struct peer *p)
{
    if (strcmp(p->path, "/plain") == 0) {
        say_plain(p);
        return true;
    }
    if (strcmp(p->path, "/zeros") == 0) {
        say_gzip(p, 10 << 20);
        return true;
    }
    for (size_t i = 0; i < sizeof(SAYINGS) / sizeof(SAYINGS[0]); i++)
        if (strcmp(p->path, SAYINGS[i].path) == 0) {
            peer_send(p, SAYINGS[i].reply, strlen(SAYINGS[i].reply));
            return SAYINGS[i].keep;
        }
    /* everything else: the request itself */
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(p->request));
    peer_send(p, p->request, strlen(p->request));
    return true;
}

static struct lab *lab;

static int setup(void **state)
{
    (void)state;
    lab = lab_new(serve, NULL, NULL, SLABS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lab_free(lab);
    return 0;
}

static int get(const char *path, struct result *r)
{
    struct fetch_request q = lab_request(lab, path);
    return lab_run(lab, &q, r);
}

static int get_range(const char *path, int64_t from, int64_t to, struct result *r)
{
    struct fetch_request q = lab_request(lab, path);
    q.from = from;
    q.to = to;
    return lab_run(lab, &q, r);
}

static void test_plain(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/plain", &r), 0);
    assert_body(&r, TEXT);
    assert_int_equal(r.first_offset, 0);
    assert_int_equal(r.head.status, 200);
    assert_int_equal(r.head.length, 26);
    assert_int_equal(r.head.total, 26);
    assert_int_equal(r.head.from, 0);
    assert_true(r.head.ranges);
    assert_true(r.head.is_framed);
    assert_int_equal(r.head.retry_after_s, -1);
    assert_string_equal(r.etag, "\"one\"");
    assert_string_equal(r.last_modified, "Mon, 23 Nov 2026 06:30:21 GMT");
    assert_string_equal(r.content_type, "text/plain");
    assert_string_equal(r.via, "1.1 a, 1.1 b");
    assert_string_equal(r.final_url, lab_url(lab, "/plain"));
    assert_string_equal(r.detail, "HTTP 200");
    result_release(&r);
}

static void test_head(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/plain");
    q.head = true;
    q.max_bytes = 0; /* no body: nothing to bound */
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(r.head.total, 26);
    assert_int_equal(r.body.len, 0);
    result_release(&r);
}

static void test_request(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/echo/torch-2.0%2Bcu126.whl?x=1#top");
    q.from = 5;
    q.accept = "text/html";
    q.if_none_match = "\"a\"";
    q.if_modified_since = "Mon, 23 Nov 2026 06:30:21 GMT";
    q.if_range = "\"b\"";
    q.via = "1.1 wheelyard-1";
    assert_int_equal(lab_run(lab, &q, &r), 0);
    static const char *const lines[] = {"GET /echo/torch-2.0%2Bcu126.whl?x=1 HTTP/1.1\r\n",
                                        "\r\nUser-Agent: wheelyard/test\r\n",
                                        "\r\nAccept: text/html\r\n",
                                        "\r\nAccept-Encoding: identity\r\n",
                                        "\r\nIf-None-Match: \"a\"\r\n",
                                        "\r\nIf-Modified-Since: Mon, 23 Nov 2026 06:30:21 GMT\r\n",
                                        "\r\nIf-Range: \"b\"\r\n",
                                        "\r\nVia: 1.1 wheelyard-1\r\n",
                                        "\r\nRange: bytes=5-\r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr(r.body.data, lines[i]));
    result_release(&r);
}

static void test_request_cannot_be_split(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/plain");
    q.if_none_match = "\"a\"\r\nX: y";
    int before = server_requests(lab->server);
    assert_int_equal(lab_run(lab, &q, &r), ERROR_BAD_REQUEST);
    assert_int_equal(server_requests(lab->server), before);
    result_release(&r);
}

static void test_range(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get_range("/range", 2, 6, &r), 0);
    assert_body(&r, "cdefg");
    assert_int_equal(r.first_offset, 2);
    assert_int_equal(r.head.status, 206);
    assert_int_equal(r.head.from, 2);
    assert_int_equal(r.head.length, 5);
    assert_int_equal(r.head.total, 26);
    assert_true(r.head.ranges);
    result_release(&r);

    assert_int_equal(get_range("/range-unknown-total", 2, 6, &r), 0);
    assert_body(&r, "cdefg");
    assert_int_equal(r.head.total, -1);
    result_release(&r);

    assert_int_equal(get_range("/range-open", 20, -1, &r), 0);
    assert_body(&r, "uvwxyz");
    result_release(&r);

    /* asked beyond the end: as far as the file goes */
    assert_int_equal(get_range("/range-open", 20, 99, &r), 0);
    assert_body(&r, "uvwxyz");
    result_release(&r);
}

static void assert_range_refused(const char *path, int64_t from, int64_t to)
{
    struct result r;
    assert_int_equal(get_range(path, from, to, &r), ERROR_UPSTREAM_BROKEN);
    assert_int_equal(gate_count(&r.heads), 0);
    assert_int_equal(r.body.len, 0);
    result_release(&r);
}

static void test_range_that_lies(void **state)
{
    (void)state;
    assert_range_refused("/range-small-total", 2, 6);
    assert_range_refused("/range-other-start", 2, 6);
    assert_range_refused("/range-other-length", 2, 6);
    assert_range_refused("/range-multipart", 2, 6);
    assert_range_refused("/range", 2, 5);   /* goes beyond */
    assert_range_refused("/range", -1, -1); /* nobody asked for a range, and the beginning lacks */
    assert_range_refused("/from-zero-unknown-total", -1, -1);
}

/* A server may send less than was asked for, and says so. */
static void test_range_that_ends_sooner(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get_range("/range-short", 2, 6, &r), 0);
    assert_int_equal(r.head.status, 206);
    assert_int_equal(r.head.total, 26);
    assert_int_equal(r.head.length, 2);
    assert_body(&r, "cd");
    result_release(&r);

    assert_int_equal(get_range("/range", 2, -1, &r), 0);
    assert_body(&r, "cdefg");
    result_release(&r);
}

static void test_range_that_nobody_asked_for(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/from-zero-whole");
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(r.head.status, 200);
    assert_int_equal(r.head.total, 5);
    assert_body(&r, "abcde");
    result_release(&r);

    q.is_page = true;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(r.head.status, 200);
    assert_body(&r, "abcde");
    result_release(&r);

    q.url = lab_url(lab, "/from-zero-part"); /* of a page that is nothing, of a file a beginning */
    assert_int_equal(lab_run(lab, &q, &r), ERROR_UPSTREAM_BROKEN);
    result_release(&r);
    q.is_page = false;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(r.head.status, 206);
    assert_int_equal(r.head.total, 26);
    assert_body(&r, "abcde");
    result_release(&r);
}

static void test_range_body_must_fit(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get_range("/range-long-chunks", 2, 6, &r), ERROR_UPSTREAM_BROKEN);
    assert_string_equal(r.detail, "body is longer than announced");
    assert_true(r.body.len <= 5);
    result_release(&r);
    assert_int_equal(get_range("/range-short-chunks", 2, 6, &r), ERROR_UPSTREAM_BROKEN);
    assert_string_equal(r.detail, "body is shorter than announced");
    assert_body(&r, "cd");
    result_release(&r);
}

static void test_range_ignored(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get_range("/plain", 2, 6, &r), 0);
    assert_int_equal(r.head.status, 200);
    assert_int_equal(r.head.from, 0);
    assert_int_equal(r.first_offset, 0);
    assert_body(&r, TEXT);
    result_release(&r);
}

static void test_range_past_end(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get_range("/range-past-end", 26, -1, &r), 0);
    assert_int_equal(r.head.status, 416);
    assert_int_equal(r.head.total, 26);
    result_release(&r);
}

static void test_framing(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/chunks", &r), 0);
    assert_body(&r, "abcde");
    assert_true(r.head.is_framed);
    assert_int_equal(r.head.length, -1);
    assert_int_equal(gate_count(&r.heads), 1); /* trailers are no second head */
    result_release(&r);

    assert_int_equal(get("/until-close", &r), 0);
    assert_body(&r, "abcde");
    assert_false(r.head.is_framed);
    result_release(&r);
}

static void test_cut(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/cut", &r), ERROR_UPSTREAM_BROKEN);
    assert_body(&r, "abcde"); /* what came is handed over all the same */
    result_release(&r);
    assert_int_equal(get("/chunks-cut", &r), ERROR_UPSTREAM_BROKEN);
    assert_body(&r, "abc");
    result_release(&r);
    assert_int_equal(get("/nothing", &r), ERROR_UPSTREAM_BROKEN);
    assert_int_equal(gate_count(&r.heads), 0);
    result_release(&r);
    assert_int_equal(get("/no-http", &r), ERROR_UPSTREAM_BROKEN);
    assert_int_equal(gate_count(&r.heads), 0);
    result_release(&r);
}

/* The length frames the body; what follows must neither reach the sink nor answer the next request.
 */
static void test_too_long(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/too-long", &r), 0);
    assert_body(&r, "abc");
    result_release(&r);
    int before = server_connections(lab->server);
    assert_int_equal(get("/plain", &r), 0);
    assert_body(&r, TEXT);
    assert_int_equal(server_connections(lab->server), before + 1);
    result_release(&r);

    assert_int_equal(get("/two-lengths", &r), ERROR_UPSTREAM_BROKEN);
    assert_int_equal(r.body.len, 0);
    result_release(&r);
}

static void test_coded_wheel(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/coded", &r), 0); /* a label, which some derive from a file's name */
    assert_body(&r, "abc");
    assert_int_equal(r.head.total, 3);
    result_release(&r);
    assert_int_equal(get("/coded-transfer", &r), ERROR_UPSTREAM_BROKEN);
    assert_int_equal(r.body.len, 0);
    result_release(&r);
}

/* It arrives as it was sent; whoever reads it unpacks it. */
static void test_coded_page(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/zeros");
    q.is_page = true;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(r.head.length, r.body.len);
    assert_int_equal(r.body.data[0], 0x1f);
    result_release(&r);

    q.url = lab_url(lab, "/echo");
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_non_null(strstr(r.body.data, "\r\nAccept-Encoding: gzip\r\n"));
    result_release(&r);
}

static void test_too_big(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/plain");
    q.max_bytes = 25;
    assert_int_equal(lab_run(lab, &q, &r), ERROR_TOO_BIG);
    assert_int_equal(r.body.len, 0); /* announced: refused before the first byte */
    result_release(&r);
    q.max_bytes = 26;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    result_release(&r);
    q.url = lab_url(lab, "/chunks");
    q.max_bytes = 4;
    assert_int_equal(lab_run(lab, &q, &r), ERROR_TOO_BIG);
    assert_true(r.body.len <= 4);
    result_release(&r);
}

static void test_other_statuses(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/interim", &r), 0);
    assert_int_equal(gate_count(&r.heads), 1);
    assert_int_equal(r.head.status, 200);
    assert_string_equal(r.etag, "(none)");
    result_release(&r);

    assert_int_equal(get("/not-modified", &r), 0);
    assert_int_equal(r.head.status, 304);
    assert_int_equal(r.head.total, -1);
    assert_string_equal(r.etag, "\"one\"");
    result_release(&r);

    assert_int_equal(get("/forbidden", &r), 0);
    assert_int_equal(r.head.status, 403);
    assert_body(&r, "<xml>");
    result_release(&r);

    assert_int_equal(get("/short-lived", &r), 0);
    assert_int_equal(r.head.max_age_s, 10);
    result_release(&r);
    assert_int_equal(get("/long-lived", &r), 0);
    assert_int_equal(r.head.max_age_s, -1);
    result_release(&r);

    assert_int_equal(get("/busy", &r), 0);
    assert_int_equal(r.head.max_age_s, -1);
    assert_int_equal(r.head.retry_after_s, 7);
    assert_string_equal(r.detail, "HTTP 503");
    result_release(&r);
}

static void test_connections_are_kept(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/plain", &r), 0);
    result_release(&r);
    int before = server_connections(lab->server);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(get(i % 2 ? "/chunks" : "/plain", &r), 0);
        result_release(&r);
    }
    assert_int_equal(server_connections(lab->server), before);
}

static void test_unreachable(void **state)
{
    (void)state;
    struct result r;
    struct server *gone = server_new(0x7f000001, serve, NULL);
    char allowed[32], url[64];
    const char *list[] = {allowed, NULL};
    snprintf(allowed, sizeof(allowed), "127.0.0.1:%d", server_port(gone));
    snprintf(url, sizeof(url), "http://me:secret@%s/", allowed);
    server_free(gone);
    struct fetcher_options options = {.allowed = list};
    struct lab *other = lab_new(serve, NULL, &options, 2);
    struct fetch_request q = lab_request(other, "/");
    q.url = url;
    assert_int_equal(lab_run(other, &q, &r), ERROR_UNREACHABLE);
    assert_int_equal(gate_count(&r.heads), 0);
    assert_null(strstr(r.detail, "secret"));
    result_release(&r);
    lab_free(other);
}

/* The idle connection is found dead only when it is used again. */
static void test_gone_while_idle(void **state)
{
    (void)state;
    struct result r;
    struct server *gone = server_new(0x7f000001, serve, NULL);
    char allowed[32], url[64];
    const char *list[] = {allowed, NULL};
    snprintf(allowed, sizeof(allowed), "127.0.0.1:%d", server_port(gone));
    snprintf(url, sizeof(url), "http://%s/plain", allowed);
    struct fetcher_options options = {.allowed = list};
    struct lab *other = lab_new(serve, NULL, &options, 2);
    struct fetch_request q = lab_request(other, "/");
    q.url = url;
    assert_int_equal(lab_run(other, &q, &r), 0);
    result_release(&r);
    server_free(gone);
    assert_int_equal(lab_run(other, &q, &r), ERROR_UNREACHABLE);
    result_release(&r);
    lab_free(other);
}

static void test_bad_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int error;
    } cases[] = {{"file:///etc/passwd", ERROR_FORBIDDEN_ADDRESS},
                 {"ftp://example.org/x", ERROR_FORBIDDEN_ADDRESS},
                 {"/relative", ERROR_BAD_REQUEST},
                 {"http://", ERROR_BAD_REQUEST},
                 {"", ERROR_BAD_REQUEST},
                 {"http://127.0.0.1:1/", ERROR_FORBIDDEN_ADDRESS},
                 {"http://localhost/", ERROR_FORBIDDEN_ADDRESS},
                 {"http://[::1]/", ERROR_FORBIDDEN_ADDRESS}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct result r;
        struct fetch_request q = lab_request(lab, "/");
        q.url = cases[i].url;
        assert_int_equal(lab_run(lab, &q, &r), cases[i].error);
        result_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_cannot_be_split),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_range_that_lies),
        cmocka_unit_test(test_range_that_ends_sooner),
        cmocka_unit_test(test_range_that_nobody_asked_for),
        cmocka_unit_test(test_range_body_must_fit),
        cmocka_unit_test(test_range_ignored),
        cmocka_unit_test(test_range_past_end),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_coded_wheel),
        cmocka_unit_test(test_coded_page),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_other_statuses),
        cmocka_unit_test(test_connections_are_kept),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_gone_while_idle),
        cmocka_unit_test(test_bad_urls),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
