// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Zstandard (RFC 8878) by libzstd, whole bodies only. Pure; any thread. */
#include <stddef.h>

#include "base/buf.h"

/* Appends data as one frame that contains its length; equal bytes give equal frames. On failure the
 * buffer keeps its old bytes: ERROR_NO_MEMORY, ERROR_TOO_BIG by the buffer's maximum. */
int zstandard_compress(const void *data, size_t len, struct buf *to);
