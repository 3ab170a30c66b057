// SPDX-License-Identifier: Apache-2.0
/*
 * A buffer begins with a static empty string, so that `data` is always a valid C string and an
 * unused buffer costs no allocation. It grows by doubling up to `max`. The bound is what a stranger
 * can make us allocate, so every buffer has one. buf_take ends its life; so does buf_release.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static char empty[1];

void buf_init(struct buf *b, size_t max_bytes)
{
    /* Bounded, so that no sum of sizes below can overflow. */
    *b = (struct buf){.data = empty, .max = max_bytes < PTRDIFF_MAX ? max_bytes : PTRDIFF_MAX - 1};
}

/* The buffer is empty afterwards and may be used again. */
void buf_release(struct buf *b)
{
    if (b->data != empty)
        free(b->data);
    buf_init(b, b->max);
}

/* Keeps the memory: the log and the control socket use one buffer again and again. */
void buf_clear(struct buf *b)
{
    b->len = 0;
    b->error = 0;
    if (b->cap)
        b->data[0] = '\0';
}

/* All growth happens here, so the checks of size and memory exist only once. */
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
        /* Doubles, but never beyond the maximum. */
        size_t cap = b->cap ? b->cap : 128;
        while (cap < need)
            cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
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

/* After an error it does nothing, so a run of appends needs no checks in between. */
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

/* Formats twice: the first pass only measures, so that the exact room can be reserved. */
void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0 && !b->error)
        b->error = ERROR_TOO_BIG; /* past INT_MAX, the only way this format can fail */
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

/* The one way for bytes to outlive their buffer. An error frees them: half a text is never handed
 * out. */
char *buf_take(struct buf *b, size_t *ret_len)
{
    if (b->error || !buf_reserve(b, 0)) {
        buf_release(b);
        return NULL;
    }
    char *data = b->data;
    size_t len = b->len;
    /* The caller may keep the bytes for long, so spare memory from doubling goes back. */
    if (b->cap - len > len / 8 + 64) {
        char *fit = realloc(data, len + 1);
        data = fit ? fit : data;
    }
    if (ret_len)
        *ret_len = len;
    buf_init(b, b->max);
    return data;
}
