// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

static char empty[1];

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.data = empty, .max = max_bytes};
}

void buf_release(struct buf *b)
{
    if (b->data != empty)
        free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->error = 0;
    if (b->cap)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t more)
{
    if (b->error)
        return NULL;
    if (more > b->max || b->len > b->max - more) {
        b->error = ERROR_TOO_BIG;
        return NULL;
    }
    size_t need = b->len + more + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 128;
        while (cap < need)
            cap *= 2;
        char *data = realloc(b->cap ? b->data : NULL, cap);
        if (!data) {
            b->error = ERROR_NO_MEMORY;
            return NULL;
        }
        data[b->len] = '\0';
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    if (!len)
        return;
    char *to = buf_reserve(b, len);
    if (!to)
        return;
    memcpy(to, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (b->error || !buf_reserve(b, 0)) {
        buf_release(b);
        return NULL;
    }
    char *data = b->data;
    if (ret_len)
        *ret_len = b->len;
    buf_init(b, b->max);
    return data;
}
