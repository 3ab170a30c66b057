// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * gzip (RFC 1952) by zlib, all at once. The buffer's maximum is the limit against bombs. On failure
 * the buffer holds what it held before. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends data as one gzip member, without time or name, so that equal bytes give equal bytes. */
int gzip_compress(const void *data, size_t len, struct buf *to);
/* Appends what one gzip member holds. ERROR_CORRUPT for anything else, also for bytes after the
 * member; ERROR_TOO_BIG by the buffer's maximum. */
int gzip_decompress(const void *data, size_t len, struct buf *to);

/* Whether bytes begin as a gzip member does. */
bool gzip_is_packed(const void *data, size_t len);
/* How many bytes a member that we have made holds, as its end says; 0 when there is none. */
size_t gzip_plain_bytes(const void *data, size_t len);
/* Replaces bytes that begin as a gzip member does by what it holds; others stay as they are. The
 * bytes decide, not a label on them. Errors as above: the buffer is unchanged. */
int gzip_unpack(struct buf *body);
