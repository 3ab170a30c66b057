// SPDX-License-Identifier: Apache-2.0
/* Clients that take connections and do not use them. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fake_origins.h"
#include "fixture.h"
#include "server/connections.h"

#define HEALTH GET "/-/health" HTTP "\r\n"

enum { HEADER_TIMEOUT_MS = 200, LIMIT = 3 };

static struct fixture strict_start(int header_timeout_ms, unsigned client_limit)
{
    struct fixture f = {.engine = fake_engine_new()};
    struct httpd_listen listen = {.host = "127.0.0.1"};
    struct httpd_options options = {
        .engine = f.engine,
        .origins = &fake_origins,
        .listen = &listen,
        .listen_count = 1,
        .workers = 1,
        .header_timeout_ms = header_timeout_ms,
        .client_limit = client_limit,
    };
    assert_int_equal(httpd_start(&options, &f.httpd), 0);
    f.address = httpd_addresses(f.httpd)[0];
    return f;
}

static void is_answered(int fd)
{
    wire_send(fd, HEALTH, strlen(HEALTH));
    struct answer a = wire_one(fd);
    assert_int_equal(a.status, 200);
    wire_release(&a);
}

/* A byte now and then, until the connection ends; `meanwhile` is asked between the bytes. */
static void drip(int fd, int meanwhile)
{
    struct pollfd end = {.fd = fd, .events = POLLIN | POLLRDHUP};
    while (poll(&end, 1, 5) == 0) {
        wire_send(fd, "a", 1);
        is_answered(meanwhile);
    }
    struct answer a = wire_finish(fd);
    assert_int_equal(a.status, 0);
    wire_release(&a);
}

static void who_drips_headers_is_dropped(void **state)
{
    static const char *const starts[] = {"", "GET /-/health HTTP/1.1\r\nHost: loc",
                                         GET "/-/health" HTTP "X: ", "\x16\x03\x01\x01"};
    struct fixture f = strict_start(HEADER_TIMEOUT_MS, 0);
    (void)state;
    int silent = wire_connect(f.address);
    int idle = wire_connect(f.address);
    int steady = wire_connect(f.address);
    int waiting = fixture_ask(&f, GET "/files/pytorch/cu126/growing.whl" HTTP "\r\n");
    is_answered(idle);
    fake_await_suspended(f.engine, 1);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        int64_t begin_ms = clock_monotonic_ms();
        int fd = wire_connect(f.address);
        wire_send(fd, starts[i], strlen(starts[i]));
        drip(fd, steady);
        assert_true(clock_monotonic_ms() - begin_ms >= HEADER_TIMEOUT_MS);
    }
    /* A second request may not drip either. */
    int again = wire_connect(f.address);
    is_answered(again);
    drip(again, steady);
    /* The others had as much time, and used it otherwise. */
    is_answered(silent);
    is_answered(idle);
    fake_grow(f.engine, FAKE_SIZE);
    struct answer a = wire_one(waiting);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, FAKE_SIZE);
    wire_release(&a);
    close(silent), close(idle), close(steady), close(waiting);
    fixture_stop(&f);
}

/* Whether a new connection gets an answer. */
static bool is_admitted(const struct fixture *f, int *ret_fd)
{
    int fd = wire_connect(f->address);
    wire_send(fd, HEALTH, strlen(HEALTH));
    struct answer a = wire_one(fd);
    bool admitted = a.status == 200;
    wire_release(&a);
    if (admitted)
        *ret_fd = fd;
    else
        close(fd);
    return admitted;
}

static void one_address_cannot_take_all(void **state)
{
    struct fixture f = strict_start(0, LIMIT);
    int fds[LIMIT];
    int more = -1;
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < LIMIT; i++)
        assert_true(is_admitted(&f, &fds[i]));
    assert_false(is_admitted(&f, &more));
    assert_false(is_admitted(&f, &more));
    close(fds[0]);
    while (!is_admitted(&f, &more)) /* as soon as the daemon has seen the end of the first */
        ;
    is_answered(fds[1]);
    close(fds[1]), close(fds[2]), close(more);
    fixture_stop(&f);
}

static void shares_leave_room_for_others(void **state)
{
    static const struct {
        unsigned connections;
        bool is_loopback;
        unsigned share;
    } rows[] = {
        {16384, false, 4096}, {16384, true, 14336}, {2048, false, 512},
        {1024, false, 256},   {512, false, 256},    {512, true, 448},
        {256, false, 224},    {64, false, 56},      {64, true, 56},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(connections_share(rows[i].connections, rows[i].is_loopback),
                         rows[i].share);
}

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *in = (void *)&storage;
    struct sockaddr_in6 *in6 = (void *)&storage;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        storage.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        storage.ss_family = AF_INET6;
    assert_true(storage.ss_family);
    return storage;
}

static void one_machine_is_one_address(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"2001:db8::1", "2001:db8::ffff:2", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"::1", "127.0.0.1", false},
    };
    struct connections_options options = {
        .connections = 100, .client_limit = 1, .header_timeout_ms = 1000};
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_storage first = address_of(rows[i].first);
        struct sockaddr_storage second = address_of(rows[i].second);
        struct connections *connections = NULL;
        struct peer peer;
        assert_int_equal(connections_new(&options, &connections), 0);
        assert_true(connections_admits(connections, (struct sockaddr *)&second));
        connections_enter(connections, &peer, -1, (struct sockaddr *)&first);
        if (connections_admits(connections, (struct sockaddr *)&second) == rows[i].same)
            fail_msg("%s, %s", rows[i].first, rows[i].second);
        connections_leave(connections, &peer);
        assert_true(connections_admits(connections, (struct sockaddr *)&second));
        connections_free(connections);
    }
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_drips_headers_is_dropped),
        cmocka_unit_test(one_address_cannot_take_all),
        cmocka_unit_test(shares_leave_room_for_others),
        cmocka_unit_test(one_machine_is_one_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
