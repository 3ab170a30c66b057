// SPDX-License-Identifier: Apache-2.0
/* Pages, files and waits over raw sockets, with a scripted engine behind them. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fixture.h"

/* ------------------------------------------------------------------ pages */

static void pages_come_in_every_form(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/cu126/simple/torch/", "");
    ASSERT_HEAD(&a, 200, "Content-Type: text/html; charset=utf-8", "ETag: \"h\"",
                "Vary: Accept, Accept-Encoding", "Cache-Control: public, max-age=600",
                "X-Cache: hit", "X-Mirror: aliyun,nju");
    assert_text(&a, fake_html);
    assert_false(wire_names(&a, "Content-Encoding:"));
    wire_release(&a);

    a = wire_get(f->address, "/cu126/simple/torch/",
                 "Accept: " JSON_TYPE "\r\nAccept-Encoding: gzip\r\n");
    ASSERT_HEAD(&a, 200, "Content-Type: " JSON_TYPE, "ETag: \"jz\"", "Content-Encoding: gzip");
    assert_text(&a, fake_gzip);
    wire_release(&a);

    a = wire_get(f->address, "/cu126/simple/small/",
                 "Accept: application/vnd.pypi.simple.v1+html\r\nAccept-Encoding: gzip\r\n");
    ASSERT_HEAD(&a, 200, "Content-Type: application/vnd.pypi.simple.v1+html", "ETag: \"h-v1\"");
    assert_text(&a, fake_html);
    wire_release(&a);

    a = wire_get(f->address, "/simple/?format=" JSON_TYPE, "Accept: text/html\r\n");
    ASSERT_HEAD(&a, 200, "Content-Type: " JSON_TYPE);
    wire_release(&a);

    a = wire_get(f->address, "/whl/cu126/stale/", "");
    ASSERT_HEAD(&a, 200, "X-Cache: stale");
    wire_release(&a);
}

static void pages_are_refused_in_words(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/simple/down/", "Accept: " JSON_TYPE "\r\n");
    ASSERT_HEAD(&a, 503, "Content-Type: application/problem+json");
    assert_null(strstr(a.bytes, "Retry-After")); /* nothing is under way */
    assert_non_null(strstr(a.body, "\"detail\":\"aliyun: connection refused\""));
    assert_non_null(strstr(a.body, "\"status\":503"));
    wire_release(&a);

    a = wire_get(f->address, "/simple/nosuch/", "");
    ASSERT_HEAD(&a, 404, "Content-Type: application/problem+json");
    wire_release(&a);

    a = wire_get(f->address, "/simple/nosuch/", "Accept: text/plain, */*;q=0.1\r\n");
    ASSERT_HEAD(&a, 404, "Content-Type: text/plain; charset=utf-8");
    wire_release(&a);

    a = wire_get(f->address, "/simple/no<such/", "Accept: text/html, */*;q=0.8\r\n");
    ASSERT_HEAD(&a, 404, "Content-Type: text/html; charset=utf-8");
    wire_release(&a);

    a = wire_get(f->address, "/simple/torch/", "Accept: image/png\r\n");
    ASSERT_HEAD(&a, 406, "Vary: Accept, Accept-Encoding");
    wire_release(&a);

    a = wire_get(f->address, "/cu126/simple/Torch?format=x", "");
    ASSERT_HEAD(&a, 301, "Location: torch/?format=x");
    wire_release(&a);
}

static void what_the_client_holds_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/simple/torch/", "If-None-Match: \"x\", \"h\"\r\n");
    ASSERT_HEAD(&a, 304, "ETag: \"h\"", "Cache-Control: public, max-age=600",
                "Vary: Accept, Accept-Encoding", "X-Cache: hit");
    assert_int_equal(a.body_len, 0);
    wire_release(&a);

    /* Another coding of the same page is not what it holds. */
    a = wire_get(f->address, "/simple/torch/", "If-None-Match: \"h\"\r\nAccept-Encoding: gzip\r\n");
    ASSERT_HEAD(&a, 200, "ETag: \"hz\"");
    wire_release(&a);

    a = wire_get(f->address, "/simple/stale/", "If-None-Match: *\r\n");
    ASSERT_HEAD(&a, 304, "X-Cache: stale");
    wire_release(&a);
}

static void no_cache_asks_for_a_refresh(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/simple/torch/", "Cache-Control: max-age=0\r\n");
    assert_int_equal(a.status, 200);
    assert_false(fake_last_refresh(f->engine));
    wire_release(&a);
    a = wire_get(f->address, "/simple/torch/", "Cache-Control: no-cache\r\n");
    assert_int_equal(a.status, 200);
    assert_true(fake_last_refresh(f->engine));
    wire_release(&a);
}

static void a_connection_is_kept_and_pipelined(void **state)
{
    static const char two[] = GET "/simple/torch/" HTTP "\r\n"
                                  "HEAD /files/pytorch/cu126/growing.whl" HTTP "\r\n"
                                  "GET /simple/torch/" HTTP "If-None-Match: \"h\"\r\n\r\n"
                                  "GET /-/health" HTTP "Connection: close\r\n\r\n";
    struct fixture *f = *state;
    struct answer a = wire_ask(f->address, two);
    unsigned replies = 0;
    for (const char *p = a.bytes; (p = strstr(p, "HTTP/1.1 ")); p++)
        replies++;
    assert_int_equal(replies, 4);
    assert_non_null(strstr(a.bytes, "ok\n"));
    wire_release(&a);
}

static void head_is_get_without_a_body(void **state)
{
    struct fixture *f = *state;
    struct answer a =
        wire_ask(f->address, "HEAD /cu126/simple/torch/" HTTP "Connection: close\r\n\r\n");
    char length[40];
    (void)snprintf(length, sizeof(length), "Content-Length: %zu", strlen(fake_html));
    ASSERT_HEAD(&a, 200, length, "ETag: \"h\"");
    assert_int_equal(a.body_len, 0);
    wire_release(&a);

    a = wire_ask(f->address, "HEAD /files/pytorch/cu126/growing.whl" HTTP
                             "Range: bytes=0-5\r\nConnection: close\r\n\r\n");
    ASSERT_HEAD(&a, 200, "Content-Length: 1048576", "Accept-Ranges: bytes", "ETag: \"g\"",
                "X-Cache: miss", "X-Mirror: aliyun");
    assert_int_equal(a.body_len, 0);
    assert_int_equal(fake_last_use(f->engine), FILE_USE_HEAD);
    wire_release(&a);

    a = wire_ask(f->address,
                 "HEAD /files/pytorch/cu126/unknown.whl" HTTP "Connection: close\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_false(wire_names(&a, "Accept-Ranges:"));
    assert_int_equal(a.body_len, 0);
    wire_release(&a);
}

/* ------------------------------------------------------------------ files */

static void files_come_whole(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/files/pytorch/cu126/whole.whl", "");
    ASSERT_HEAD(&a, 200, "Content-Type: application/octet-stream", "ETag: \"sha256-aa\"",
                "Cache-Control: public, max-age=365000000, immutable", "Accept-Ranges: bytes",
                "Content-Length: 1048576", "X-Cache: hit");
    assert_body(&a, 0, FAKE_SIZE);
    assert_int_equal(fake_last_use(f->engine), FILE_USE_WHOLE);
    wire_release(&a);

    a = wire_get(f->address, "/files/pytorch/cu126/cold.whl", "Accept-Encoding: gzip\r\n");
    ASSERT_HEAD(&a, 200, "Cache-Control: public, max-age=600", "X-Cache: partial");
    assert_false(wire_names(&a, "Content-Encoding:"));
    assert_body(&a, 0, FAKE_SIZE);
    wire_release(&a);

    a = wire_get(f->address, "/files/pytorch/cu126/whole.whl.metadata", "");
    ASSERT_HEAD(&a, 200, "Content-Type: text/plain; charset=utf-8");
    assert_body(&a, 0, 100);
    wire_release(&a);

    static const char *const empty[] = {"/files/pytorch/cu126/empty.whl",
                                        "/files/pytorch/cu126/void.whl"};
    for (size_t i = 0; i < 2; i++) {
        a = wire_get(f->address, empty[i], "");
        ASSERT_HEAD(&a, 200, "Content-Length: 0");
        assert_int_equal(a.body_len, 0);
        wire_release(&a);
    }
}

static void files_are_refused_in_words(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target;
        int status;
        const char *detail;
    } rows[] = {
        {"/files/pytorch/cu126/silent.whl", 504, "aliyun: silent"},
        {"/files/pytorch/cu126/bad.whl", 502, "aliyun: status 500"},
        {"/files/pytorch/cu126/nosuch.whl", 404, "no mirror has it"},
        {"/files/nosuch/cu126/whole.whl", 404, "no mirror has it"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = wire_get(f->address, rows[i].target, "");
        ASSERT_HEAD(&a, rows[i].status, "Cache-Control: no-store");
        assert_non_null(strstr(a.body, rows[i].detail));
        wire_release(&a);
    }
}

static void ranges_are_exact(void **state)
{
    struct fixture *f = *state;
    static const char *const files[] = {"whole", "cold"};
    for (size_t i = 0; i < 2; i++) {
        char target[64];
        (void)snprintf(target, sizeof(target), "/files/pytorch/cu126/%s.whl", files[i]);
        struct answer a = wire_get(f->address, target, "Range: bytes=1000-70000\r\n");
        ASSERT_HEAD(&a, 206, "Content-Range: bytes 1000-70000/1048576", "Content-Length: 69001");
        assert_body(&a, 1000, 70001);
        assert_int_equal(fake_last_use(f->engine), FILE_USE_RANGE);
        wire_release(&a);

        a = wire_get(f->address, target, "Range: bytes=-16384\r\n");
        ASSERT_HEAD(&a, 206, "Content-Range: bytes 1032192-1048575/1048576");
        assert_body(&a, 1032192, FAKE_SIZE);
        wire_release(&a);

        a = wire_get(f->address, target, "Range: bytes=1000000-\r\n");
        ASSERT_HEAD(&a, 206, "Content-Range: bytes 1000000-1048575/1048576");
        assert_body(&a, 1000000, FAKE_SIZE);
        assert_int_equal(fake_last_use(f->engine), FILE_USE_WHOLE);
        wire_release(&a);

        a = wire_get(f->address, target, "Range: bytes=1048576-\r\n");
        ASSERT_HEAD(&a, 416, "Content-Range: bytes */1048576");
        wire_release(&a);

        a = wire_get(f->address, target, "Range: bytes=0-1,5-6\r\n");
        ASSERT_HEAD(&a, 200, "Content-Length: 1048576");
        wire_release(&a);
    }
}

static void conditions_on_files_hold(void **state)
{
    struct fixture *f = *state;
    static const char target[] = "/files/pytorch/cu126/whole.whl";
    struct answer a = wire_get(f->address, target, "If-None-Match: W/\"sha256-aa\"\r\n");
    ASSERT_HEAD(&a, 304, "ETag: \"sha256-aa\"", "X-Cache: hit", "X-Mirror: aliyun");
    assert_int_equal(a.body_len, 0);
    wire_release(&a);

    a = wire_get(f->address, "/files/pytorch/cu126/unknown.whl", "If-None-Match: \"u\"\r\n");
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body_len, 0);
    wire_release(&a);

    a = wire_get(f->address, target, "Range: bytes=5-9\r\nIf-Range: \"sha256-aa\"\r\n");
    assert_int_equal(a.status, 206);
    assert_body(&a, 5, 10);
    wire_release(&a);

    a = wire_get(f->address, target, "Range: bytes=5-9\r\nIf-Range: W/\"sha256-aa\"\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(fake_last_use(f->engine), FILE_USE_WHOLE);
    wire_release(&a);

    a = wire_get(f->address, target, "Range: bytes=5-9\r\nRange: bytes=7-8\r\n");
    assert_int_equal(a.status, 200);
    wire_release(&a);
}

/* ------------------------------------------------------------------ waits */

static void bytes_go_out_as_they_come(void **state)
{
    enum { READERS = 5 };
    struct fixture *f = *state;
    int fds[READERS];
    for (int i = 0; i < READERS; i++)
        fds[i] =
            fixture_ask(f, GET "/files/pytorch/cu126/growing.whl" HTTP "Connection: close\r\n\r\n");
    fake_await_suspended(f->engine, READERS);
    fake_grow(f->engine, 1000);
    fake_await_suspended(f->engine, 2 * READERS);
    /* Head and first bytes are with the client while the rest has not come to us. */
    for (int i = 0; i < READERS; i++) {
        char text[4096] = "";
        size_t len = 0;
        char *body = NULL;
        while (!body || len < (size_t)(body - text) + 1000) {
            assert_true(len + 1 < sizeof(text));
            wire_read(fds[i], text + len++, 1);
            body = body ? body : strstr(text, "\r\n\r\n") ? text + len : NULL;
        }
        assert_int_equal((uint8_t)body[999], fake_byte(999));
    }
    fake_grow(f->engine, FAKE_SIZE);
    for (int i = 0; i < READERS; i++) {
        struct answer a = wire_finish(fds[i]);
        assert_int_equal(a.len, FAKE_SIZE - 1000);
        assert_int_equal((uint8_t)a.bytes[a.len - 1], fake_byte(FAKE_SIZE - 1));
        wire_release(&a);
    }
}

static void pages_and_facts_are_waited_for(void **state)
{
    struct fixture *f = *state;
    int page = fixture_ask(f, GET "/simple/slow/" HTTP "Connection: close\r\n\r\n");
    int file = fixture_ask(f, GET "/files/pytorch/cu126/late.whl" HTTP "Connection: close\r\n\r\n");
    fake_await_suspended(f->engine, 2);
    fake_release(f->engine);
    struct answer a = wire_finish(page);
    ASSERT_HEAD(&a, 200, "X-Cache: miss");
    assert_text(&a, fake_html);
    wire_release(&a);
    a = wire_finish(file);
    ASSERT_HEAD(&a, 200, "X-Cache: miss");
    assert_body(&a, 0, FAKE_SIZE);
    wire_release(&a);
}

static void unknown_sizes_go_out_in_chunks(void **state)
{
    struct fixture *f = *state;
    fake_grow(f->engine, FAKE_SIZE);
    struct answer a =
        wire_get(f->address, "/files/pytorch/cu126/unknown.whl", "Range: bytes=0-5\r\n");
    ASSERT_HEAD(&a, 200, "Transfer-Encoding: chunked", "X-Cache: pass");
    assert_false(wire_names(&a, "Content-Length:"));
    assert_true(a.body_len > FAKE_SIZE);
    assert_memory_equal(a.body + a.body_len - 7, "\r\n0\r\n\r\n", 7);
    wire_release(&a);
}

static void what_breaks_is_cut_not_ended(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/files/pytorch/cu126/broken.whl", "");
    ASSERT_HEAD(&a, 200, "Content-Length: 1048576");
    assert_int_equal(a.body_len, FAKE_BROKEN_AT);
    wire_release(&a);

    a = wire_get(f->address, "/files/pytorch/cu126/unsized.whl", "");
    assert_true(a.len < 7 || memcmp(a.bytes + a.len - 7, "\r\n0\r\n\r\n", 7));
    wire_release(&a);

    /* To HTTP/1.0 a plain end would mean that this was all. */
    a = wire_ask(f->address, "GET /files/pytorch/cu126/unsized.whl HTTP/1.0\r\n\r\n");
    assert_true(a.reset);
    wire_release(&a);
}

static void a_client_that_leaves_is_let_go(void **state)
{
    struct fixture *f = *state;
    int file = fixture_ask(f, GET "/files/pytorch/cu126/growing.whl" HTTP "\r\n");
    int page = fixture_ask(f, GET "/simple/slow/" HTTP "\r\n");
    int stays = fixture_ask(f, GET "/simple/slow/" HTTP "Connection: close\r\n\r\n");
    fake_await_suspended(f->engine, 3);
    assert_int_equal(fake_sweep(f->engine), 0);
    assert_false(httpd_wait_idle(f->httpd, 0));
    close(file);
    close(page);
    int64_t deadline = clock_monotonic_ms() + 10000;
    unsigned left = 0;
    while (left < 2 && clock_monotonic_ms() < deadline)
        left += fake_sweep(f->engine);
    assert_int_equal(left, 2);
    fake_release(f->engine);
    struct answer a = wire_finish(stays);
    assert_int_equal(a.status, 200);
    wire_release(&a);
    assert_true(httpd_wait_idle(f->httpd, 10000));
}

/* ------------------------------------------------------------------ own pages */

static void own_pages_answer(void **state)
{
    struct fixture *f = *state;
    struct answer a = wire_get(f->address, "/-/ready", "");
    assert_int_equal(a.status, 200);
    wire_release(&a);
    a = wire_get(f->address, "/-/status", "");
    ASSERT_HEAD(&a, 200, "Content-Type: application/json");
    assert_non_null(strstr(a.body, "\"uptime_s\":"));
    assert_non_null(strstr(a.body, "\"mirrors\":["));
    wire_release(&a);
    a = wire_get(f->address, "/", "");
    ASSERT_HEAD(&a, 200, "Content-Type: text/html; charset=utf-8");
    assert_non_null(
        strstr(a.body, "uv pip install torch --index-url http://localhost/cu126/simple"));
    assert_non_null(strstr(a.body, "<td>aliyun</td><td>ok</td>"));
    assert_non_null(strstr(a.body, "<a href=\"lab/simple/\">"));
    wire_release(&a);
    a = wire_get(f->address, "/-/metrics", "");
    ASSERT_HEAD(&a, 200,
                "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_non_null(strstr(a.body, "wheelyard_requests_total{route=\"status\",cache=\"none\"} "));
    wire_release(&a);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(pages_come_in_every_form),
        TEST(pages_are_refused_in_words),
        TEST(what_the_client_holds_is_not_sent_again),
        TEST(no_cache_asks_for_a_refresh),
        TEST(a_connection_is_kept_and_pipelined),
        TEST(head_is_get_without_a_body),
        TEST(files_come_whole),
        TEST(files_are_refused_in_words),
        TEST(ranges_are_exact),
        TEST(conditions_on_files_hold),
        TEST(bytes_go_out_as_they_come),
        TEST(pages_and_facts_are_waited_for),
        TEST(unknown_sizes_go_out_in_chunks),
        TEST(what_breaks_is_cut_not_ended),
        TEST(a_client_that_leaves_is_let_go),
        TEST(own_pages_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
