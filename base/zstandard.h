// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Zstandard (RFC 8878) by libzstd, all at once. Pure; any thread.
 */
#include <stddef.h>

#include "base/buf.h"

/* Appends data as one frame that names its length, so that equal bytes give equal bytes. On failure
 * the buffer holds what it held before: ERROR_NO_MEMORY, ERROR_TOO_BIG by the buffer's maximum. */
int zstandard_compress(const void *data, size_t len, struct buf *to);
