// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A growable byte buffer with a maximum size. Failure is sticky: the first append that fails
 * (memory, or max) sets `error`, and later appends do nothing. One look at `error` after a run of
 * appends is therefore enough. A NUL always follows the bytes; `len` does not count it.
 *
 *     struct buf b;
 *     buf_init(&b, 64 << 10);
 *     buf_puts(&b, "a=");
 *     buf_printf(&b, "%d", 1);
 *     if (b.error) ...
 *     buf_release(&b);                     or: char *s = buf_take(&b, &len);
 *
 * Not thread-safe.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

struct buf {
    char *data; /* never NULL after buf_init; "" while empty */
    size_t len;
    size_t cap;
    size_t max; /* bytes, without the NUL */
    int error;  /* 0, ERROR_NO_MEMORY or ERROR_TOO_BIG */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* forget bytes and error, keep the memory */

void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Makes room for `more` bytes after len without a change of len; NULL on failure (error is set). */
char *buf_reserve(struct buf *b, size_t more);

/* Gives the bytes to the caller (free() them) and leaves the buffer empty; NULL when error is set.
 */
char *buf_take(struct buf *b, size_t *ret_len);

static inline void buf_cleanup(struct buf *b)
{
    buf_release(b);
}
#define auto_buf __attribute__((cleanup(buf_cleanup)))
