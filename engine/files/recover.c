// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/files.h"
#include "engine/files/files_state.h"
#include "engine/files/kept.h"
#include "engine/files/saved.h"
#include "engine/mirrors/origins.h"

/*
 * The table at start, from what the catalogue says and what the disk has. Where they differ:
 *
 *     a row without its blob              the row is dropped
 *     a blob without its row              the sidecar tells what it is: it is adopted
 *     a blob with another length          quarantine; the file is fetched again
 *     a blob without row and sidecar      removed
 *     a partial with a usable map         left to the next client of its file
 *     a partial without one, or too old   removed
 *
 * What belongs to an origin that is not configured now is kept as a stray. Runs before the threads,
 * so nothing is locked.
 */

enum { LEFTOVER_S = 30 * 24 * 3600 }; /* for so long a partial waits to be resumed */

/* A blob on the disk, and whether rows of blob and file name it. */
struct known_blob {
    char sha256[SHA256_HEX];
    int64_t size, allocated_bytes;
    char *sidecar;
    bool has_row, has_file, is_damaged;
    UT_hash_handle hh;
};

struct loading {
    struct files *files;
    struct known_blob *blobs; /* on disk */
    char (*lost)[SHA256_HEX]; /* rows whose blob is gone */
    size_t lost_count;
};

/* Every complete blob of the store, with its sidecar's text. */
static int on_disk_blob(void *context, const char *sha256, int64_t size, int64_t allocated_bytes,
                        const char *sidecar)
{
    struct loading *l = context;
    struct known_blob *b = calloc(1, sizeof(*b));
    if (!b)
        return ERROR_NO_MEMORY;
    str_copy(b->sha256, sizeof(b->sha256), sha256);
    b->size = size;
    b->allocated_bytes = allocated_bytes;
    b->sidecar = str_dup(sidecar);
    HASH_ADD_STR(l->blobs, sha256, b);
    return 0;
}

/* A row and a file that differ in length: the file was cut, or never complete. */
static int on_blob_row(void *context, const char *sha256, int64_t size, int64_t allocated_bytes)
{
    struct loading *l = context;
    struct known_blob *b;
    (void)allocated_bytes;
    HASH_FIND_STR(l->blobs, sha256, b);
    if (b && b->size == size) {
        b->has_row = true;
        return 0;
    }
    if (b)
        b->is_damaged = true;
    void *lost = realloc(l->lost, (l->lost_count + 1) * sizeof(*l->lost));
    if (!lost)
        return ERROR_NO_MEMORY;
    l->lost = lost;
    str_copy(l->lost[l->lost_count++], SHA256_HEX, sha256);
    return 0;
}

/* One path of a blob. Without an ETag in the row, the digest makes one. */
static int add_complete(struct loading *l, const struct catalogue_file *file)
{
    struct files *files = l->files;
    struct known_blob *b;
    const struct origin *origin = origins_find(files->s->options.origins, file->origin);
    HASH_FIND_STR(l->blobs, file->blob, b);
    if (!b)
        return 0;
    b->has_file = true;
    if (!origin) /* not configured now: the blob stays for the day when it is */
        return kept_add_stray(files, b->sha256, b->allocated_bytes, file->last_used_s);
    if (files_find(files, file->origin, file->path))
        return 0;
    struct entry *entry = files_add(files, origin, file->path);
    if (!entry)
        return ERROR_NO_MEMORY;
    str_copy(entry->sha256, sizeof(entry->sha256), file->blob);
    if (kept_hold(files, entry, b->allocated_bytes))
        return ERROR_NO_MEMORY;
    entry->size = b->size;
    entry->authoritative = file->authoritative;
    entry->etag = file->etag ? strdup(file->etag) : str_printf("\"sha256-%s\"", file->blob);
    entry->mirrors = str_dup(file->mirrors);
    entry->validator = str_dup(file->validator);
    entry->used_s = entry->written_s = file->last_used_s;
    return entry->etag ? 0 : ERROR_NO_MEMORY;
}

/* Rows without a blob only promise: nothing is held of such a file. */
static int on_complete_file(void *context, const struct catalogue_file *file)
{
    return file->blob ? add_complete(context, file) : 0;
}

/* The row is written anew from the sidecar. */
static int adopt_file(struct loading *l, const struct known_blob *b, const struct json *doc)
{
    const char *etag = json_string(json_member(doc, "etag"));
    struct catalogue_file file = {.origin = json_string(json_member(doc, "origin")),
                                  .path = json_string(json_member(doc, "path")),
                                  .size = b->size,
                                  .etag = etag && *etag ? etag : NULL,
                                  .blob = b->sha256,
                                  .authoritative = json_is_true(json_member(doc, "authoritative")),
                                  .mirrors = json_string(json_member(doc, "mirrors")),
                                  .last_used_s = clock_real_s()};
    if (!file.origin || !file.path)
        return ERROR_CORRUPT;
    log_info("blob adopted path=%s/%s sha256=%s", file.origin, file.path, b->sha256);
    int r = catalogue_put_file(l->files->s->catalogue, &file);
    return r ? r : add_complete(l, &file);
}

/* A blob that the catalogue does not know, or knows with another length. Its sidecar tells what it
 * is. A pin is kept also for a blob that must be fetched again. */
static int adopt(struct loading *l, struct known_blob *b)
{
    struct files *files = l->files;
    struct json *doc = NULL;
    if (!b->sidecar || json_parse(b->sidecar, strlen(b->sidecar), &doc))
        doc = NULL;
    const struct json *file = json_first(json_member(doc, "files"));
    int64_t size = json_integer(json_member(doc, "size"));
    b->is_damaged |= size >= 0 && size != b->size;
    int r = file && !b->is_damaged
                ? catalogue_put_blob(files->s->catalogue, b->sha256, b->size, b->allocated_bytes)
                : ERROR_CORRUPT;
    for (; r == 0 && file; file = json_next(file))
        r = adopt_file(l, b, file);
    if ((r == 0 || b->is_damaged) && json_is_true(json_member(doc, "pinned")))
        (void)catalogue_put_mark(files->s->catalogue, b->sha256, true, 0);
    json_free(doc);
    if (b->is_damaged) {
        log_error("kept bytes are not what they were: moved to quarantine sha256=%s", b->sha256);
        return store_quarantine(files->s->store, b->sha256);
    }
    if (r != ERROR_CORRUPT)
        return r;
    log_warning("blob without catalogue row or readable sidecar removed sha256=%s", b->sha256);
    return store_remove(files->s->store, b->sha256);
}

/* The files of such a row are fetched again when a client asks. */
static void forget_lost(struct loading *l)
{
    for (size_t i = 0; i < l->lost_count; i++) {
        log_warning("catalogue row without blob dropped sha256=%s", l->lost[i]);
        (void)catalogue_drop_blob(l->files->s->catalogue, l->lost[i]);
    }
}

/* Gives back space that was reserved when the daemon was killed. */
static void give_back(const struct leftover *l)
{
    const struct map_opened *o = &l->opened;
    auto_free struct store_span *missing = calloc(o->run_count + 1, sizeof(*missing));
    size_t count = 0;
    int64_t at = 0;
    for (size_t i = 0; missing && i < o->run_count; at = o->runs[i++].to)
        if (o->runs[i].from > at)
            missing[count++] = (struct store_span){at, o->runs[i].from};
    if (missing && at < o->about.size)
        missing[count++] = (struct store_span){at, o->about.size};
    if (count)
        (void)store_unreserve(l->fd, o->about.size, missing, count);
}

/* The entry names the partial; the first client of the file resumes it. */
static int leave(struct files *files, struct entry *entry, struct leftover *l, int64_t bytes,
                 int64_t used_s)
{
    if (!entry)
        return eviction_add_stray_partial(files, l->name, bytes, used_s);
    entry->leftover = l->name;
    entry->leftover_size = l->opened.about.size;
    entry->leftover_present = l->bytes;
    entry->leftover_bytes = bytes;
    entry->leftover_s = used_s;
    l->name = NULL;
    return 0;
}

/* A partial that can be resumed. One of an origin that is not configured stays for the day when it
 * is. */
static int on_partial(void *context, const char *name)
{
    struct loading *l = context;
    struct files *files = l->files;
    struct leftover found;
    struct stat st;
    if (saved_open(files, name, &found)) {
        store_discard(files->s->store, name);
        return 0;
    }
    const struct map_about *about = &found.opened.about;
    const struct origin *origin = origins_find(files->s->options.origins, about->origin);
    struct entry *entry = files_find(files, about->origin, about->path);
    bool old = fstat(found.fd, &st) < 0 || clock_real_s() - st.st_mtim.tv_sec > LEFTOVER_S;
    int64_t used_s = st.st_mtim.tv_sec;
    if (!old && (int64_t)st.st_blocks * 512 > found.bytes + MAP_CHUNK)
        give_back(&found);
    if (old || entry) { /* the file is complete, or another partial has it */
        store_discard(files->s->store, name);
    } else if (fstat(found.fd, &st) == 0) {
        entry = origin ? files_add(files, origin, about->path) : NULL;
        (void)leave(files, entry, &found, (int64_t)st.st_blocks * 512 + (int64_t)found.saved->len,
                    used_s);
    }
    leftover_release(&found);
    return 0;
}

/* First what both know, then what only the disk knows, then partials: an adopted blob makes its
 * partial needless. */
int files_load(struct files *files)
{
    struct loading l = {.files = files};
    struct known_blob *b, *next;
    int r = store_scan(files->s->store, on_disk_blob, &l);
    if (r == 0)
        r = catalogue_each_blob(files->s->catalogue, on_blob_row, &l);
    if (r == 0)
        forget_lost(&l);
    if (r == 0)
        r = catalogue_each_file(files->s->catalogue, true, on_complete_file, &l);
    HASH_ITER(hh, l.blobs, b, next)
    {
        if (r == 0 && (!b->has_row || !b->has_file))
            (void)adopt(&l, b); /* a blob that cannot be adopted now can be at the next start */
        HASH_DEL(l.blobs, b);
        free(b->sidecar);
        free(b);
    }
    free(l.lost);
    return r ? r : store_each_partial(files->s->store, on_partial, &l);
}
