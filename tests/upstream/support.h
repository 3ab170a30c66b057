// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the tests of upstream/ share: a gate to wait at, a server that says raw bytes, a sink that
 * remembers, and a lab of fetcher, pool and server. Nothing here waits for time to pass.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "upstream/fetcher.h"

/* A counter that one thread raises and another waits for. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};
void gate_init(struct gate *gate);
void gate_raise(struct gate *gate);
void gate_wait(struct gate *gate, int count); /* until it is at least so high */
int gate_count(struct gate *gate);

/* One connection to the server; `request` is the last header section that was read. */
struct peer {
    struct server *server;
    void *context;
    int fd;
    char request[8192];
    char path[2048]; /* as in the request line: absolute when we are a proxy */
    bool is_head;
};
bool peer_asked(const struct peer *peer, const char *line); /* case matters */
void peer_say(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void peer_send(struct peer *peer, const void *data, size_t len); /* false errors: the client left */
void peer_await_close(struct peer *peer);

/* Answers the request; true keeps the connection for another one. */
typedef bool (*serve_fn)(struct peer *peer);

struct server *server_new(uint32_t ipv4, serve_fn serve, void *context); /* ipv4 in host order */
void server_free(struct server *server); /* cuts what is open, joins all threads */
int server_port(const struct server *server);
int server_connections(struct server *server); /* accepted so far */
int server_requests(struct server *server);

/* A sink's memory. Hooks run on the transfer thread. */
struct result {
    struct gate heads, datas, done;
    struct fetch_head head; /* numbers only */
    char etag[256], final_url[1024], content_type[256], via[256], last_modified[256];
    struct buf body;
    int64_t first_offset;
    bool has_gap;
    int error;
    char detail[512];
    struct fetcher *fetcher;
    _Atomic uint64_t id;
    int (*head_hook)(struct result *result);
    void (*data_hook)(struct result *result);
    void (*done_hook)(struct result *result);
    bool keeps_slabs; /* in `kept`, until result_drop_slabs */
    struct slab *kept;
};
void result_init(struct result *result);
void result_release(struct result *result);
void result_drop_slabs(struct result *result);
int result_wait(struct result *result); /* the error that on_done told */

struct lab {
    struct server *server;
    struct slab_pool *pool;
    struct fetcher *fetcher;
    char allowed[32]; /* host:port of the server */
    char url[1200];
};
/* The server is allowed unless options->allowed says otherwise; zeros in options mean defaults. */
struct lab *lab_new(serve_fn serve, void *context, const struct fetcher_options *options,
                    unsigned slabs);
void lab_free(struct lab *lab);
/* In a static-sized field of the lab: good until the next call. */
const char *lab_url(struct lab *lab, const char *path);
struct fetch_request lab_request(struct lab *lab, const char *path); /* GET, nothing special */
void lab_start(struct lab *lab, const struct fetch_request *request, struct result *result);
int lab_run(struct lab *lab, const struct fetch_request *request, struct result *result);

#define assert_body(result, text)                                                                  \
    do {                                                                                           \
        assert_int_equal((result)->body.len, strlen(text));                                        \
        assert_memory_equal((result)->body.data, text, strlen(text));                              \
    } while (0)
