// SPDX-License-Identifier: Apache-2.0
/*
 * A connection belongs to one command and ends with it. Its requests follow each other: the next
 * one is sent after the whole reply to the last.
 */
#include "control/control_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "config/user.h"
#include "control/control_place.h"

enum { REPLY_MAX_BYTES = 64 << 20, REQUEST_MAX_BYTES = 64 << 10 };

/* "Not permitted" is told apart from "nobody there": the first needs another user, the second a
 * daemon. */
static int connect_to(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return ERROR_UNREACHABLE;
    str_copy(address.sun_path, sizeof(address.sun_path), path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERROR_UNREACHABLE;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == EACCES || errno == EPERM ? ERROR_DENIED : ERROR_UNREACHABLE;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* All places are written to ret_places, also those after a success, so that an error can name every
 * path that was tried. */
int control_client_open(const char *given, int timeout_s, struct control_client *ret,
                        struct buf *ret_places)
{
    char *places[CONTROL_PLACES];
    struct timeval limit = {.tv_sec = timeout_s};
    size_t count =
        control_places(given ? given : getenv("WHEELYARD_SOCKET"), user_environment, places);
    int fd = -1, r = ERROR_UNREACHABLE;

    for (size_t i = 0; i < count; i++) {
        int this = fd < 0 ? connect_to(places[i], &fd) : 0;

        r = this == ERROR_UNREACHABLE ? r : this;
        buf_printf(ret_places, "%s%s", i ? ", " : "", places[i]);
        free(places[i]);
    }
    if (fd < 0)
        return r;
    if (timeout_s)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    *ret = (struct control_client){.fd = fd};
    buf_init(&ret->reply, REPLY_MAX_BYTES);
    return 0;
}

void control_client_close(struct control_client *client)
{
    buf_release(&client->reply);
    (void)close(client->fd);
}

/* The first bytes of a request, and a descriptor with them; how many bytes went. */
static ssize_t send_with(int fd, const char *data, size_t len, int passed)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec part = {(void *)(uintptr_t)data, len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &passed, sizeof(int));
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* MSG_NOSIGNAL: a daemon that has gone is an error, not a signal. */
static bool send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Reads one line. The daemon sends one reply for each request, so nothing follows it. */
static bool receive_line(struct control_client *c)
{
    buf_clear(&c->reply);
    while (!c->reply.error && (!c->reply.len || c->reply.data[c->reply.len - 1] != '\n')) {
        char block[16384];
        ssize_t n = recv(c->fd, block, sizeof(block), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf_add(&c->reply, block, (size_t)n);
    }
    return !c->reply.error;
}

int control_client_ask(struct control_client *client, const char *const *words,
                       struct json **ret_reply)
{
    return control_client_ask_with(client, words, -1, ret_reply);
}

int control_client_ask_with(struct control_client *client, const char *const *words, int fd,
                            struct json **ret_reply)
{
    auto_buf struct buf line;

    buf_init(&line, REQUEST_MAX_BYTES);
    buf_putc(&line, '[');
    for (; *words; words++) {
        json_write_comma(&line);
        json_write_string(&line, *words);
    }
    buf_puts(&line, "]\n");
    if (line.error)
        return line.error;
    ssize_t sent = fd >= 0 ? send_with(client->fd, line.data, line.len, fd) : 0;
    if (sent < 0 || !send_all(client->fd, line.data + sent, line.len - (size_t)sent) ||
        !receive_line(client) || json_parse(client->reply.data, client->reply.len, ret_reply))
        return ERROR_UNREACHABLE;
    return 0;
}
