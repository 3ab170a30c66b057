// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A raw HTTP client for tests: what is sent is sent byte for byte, what comes is kept whole. */
#include <stdbool.h>
#include <stddef.h>

struct answer {
    char *bytes; /* all that came; NUL-terminated */
    size_t len;
    int status;       /* 0: no status line */
    const char *body; /* into bytes */
    size_t body_len;
    bool reset; /* the connection ended with a reset */
};

/* The number behind the last colon. */
int wire_port(const char *address);
/* A connection to 127.0.0.1 at the port of `address`. */
int wire_connect(const char *address);
void wire_send(int fd, const char *bytes, size_t len);
/* Reads until the end of the connection; closes it. */
struct answer wire_finish(int fd);
/* Reads one reply whose length is given; the connection stays. */
struct answer wire_one(int fd);
/* Reads exactly `len` bytes. */
void wire_read(int fd, char *to, size_t len);
/* Connect, send, finish. */
struct answer wire_ask(const char *address, const char *request);
/* GET, with Host, `headers` (lines with CRLF) and Connection: close. */
struct answer wire_get(const char *address, const char *target, const char *headers);

/* Whether the head has this line, without CRLF. */
bool wire_has(const struct answer *answer, const char *line);
bool wire_names(const struct answer *answer, const char *header); /* "Name:" */
void wire_release(struct answer *answer);
