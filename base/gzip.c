// SPDX-License-Identifier: Apache-2.0
/*
 * One loop serves both directions. It gives zlib a piece of input and a piece of the output buffer
 * until the member ends, the buffer is full, or zlib fails. A gzip bomb therefore costs at most the
 * buffer's maximum.
 */
#include "base/gzip.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"

/* The memory of zlib's match table is its default. */
enum {
    LEVEL = 3,             /* 8 ms for a page of 1.8 MB; level 6 takes twice that for 10 % less */
    WINDOW_GZIP = 15 + 16, /* zlib's code for "gzip wrapper only" */
    MEMORY = 8,
    STEP_BYTES = 64 << 10,
};

/* zlib counts in unsigned int, we in size_t: gives it the next piece of the input. */
static void feed(z_stream *z, const unsigned char **from, size_t *left)
{
    if (z->avail_in)
        return;
    size_t piece = *left < UINT_MAX ? *left : UINT_MAX;
    z->next_in = (z_const Bytef *)*from;
    z->avail_in = (uInt)piece;
    *from += piece;
    *left -= piece;
}

/* Runs `step` (deflate or inflate) until the member ends, growing `to` as it goes. */
static int pump(z_stream *z, int (*step)(z_stream *, int), const void *data, size_t left,
                struct buf *to)
{
    const unsigned char *from = data;
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        feed(z, &from, &left);
        /* When the buffer is full, one more byte tells "too big" from "exactly full". */
        Bytef spare;
        size_t room = to->max - to->len;
        size_t size = room < STEP_BYTES ? room : STEP_BYTES;
        char *at = buf_reserve(to, size);
        if (!at)
            return to->error;
        z->next_out = size ? (Bytef *)at : &spare;
        z->avail_out = size ? (uInt)size : 1;
        size_t before = z->avail_out;
        status = step(z, left ? Z_NO_FLUSH : Z_FINISH);
        if (status == Z_MEM_ERROR)
            return ERROR_NO_MEMORY;
        /* Z_BUF_ERROR with room left: the input ended before the member. */
        if (status != Z_OK && status != Z_STREAM_END && (status != Z_BUF_ERROR || z->avail_out))
            return ERROR_CORRUPT;
        if (!size && !z->avail_out)
            return ERROR_TOO_BIG;
        if (size)
            to->len += before - z->avail_out;
    }
    return z->avail_in || left ? ERROR_CORRUPT : 0;
}

/* Ends the buffer with a NUL; after a failure it holds its old bytes again. */
static int finish(struct buf *to, size_t len_before, int r)
{
    if (r)
        to->len = len_before;
    if (to->cap)
        to->data[to->len] = '\0';
    return r;
}

int gzip_compress(const void *data, size_t len, struct buf *to)
{
    z_stream z = {0};
    size_t before = to->len;
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERROR_NO_MEMORY;
    int r = pump(&z, deflate, data, len, to);
    (void)deflateEnd(&z);
    return finish(to, before, r);
}

int gzip_decompress(const void *data, size_t len, struct buf *to)
{
    z_stream z = {0};
    size_t before = to->len;
    if (inflateInit2(&z, WINDOW_GZIP) != Z_OK)
        return ERROR_NO_MEMORY;
    int r = pump(&z, inflate, data, len, to);
    (void)inflateEnd(&z);
    return finish(to, before, r);
}

bool gzip_is_packed(const void *data, size_t len)
{
    return len >= 3 && memcmp(data, "\x1f\x8b\x08", 3) == 0;
}

/* The trailer's length is modulo 2^32, which our own bodies never reach. */
size_t gzip_plain_bytes(const void *data, size_t len)
{
    if (len < 18)
        return 0;
    const unsigned char *end = (const unsigned char *)data + len;
    return (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
}

/* Servers label bodies wrongly in both directions, so only the first bytes count. */
int gzip_unpack(struct buf *body)
{
    struct buf plain;
    if (!gzip_is_packed(body->data, body->len))
        return 0;
    buf_init(&plain, body->max);
    int r = gzip_decompress(body->data, body->len, &plain);
    if (r) {
        buf_release(&plain);
        return r;
    }
    buf_release(body);
    *body = plain;
    return 0;
}
