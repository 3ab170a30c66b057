// SPDX-License-Identifier: Apache-2.0
/*
 * Pages are compressed once per build and then sent many times, but a build delays the first
 * client.
 */
#include "base/zstandard.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.h"

/* Our pages are digests between repeated words. Level 1 makes them as small as level 6, large ones
 * even smaller, in a quarter of the time. */
enum { LEVEL = 1 };

/* The room is reserved for the worst case, so libzstd never needs a second call. */
int zstandard_compress(const void *data, size_t len, struct buf *to)
{
    size_t bound = ZSTD_compressBound(len), room = to->max - to->len;
    if (to->error)
        return to->error;
    char *at = buf_reserve(to, bound < room ? bound : room);
    if (!at)
        return to->error;
    size_t packed = ZSTD_compress(at, bound < room ? bound : room, data, len, LEVEL);
    if (ZSTD_isError(packed)) {
        to->data[to->len] = '\0';
        return ZSTD_getErrorCode(packed) == ZSTD_error_dstSize_tooSmall ? ERROR_TOO_BIG
                                                                        : ERROR_NO_MEMORY;
    }
    to->len += packed;
    to->data[to->len] = '\0';
    return 0;
}
