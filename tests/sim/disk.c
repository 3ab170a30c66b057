// SPDX-License-Identifier: Apache-2.0
/*
 * The disk: a partial and its saved map, kept as engine/files/saved.c keeps them, through the real
 * map. What is written is in the kernel and survives a kill; what reaches the disk when is a matter
 * of syncs, and of luck.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cache/map.h"
#include "tests/sim/world.h"

enum {
    SAVED_LEAST_BYTES = 1 << 20, /* as in engine/files/saved.h */
    BLOCK = 4096,                /* of the file system */
    SECTOR = 512,                /* written whole or not at all */
};

void disk_release(struct disk *d)
{
    content_clear(&d->content);
    content_clear(&d->synced);
    content_clear(&d->at_copy);
    extents_release(&d->safe);
    extents_release(&d->must);
    free(d->map);
    free(d->map_synced);
    free(d->copy);
    *d = (struct disk){0};
}

bool disk_fails(struct world *w)
{
    return !w->calm && world_random(w, 10000) < w->disk_trouble;
}

static void *zeros(size_t len)
{
    void *p = calloc(1, len);
    if (!p)
        abort();
    return p;
}

/* "" when the kernel does not say. */
static void boot_id(const struct world *w, char ret[MAP_BOOT_ID])
{
    (void)snprintf(ret, MAP_BOOT_ID, "boot-%u", w->boot);
    if (!w->has_boot_id)
        *ret = '\0';
}

/* ------------------------------------------------------------------ begin, mark */

void disk_begin(struct world *w, int file)
{
    struct disk *d = &w->blob[file].disk;
    if (!d->id)
        d->id = ++w->last_disk;
}

static void format(struct world *w, int file, struct disk *d)
{
    const struct blob *b = &w->blob[file];
    char path[16], validator[16];
    (void)snprintf(path, sizeof(path), "file%d", file);
    (void)snprintf(validator, sizeof(validator), "%d", b->base_validator);
    struct map_about about = {.origin = "o",
                              .path = path,
                              .size = b->size,
                              .etag = "\"ours\"",
                              .validator_etag = b->base_validator ? validator : NULL,
                              .mirrors = {"0", "1", "2", "3"}};
    boot_id(w, about.boot_id);
    if (map_format(d->map, &about))
        world_fault(w, "file %d: map_format failed", file);
}

static void mark(struct blob *b, int64_t from, int64_t to, unsigned mirror)
{
    struct extent run = {from, to};
    extents_widen(&b->reported, MAP_CHUNK, &run);
    map_mark(b->disk.map, run.from, run.to, mirror);
}

void disk_begin_map(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    struct disk *d = &b->disk;
    if (!d->id || d->has_map || !b->has_base || !b->known || b->size < SAVED_LEAST_BYTES)
        return;
    d->has_map = true;
    if (disk_fails(w)) { /* no room for it: the partial will start over */
        d->broken = true;
        return;
    }
    d->size = b->size;
    d->map_len = (size_t)map_size(d->size);
    d->map = zeros(d->map_len);
    d->map_synced = zeros(d->map_len);
    d->copy = zeros((size_t)map_copy_size(d->size));
    format(w, file, d);
    TRACE(w, "file %d map of partial %llu", file, (unsigned long long)d->id);
    for (size_t i = 0; i < b->reported.count; i++)
        mark(b, b->reported.list[i].from, b->reported.list[i].to, b->base_mirror);
}

/* Under a digest no flight asks the map for a validator. */
void disk_rebase(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    char validator[16];
    (void)snprintf(validator, sizeof(validator), "%d", b->base_validator);
    if (!b->disk.map || b->digest_known)
        return;
    TRACE(w, "file %d map of partial %llu is of another base", file,
          (unsigned long long)b->disk.id);
    if (map_rebase(b->disk.map, b->base_validator ? validator : NULL, NULL, NULL))
        world_fault(w, "file %d: map_rebase failed", file);
    extents_release(&b->disk.safe); /* till it is sealed anew */
}

void disk_mark(struct world *w, int file, int64_t from, int64_t to, unsigned mirror)
{
    (void)w;
    if (w->blob[file].disk.map)
        mark(&w->blob[file], from, to, mirror);
}

/* ------------------------------------------------------------------ sync */

static struct disk *disk_of(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    if (b->disk.id == e->serial)
        return &b->disk;
    return b->left.id == e->serial ? &b->left : NULL;
}

static struct event *post_sync(struct world *w, int file, enum event_type type, int64_t after_us)
{
    struct blob *b = &w->blob[file];
    struct event *e = world_post(w, type, after_us);
    e->file = file;
    e->serial = b->disk.id;
    e->flight = b->downloads;
    return e;
}

void disk_on_sync(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    struct disk *d = &b->disk;
    TRACE(w, "file %d sync", file);
    b->unsynced_ms = -1;
    if (!d->has_map) {
        flight_on_synced(b->flight);
        return;
    }
    if (b->syncing && !w->restarting && !w->stopping)
        world_fault(w, "file %d: a sync before the last has ended", file);
    b->syncing = true;
    if (d->syncing) /* the daemon stops, and this one is the last */
        return;
    d->syncing = true;
    (void)post_sync(w, file, EVENT_SYNC_COPY, (int64_t)world_random(w, 20000));
}

static void take_copy(struct world *w, struct disk *d, const struct content *content)
{
    (void)w;
    map_seal_begin(d->map, d->copy);
    d->is_copied = true;
    content_copy(content, &d->at_copy);
}

void disk_on_sync_copy(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    struct disk *d = disk_of(w, e);
    if (!d)
        return;
    int64_t slow_us = world_chance(w, 10) ? 3000000 : 50000;
    if (d->map && !d->broken)
        take_copy(w, d, d == &b->disk ? &b->content : &d->content);
    struct event *end = world_post(w, EVENT_SYNC_END, 100 + (int64_t)world_random(w, slow_us));
    end->file = e->file;
    end->serial = e->serial;
    end->flight = e->flight;
    end->number = d->sync;
}

struct sync {
    struct world *w;
    struct disk *d;
    int error;
};

/* Half-way through a sync everything may stop. */
static bool is_cut_short(struct world *w)
{
    w->crash_now |= w->crashes && !w->calm && !w->stopping && !w->restarting && world_chance(w, 4);
    return w->crash_now;
}

static int sync_data(void *context)
{
    struct sync *s = context;
    if (is_cut_short(s->w))
        return 1;
    s->d->named = true;
    if (disk_fails(s->w)) {
        s->error = ERROR_IO;
        s->d->broken = true;
        return 1;
    }
    content_copy(&s->d->at_copy, &s->d->synced);
    return 0;
}

static void note_safe(struct disk *d)
{
    const uint8_t *copy = d->copy;
    for (int64_t at = 0; at < d->size; at += MAP_CHUNK)
        if (copy[at / MAP_CHUNK])
            (void)extents_add(&d->safe, at, at + MAP_CHUNK < d->size ? at + MAP_CHUNK : d->size);
}

static int sync_map(void *context)
{
    struct sync *s = context;
    if (is_cut_short(s->w))
        return 1;
    if (disk_fails(s->w)) { /* the map is sealed no more */
        s->d->broken = true;
        return 1;
    }
    memcpy(s->d->map_synced, s->d->map, s->d->map_len);
    note_safe(s->d);
    return 0;
}

static int seal(struct world *w, struct disk *d)
{
    struct sync s = {w, d, 0};
    const struct map_disk disk = {&s, sync_data, sync_map};
    if (d->map && !d->broken)
        (void)map_sync(d->map, d->copy, &disk);
    return s.error;
}

void disk_on_sync_end(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    struct disk *d = disk_of(w, e);
    if (d && d->sync != e->number)
        d = NULL;
    int error = d ? seal(w, d) : 0;
    if (d)
        d->syncing = d->is_copied = false;
    TRACE(w, "file %d sync of partial %llu: %s", e->file, (unsigned long long)e->serial,
          w->crash_now ? "cut short" : error_text(error));
    if (w->crash_now || !b->flight || b->downloads != e->flight)
        return;
    b->syncing = false;
    if (error && d == &b->disk)
        flight_on_disk_error(b->flight, error);
    else
        flight_on_synced(b->flight);
    owner_drain(w, e->file);
}

void disk_finish_sync(struct world *w, struct disk *d)
{
    if (!d->syncing || !d->map || d->broken)
        return;
    d->syncing = false;
    take_copy(w, d, &d->content);
    (void)seal(w, d);
}

/* ------------------------------------------------------------------ leaving, crash */

/* Whole chunks that are written: a kill may take none of them. */
static void note_written(struct disk *d, const struct extents *written)
{
    for (size_t i = 0; i < written->count; i++) {
        const struct extent *run = &written->list[i];
        int64_t from = (run->from + MAP_CHUNK - 1) / MAP_CHUNK * MAP_CHUNK;
        int64_t to = run->to >= d->size ? d->size : run->to / MAP_CHUNK * MAP_CHUNK;
        (void)extents_add(&d->must, from, to);
    }
}

void disk_leave(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    disk_release(&b->left);
    if (!b->disk.map) {
        disk_release(&b->disk);
        return;
    }
    b->left = b->disk;
    b->disk = (struct disk){0};
    content_copy(&b->content, &b->left.content);
    if (w->has_boot_id)
        note_written(&b->left, &b->reported);
    TRACE(w, "file %d partial %llu is left", file, (unsigned long long)b->left.id);
}

/* Of what was not synced some blocks are on the disk, some are zeros. */
static void survive_part(struct world *w, const struct piece *piece, struct content *ret)
{
    struct piece p = *piece;
    bool lost = world_chance(w, 50);
    for (int64_t at = piece->from; at < piece->to; at = p.to) {
        int64_t blocks = 1 + (int64_t)world_random(w, world_chance(w, 50) ? 16 : 1024);
        p.from = at;
        p.to = (at / BLOCK + blocks) * BLOCK;
        if (p.to > piece->to)
            p.to = piece->to;
        p.version = lost ? LOST : piece->version;
        content_add(ret, &p);
        lost = !lost;
    }
}

static void survive(struct world *w, const struct content *all, const struct content *synced,
                    struct content *ret)
{
    struct extents on_disk = {0};
    for (size_t i = 0; i < synced->count; i++)
        (void)extents_add(&on_disk, synced->list[i].from, synced->list[i].to);
    for (size_t i = 0; i < all->count; i++) {
        struct piece p = all->list[i];
        struct extent hole;
        int64_t at = p.from;
        while (at < p.to) {
            bool some = extents_missing(&on_disk, at, p.to, &hole);
            content_add_part(ret, all, at, some ? hole.from : p.to);
            at = some ? hole.to : p.to;
            if (!some)
                break;
            struct piece part = p;
            part.from = hole.from;
            part.to = hole.to;
            survive_part(w, &part, ret);
        }
    }
    extents_release(&on_disk);
}

static void tear_map(struct world *w, struct disk *d)
{
    char *now = d->map;
    const char *synced = d->map_synced;
    for (size_t at = 0; at < d->map_len; at += SECTOR)
        if (memcmp(now + at, synced + at, SECTOR) != 0 && world_chance(w, 50))
            memcpy(now + at, synced + at, SECTOR);
    memcpy(d->map_synced, now, d->map_len); /* what is present now is on the disk */
}

void disk_cut_power(struct world *w, struct disk *d)
{
    struct content left = {0};
    if (!d->map)
        return;
    if (!d->named && world_chance(w, 50)) { /* not even their names */
        disk_release(d);
        return;
    }
    survive(w, &d->content, &d->synced, &left);
    content_clear(&d->content);
    d->content = left;
    content_copy(&left, &d->synced);
    tear_map(w, d);
    extents_release(&d->must);
}

/* ------------------------------------------------------------------ resume */

/* A byte decays; neither map nor flight can know. */
static void decay(struct world *w, struct content *c)
{
    if (!c->count || !world_chance(w, 3))
        return;
    c->list[world_random(w, c->count)].version = WRONG;
    TRACE(w, "a disk decays");
}

static void check_runs(struct world *w, int file, const struct map_opened *o,
                       const struct content *content)
{
    const struct disk *d = &w->blob[file].left;
    struct extents present = {0};
    struct extent run;
    for (size_t i = 0; i < o->run_count; i++) {
        (void)extents_add(&present, o->runs[i].from, o->runs[i].to);
        if (!content_is_sound(content, o->runs[i].from, o->runs[i].to))
            world_fault(w, "file %d: the map tells of [%lld, %lld), which is not on the disk", file,
                        (long long)o->runs[i].from, (long long)o->runs[i].to);
    }
    const struct extents *sets[] = {&d->must, &d->safe};
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->count; i++)
            if (extents_missing(&present, sets[s]->list[i].from, sets[s]->list[i].to, &run))
                world_fault(w, "file %d: [%lld, %lld) is safely on the disk, and forgotten", file,
                            (long long)run.from, (long long)run.to);
    extents_release(&present);
}

static struct flight_run *take_runs(struct world *w, struct blob *b, const struct map_opened *o)
{
    bool renamed = world_chance(w, 10); /* the mirrors have other names today */
    struct flight_run *runs = calloc(o->run_count, sizeof(*runs));
    if (!runs)
        abort();
    for (size_t i = 0; i < o->run_count; i++) {
        const struct map_run *run = &o->runs[i];
        bool named = run->mirror < w->mirrors && !renamed;
        runs[i] = (struct flight_run){run->from, run->to, named ? run->mirror : FLIGHT_NO_MIRROR};
        (void)extents_add(&b->claimed, run->from, run->to);
        (void)extents_add(&b->reported, run->from, run->to);
        content_add_part(&b->content, &b->left.content, run->from, run->to);
    }
    return runs;
}

static void go_on(struct world *w, int file, const struct map_opened *o)
{
    struct blob *b = &w->blob[file];
    char boot[MAP_BOOT_ID];
    boot_id(w, boot);
    map_adopt(b->left.map, boot);
    memcpy(b->left.map_synced, b->left.map, b->left.map_len);
    b->size = o->about.size;
    b->has_base = true;
    b->base_validator =
        o->about.validator_etag ? (int)strtol(o->about.validator_etag, NULL, 10) : 0;
    b->disk = b->left;
    b->left = (struct disk){0};
    b->disk.syncing = b->disk.broken = false;
    content_clear(&b->disk.content);
    extents_release(&b->disk.must);
    decay(w, &b->content);
    TRACE(w, "file %d goes on with partial %llu: %lld bytes", file, (unsigned long long)b->disk.id,
          (long long)extents_total(&b->reported));
}

/* A sync under way may seal more than a map without a boot has told of: bytes that are present, and
 * that no record counts. The model has no place for these, so it ends now. */
static void end_sync(struct world *w, struct disk *d)
{
    if (!d->is_copied || w->has_boot_id)
        return;
    (void)seal(w, d);
    d->syncing = d->is_copied = false;
    d->sync++;
}

struct flight_run *disk_resume(struct world *w, int file, size_t *ret_count)
{
    struct blob *b = &w->blob[file];
    end_sync(w, &b->left);
    struct flight_run *runs = NULL;
    struct map_opened o = {0};
    char boot[MAP_BOOT_ID];
    boot_id(w, boot);
    if (!b->left.map)
        return NULL;
    int r = map_open(b->left.map, b->left.map_len, boot, &o);
    if (r && (b->left.safe.count || b->left.must.count))
        world_fault(w, "file %d: the map is lost: %s", file, error_text(r));
    if (r == 0)
        check_runs(w, file, &o, &b->left.content);
    bool is_of = r == 0 && (b->row_size < 0 || b->row_size == o.about.size);
    if (is_of && o.run_count && !w->fault[0]) {
        *ret_count = o.run_count;
        runs = take_runs(w, b, &o);
        go_on(w, file, &o);
    }
    map_opened_release(&o);
    disk_release(&b->left);
    return runs;
}
