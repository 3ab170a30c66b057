// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

void content_clear(struct content *c)
{
    free(c->list);
    *c = (struct content){0};
}

static size_t find(const struct content *c, int64_t at)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->list[middle].to <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_same(const struct piece *a, const struct piece *b)
{
    return a->version == b->version && a->validator == b->validator && a->transfer == b->transfer;
}

void content_add(struct content *c, const struct piece *piece)
{
    size_t i = find(c, piece->from);
    if (i > 0 && c->list[i - 1].to == piece->from && is_same(&c->list[i - 1], piece)) {
        c->list[i - 1].to = piece->to;
        return;
    }
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 8;
        c->list = realloc(c->list, c->room * sizeof(*c->list));
        if (!c->list)
            abort();
    }
    memmove(c->list + i + 1, c->list + i, (c->count - i) * sizeof(*c->list));
    c->list[i] = *piece;
    c->count++;
}

void content_copy(const struct content *from, struct content *to)
{
    if (to->room < from->count) {
        to->room = from->count;
        to->list = realloc(to->list, to->room * sizeof(*to->list));
        if (!to->list)
            abort();
    }
    to->count = from->count;
    if (from->count)
        memcpy(to->list, from->list, from->count * sizeof(*to->list));
}

void content_add_part(struct content *c, const struct content *from, int64_t low, int64_t high)
{
    for (size_t i = find(from, low); i < from->count && from->list[i].from < high; i++) {
        struct piece p = from->list[i];
        p.from = p.from < low ? low : p.from;
        p.to = p.to > high ? high : p.to;
        content_add(c, &p);
    }
}

bool content_is_sound(const struct content *c, int64_t from, int64_t to)
{
    for (const struct piece *p; from < to; from = p->to) {
        p = content_at(c, from);
        if (!p || p->version == LOST)
            return false;
    }
    return true;
}

const struct piece *content_at(const struct content *c, int64_t at)
{
    size_t i = find(c, at);
    return i < c->count && c->list[i].from <= at ? &c->list[i] : NULL;
}

void version_digest(int file, int version, int64_t size, char ret[SHA256_HEX])
{
    char text[64];
    if (version == PORTAL) /* the same for all */
        file = 0, size = 0;
    (void)snprintf(text, sizeof(text), "%d %d %lld", file, version, (long long)size);
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    for (int i = 0; i < 4; i++)
        (void)snprintf(ret + 16 * i, 17, "%016llx",
                       (unsigned long long)(h * (uint64_t)(2 * i + 1)));
}

void content_digest(const struct content *c, int file, int64_t size, char ret[SHA256_HEX])
{
    int64_t at = 0;
    int mixed = 0, version = 0;
    for (size_t i = 0; i < c->count && at < size; i++) {
        const struct piece *p = &c->list[i];
        if (p->from != at)
            mixed = 1; /* a hole */
        if (i > 0 && p->version != version)
            mixed = 1000 + (int)i;
        version = i > 0 ? version : p->version;
        at = p->to;
    }
    if (size == 0)
        version = RIGHT; /* all empty files are equal */
    version_digest(file, mixed || at < size ? 77777 + mixed : version, size, ret);
}

bool content_is_odd(const struct content *c, int64_t size)
{
    int64_t at = 0;
    for (size_t i = 0; i < c->count && at < size; i++) {
        if (c->list[i].from != at || c->list[i].version < 0 ||
            c->list[i].version != c->list[0].version)
            return true;
        at = c->list[i].to;
    }
    return at < size;
}

bool content_is_of_one_answer(const struct content *c)
{
    for (size_t i = 1; i < c->count; i++) {
        const struct piece *a = &c->list[i - 1], *b = &c->list[i];
        if (a->transfer != b->transfer && (!a->validator || a->validator != b->validator))
            return false;
    }
    return true;
}
