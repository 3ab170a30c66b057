// SPDX-License-Identifier: Apache-2.0
/*
 * A listener is opened or adopted at the start, and closed after its workers have ended. Nothing
 * here runs in between. All sockets are non-blocking, because several workers wake for one
 * connection.
 */
#include "server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

enum { BACKLOG = SOMAXCONN };

/* "No such address" gets an error of its own: for a default address it is only a warning. */
static int listen_error(int errnum)
{
    switch (errnum) {
    case EADDRINUSE:
        return ERROR_IN_USE;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return ERROR_UNREACHABLE;
    default:
        return error_from_errno(errnum);
    }
}

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* `joins`: we hold the port already. `dual`: one IPv6 socket for both families. */
static int socket_listen(const struct sockaddr *address, socklen_t len, bool joins, bool dual,
                         int *ret_fd)
{
    auto_close int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_error(errno);
    if (address->sa_family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual))
        return listen_error(errno);
    /* SO_REUSEADDR: connections of a daemon that has just ended must not block the port. */
    if (!set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
        (joins && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) || bind(fd, address, len) ||
        (!joins && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) || listen(fd, BACKLOG))
        return listen_error(errno);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static void address_print(const struct sockaddr_storage *address, char ret[LISTENER_TEXT])
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
        (void)snprintf(ret, LISTENER_TEXT, "[%s]:%d", text, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const void *)address;
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        (void)snprintf(ret, LISTENER_TEXT, "%s:%d", text, ntohs(in->sin_port));
    }
}

/* The siblings bind to the address that the first socket really got: with port 0 the kernel chose
 * it. */
static int listener_fill(struct listener *listener, const struct addrinfo *info, bool dual,
                         size_t workers)
{
    struct sockaddr_storage real = {0};
    socklen_t len = sizeof(real);
    int r = socket_listen(info->ai_addr, info->ai_addrlen, false, dual, &listener->fds[0]);
    if (r)
        return r;
    listener->count = 1;
    if (getsockname(listener->fds[0], (struct sockaddr *)&real, &len))
        return listen_error(errno);
    address_print(&real, listener->address);
    while (listener->count < workers && listener->count < LISTENER_WORKERS_MAX) {
        r = socket_listen((struct sockaddr *)&real, len, true, dual,
                          &listener->fds[listener->count]);
        if (r)
            return r;
        listener->count++;
    }
    return 0;
}

static int host_resolve(const char *host, int port, struct addrinfo **ret)
{
    char service[16];
    (void)snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    return getaddrinfo(*host ? host : "::", service, &hints, ret) ? ERROR_UNREACHABLE : 0;
}

int listener_open(const char *host, int port, size_t workers, struct listener *ret, size_t max,
                  size_t *ret_count)
{
    struct addrinfo *found;
    size_t count = 0;
    int r = host_resolve(host, port, &found);
    if (r)
        return r;
    for (struct addrinfo *info = found; info && count < max && r == 0; info = info->ai_next) {
        ret[count] = (struct listener){0};
        r = listener_fill(&ret[count++], info, !*host, workers);
    }
    freeaddrinfo(found);
    /* All addresses on a machine without IPv6. */
    if (r == ERROR_UNREACHABLE && !*host) {
        listener_close(&ret[0]);
        return listener_open("0.0.0.0", port, workers, ret, max, ret_count);
    }
    if (r) {
        while (count)
            listener_close(&ret[--count]);
        return r;
    }
    *ret_count = count;
    return 0;
}

/* O_NONBLOCK belongs to the open file, so it holds for all duplicates. */
int listener_adopt(int fd, size_t workers, struct listener *ret)
{
    struct listener listener = {.count = 1, .fds = {fd}};
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len))
        return listen_error(errno);
    address_print(&address, listener.address);
    /* All workers wake for one connection. A worker that finds it taken must not block in accept().
     */
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        return error_from_errno(errno);
    while (listener.count < workers && listener.count < LISTENER_WORKERS_MAX) {
        int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (duplicate < 0) {
            int r = error_from_errno(errno);
            while (listener.count > 1)
                (void)close(listener.fds[--listener.count]);
            return r;
        }
        listener.fds[listener.count++] = duplicate;
    }
    *ret = listener;
    return 0;
}

void listener_close(struct listener *listener)
{
    while (listener->count)
        (void)close(listener->fds[--listener->count]);
}
