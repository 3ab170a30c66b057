// SPDX-License-Identifier: Apache-2.0
/* What reaches us that should not, and starting and stopping under load. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "fake_origins.h"
#include "fixture.h"

/* ------------------------------------------------------------------ hygiene */

/* libmicrohttpd 1 judges request lines and line ends itself. Its next level, 0, still answers NUL bytes by
 * hanging up, and takes a space for a part of the target. So each row says what either version does. */
static bool is_mhd_1(void)
{
    return MHD_get_version()[0] != '0';
}

/* Added to a status: what libmicrohttpd 1 does before we see the request. */
enum {
    HANGS_UP = 1000, /* it ends the connection without a word */
    JUDGES = 2000,   /* 1.0.10 answers 400 or 501, and 1.0.1 this status */
};

/* A request, byte for byte, and the status it must get; the connection must end after it. */
struct exchange {
    const char *request;
    size_t len;
    int status; /* 0: an end without a word is as good as a 400 */
};
#define RAW(text) text, sizeof(text) - 1
#define TORCH GET "/simple/torch/" HTTP

static const struct exchange refused[] = {
    /* Host: of whom, and how many */
    {RAW("GET /simple/torch/ HTTP/1.1\r\n\r\n"), 400},
    {RAW(TORCH "Host: localhost\r\n\r\n"), 400},
    {RAW(TORCH "hOST: evil.example\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421},
    {RAW("GET /simple/torch/ HTTP/1.0\r\nHost: evil.example\r\n\r\n"), 421},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost:\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost: localhost, localhost\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost: http://localhost/\r\n\r\n"), 400},
    /* bodies, and where they end */
    {RAW(TORCH "Content-Length: 5\r\n\r\nhello"), 400},
    {RAW(TORCH "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"), 400},
    {RAW(TORCH "Content-Length: 0, 0\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length: -1\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length: +0\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length: 0x0\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length:\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length: 99999999999999999999\r\n\r\n"), JUDGES + 413},
    {RAW(TORCH "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n"
               "0\r\n\r\nGET /-/status HTTP/1.1\r\nHost: localhost\r\n\r\n"),
     400},
    {RAW(TORCH "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"), 400},
    {RAW(TORCH "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
    {RAW(TORCH "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400},
    {RAW(TORCH "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"), JUDGES + 400},
    {RAW(TORCH "Transfer-Encoding: \x0b"
               "chunked\r\n\r\n"),
     JUDGES + 400},
    {RAW(TORCH "Transfer-Encoding: identity\r\n\r\n"), JUDGES + 400},
    {RAW(TORCH "Transfer-Encoding: odd\r\n\r\n"), JUDGES + 400},
    {RAW(TORCH "Transfer-Encoding:\r\n\r\n"), JUDGES + 400},
    {RAW("GET /simple/torch/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
    {RAW(TORCH "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"), 400},
    {RAW("POST /simple/torch/" HTTP "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"), 405},
    /* methods */
    {RAW("POST /simple/torch/" HTTP "Content-Length: 2\r\n\r\nhi"), 405},
    {RAW("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405},
    {RAW("CONNECT localhost:443" HTTP "\r\n"), 405},
    {RAW("TRACE /simple/torch/" HTTP "\r\n"), 405},
    {RAW("G@T /simple/torch/" HTTP "\r\n"), 405},
    {RAW("get /simple/torch/" HTTP "\r\n"), 405},
    {RAW("DELETE /simple/torch/" HTTP "\r\n"), 405},
    /* targets */
    {RAW(GET "/a%00b" HTTP "\r\n"), 400},
    {RAW(GET "/simple/torch/\0/../../x" HTTP "\r\n"), HANGS_UP + 400},
    {RAW(GET "/simple/torch/?a\0b" HTTP "\r\n"), HANGS_UP + 400},
    {RAW(GET "/files/pytorch/a%2fb" HTTP "\r\n"), 400},
    {RAW(GET "/a%2fb%2e%2e/%zz" HTTP "\r\n"), 400},
    {RAW(GET "/simple/%" HTTP "\r\n"), 400},
    {RAW(GET "/simple/%4" HTTP "\r\n"), 400},
    {RAW(GET "/simple/%0d%0aX:%20y/" HTTP "\r\n"), 400},
    {RAW(GET "/../../etc/passwd" HTTP "\r\n"), 400},
    {RAW(GET "/simple/./torch/" HTTP "\r\n"), 400},
    {RAW(GET "/simple/%2e%2E/" HTTP "\r\n"), 400},
    {RAW(GET "/simple/torch/#x" HTTP "\r\n"), 400},
    {RAW(GET "/simple/\x01/" HTTP "\r\n"), 400},
    {RAW(GET "http://localhost/simple/torch/" HTTP "\r\n"), 400},
    {RAW(GET "foo" HTTP "\r\n"), 400},
    {RAW(GET "*" HTTP "\r\n"), 400},
    {RAW(GET "/simple/torch/ x" HTTP "\r\n"), 0},
    {RAW("GET\t/simple/torch/\tHTTP/1.1\r\nHost: localhost\r\n\r\n"), 0},
    /* lines */
    {RAW(TORCH "X: a\0b\r\n\r\n"), 400},
    {RAW(TORCH "X: a\0b\r\nY: c\r\n\r\n"), 400},
    {RAW(TORCH "X: a\0\r\n\r\n"), 400},
    {RAW(TORCH "X: a\0\r\nY: c\r\n\r\n"), 400},
    {RAW(TORCH "\0\r\n\r\n"), 400},
    {RAW(TORCH "X\0Y: a\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost: localhost\0.evil.example\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\0x\r\nHost: localhost\r\n\r\n"), HANGS_UP + 400},
    {RAW("GET /simple/torch/ HTTP/1.1\nHost: localhost\nX: a\0\n\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.0\r\n\0\r\n\r\n"), 400},
    {RAW(TORCH "X: a\x01\r\n\r\n"), 400},
    {RAW(TORCH "X: a\rY: b\r\n\r\n"), 400},
    {RAW(TORCH "X: a\nY: b\r\n\r\n"), 400},
    {RAW(TORCH "X: a\r\n b\r\n\r\n"), 400},
    {RAW(TORCH "X: a\r\n\tb\r\nY: c\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\n X: a\r\nHost: localhost\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1\r\nHost : localhost\r\n\r\n"), 400},
    {RAW(TORCH "Content-Length : 5\r\n\r\nhello"), 400},
    {RAW(TORCH "X : a\r\n\r\n"), 400},
    {RAW(TORCH "X Y: a\r\n\r\n"), 400},
    {RAW(TORCH "X\t: a\r\n\r\n"), 400},
    {RAW(TORCH ": a\r\n\r\n"), 400},
    {RAW(TORCH "X\xe4: a\r\n\r\n"), 400},
    {RAW(TORCH "no colon\r\n\r\n"), 400},
    /* other protocols and versions */
    {RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), 505},
    {RAW("GET /simple/torch/ HTTP/11\r\nHost: localhost\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ HTTP/1.1 \r\nHost: localhost\r\n\r\n"), 400},
    {RAW("GET /simple/torch/ http/1.1\r\nHost: localhost\r\n\r\n"), 0},
    {RAW("GET /simple/torch/\r\n\r\n"), 400},
    {RAW("\x16\x03\x01\x02\0\1\0\1\xfc\x03\x03\r\n\x0a\r\n"), 0}, /* TLS */
    {RAW("SSH-2.0-OpenSSH_9.2\r\n"), 0},
    {RAW("{\"jsonrpc\":\"2.0\"}\n"), 0},
    /* our own, coming back */
    {RAW(TORCH "Via: 1.1 x, 1.1 wheelyard-1234\r\n\r\n"), 508},
    {RAW(TORCH "Via: 1.1 x\r\nVia: 1.1 wheelyard-1234\r\n\r\n"), 508},
};

/* The status of a reply; 0 where there is none. */
static int status_of(const char *reply)
{
    static const char version[] = "HTTP/1.1 ";
    bool is_reply = reply && strncmp(reply, version, strlen(version)) == 0;
    return is_reply ? (int)strtol(reply + strlen(version), NULL, 10) : 0;
}

static void is_refused(const struct exchange *x, const char *reply)
{
    int status = status_of(reply);
    int due = x->status;
    if (due >= JUDGES)
        due = is_mhd_1() && (status == 400 || status == 501) ? status : due - JUDGES;
    else if (due >= HANGS_UP)
        due = is_mhd_1() ? 0 : due - HANGS_UP;
    if (due ? status != due : status && status < 400)
        fail_msg("%s: %s", x->request, reply ? reply : "nothing");
    if (status && strstr(reply + 1, "HTTP/1.1 2"))
        fail_msg("%s: and then %s", x->request, reply);
}

static void bad_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    unsigned before = fake_page_count(f->engine);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        int fd = wire_connect(f->address);
        wire_send(fd, refused[i].request, refused[i].len);
        struct answer a = wire_finish(fd); /* ends: so it is closed */
        is_refused(&refused[i], a.bytes);
        wire_release(&a);
    }
    assert_int_equal(fake_page_count(f->engine), before);
}

/* A connection that was good so far is no better. */
static void bad_requests_behind_a_good_one_are_refused(void **state)
{
    static const char good[] = GET "/-/health" HTTP "\r\n";
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char both[1024];
        size_t len = sizeof(good) - 1;
        memcpy(both, good, len);
        memcpy(both + len, refused[i].request, refused[i].len);
        int fd = wire_connect(f->address);
        wire_send(fd, both, len + refused[i].len);
        struct answer a = wire_finish(fd);
        assert_int_equal(a.status, 200);
        is_refused(&refused[i], strstr(a.bytes + 1, "HTTP/1.1 "));
        wire_release(&a);
    }
}

static void good_requests_are_not(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[] = {
        "GET /simple/torch/ HTTP/1.0\r\n\r\n",
        "GET /simple/torch/ HTTP/1.1\r\nhost: WHEELS.lab:8503\r\nConnection: close\r\n\r\n",
        "GET /simple/torch/ HTTP/1.1\r\nHost: [::1]:8503\r\nConnection: close\r\n\r\n",
        GET "/simple/torch/" HTTP "Content-Length: 0\r\nConnection: close\r\n\r\n",
        GET "/simple/torch/" HTTP "Via: 1.1 wheelyard-99\r\nConnection: close\r\n\r\n",
        GET "/simple/torch/" HTTP "Accept: image/png\r\nAccept: text/html\r\n"
            "Connection: close\r\n\r\n",
        "GET /simple/torch/?a=b&c=%20d&e HTTP/1.1\r\nHost:localhost\r\nConnection: close\r\n\r\n",
        "\r\n" TORCH "X:   a  \r\nY:\tb\t\r\nZ:\r\nW: \xe4\r\nConnection: close\r\n\r\n",
        TORCH "Cookie: a=b; c=\"d\"\r\nX: !#$%&'*+-.^_`|~\r\nConnection: close\r\n\r\n",
        TORCH "Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = wire_ask(f->address, rows[i]);
        if (a.status != 200)
            fail_msg("%s: %s", rows[i], a.bytes);
        wire_release(&a);
    }
}

/* RFC 9112 lets a server take a lone LF for a line end, or refuse it. */
static void a_lone_line_feed_ends_a_line_only_for_the_older_library(void **state)
{
    struct fixture *f = *state;
    struct answer a =
        wire_ask(f->address, "GET /simple/torch/ HTTP/1.1\nHost: localhost\nConnection: close\n\n");
    assert_int_equal(a.status, is_mhd_1() ? 400 : 200);
    wire_release(&a);
}

/* However it is cut into packets, and whatever follows it: nothing is hidden in this one. */
static void requests_in_pieces_are_whole(void **state)
{
    struct fixture *f = *state;
    char request[5000];
    int len = snprintf(request, sizeof(request),
                       "%s" TORCH "X: %04000d\r\nY: a\r\n\r\n" TORCH "Connection: close\r\n\r\n",
                       TORCH "Z: b\r\n\r\n", 0);
    for (size_t step = 1; step < 2000; step += step / 2 + 1) {
        int fd = wire_connect(f->address);
        for (size_t at = 0; at < (size_t)len; at += step)
            wire_send(fd, request + at, step < (size_t)len - at ? step : (size_t)len - at);
        struct answer a = wire_finish(fd);
        size_t replies = 0;
        for (const char *s = a.bytes; (s = strstr(s, "HTTP/1.1 200")); s++)
            replies++;
        if (replies != 3)
            fail_msg("%zu: %s", step, a.bytes);
        wire_release(&a);
    }
}

static void odd_bytes_do_no_harm(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    int fd;
    /* Request lines without a target. MHD answers them as it likes. */
    static const char *const lines[] = {
        "GET\r\n\r\n", "GET \r\n\r\n", "GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", "\r\n\r\n \r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        fd = wire_connect(f->address);
        wire_send(fd, lines[i], strlen(lines[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        a = wire_finish(fd);
        assert_true(a.status != 200);
        wire_release(&a);
    }
    /* A request line and then nothing: the target has been read, no handler ever ran. */
    fd = wire_connect(f->address);
    wire_send(fd, "GET /simple/torch/ HTTP/1.1\r\nHo", 31);
    a = wire_get(f->address, "/-/health", "");
    wire_release(&a);
    close(fd);
}

static void long_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t target;
        size_t header;
        int status;
    } rows[] = {{3000, 0, 404}, {5000, 0, 414}, {20, 4000, 404}, {9000, 0, 414}, {20, 9000, 431}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *request = malloc(16384);
        assert_non_null(request);
        int n = snprintf(request, 16384, "GET /%0*d HTTP/1.1\r\nHost: localhost\r\n",
                         (int)rows[i].target, 0);
        if (rows[i].header)
            n += snprintf(request + n, 16384 - (size_t)n, "X: %0*d\r\n", (int)rows[i].header, 0);
        (void)snprintf(request + n, 16384 - (size_t)n, "Connection: close\r\n\r\n");
        struct answer a = wire_ask(f->address, request);
        if (a.status != rows[i].status)
            fail_msg("%zu, %zu: %s", rows[i].target, rows[i].header, a.bytes);
        wire_release(&a);
        free(request);
    }
}

/* ------------------------------------------------------------------ start and stop */

static void a_taken_port_is_refused_in_one_line(void **state)
{
    struct fixture *f = *state;
    struct httpd_listen listen = {.host = "127.0.0.1", .port = wire_port(f->address)};
    struct httpd_options options = {.engine = f->engine,
                                    .origins = &fake_origins,
                                    .listen = &listen,
                                    .listen_count = 1,
                                    .listen_is_default = true};
    struct httpd *second = NULL;
    int pipes[2];
    char text[512];
    assert_int_equal(pipe(pipes), 0);
    int saved = dup(STDERR_FILENO);
    (void)dup2(pipes[1], STDERR_FILENO);
    int r = httpd_start(&options, &second);
    (void)dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipes[1]);
    ssize_t n = read(pipes[0], text, sizeof(text) - 1);
    close(pipes[0]);
    assert_int_equal(r, ERROR_IN_USE);
    assert_null(second);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "another process has the port"));
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
}

static void a_missing_address_depends_on_who_asked(void **state)
{
    struct fixture *f = *state;
    struct httpd_listen listen[] = {{.host = "127.0.0.1"}, {.host = "192.0.2.1"}};
    struct httpd_options options = {.engine = f->engine,
                                    .origins = &fake_origins,
                                    .listen = listen,
                                    .listen_count = 2,
                                    .workers = 1,
                                    .listen_is_default = true};
    struct httpd *httpd = NULL;
    log_set_level(LOG_LEVEL_ERROR - 1);
    assert_int_equal(httpd_start(&options, &httpd), 0);
    assert_non_null(httpd_addresses(httpd)[0]);
    assert_null(httpd_addresses(httpd)[1]);
    httpd_stop(httpd);
    httpd_free(httpd);
    options.listen_is_default = false;
    assert_int_equal(httpd_start(&options, &httpd), ERROR_UNREACHABLE);
    log_set_level(LOG_LEVEL_ERROR);
}

static void *stop_engine(void *arg)
{
    engine_stop(arg);
    return NULL;
}

/* Suspensions against "resume all": MHD aborts the process if one is left behind. */
static void stopping_leaves_nobody_suspended(void **state)
{
    enum { ROUNDS = 150, CLIENTS = 6 };
    static const char *const requests[] = {
        GET "/files/pytorch/cu126/growing.whl" HTTP "\r\n",
        GET "/simple/slow/" HTTP "\r\n",
        GET "/files/pytorch/cu126/late.whl" HTTP "\r\n",
    };
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct fixture f = fixture_start(2);
        pthread_t thread;
        int fds[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            fds[i] = wire_connect(f.address);
        for (int i = 0; i < CLIENTS; i++)
            wire_send(fds[i], requests[i % 3], strlen(requests[i % 3]));
        /* Some rounds stop while all are arriving, some when a few or all of them wait. */
        fake_await_suspended(f.engine, round % (CLIENTS + 1));
        httpd_quiesce(f.httpd);
        assert_int_equal(pthread_create(&thread, NULL, stop_engine, f.engine), 0);
        fake_grow(f.engine, 1000 * (round % 2));
        pthread_join(thread, NULL);
        httpd_stop(f.httpd);
        httpd_free(f.httpd);
        for (int i = 0; i < CLIENTS; i++) {
            struct answer a = wire_finish(fds[i]);
            assert_true(a.len < FAKE_SIZE);
            wire_release(&a);
        }
        engine_free(f.engine);
    }
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(bad_requests_are_refused),
        TEST(bad_requests_behind_a_good_one_are_refused),
        TEST(good_requests_are_not),
        TEST(a_lone_line_feed_ends_a_line_only_for_the_older_library),
        TEST(requests_in_pieces_are_whole),
        TEST(odd_bytes_do_no_harm),
        TEST(long_requests_are_refused),
        TEST(a_taken_port_is_refused_in_one_line),
        TEST(a_missing_address_depends_on_who_asked),
        cmocka_unit_test(stopping_leaves_nobody_suspended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
