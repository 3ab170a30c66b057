// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One GET from the running daemon, for commands that ask the same as clients do. Blocks; a
 * command's main thread. */
#include "base/buf.h"

enum { HTTP_GET_MAX_BYTES = 128 << 20, HTTP_GET_TIMEOUT_S = 60 };

/* `target` is the path with its query, percent-encoded; `accept` is the value of that header.
 * *ret_status is the status, `ret_body` (buf_init it) the body. ERROR_UNREACHABLE: nothing listens
 * there. ERROR_TIMEOUT. ERROR_UPSTREAM_BROKEN: the answer is not HTTP, or was cut. ERROR_TOO_BIG,
 * ERROR_NO_MEMORY, ERROR_BAD_REQUEST (not an http URL). */
int http_get(const char *base_url, const char *target, const char *accept, int *ret_status,
             struct buf *ret_body);

/* The same, but it gives up after timeout_s without a byte. */
int http_get_within(const char *base_url, const char *target, const char *accept, int timeout_s,
                    int *ret_status, struct buf *ret_body);

/* The URL by which clients on this machine reach a listener on `address` ("0.0.0.0:8503"). free()
 * it; NULL when out of memory. */
char *http_url_of_listen(const char *address);
