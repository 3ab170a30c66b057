// SPDX-License-Identifier: Apache-2.0
/*
 * A minimal client of HTTP/1.0, because a command must not need libcurl for one request to its own
 * daemon. One connection carries one request; the answer ends with the connection. Sizes and times
 * are bounded, since something else may listen on that port.
 */
#include "control/http_get.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"

enum { HEAD_MAX_BYTES = 64 << 10 };

/* "All addresses" is reached through loopback. */
char *http_url_of_listen(const char *address)
{
    if (str_starts(address, "0.0.0.0:"))
        return str_printf("http://127.0.0.1:%s", address + strlen("0.0.0.0:"));
    if (str_starts(address, "[::]:"))
        return str_printf("http://[::1]:%s", address + strlen("[::]:"));
    return str_printf("http://%s", address);
}

/* Tries each address of the host: "localhost" may be ::1, where the daemon does not listen. */
static int connect_to(const struct url *url, int timeout_s)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    struct timeval limit = {.tv_sec = timeout_s};
    char port[16];
    int fd = -1;

    (void)snprintf(port, sizeof port, "%d", url->port);
    if (getaddrinfo(url->host, port, &hints, &list))
        return -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

/* A send timeout shows as EAGAIN, because the sockets block with SO_SNDTIMEO. */
static int send_all(int fd, const struct buf *b)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = send(fd, b->data + done, b->len - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? ERROR_TIMEOUT : ERROR_UPSTREAM_BROKEN;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* HTTP/1.0 ends with the connection, so it reads until the end. */
static int receive_all(int fd, struct buf *b)
{
    for (;;) {
        char *to = buf_reserve(b, 64 << 10);
        if (!to)
            return b->error;
        ssize_t n = recv(fd, to, 64 << 10, 0);
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? ERROR_TIMEOUT : ERROR_UPSTREAM_BROKEN;
        if (n == 0)
            return 0;
        b->len += n > 0 ? (size_t)n : 0;
        b->data[b->len] = '\0';
    }
}

/* The value of Content-Length; -1 without one. */
static long long length_of(const char *head, const char *end)
{
    static const char name[] = "\r\nContent-Length:";
    long long length = -1;

    for (const char *p = head; (p = strchr(p, '\r')) && p < end; p++)
        if (strncasecmp(p, name, strlen(name)) == 0)
            (void)sscanf(p + strlen(name), "%18lld", &length);
    return length;
}

/* Splits status and body. An HTTP/1.0 answer has no transfer coding. Without the check of
 * Content-Length a cut body would look complete. */
static int split(struct buf *answer, int *ret_status, struct buf *ret_body)
{
    const char *end = strstr(answer->data, "\r\n\r\n");
    int status;

    if (!end || end - answer->data > HEAD_MAX_BYTES ||
        sscanf(answer->data, "HTTP/1.%*1d %3d", &status) != 1)
        return ERROR_UPSTREAM_BROKEN;
    const char *body = end + 4;
    size_t len = answer->len - (size_t)(body - answer->data);
    long long length = length_of(answer->data, end);
    if (length >= 0 && (size_t)length != len)
        return ERROR_UPSTREAM_BROKEN;
    buf_add(ret_body, body, len);
    if (ret_body->error)
        return ret_body->error;
    *ret_status = status;
    return 0;
}

/* Writes the request. A path in base_url comes first: a proxy in front of the daemon may need it.
 */
static int write_request(const struct url *url, const char *target, const char *accept,
                         struct buf *to)
{
    size_t prefix = strlen(url->path);
    bool v6 = strchr(url->host, ':') != NULL;

    if (prefix && url->path[prefix - 1] == '/')
        prefix--;
    buf_printf(to, "GET %.*s%s HTTP/1.0\r\nHost: %s%s%s:%d\r\nAccept: %s\r\n", (int)prefix,
               url->path, target, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port, accept);
    buf_puts(to, "User-Agent: wheelyard/" VERSION "\r\nConnection: close\r\n\r\n");
    return to->error;
}

static int talk(const struct url *url, const char *target, const char *accept, int timeout_s,
                int *ret_status, struct buf *ret_body)
{
    auto_buf struct buf text;
    auto_close int fd = connect_to(url, timeout_s);

    buf_init(&text, HTTP_GET_MAX_BYTES);
    if (fd < 0)
        return ERROR_UNREACHABLE;
    int r = write_request(url, target, accept, &text);
    if (r == 0)
        r = send_all(fd, &text);
    buf_clear(&text);
    if (r == 0)
        r = receive_all(fd, &text);
    return r ? r : split(&text, ret_status, ret_body);
}

int http_get_within(const char *base_url, const char *target, const char *accept, int timeout_s,
                    int *ret_status, struct buf *ret_body)
{
    struct url url;
    int r = url_parse(base_url, &url);

    if (r)
        return r;
    r = strcmp(url.scheme, "http") == 0
            ? talk(&url, target, accept, timeout_s, ret_status, ret_body)
            : ERROR_BAD_REQUEST;
    url_release(&url);
    return r;
}

int http_get(const char *base_url, const char *target, const char *accept, int *ret_status,
             struct buf *ret_body)
{
    return http_get_within(base_url, target, accept, HTTP_GET_TIMEOUT_S, ret_status, ret_body);
}
