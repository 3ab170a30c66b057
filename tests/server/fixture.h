// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A running HTTP daemon on a free port with the scripted engine behind it, for cmocka tests, and
 * what they all say about answers. Include cmocka's five headers first. */
#include "fake_engine.h"
#include "server/httpd.h"
#include "wire.h"

#define JSON_TYPE "application/vnd.pypi.simple.v1+json"
#define GET "GET "
#define HTTP " HTTP/1.1\r\nHost: localhost\r\n"

struct fixture {
    struct engine *engine;
    struct httpd *httpd;
    const char *address;
};

struct fixture fixture_start(int workers);
void fixture_stop(struct fixture *f);

/* Setup and teardown of cmocka: *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* Sends a request and leaves the answer for later. */
int fixture_ask(const struct fixture *f, const char *request);

void assert_head(struct answer *answer, int status, const char *const *lines);
#define ASSERT_HEAD(answer, status, ...)                                                           \
    assert_head(answer, status, (const char *const[]){__VA_ARGS__, NULL})
/* The body is the scripted file's bytes [from, to). */
void assert_body(const struct answer *answer, int64_t from, int64_t to);
void assert_text(const struct answer *answer, const char *text);
