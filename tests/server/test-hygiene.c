// SPDX-License-Identifier: Apache-2.0
/* What reaches us that should not, and starting and stopping under load. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
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

static void bad_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET /simple/torch/ HTTP/1.1\r\n\r\n", 400},
        {GET "/simple/torch/" HTTP "Host: localhost\r\n\r\n", 400},
        {"GET /simple/torch/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
        {"GET /simple/torch/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {GET "/simple/torch/" HTTP "Content-Length: 5\r\n\r\nhello", 400},
        {GET "/simple/torch/" HTTP "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
        {GET "/simple/torch/" HTTP "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\nGET /-/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
         400},
        {GET "/simple/torch/" HTTP "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {GET "/simple/torch/" HTTP "Transfer-Encoding: odd\r\n\r\n", 400},
        {"POST /simple/torch/" HTTP "Content-Length: 2\r\n\r\nhi", 405},
        {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
        {"G@T /simple/torch/" HTTP "\r\n", 405},
        {"DELETE /simple/torch/" HTTP "\r\n", 405},
        {GET "/a%00b" HTTP "\r\n", 400},
        {GET "/files/pytorch/a%2fb" HTTP "\r\n", 400},
        {GET "/a%2fb%2e%2e/%zz" HTTP "\r\n", 400},
        {GET "/../../etc/passwd" HTTP "\r\n", 400},
        {GET "http://localhost/simple/torch/" HTTP "\r\n", 400},
        {GET "foo" HTTP "\r\n", 400},
        {GET "*" HTTP "\r\n", 400},
        {GET "/simple/torch/" HTTP "Via: 1.1 x, 1.1 wheelyard-1234\r\n\r\n", 508},
        {GET "/simple/torch/" HTTP "Via: 1.1 x\r\nVia: 1.1 wheelyard-1234\r\n\r\n", 508},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    };
    unsigned before = fake_page_count(f->engine);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = wire_ask(f->address, rows[i].request); /* ends: so it is closed */
        const char *second = a.body ? strstr(a.body, "HTTP/1.1 2") : NULL;
        if (a.status != rows[i].status || second)
            fail_msg("%s: %s", rows[i].request, a.bytes);
        wire_release(&a);
    }
    assert_int_equal(fake_page_count(f->engine), before);
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
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = wire_ask(f->address, rows[i]);
        if (a.status != 200)
            fail_msg("%s: %s", rows[i], a.bytes);
        wire_release(&a);
    }
}

/* What 0.9.75 lets pass: it must at least not reach further than it says. */
static void odd_bytes_do_no_harm(void **state)
{
    static const char nul[] = GET "/-/health" HTTP "X: a\0b\r\nConnection: close\r\n\r\n";
    struct fixture *f = *state;
    int fd = wire_connect(f->address);
    wire_send(fd, nul, sizeof(nul) - 1);
    struct answer a = wire_finish(fd);
    assert_true(a.status == 200 || a.status == 400);
    wire_release(&a);
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
        TEST(good_requests_are_not),
        TEST(odd_bytes_do_no_harm),
        TEST(long_requests_are_refused),
        TEST(a_taken_port_is_refused_in_one_line),
        TEST(a_missing_address_depends_on_who_asked),
        cmocka_unit_test(stopping_leaves_nobody_suspended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
