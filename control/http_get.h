// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One GET from the running daemon, for commands that ask what clients ask. Blocks; a command's main
 * thread.
 */
#include "base/buf.h"

enum { HTTP_GET_MAX_BYTES = 128 << 20, HTTP_GET_TIMEOUT_S = 60 };

/*
 * `target` is the path with its query, percent-encoded; `accept` goes into the header. *ret_status
 * is the reply's, `ret_body` (buf_init it) its body. ERROR_UNREACHABLE: nobody listens there.
 * ERROR_TIMEOUT. ERROR_UPSTREAM_BROKEN: what answers speaks no HTTP, or was cut. ERROR_TOO_BIG,
 * ERROR_NO_MEMORY, ERROR_BAD_REQUEST (no http URL).
 */
int http_get(const char *base_url, const char *target, const char *accept, int *ret_status,
             struct buf *ret_body);

/* The same, but no silence longer than timeout_s is waited out. */
int http_get_within(const char *base_url, const char *target, const char *accept, int timeout_s,
                    int *ret_status, struct buf *ret_body);

/* The URL under which clients on this machine reach what listens on `address` ("0.0.0.0:8503"):
 * free() it; NULL when out of memory. */
char *http_url_of_listen(const char *address);
