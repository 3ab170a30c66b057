// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

enum { MAX_PEERS = 64, BODY_MAX = 64 << 20 };

/* ---- gate ---- */

void gate_init(struct gate *gate)
{
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    gate->count = 0;
}

void gate_raise(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->count++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_wait(struct gate *gate, int count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->count < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

int gate_count(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    int count = gate->count;
    pthread_mutex_unlock(&gate->lock);
    return count;
}

/* ---- server ---- */

struct server {
    int fd;
    int port;
    serve_fn serve;
    void *context;
    pthread_t acceptor;
    pthread_mutex_t lock;
    int requests;
    int count;
    struct peer peers[MAX_PEERS];
    pthread_t threads[MAX_PEERS];
};

bool peer_asked(const struct peer *peer, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "\r\n%s\r\n", line);
    return strstr(peer->request, whole) != NULL;
}

void peer_send(struct peer *peer, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(peer->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

void peer_say(struct peer *peer, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    peer_send(peer, text, (size_t)len);
}

void peer_await_close(struct peer *peer)
{
    char byte[512];
    while (recv(peer->fd, byte, sizeof(byte), 0) > 0)
        ;
}

static bool peer_read(struct peer *peer)
{
    size_t len = 0;
    while (len + 1 < sizeof(peer->request)) {
        if (recv(peer->fd, peer->request + len, 1, 0) != 1)
            return false;
        peer->request[++len] = '\0';
        if (str_ends(peer->request, "\r\n\r\n"))
            break;
    }
    peer->is_head = str_starts(peer->request, "HEAD ");
    peer->path[0] = '\0';
    return sscanf(peer->request, "%*s %2047s", peer->path) == 1;
}

static void *peer_main(void *arg)
{
    struct peer *peer = arg;
    struct server *server = peer->server;
    bool goes_on = true;

    while (goes_on && peer_read(peer)) {
        pthread_mutex_lock(&server->lock);
        server->requests++;
        pthread_mutex_unlock(&server->lock);
        goes_on = server->serve(peer);
    }
    shutdown(peer->fd, SHUT_RDWR);
    return NULL;
}

static void *server_main(void *arg)
{
    struct server *server = arg;
    int fd;

    while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        pthread_mutex_lock(&server->lock);
        assert_true(server->count < MAX_PEERS);
        struct peer *peer = &server->peers[server->count];
        *peer = (struct peer){.server = server, .context = server->context, .fd = fd};
        pthread_create(&server->threads[server->count++], NULL, peer_main, peer);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

struct server *server_new(uint32_t ipv4, serve_fn serve, void *context)
{
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ipv4)};
    socklen_t len = sizeof(address);

    assert_non_null(server);
    server->serve = serve;
    server->context = context;
    pthread_mutex_init(&server->lock, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->fd, 64), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->acceptor, NULL, server_main, server), 0);
    return server;
}

void server_free(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR); /* ends accept */
    pthread_join(server->acceptor, NULL);
    for (int i = 0; i < server->count; i++) {
        shutdown(server->peers[i].fd, SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->peers[i].fd);
    }
    close(server->fd);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int server_port(const struct server *server)
{
    return server->port;
}

int server_connections(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    int count = server->count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

int server_requests(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    int count = server->requests;
    pthread_mutex_unlock(&server->lock);
    return count;
}

/* ---- the sink ---- */

static void remember(char *to, size_t size, const char *text)
{
    str_copy(to, size, text ? text : "(none)");
}

static int on_head(void *context, const struct fetch_head *head)
{
    struct result *r = context;
    r->head = *head;
    remember(r->etag, sizeof(r->etag), head->etag);
    remember(r->final_url, sizeof(r->final_url), head->final_url);
    remember(r->content_type, sizeof(r->content_type), head->content_type);
    remember(r->via, sizeof(r->via), head->via);
    remember(r->last_modified, sizeof(r->last_modified), head->last_modified);
    int verdict = r->head_hook ? r->head_hook(r) : 0;
    gate_raise(&r->heads);
    return verdict;
}

static void on_data(void *context, struct slab *slab, int64_t offset)
{
    struct result *r = context;
    if (r->body.len == 0)
        r->first_offset = offset;
    else if (offset != r->first_offset + (int64_t)r->body.len)
        r->has_gap = true;
    buf_add(&r->body, slab->data, slab->len);
    if (r->keeps_slabs) {
        slab->next = r->kept;
        r->kept = slab;
    } else {
        slab_put(slab);
    }
    if (r->data_hook)
        r->data_hook(r);
    gate_raise(&r->datas);
}

static void on_done(void *context, int error, const char *detail)
{
    struct result *r = context;
    r->error = error;
    str_copy(r->detail, sizeof(r->detail), detail);
    if (r->done_hook)
        r->done_hook(r);
    gate_raise(&r->done);
}

static const struct fetch_sink SINK = {on_head, on_data, on_done};

void result_init(struct result *result)
{
    memset(result, 0, sizeof(*result));
    gate_init(&result->heads);
    gate_init(&result->datas);
    gate_init(&result->done);
    buf_init(&result->body, BODY_MAX);
    result->first_offset = -1;
}

void result_drop_slabs(struct result *result)
{
    struct slab *slab = result->kept;
    result->kept = NULL;
    while (slab) {
        struct slab *next = slab->next;
        slab_put(slab);
        slab = next;
    }
}

void result_release(struct result *result)
{
    result_drop_slabs(result);
    buf_release(&result->body);
}

int result_wait(struct result *result)
{
    gate_wait(&result->done, 1);
    assert_int_equal(gate_count(&result->done), 1);
    assert_false(result->has_gap);
    assert_int_equal(result->body.error, 0);
    assert_true(result->detail[0] != '\0');
    return result->error;
}

/* ---- the lab ---- */

struct lab *lab_new(serve_fn serve, void *context, const struct fetcher_options *options,
                    unsigned slabs)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    assert_non_null(lab);
    lab->server = server_new(INADDR_LOOPBACK, serve, context);
    snprintf(lab->allowed, sizeof(lab->allowed), "127.0.0.1:%d", server_port(lab->server));
    assert_int_equal(slab_pool_new(slabs, &lab->pool), 0);

    const char *allowed[] = {lab->allowed, NULL};
    struct fetcher_options o = options ? *options : (struct fetcher_options){0};
    if (!o.user_agent)
        o.user_agent = "wheelyard/test";
    if (!o.proxy)
        o.proxy = "";
    if (!o.no_proxy)
        o.no_proxy = "";
    if (!o.allowed)
        o.allowed = allowed;
    o.pool = lab->pool;
    o.connect_timeout_ms = o.connect_timeout_ms ? o.connect_timeout_ms : 10000;
    o.stall_timeout_ms = o.stall_timeout_ms ? o.stall_timeout_ms : 10000;
    o.page_timeout_ms = o.page_timeout_ms ? o.page_timeout_ms : 20000;
    assert_int_equal(fetcher_new(&o, &lab->fetcher), 0);
    return lab;
}

void lab_free(struct lab *lab)
{
    fetcher_free(lab->fetcher);
    server_free(lab->server);
    slab_pool_free(lab->pool);
    free(lab);
}

const char *lab_url(struct lab *lab, const char *path)
{
    snprintf(lab->url, sizeof(lab->url), "http://127.0.0.1:%d%s", server_port(lab->server), path);
    return lab->url;
}

struct fetch_request lab_request(struct lab *lab, const char *path)
{
    return (struct fetch_request){
        .url = lab_url(lab, path), .from = -1, .to = -1, .max_bytes = BODY_MAX};
}

void lab_start(struct lab *lab, const struct fetch_request *request, struct result *result)
{
    result->fetcher = lab->fetcher;
    result->id = fetcher_start(lab->fetcher, request, &SINK, result);
    assert_true(result->id != 0);
}

int lab_run(struct lab *lab, const struct fetch_request *request, struct result *result)
{
    result_init(result);
    lab_start(lab, request, result);
    return result_wait(result);
}
