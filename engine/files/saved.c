// SPDX-License-Identifier: Apache-2.0
#include "engine/files/saved.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/mirrors/origins.h"

/*
 * A saved map lives:
 *
 *     saved_begin -> begin_run (writer lane): the map is made, and what is written so far is marked
 *     saved_mark (writer lane), after each write
 *     saved_sync -> sync_run (writer lane) copies the marks -> seal_run (cleaner lane)
 *     saved_rebase -> rebase_run (cleaner lane), where it cannot cross a seal
 *     saved_release, when the partial is closed
 *
 * In the same boot every mark is trusted after a kill. After a power cut only sealed marks are: a
 * seal is written when fdatasync has returned for the bytes that it names. A failed sync breaks the
 * map for good (`broken`).
 */

/* Writes "" when this kernel does not tell: then only sealed marks count. */
static void read_boot_id(char ret[MAP_BOOT_ID])
{
    auto_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, ret, MAP_BOOT_ID - 1);
    ret[len == MAP_BOOT_ID - 1 ? len : 0] = '\0';
}

void saved_release(struct saved *s)
{
    if (!s)
        return;
    (void)munmap(s->block, s->len);
    free(s);
}

/* MAP_SHARED: the kernel has each mark at once, so a kill loses none. */
static int map_file(int fd, size_t len, struct saved **ret)
{
    struct saved *s = calloc(1, sizeof(*s));
    if (!s)
        return ERROR_NO_MEMORY;
    s->len = len;
    s->block = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (s->block == MAP_FAILED) {
        free(s);
        return ERROR_NO_MEMORY;
    }
    *ret = s;
    return 0;
}

/* ------------------------------------------------------------------ begin */

struct begin_map {
    struct job job;
    struct store *store;
    struct partial *partial;
    struct map_about about; /* the job owns its strings, except the names of mirrors */
};

/* The mirror that sent all of [from, to); MAP_NO_MIRROR when several did. */
static unsigned sender_of(const struct partial *p, int64_t from, int64_t to)
{
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        if (extents_end(&p->sent[m], from) >= to)
            return p->saved->place[m];
    return MAP_NO_MIRROR;
}

/* Marks whole chunks and pieces of chunks; each chunk names its sender. */
static void mark(const struct partial *p, const struct extent *run)
{
    for (int64_t at = run->from, next; at < run->to; at = next) {
        next = at / MAP_CHUNK * MAP_CHUNK + MAP_CHUNK;
        if (next > run->to)
            next = run->to;
        map_mark(p->saved->block, at, next, sender_of(p, at, next));
    }
}

static void begin_free(struct begin_map *b)
{
    const char *strings[] = {b->about.origin,         b->about.path,           b->about.etag,
                             b->about.validator_etag, b->about.validator_date, NULL};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        free((char *)strings[i]);
    partial_unref(b->partial);
    free(b);
}

/* The file of the map is made first, so that a kill in between leaves no map that lies. */
static int make_map(const struct begin_map *b, struct saved **ret)
{
    int64_t len = map_size(b->about.size);
    auto_close int fd = -1;
    if (len < 0)
        return (int)len;
    int r = store_begin_map(b->store, b->partial->name, len, &fd);
    if (r == 0)
        r = map_file(fd, (size_t)len, ret);
    if (r)
        return r;
    (*ret)->size = b->about.size;
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        (*ret)->place[m] = m;
    r = map_format((*ret)->block, &b->about);
    if (r) {
        saved_release(*ret);
        *ret = NULL;
    }
    return r;
}

/* On the writer lane, between two writes: what is written so far is complete. */
static void begin_run(struct job *job)
{
    struct begin_map *b = container_of(job, struct begin_map, job);
    struct partial *p = b->partial;
    struct saved *s = NULL;
    read_boot_id(b->about.boot_id);
    int r = make_map(b, &s);
    if (r)
        log_warning("no map of a partial: it will start over after a restart error=\"%s\"",
                    error_text(r));
    p->saved = s;
    for (size_t i = 0; s && i < p->written.count; i++)
        mark(p, &p->written.list[i]);
    begin_free(b);
}

/* A map is useful once it can name what a resume must compare: size, validators and ETag. */
void saved_begin(struct download *dl)
{
    struct flight_view view;
    if (!dl->partial || dl->has_map || !dl->flight || dl->over || !dl->has_validator ||
        !dl->etag[0])
        return;
    flight_view(dl->flight, &view);
    if (view.size < SAVED_LEAST_BYTES)
        return;
    struct begin_map *b = calloc(1, sizeof(*b));
    if (!b)
        return;
    b->job.run = begin_run;
    b->store = dl->files->s->store;
    b->partial = partial_ref(dl->partial);
    b->about = (struct map_about){.origin = strdup(dl->origin->name),
                                  .path = strdup(dl->path),
                                  .size = view.size,
                                  .etag = strdup(dl->etag),
                                  .validator_etag = str_dup(dl->validator_etag),
                                  .validator_date = str_dup(dl->validator_date),
                                  .created_s = clock_real_s()};
    if (dl->validator_mirror < dl->origin->mirror_count)
        b->about.validator_mirror = dl->origin->mirrors[dl->validator_mirror].name;
    for (unsigned m = 0; m < dl->origin->mirror_count && m < MAP_MIRRORS; m++)
        b->about.mirrors[m] = dl->origin->mirrors[m].name;
    if (!b->about.origin || !b->about.path || !b->about.etag) {
        begin_free(b);
        return;
    }
    dl->has_map = true;
    lane_post(dl->partial->writer, &b->job);
}

/* ----------------------------------------------------------------- rebase */

/* A new base on its way to the header of the map. */
struct rebase {
    struct job job;
    struct partial *partial;
    const char *mirror;
    char *etag, *date;
};

static void rebase_free(struct rebase *b)
{
    partial_unref(b->partial);
    free(b->etag);
    free(b->date);
    free(b);
}

/* On the cleaner lane, where seals are: a seal speaks of the header that is changed here. */
static void rebase_run(struct job *job)
{
    struct rebase *b = container_of(job, struct rebase, job);
    struct saved *s = b->partial->saved;
    if (map_rebase(s->block, b->etag, b->date, b->mirror))
        s->broken = true;
    rebase_free(b);
}

/* On the writer lane, so after the map was begun. */
static void rebase_when_begun_run(struct job *job)
{
    struct rebase *b = container_of(job, struct rebase, job);
    job->run = rebase_run;
    if (b->partial->saved)
        lane_post(b->partial->cleaner, job);
    else
        rebase_free(b);
}

/* The header names the validator that a resume must send; it must fit the bytes that come from now
 * on. */
void saved_rebase(struct download *dl)
{
    struct rebase *b = dl->has_map && dl->partial ? calloc(1, sizeof(*b)) : NULL;
    if (!b)
        return;
    *b = (struct rebase){.job.run = rebase_when_begun_run,
                         .partial = partial_ref(dl->partial),
                         .etag = str_dup(dl->validator_etag),
                         .date = str_dup(dl->validator_date)};
    if (dl->validator_mirror < dl->origin->mirror_count)
        b->mirror = dl->origin->mirrors[dl->validator_mirror].name;
    lane_post(dl->partial->writer, &b->job);
}

/* ------------------------------------------------------------------- mark */

/* A chunk that was written in two pieces counts also: the new run is widened to whole chunks, as
 * far as their other bytes are present. */
void saved_mark(struct partial *p, int64_t from, int64_t to, unsigned mirror)
{
    (void)extents_add(&p->sent[mirror], from, to); /* without memory the run has no sender */
    if (extents_add(&p->written, from, to))
        p->unsure = true;
    if (p->unsure || !p->saved)
        return;
    struct extent run = {from, to};
    extents_widen(&p->written, MAP_CHUNK, &run);
    mark(p, &run);
}

/* ------------------------------------------------------------------- sync */

/* A sync under way. `copy` holds the marks as they stood when the sync began: later ones are not
 * sealed by it. */
struct sync {
    struct job job;
    struct download *download;
    struct partial *partial;
    void *copy;
    int error;
};

/* On the flight thread. A failed sync of an older partial concerns no reader any more. */
static void synced_run(struct job *job)
{
    struct sync *s = container_of(job, struct sync, job);
    struct download *dl = s->download;
    if (!dl->over) {
        if (s->error && s->partial == dl->partial)
            flight_on_disk_error(dl->flight, s->error);
        else
            flight_on_synced(dl->flight);
        download_drain(dl);
    }
    partial_unref(s->partial);
    download_unref(dl);
    free(s->copy);
    free(s);
}

/* Broken: the bytes may be on the disk, but the map must not say so. */
static int sync_data(void *context)
{
    struct sync *s = context;
    struct saved *saved = s->partial->saved;
    if (!saved->named)
        saved->broken |= store_sync_names(s->download->files->s->store) != 0;
    saved->named = true;
    if (fdatasync(s->partial->fd) < 0) {
        saved->broken = s->partial->lost = true;
        s->error = ERROR_IO;
    }
    return saved->broken ? ERROR_IO : 0;
}

static int sync_map(void *context)
{
    struct sync *s = context;
    struct saved *saved = s->partial->saved;
    saved->broken = msync(saved->block, saved->len, MS_SYNC) < 0;
    return saved->broken ? ERROR_IO : 0;
}

/* On the cleaner lane, because it waits for the disk. */
static void seal_run(struct job *job)
{
    struct sync *s = container_of(job, struct sync, job);
    const struct map_disk disk = {s, sync_data, sync_map};
    /* the outcome is in s->error and saved->broken */
    (void)map_sync(s->partial->saved->block, s->copy, &disk);
    job->run = synced_run;
    loop_post(s->download->files->s, job);
}

/* On the writer lane, so after the writes that it speaks of. */
static void sync_run(struct job *job)
{
    struct sync *s = container_of(job, struct sync, job);
    struct partial *p = s->partial;
    int64_t len = p->saved && !p->saved->broken ? map_copy_size(p->saved->size) : -1;
    s->copy = len > 0 ? malloc((size_t)len) : NULL;
    if (s->copy) {
        map_seal_begin(p->saved->block, s->copy);
        job->run = seal_run;
        lane_post(p->cleaner, job);
    } else {
        job->run = synced_run;
        loop_post(s->download->files->s, job);
    }
}

/* Without a map there is nothing that a resume could rely on, so nothing is synced. */
void saved_sync(struct download *dl)
{
    struct sync *s = dl->has_map ? calloc(1, sizeof(*s)) : NULL;
    if (!s) {
        flight_on_synced(dl->flight);
        return;
    }
    *s = (struct sync){.job.run = sync_run, .download = dl, .partial = partial_ref(dl->partial)};
    download_ref(dl);
    lane_post(dl->partial->writer, &s->job);
}

/* ----------------------------------------------------------------- resume */

/* Safe on a leftover that was half opened, or was spent. */
void leftover_release(struct leftover *l)
{
    map_opened_release(&l->opened);
    saved_release(l->saved);
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l->name);
    *l = (struct leftover){.fd = -1};
}

/* The bytes that the map names must be there: somebody may have cut the file meanwhile. */
static int check(const struct leftover *l)
{
    const struct map_opened *o = &l->opened;
    struct stat st;
    if (!o->run_count)
        return ERROR_CORRUPT;
    if (fstat(l->fd, &st) < 0 || st.st_size < o->runs[o->run_count - 1].to)
        return ERROR_CORRUPT;
    return 0;
}

/* A map that opens is adopted: from now on its marks count for this boot. */
static int open_map(struct leftover *l, int map_fd)
{
    char boot_id[MAP_BOOT_ID];
    struct stat st;
    if (fstat(map_fd, &st) < 0 || st.st_size < 1)
        return ERROR_CORRUPT;
    int r = map_file(map_fd, (size_t)st.st_size, &l->saved);
    if (r)
        return r;
    read_boot_id(boot_id);
    r = map_open(l->saved->block, l->saved->len, boot_id, &l->opened);
    if (r == 0)
        r = check(l);
    if (r == 0) {
        map_adopt(l->saved->block, boot_id);
        l->saved->broken = msync(l->saved->block, l->saved->len, MS_SYNC) < 0;
    }
    l->saved->size = l->opened.about.size;
    for (size_t i = 0; i < l->opened.run_count; i++)
        l->bytes += l->opened.runs[i].to - l->opened.runs[i].from;
    return r;
}

/* Both files are opened before either is believed. */
int saved_open(struct files *files, const char *name, struct leftover *ret)
{
    auto_close int map_fd = -1;
    *ret = (struct leftover){.fd = -1, .name = strdup(name)};
    int r = ret->name ? store_reopen(files->s->store, name, &ret->fd, &map_fd) : ERROR_NO_MEMORY;
    if (r == 0)
        r = open_map(ret, map_fd);
    if (r)
        leftover_release(ret);
    return r;
}

/* FLIGHT_NO_MIRROR: it is no longer configured. */
static unsigned mirror_number(const struct origin *origin, const char *name)
{
    for (unsigned m = 0; name && m < origin->mirror_count; m++)
        if (strcmp(origin->mirrors[m].name, name) == 0)
            return m;
    return FLIGHT_NO_MIRROR;
}

/* Translates places in the map to today's numbers of the mirrors, and back. */
static void translate(const struct origin *origin, const struct leftover *l,
                      unsigned ret_numbers[MAP_MIRRORS + 1])
{
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        l->saved->place[m] = MAP_NO_MIRROR;
    for (unsigned i = 0; i < MAP_MIRRORS; i++) {
        ret_numbers[i] = mirror_number(origin, l->opened.about.mirrors[i]);
        if (ret_numbers[i] < FLIGHT_MIRRORS)
            l->saved->place[ret_numbers[i]] = i;
    }
    ret_numbers[MAP_NO_MIRROR] = FLIGHT_NO_MIRROR;
}

/* Later answers are held to the validator of the bytes that are resumed. */
static void take_base(struct download *dl, const struct map_about *about)
{
    dl->has_validator = true;
    dl->validator_mirror = mirror_number(dl->origin, about->validator_mirror);
    dl->validator_etag = str_dup(about->validator_etag);
    dl->validator_date = str_dup(about->validator_date);
    dl->name_validator =
        str_dup(about->validator_etag ? about->validator_etag : about->validator_date);
    if (!dl->row_etag)
        dl->row_etag = str_dup(about->etag);
    dl->row_size = about->size;
}

/* A partial of another version, or of another path, is of no use. */
static bool is_of(const struct download *dl, const struct map_about *about)
{
    return strcmp(about->origin, dl->origin->name) == 0 && strcmp(about->path, dl->path) == 0 &&
           (dl->row_size < 0 || dl->row_size == about->size);
}

/* Fills the partial's own records: present bytes are neither written nor reported again. */
static int fill(struct download *dl, const struct leftover *l)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < l->opened.run_count; i++) {
        const struct map_run *run = &l->opened.runs[i];
        r = extents_add(&dl->partial->claimed, run->from, run->to);
        if (r == 0)
            r = extents_add(&dl->partial->written, run->from, run->to);
        if (r == 0)
            r = extents_add(&dl->present, run->from, run->to);
        if (r == 0)
            progress_publish(dl->progress, run->from, run->to);
    }
    return r;
}

/* The new download owns the partial from here on: its descriptor, its map, its bytes. */
struct flight_run *leftover_take(struct download *dl, struct leftover *l, size_t *ret_count)
{
    struct files *files = dl->files;
    unsigned numbers[MAP_MIRRORS + 1];
    size_t count = l->opened.run_count;
    struct flight_run *runs =
        dl->progress && is_of(dl, &l->opened.about) ? calloc(count, sizeof(*runs)) : NULL;
    struct lane *writer = dl->writer;
    if (!runs) {
        download_discard(files, strdup(l->name));
        leftover_release(l);
        return NULL;
    }
    if (partial_new(l->fd, l->name, writer, files->s->cleaner, &dl->partial))
        abort(); /* as in downloads_open */
    l->fd = -1;
    l->name = NULL;
    translate(dl->origin, l, numbers);
    for (size_t i = 0; i < count; i++) {
        const struct map_run *run = &l->opened.runs[i];
        runs[i] = (struct flight_run){run->from, run->to, numbers[run->mirror]};
        if (runs[i].mirror < FLIGHT_MIRRORS)
            dl->progress->senders |= 1u << runs[i].mirror;
    }
    if (fill(dl, l))
        abort(); /* readers would wait for bytes that no transfer brings */
    take_base(dl, &l->opened.about);
    dl->progress->partial = partial_ref(dl->partial);
    dl->progress->had_bytes = true;
    dl->partial->saved = l->saved;
    l->saved = NULL;
    dl->has_map = true;
    leftover_release(l);
    *ret_count = count;
    return runs;
}
