// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>
#include <string.h>

#include "fake_origins.h"
#include "fixture.h"

struct fixture fixture_start(int workers)
{
    static const char *const hosts[] = {"wheels.lab", NULL};
    struct fixture f = {.engine = fake_engine_new()};
    struct httpd_listen listen = {.host = "127.0.0.1", .port = 0};
    struct httpd_options options = {
        .engine = f.engine,
        .origins = &fake_origins,
        .listen = &listen,
        .listen_count = 1,
        .workers = workers,
        .access = {.hosts = hosts},
        .instance = "1234",
    };
    assert_int_equal(httpd_start(&options, &f.httpd), 0);
    f.address = httpd_addresses(f.httpd)[0];
    assert_null(httpd_addresses(f.httpd)[1]);
    return f;
}

void fixture_stop(struct fixture *f)
{
    httpd_quiesce(f->httpd);
    engine_stop(f->engine);
    httpd_stop(f->httpd);
    httpd_free(f->httpd);
    engine_free(f->engine);
}

int fixture_setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));
    assert_non_null(f);
    *f = fixture_start(2);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

void assert_head(struct answer *answer, int status, const char *const *lines)
{
    if (answer->status != status)
        fail_msg("status %d, not %d: %s", answer->status, status, answer->bytes);
    for (; *lines; lines++)
        if (!wire_has(answer, *lines))
            fail_msg("no %s in: %.*s", *lines, (int)(answer->body - answer->bytes), answer->bytes);
}

void assert_body(const struct answer *answer, int64_t from, int64_t to)
{
    assert_int_equal(answer->body_len, to - from);
    for (int64_t i = from; i < to; i++)
        if ((uint8_t)answer->body[i - from] != fake_byte(i))
            fail_msg("byte %lld", (long long)i);
}

void assert_text(const struct answer *answer, const char *text)
{
    assert_int_equal(answer->body_len, strlen(text));
    assert_memory_equal(answer->body, text, strlen(text));
}

int fixture_ask(const struct fixture *f, const char *request)
{
    int fd = wire_connect(f->address);
    wire_send(fd, request, strlen(request));
    return fd;
}
