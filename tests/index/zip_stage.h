// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Zip archives written byte by byte, so that each field can lie.
 *
 *     archive_begin(&a);
 *     add(&a, name, text); add_odd(&a, name, data, len, &odd) ...
 *     archive_end(&a, zip64, comment);         a.bytes has it; then archive_release
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/gzip.h"

enum { ARCHIVE_MAX = 64 << 20 };

struct archive {
    struct buf bytes, list;
    unsigned count;
};

/* What is other than it should be. */
struct odd {
    bool deflated, zip64, bad_crc, short_data;
    unsigned flags, method, extra; /* extra: bytes before the data that the list does not have */
    uint64_t size, packed, local;  /* instead of the true ones, when not 0 */
    const char *local_name;
};

static inline void put(struct buf *to, uint64_t n, unsigned bytes)
{
    for (; bytes; bytes--, n >>= 8)
        buf_putc(to, (char)(n & 0xff));
}

static inline void archive_begin(struct archive *a)
{
    buf_init(&a->bytes, ARCHIVE_MAX);
    buf_init(&a->list, ARCHIVE_MAX);
    a->count = 0;
}

static inline void archive_release(struct archive *a)
{
    buf_release(&a->bytes);
    buf_release(&a->list);
}

/* gzip is deflate between ten bytes and eight, of which the first four are the CRC. */
static inline void pack(const char *data, size_t len, struct buf *ret, uint32_t *ret_crc)
{
    buf_init(ret, ARCHIVE_MAX);
    assert_int_equal(gzip_compress(data, len, ret), 0);
    const unsigned char *crc = (const unsigned char *)ret->data + ret->len - 8;
    *ret_crc = crc[0] | crc[1] << 8 | crc[2] << 16 | (uint32_t)crc[3] << 24;
}

static inline void put_facts(struct buf *to, const struct odd *odd, uint32_t crc, uint64_t packed,
                             uint64_t size)
{
    put(to, 45, 2);
    put(to, odd->flags, 2);
    put(to, odd->method ? odd->method : odd->deflated ? 8 : 0, 2);
    put(to, 0x21 << 16, 4);
    put(to, crc, 4);
    put(to, odd->zip64 ? UINT32_MAX : packed, 4);
    put(to, odd->zip64 ? UINT32_MAX : size, 4);
}

static inline void add_odd(struct archive *a, const char *name, const char *data, size_t len,
                           const struct odd *odd)
{
    auto_buf struct buf packed;
    uint32_t crc;
    pack(data, len, &packed, &crc);
    crc += odd->bad_crc;
    uint64_t bytes = odd->deflated ? packed.len - 18 : len, local = a->bytes.len;
    const char *local_name = odd->local_name ? odd->local_name : name;
    uint64_t said = odd->packed ? odd->packed : bytes, size = odd->size ? odd->size : len;
    buf_add(&a->bytes, "PK\3\4", 4);
    put_facts(&a->bytes, odd, crc, said, size);
    put(&a->bytes, strlen(local_name), 2);
    put(&a->bytes, odd->extra, 2);
    buf_puts(&a->bytes, local_name);
    for (unsigned i = 0; i < odd->extra; i++)
        buf_putc(&a->bytes, 'x');
    buf_add(&a->bytes, odd->deflated ? packed.data + 10 : data, (size_t)bytes);
    buf_add(&a->list, "PK\1\2", 4);
    put(&a->list, 45, 2);
    put_facts(&a->list, odd, crc, said, size);
    put(&a->list, strlen(name), 2);
    put(&a->list, odd->zip64 ? 4 + 24 + 6 : 0, 2);
    put(&a->list, 0, 2 + 2 + 2 + 4);
    local = odd->local ? odd->local : local;
    put(&a->list, odd->zip64 ? UINT32_MAX : local, 4);
    buf_puts(&a->list, name);
    if (odd->zip64) {
        put(&a->list, 0x5455, 2); /* somebody else's field first */
        put(&a->list, 2, 2);
        put(&a->list, 0, 2);
        put(&a->list, 1, 2);
        put(&a->list, 24, 2);
        put(&a->list, size, 8);
        put(&a->list, said, 8);
        put(&a->list, local, 8);
    }
    a->count++;
}

static inline void add(struct archive *a, const char *name, const char *data)
{
    add_odd(a, name, data, strlen(data), &(struct odd){0});
}

static inline void put_zip64_end(struct archive *a, uint64_t from, uint64_t size)
{
    uint64_t record = a->bytes.len;
    buf_add(&a->bytes, "PK\6\6", 4);
    put(&a->bytes, 44, 8);
    put(&a->bytes, 45 << 16 | 45, 4);
    put(&a->bytes, 0, 8);
    put(&a->bytes, a->count, 8);
    put(&a->bytes, a->count, 8);
    put(&a->bytes, size, 8);
    put(&a->bytes, from, 8);
    buf_add(&a->bytes, "PK\6\7", 4);
    put(&a->bytes, 0, 4);
    put(&a->bytes, record, 8);
    put(&a->bytes, 1, 4);
}

static inline void archive_end(struct archive *a, bool zip64, size_t comment)
{
    uint64_t from = a->bytes.len, size = a->list.len;
    buf_add(&a->bytes, a->list.data, a->list.len);
    if (zip64)
        put_zip64_end(a, from, size);
    buf_add(&a->bytes, "PK\5\6", 4);
    put(&a->bytes, 0, 4);
    put(&a->bytes, zip64 ? UINT16_MAX : a->count, 2);
    put(&a->bytes, zip64 ? UINT16_MAX : a->count, 2);
    put(&a->bytes, zip64 ? UINT32_MAX : size, 4);
    put(&a->bytes, zip64 ? UINT32_MAX : from, 4);
    put(&a->bytes, comment, 2);
    for (size_t i = 0; i < comment; i++)
        buf_putc(&a->bytes, '-');
    assert_int_equal(a->bytes.error, 0);
}
