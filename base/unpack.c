// SPDX-License-Identifier: Apache-2.0
/*
 * The state of zlib between two steps, and nothing else: the caller owns input and output. It lives
 * from unpack_new to unpack_free; unpack_again starts the next member without a new allocation.
 */
#include "base/unpack.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/error.h"

struct unpack {
    z_stream z;
};

/* Negative window bits mean raw deflate to zlib. */
int unpack_new(enum unpack_form form, struct unpack **ret)
{
    struct unpack *u = calloc(1, sizeof(*u));
    if (!u)
        return ERROR_NO_MEMORY;
    if (inflateInit2(&u->z, form == UNPACK_GZIP ? 15 + 16 : -15) != Z_OK) {
        free(u);
        return ERROR_NO_MEMORY;
    }
    *ret = u;
    return 0;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    (void)inflateEnd(&u->z);
    free(u);
}

void unpack_again(struct unpack *u)
{
    (void)inflateReset(&u->z);
}

int unpack_step(struct unpack *u, const char **data, size_t *len, void *room, size_t room_len,
                size_t *ret_len)
{
    uInt in = *len < UINT_MAX ? (uInt)*len : UINT_MAX;
    uInt out = room_len < UINT_MAX ? (uInt)room_len : UINT_MAX;
    u->z.next_in = (z_const Bytef *)*data;
    u->z.avail_in = in;
    u->z.next_out = room;
    u->z.avail_out = out;
    int status = inflate(&u->z, Z_NO_FLUSH);
    *data += in - u->z.avail_in;
    *len -= in - u->z.avail_in;
    *ret_len = out - u->z.avail_out;
    switch (status) {
    case Z_OK:
    case Z_BUF_ERROR: /* zlib needs input or room */
        return 0;
    case Z_STREAM_END:
        return UNPACK_END;
    case Z_MEM_ERROR:
        return ERROR_NO_MEMORY;
    default:
        return ERROR_CORRUPT;
    }
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t len)
{
    return (uint32_t)crc32_z(crc, data, len);
}
