// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Long enough for a sanitizer on a busy machine; a test that meets it has failed. */
enum { PATIENCE_S = 30 };

int wire_port(const char *address)
{
    return (int)strtol(strrchr(address, ':') + 1, NULL, 10);
}

int wire_connect(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)wire_port(address)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    int r = connect(fd, (struct sockaddr *)&to, sizeof(to));
    assert(r == 0);
    return fd;
}

void wire_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* refused before all was said: the answer tells */
        bytes += n;
        len -= (size_t)n;
    }
}

/* More bytes, at least one unless the connection ends; false then. */
static bool answer_more(struct answer *answer, int fd)
{
    enum { STEP = 64 << 10 };
    answer->bytes = realloc(answer->bytes, answer->len + STEP + 1);
    assert(answer->bytes);
    ssize_t n = recv(fd, answer->bytes + answer->len, STEP, 0);
    assert(n >= 0 || errno == ECONNRESET);
    answer->reset = n < 0;
    if (n > 0)
        answer->len += (size_t)n;
    answer->bytes[answer->len] = '\0';
    return n > 0;
}

static bool answer_parse(struct answer *answer)
{
    char *end = answer->bytes ? strstr(answer->bytes, "\r\n\r\n") : NULL;
    if (!end || sscanf(answer->bytes, "HTTP/1.%*d %d", &answer->status) != 1)
        return false;
    answer->body = end + 4;
    answer->body_len = answer->len - (size_t)(answer->body - answer->bytes);
    return true;
}

struct answer wire_finish(int fd)
{
    struct answer answer = {0};
    while (answer_more(&answer, fd))
        ;
    (void)answer_parse(&answer);
    close(fd);
    return answer;
}

struct answer wire_one(int fd)
{
    struct answer answer = {0};
    while (!answer_parse(&answer))
        if (!answer_more(&answer, fd))
            return answer;
    const char *length = strcasestr(answer.bytes, "\r\nContent-Length: ");
    size_t want = length && length < answer.body ? strtoul(length + 18, NULL, 10) : 0;
    while (answer.body_len < want && answer_more(&answer, fd))
        (void)answer_parse(&answer);
    return answer;
}

void wire_read(int fd, char *to, size_t len)
{
    while (len) {
        ssize_t n = recv(fd, to, len, 0);
        assert(n > 0);
        to += n;
        len -= (size_t)n;
    }
}

struct answer wire_ask(const char *address, const char *request)
{
    int fd = wire_connect(address);
    wire_send(fd, request, strlen(request));
    return wire_finish(fd);
}

struct answer wire_get(const char *address, const char *target, const char *headers)
{
    char request[16384];
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n", target,
                     headers);
    assert(n > 0 && (size_t)n < sizeof(request));
    return wire_ask(address, request);
}

/* Where a line of the head begins with `text`. */
static const char *head_line(const struct answer *answer, const char *text)
{
    size_t len = strlen(text);
    const char *line = answer->bytes;
    while (line && line + 2 < answer->body) {
        if (!strncasecmp(line, text, len))
            return line;
        line = strstr(line, "\r\n");
        line = line ? line + 2 : NULL;
    }
    return NULL;
}

bool wire_has(const struct answer *answer, const char *line)
{
    const char *found = head_line(answer, line);
    return found && !strncmp(found, line, strlen(line)) && found[strlen(line)] == '\r';
}

bool wire_names(const struct answer *answer, const char *header)
{
    return head_line(answer, header);
}

void wire_release(struct answer *answer)
{
    free(answer->bytes);
    *answer = (struct answer){0};
}
