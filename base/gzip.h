// SPDX-License-Identifier: Apache-2.0
#pragma once
/* gzip (RFC 1952) by zlib, whole bodies only. The buffer's maximum protects against bombs. On
 * failure the buffer keeps its old bytes. Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends data as one gzip member, without time or name, so that equal bytes give equal bytes. */
int gzip_compress(const void *data, size_t len, struct buf *to);
/* Appends the content of one gzip member. ERROR_CORRUPT for anything else, also for bytes after the
 * member; ERROR_TOO_BIG by the buffer's maximum. */
int gzip_decompress(const void *data, size_t len, struct buf *to);

/* Whether the bytes begin like a gzip member. */
bool gzip_is_packed(const void *data, size_t len);
/* The content size of a member that we made, from its last four bytes; 0 when it is too short. */
size_t gzip_plain_bytes(const void *data, size_t len);
/* Replaces bytes that begin like a gzip member by its content; others stay. The bytes decide, not a
 * label on them. Errors as above; then the buffer is unchanged. */
int gzip_unpack(struct buf *body);
