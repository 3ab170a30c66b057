// SPDX-License-Identifier: Apache-2.0
/* Clients: they come, read at their own pace, wait, leave; each byte they get is judged. */
#include "tests/sim/world.h"

enum { TRIES = 9 };

static struct reader *fresh(struct world *w, int file, enum flight_use use)
{
    for (int i = 0; i < READERS; i++) {
        struct reader *r = &w->reader[i];
        if (r->used)
            continue;
        w->readers = i < w->readers ? w->readers : i + 1;
        *r = (struct reader){.used = true, .id = ++w->last_reader, .file = file, .use = use};
        r->leaves_ms = -1;
        r->pause_ms = 1 + (unsigned)world_random(w, world_chance(w, 20) ? 2000 : 30);
        r->piece = 1u << (15 + world_random(w, 9));
        return r;
    }
    return NULL;
}

static void choose_range(struct world *w, struct reader *r)
{
    int64_t size = w->size[r->file];
    r->to = size;
    if (r->use == FLIGHT_WHOLE && size > 0 && world_chance(w, 20))
        r->from = (int64_t)world_random(w, (uint64_t)size);
    if (r->use != FLIGHT_RANGE || size == 0)
        return;
    r->from = (int64_t)world_random(w, (uint64_t)size);
    r->to = r->from + 1 + (int64_t)world_random(w, (uint64_t)(size - r->from));
    if (world_chance(w, 40)) { /* the tail of a zip */
        r->from = size > 65536 ? size - 1 - (int64_t)world_random(w, 65536) : 0;
        r->to = size;
    }
}

/* Whether the complete blob of an ended flight is kept, or at least read by others. */
static bool blob_is_read(const struct world *w, const struct reader *newcomer)
{
    const struct blob *b = &w->blob[newcomer->file];
    if (b->flight || !b->verified)
        return false;
    if (b->kept)
        return true;
    for (int i = 0; i < w->readers; i++)
        if (w->reader[i].used && &w->reader[i] != newcomer && w->reader[i].file == newcomer->file)
            return true;
    return false;
}

/* What is kept is served only under what is claimed today. */
static void check_kept(struct world *w, int file)
{
    const struct blob *b = &w->blob[file];
    char digest[SHA256_HEX];
    content_digest(&b->content, file, b->size, digest);
    if (b->kept && !claims_allow(w, file, digest))
        world_fault(w, "file %d: it is kept, and not what is claimed", file);
}

static void join(struct world *w, struct reader *r, enum flight_use use)
{
    if (blob_is_read(w, r)) {
        check_kept(w, r->file);
        w->blob[r->file].kept = false; /* evicted after that */
        return;
    }
    owner_open(w, r->file);
    struct blob *b = &w->blob[r->file];
    TRACE(w, "file %d reader %llu: %s [%lld, %lld)", r->file, (unsigned long long)r->id,
          use == FLIGHT_HEAD    ? "head"
          : use == FLIGHT_RANGE ? "range"
                                : "whole",
          (long long)r->from, (long long)r->to);
    b->parked = false;
    flight_on_reader(b->flight, r->id, use, r->from, r->to);
    owner_drain(w, r->file);
}

static void step_later(struct world *w, struct reader *r)
{
    struct event *e = world_post(w, EVENT_READER, (int64_t)r->pause_ms * 1000);
    e->index = (int)(r - w->reader);
    e->serial = r->id;
    r->stepping = true;
}

void readers_arrive(struct world *w, int file)
{
    struct reader *r = fresh(w, file, (enum flight_use)world_random(w, 3));
    if (!r)
        return;
    choose_range(w, r);
    if (world_chance(w, 30))
        r->leaves_ms = world_now_ms(w) + (int64_t)world_random(w, 8000);
    r->at = r->from;
    r->asks_first = r->use != FLIGHT_HEAD && world_chance(w, 60);
    r->stepping = true; /* until it stands in the list of its flight */
    join(w, r, r->asks_first ? FLIGHT_HEAD : r->use);
    if (r->used)
        step_later(w, r);
}

/* A patient client of the quiet end. */
void readers_arrive_final(struct world *w, int file, unsigned tries)
{
    struct reader *r = fresh(w, file, FLIGHT_WHOLE);
    if (!r)
        return;
    r->to = w->size[file];
    r->final = true;
    r->tries = tries;
    r->pause_ms = 1;
    r->piece = 8 << 20;
    r->stepping = true;
    join(w, r, FLIGHT_WHOLE);
    if (r->used)
        step_later(w, r);
}

static void gone(struct world *w, struct reader *r, const char *why)
{
    struct blob *b = &w->blob[r->file];
    TRACE(w, "file %d reader %llu: %s at %lld", r->file, (unsigned long long)r->id, why,
          (long long)r->at);
    r->used = false;
    if (b->flight) {
        flight_on_reader_left(b->flight, r->id);
        owner_drain(w, r->file);
    }
}

static bool can_read(const struct world *w, const struct reader *r)
{
    const struct blob *b = &w->blob[r->file];
    if (r->leaves_ms >= 0 && world_now_ms(w) >= r->leaves_ms)
        return true;
    if (!b->known && !b->verified)
        return false;
    if (r->use == FLIGHT_HEAD || r->asks_first || b->verified || r->from >= r->to)
        return true;
    if (r->use == FLIGHT_RANGE && r->at >= b->known_size)
        return true; /* nothing to read, or of unknown length: no range is possible */
    bool below = r->use == FLIGHT_RANGE || r->at < b->released;
    return below && extents_end(&b->reported, r->at) > r->at;
}

void readers_wake(struct world *w, int file)
{
    for (int i = 0; i < w->readers; i++) {
        struct reader *r = &w->reader[i];
        if (r->used && r->file == file && !r->stepping && can_read(w, r))
            step_later(w, r);
    }
}

void readers_dismiss(struct world *w, int file, const char *why)
{
    for (int i = 0; i < w->readers; i++) {
        struct reader *r = &w->reader[i];
        if (!r->used || r->file != file)
            continue;
        TRACE(w, "file %d reader %llu dismissed: %s", file, (unsigned long long)r->id, why);
        r->used = false;
        if (!r->final)
            continue;
        if (r->tries > TRIES && w->good[file])
            world_fault(w, "file %d: an honest mirror, and %u times in vain", file, r->tries);
        /* As installers do: soon at first; later than failures are remembered in the end. */
        struct event *e =
            world_post(w, EVENT_ARRIVE, r->tries < 5 ? 1000000ll << r->tries : 31000000);
        e->file = file;
        e->index = (int)r->tries + 1;
    }
}

/* Reads what may be read; every byte has a version. */
static void read_some(struct world *w, struct reader *r, int64_t end)
{
    struct blob *b = &w->blob[r->file];
    int64_t limit = extents_end(&b->reported, r->at);
    if (limit > end)
        limit = end;
    if (r->use == FLIGHT_WHOLE && limit > b->released)
        limit = b->released;
    if (limit > r->at + (int64_t)r->piece)
        limit = r->at + (int64_t)r->piece;
    while (r->at < limit) {
        const struct piece *p = content_at(&b->content, r->at);
        if (!p) {
            world_fault(w, "file %d: reader reads a hole at %lld", r->file, (long long)r->at);
            return;
        }
        r->version = !r->version || r->version == p->version ? p->version : WRONG;
        r->at = p->to < limit ? p->to : limit;
    }
}

static void finish(struct world *w, struct reader *r)
{
    const struct blob *b = &w->blob[r->file];
    if (r->use == FLIGHT_WHOLE && r->version && b->vouched_version &&
        r->version != b->vouched_version)
        world_fault(w, "file %d: reader %llu ends complete with a wrong byte", r->file,
                    (unsigned long long)r->id);
    if (r->final) {
        w->served[r->file] = true;
        w->served_count++;
    }
    gone(w, r, "done");
}

void reader_step(struct world *w, struct reader *r)
{
    struct blob *b = &w->blob[r->file];
    r->stepping = false;
    if (r->leaves_ms >= 0 && world_now_ms(w) >= r->leaves_ms) {
        gone(w, r, "left");
        return;
    }
    if (!b->known && !b->verified)
        return;
    bool no_range = r->use == FLIGHT_RANGE && b->known_size < 0 && !b->verified;
    if ((r->asks_first || no_range) && b->flight) { /* the size is known: the range can be chosen */
        r->asks_first = false;
        if (b->known_size < 0)
            r->use = FLIGHT_WHOLE;
        flight_on_reader_left(b->flight, r->id);
        r->stepping = true;
        join(w, r, r->use);
        r->stepping = false;
        if (!r->used)
            return;
    }
    int64_t size = b->verified ? b->size : b->known_size;
    int64_t end = r->use == FLIGHT_WHOLE ? size : r->to;
    if (size >= 0 && end > size)
        end = size;
    if (r->use != FLIGHT_HEAD)
        read_some(w, r, end < 0 ? INT64_MAX : end);
    bool all = r->use == FLIGHT_HEAD || (end >= 0 && r->at >= end);
    if (all && (r->use != FLIGHT_WHOLE || b->verified))
        finish(w, r);
    else if (can_read(w, r))
        step_later(w, r);
}
