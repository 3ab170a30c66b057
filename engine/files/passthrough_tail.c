// SPDX-License-Identifier: Apache-2.0
#include "engine/files/passthrough_tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { TAIL_BYTES = 2 << 20 };

struct tail {
    int64_t from, to; /* what came; the last TAIL_BYTES of it are in the ring */
    char ring[TAIL_BYTES];
};

struct tail *tail_new(int64_t from)
{
    struct tail *t = malloc(sizeof(*t));
    if (t)
        t->from = t->to = from;
    return t;
}

void tail_free(struct tail *t)
{
    free(t);
}

/* The ring keeps each byte at its offset modulo the ring's size. */
void tail_add(struct tail *t, const void *data, size_t len, int64_t offset)
{
    const char *from = data;
    if (!t)
        return;
    for (size_t i = 0; i < len;) {
        size_t at = (size_t)((offset + (int64_t)i) % TAIL_BYTES);
        size_t n = len - i < TAIL_BYTES - at ? len - i : TAIL_BYTES - at;
        memcpy(t->ring + at, from + i, n);
        i += n;
    }
    t->to = offset + (int64_t)len;
}

/* ERROR_GONE: these bytes were overwritten, so the judgement stops. */
static int read_some(void *userdata, int64_t from, void *to, size_t len)
{
    const struct tail *t = userdata;
    int64_t first = t->to - TAIL_BYTES > t->from ? t->to - TAIL_BYTES : t->from;
    if (from < first)
        return ERROR_GONE;
    for (size_t i = 0; i < len; i++)
        ((char *)to)[i] = t->ring[(from + (int64_t)i) % TAIL_BYTES];
    return 0;
}

void tail_judge(struct tail *t, const char *path, struct soundness *ret)
{
    struct archive_source source = {read_some, t, t->to};
    if (soundness_of(&source, path, ret))
        *ret = (struct soundness){.sound = true};
}
