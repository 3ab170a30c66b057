// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One GET from a running daemon, for commands that ask the same as clients do. Directly, without a
 * proxy, and no redirect is followed. Blocks; a command's main thread. */
#include "base/buf.h"

enum { HTTP_GET_MAX_BYTES = 128 << 20, HTTP_GET_TIMEOUT_S = 60 };

/*
 * `base_url` is an http or https URL; its path comes before `target`, because a proxy in front of
 * the daemon may have it below a path. `target` is the path with its query, percent-encoded;
 * `accept` is the value of that header. *ret_status is the status, `ret_body` (buf_init it) the
 * body. It gives up after timeout_s without a byte.
 *
 * HTTP_GET_UNTRUSTED (> 0): the certificate is of no authority that the system, or the file in
 * SSL_CERT_FILE, names. ERROR_UNREACHABLE: nothing listens there. ERROR_TIMEOUT.
 * ERROR_UPSTREAM_BROKEN: the answer is not HTTP, or was cut. ERROR_TOO_BIG, ERROR_NO_MEMORY,
 * ERROR_BAD_REQUEST (not such a URL).
 */
enum { HTTP_GET_UNTRUSTED = 1 };
int http_get(const char *base_url, const char *target, const char *accept, int timeout_s,
             int *ret_status, struct buf *ret_body);
