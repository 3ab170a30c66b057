// SPDX-License-Identifier: Apache-2.0
/*
 * The life of one file in a folder, on the directory thread:
 *
 *     record_seen: new --TASK_SETTLE: no change for DIRECTORY_SETTLE_MS--> TASK_CHECK --> listed
 *                                                        refused: RECHECK_MS later again <--+
 *     listed --TASK_HASH: a few megabytes at a time--> sha256 known
 *     another size, time or inode, or no longer there: record_drop
 *
 * A record stands in the queue of its task. The thread alone changes records, under the lock of
 * `files`, so it reads them without. Hashing keeps its place in d->hashing and can be interrupted
 * by a walk.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/folders/directory_state.h"
#include "engine/loop/problems.h"
#include "index/listing.h"
#include "index/wheel.h"

enum {
    STEP_BYTES = 1 << 20,
    STEPS = 4,          /* hashed in one step */
    RECHECK_MS = 30000, /* how soon a refused file is checked again */
    SDIST_LEAST = 18,   /* the smallest gzip file */
};

/* ----------------------------------------------------------------- problems */

struct flag {
    struct job job;
    struct folders *folders;
    const char *origin; /* the directory's */
    char *path, *detail;
};

/* On the flight thread, which owns the problems. */
static void flag_run(struct job *job)
{
    struct flag *f = container_of(job, struct flag, job);
    if (f->detail)
        problems_note(f->folders->s, "directory-file", f->origin, f->path, "%s", f->detail);
    else
        problems_over(f->folders->s, "directory-file", f->origin, f->path);
    free(f->path);
    free(f->detail);
    free(f);
}

/* detail NULL: the problem is over. A lost flag is set again by the next check. */
static void post_flag(struct directory *d, const char *path, const char *detail)
{
    struct flag *f = d->folders->s->stopping ? NULL : calloc(1, sizeof(*f));
    char *copy = f ? strdup(path) : NULL;
    if (!copy) {
        free(f);
        return;
    }
    *f = (struct flag){.job.run = flag_run,
                       .folders = d->folders,
                       .origin = d->origin,
                       .path = copy,
                       .detail = str_dup(detail)};
    loop_post(d->folders->s, &f->job);
}

/* Under the lock. Logged once for each change, not with each walk. */
static void set_problem(struct directory *d, struct record *r, const char *problem)
{
    bool same = problem && r->problem && strcmp(problem, r->problem) == 0;
    if (same || (!problem && !r->problem))
        return;
    free(r->problem);
    r->problem = str_dup(problem);
    if (problem)
        log_repeated(LOG_LEVEL_INFO, "folder file=%s/%s problem=\"%s\"", d->origin, r->path,
                     problem);
    post_flag(d, r->path, problem);
}

/* ------------------------------------------------------------------ records */

/* One queue per task; a record without a task is in none. */
static struct record **queue_of(struct directory *d, enum record_task task)
{
    switch (task) {
    case TASK_NONE:
        return NULL;
    case TASK_SETTLE:
        return &d->settling;
    case TASK_CHECK:
        return &d->checking;
    case TASK_HASH:
        return &d->unhashed;
    }
    return NULL;
}

/* At the end of the queue, so files are read in the order in which they came. */
void record_set_task(struct directory *d, struct record *r, enum record_task task)
{
    struct record **from = queue_of(d, r->task), **to = queue_of(d, task);
    if (from)
        DL_DELETE(*from, r);
    if (to)
        DL_APPEND(*to, r);
    r->task = task;
}

/* The first change sets the time: news wait no longer than TELL_MS after it. */
static void set_dirty(struct directory *d)
{
    if (!d->is_dirty)
        d->dirty_ms = clock_monotonic_ms();
    d->is_dirty = true;
}

static void record_free(struct record *r)
{
    file_name_release(&r->parsed);
    free(r->path);
    free(r->requires_python);
    free(r->problem);
    free(r);
}

/* `round` marks it as seen in this walk. */
static struct record *new_record(struct directory *d, const char *path)
{
    struct record *r = calloc(1, sizeof(*r));
    if (!r || !(r->path = strdup(path))) {
        free(r);
        return NULL;
    }
    r->name = str_last_segment(r->path);
    r->id = ++d->last_id;
    r->round = d->round;
    r->seen_ms = d->now_ms;
    return r;
}

/* From here on requests find the record. */
static void insert(struct directory *d, struct record *r)
{
    pthread_mutex_lock(&d->files.lock);
    HASH_ADD_KEYPTR(hh, d->table, r->path, strlen(r->path), r);
    pthread_mutex_unlock(&d->files.lock);
}

static void copy_hex(char to[SHA256_HEX], const char *from)
{
    str_copy(to, SHA256_HEX, from);
}

/* Takes what an earlier run found out about the same bytes. */
static bool take_known(struct directory *d, struct record *r)
{
    const struct known_file *k = directory_known(d, r->path);
    if (!k || !folder_is_same(&k->file, &r->file))
        return false;
    copy_hex(r->sha256, k->sha256);
    copy_hex(r->metadata_sha256, k->metadata_sha256);
    str_copy(r->etag, sizeof(r->etag), k->etag);
    r->requires_python = str_dup(k->requires_python);
    set_problem(d, r, k->problem);
    r->is_kept = true;
    r->is_listed = true;
    set_dirty(d);
    return true;
}

/* NULL: a page cannot list such a file, or out of memory. */
struct record *record_add(struct directory *d, const char *path, const struct folder_file *file)
{
    struct record *r = new_record(d, path);
    if (!r || file_name_parse(r->name, &r->parsed)) {
        if (r)
            record_free(r);
        return NULL;
    }
    if (r->parsed.kind == FILE_OTHER) {
        record_free(r);
        return NULL;
    }
    r->file = *file;
    if (!url_key_is_valid(path))
        set_problem(d, r, "its name cannot stand in an address");
    else if (!take_known(d, r))
        record_set_task(d, r, TASK_SETTLE);
    insert(d, r);
    return r;
}

/* Its problem is over, and what is open of it is closed. */
void record_drop(struct directory *d, struct record *r)
{
    pthread_mutex_lock(&d->files.lock);
    HASH_DEL(d->table, r);
    record_close(d, r);
    set_problem(d, r, NULL);
    pthread_mutex_unlock(&d->files.lock);
    record_set_task(d, r, TASK_NONE);
    if (r->is_listed)
        set_dirty(d);
    record_free(r);
}

/* Old enough by the file system's own clock. Only the first walk believes it, for the clock may
 * be another machine's. */
static bool is_old(const struct folder_file *file)
{
    int64_t last_ns = file->modified_ns > file->changed_ns ? file->modified_ns : file->changed_ns;
    return clock_real_s() - last_ns / 1000000000 > DIRECTORY_SETTLE_MS / 1000;
}

/* Permissions have changed, or what was wrong may be over. */
static bool is_worth_a_check(const struct directory *d, const struct record *r,
                             const struct folder_file *file)
{
    if (r->task != TASK_NONE && r->task != TASK_HASH)
        return false;
    if (!r->is_listed && !url_key_is_valid(r->path))
        return false;
    bool touched = r->file.changed_ns != file->changed_ns;
    return touched || (!r->is_listed && d->now_ms - r->checked_ms >= RECHECK_MS);
}

/* Another size, time or inode is another file: its record begins anew. */
void record_seen(struct directory *d, const char *path, const struct folder_file *file)
{
    struct record *r = directory_find(d, path);
    d->found_any = true;
    if (r && !folder_is_same(&r->file, file)) {
        record_drop(d, r);
        r = NULL;
    }
    if (!r && !(r = record_add(d, path, file)))
        return;
    r->round = d->round;
    /* the change time tells of new permissions, which need no new record */
    bool again = is_worth_a_check(d, r, file), touched = r->file.changed_ns != file->changed_ns;
    if (r->failed || touched) {
        pthread_mutex_lock(&d->files.lock);
        r->failed = 0;
        r->file.changed_ns = file->changed_ns;
        if (touched) /* nobody reads further from what was opened before */
            record_close(d, r);
        pthread_mutex_unlock(&d->files.lock);
    }
    if (again)
        record_set_task(d, r, TASK_CHECK);
    if (r->task == TASK_SETTLE &&
        (d->now_ms - r->seen_ms >= DIRECTORY_SETTLE_MS || (!d->is_read && is_old(file))))
        record_set_task(d, r, TASK_CHECK);
}

/* The walk could not read it: it is shown as a problem, and what was known of it is void. */
void record_trouble(struct directory *d, const char *path, const char *what)
{
    struct record *r = directory_find(d, path);
    if (r && r->file.inode) {
        record_drop(d, r);
        r = NULL;
    }
    if (!r && (r = new_record(d, path))) {
        set_problem(d, r, what);
        insert(d, r);
    }
    if (!r)
        return;
    r->round = d->round;
    pthread_mutex_lock(&d->files.lock);
    set_problem(d, r, what);
    pthread_mutex_unlock(&d->files.lock);
}

/* ------------------------------------------------------------------- checks */

/* Reads the range that the parser wants. */
static int add_part(struct wheel_parts *parts, int fd, const struct wheel_run *want)
{
    size_t len = (size_t)(want->to - want->from);
    char *data = malloc(len ? len : 1);
    int r = data ? file_read_at(fd, data, len, want->from) : ERROR_NO_MEMORY;
    if (r) {
        free(data);
        return r;
    }
    parts->list[parts->count++] = (struct wheel_part){want->from, data, len};
    return 0;
}

/* The parser says which range it wants next; the number of rounds is bounded. */
int record_read_metadata(int fd, int64_t size, const char *name, struct document **ret,
                         const char **ret_why)
{
    struct wheel_parts parts = {.size = size};
    struct wheel_run want;
    const char *why = "";
    auto_buf struct buf text;
    buf_init(&text, WHEEL_METADATA_MAX);
    int r = wheel_metadata(&parts, name, &want, &why, &text);
    for (int i = 0; r == WHEEL_WANTS && i < WHEEL_ROUNDS_MOST && parts.count < WHEEL_PARTS_MOST;
         i++) {
        buf_clear(&text);
        r = add_part(&parts, fd, &want);
        if (r == 0)
            r = wheel_metadata(&parts, name, &want, &why, &text);
    }
    *ret_why = why;
    if (r == 0)
        r = document_new(text.data, text.len, ret);
    else if (r == WHEEL_WANTS)
        r = ERROR_CORRUPT;
    else if ((r == ERROR_CORRUPT || r == ERROR_TOO_BIG) && wheel_end(&parts, &want, &why) == 0)
        r = WHEEL_BARE;
    for (unsigned i = 0; i < parts.count; i++)
        free((void *)(uintptr_t)parts.list[i].data);
    return r;
}

/* The outcome of a check. */
struct finding {
    struct document *text;
    char sha256[SHA256_HEX]; /* of the text */
    struct wheel_header header;
    const char *problem; /* or NULL */
    bool is_refused;
};

/* A name that does not fit is a problem, but the file is still served: clients decide. */
static int read_header(const char *name, struct finding *f)
{
    int r = sha256_of(f->text->data, f->text->len, f->sha256);
    if (r == 0)
        r = wheel_header_read(f->text->data, f->text->len, &f->header);
    if (r == 0 && !wheel_header_fits(&f->header, name))
        f->problem = "Name or Version of METADATA are not those of the file name";
    return r;
}

/* An sdist is only checked for being an archive at all. */
static int check_sdist(int fd, const struct record *r, const char **ret_why)
{
    unsigned char start[2];
    const char *why = "no gzip file";
    if (str_ends(r->name, ".zip")) {
        struct document *text = NULL;
        int error = record_read_metadata(fd, r->file.size, r->name, &text, ret_why);
        document_unref(text);
        return error == WHEEL_BARE ? 0 : error;
    }
    *ret_why = why;
    if (r->file.size < SDIST_LEAST)
        return ERROR_CORRUPT;
    int error = file_read_at(fd, start, sizeof(start), 0);
    return error ? error : start[0] == 0x1f && start[1] == 0x8b ? 0 : ERROR_CORRUPT;
}

/* Reads as little as shows whether the archive is whole: its end, and METADATA. */
static void diagnose(int fd, const struct record *r, struct finding *ret)
{
    const char *why = NULL;
    bool is_wheel = r->parsed.kind != FILE_SDIST;
    int error = is_wheel ? record_read_metadata(fd, r->file.size, r->name, &ret->text, &why)
                         : check_sdist(fd, r, &why);
    if (is_wheel && error == 0)
        error = read_header(r->name, ret);
    if (error)
        ret->problem = error > 0 || error == ERROR_CORRUPT ? why : error_text(error);
    ret->is_refused = error < 0;
}

/* The record shows the outcome under the lock; what pages show is told later. */
static void settle(struct directory *d, struct record *r, const struct finding *f)
{
    bool was_listed = r->is_listed;
    pthread_mutex_lock(&d->files.lock);
    r->is_listed = !f->is_refused;
    copy_hex(r->metadata_sha256, f->sha256);
    free(r->requires_python);
    r->requires_python = f->is_refused ? NULL : str_dup(f->header.requires_python);
    set_problem(d, r, f->problem);
    if (f->is_refused)
        record_close(d, r);
    pthread_mutex_unlock(&d->files.lock);
    r->checked_ms = clock_monotonic_ms();
    record_set_task(d, r, r->is_listed && !r->sha256[0] ? TASK_HASH : TASK_NONE);
    if (was_listed != r->is_listed)
        set_dirty(d);
}

/* The file is looked at before and after: one that changed in between is not judged. */
void record_check(struct directory *d, struct record *r)
{
    struct finding finding = {0};
    struct folder_file file;
    int fd = -1, error = folder_open(d->root, r->path, &fd, &file);
    /* it is not the file that the walk saw */
    bool moved = error > 0 || (error == 0 && !folder_is_same(&file, &r->file));
    if (error == 0 && !moved) {
        diagnose(fd, r, &finding);
        moved = folder_was_touched(fd, &file);
    }
    if (fd >= 0)
        (void)close(fd);
    if (error < 0) {
        finding.problem = error == ERROR_DENIED ? "the daemon may not read it" : error_text(error);
        finding.is_refused = true;
    }
    if (moved) { /* the next walk says what it is now */
        r->seen_ms = clock_monotonic_ms();
        record_set_task(d, r, TASK_SETTLE);
    } else {
        settle(d, r, &finding);
    }
    document_unref(finding.text);
    wheel_header_release(&finding.header);
}

/* ------------------------------------------------------------------ digests */

/* Does nothing when nothing is being hashed. */
void hashing_end(struct hashing *h)
{
    if (!h->state)
        return;
    sha256_free(h->state);
    (void)close(h->fd);
    h->state = NULL;
}

/* It cannot be hashed now. The next check says why, or that it can. */
static void give_up_hashing(struct directory *d, struct record *r)
{
    hashing_end(&d->hashing);
    r->seen_ms = clock_monotonic_ms();
    r->checked_ms = r->seen_ms;
    record_set_task(d, r, TASK_SETTLE);
}

/* False: the file has gone, or another one lies there. */
static bool begin_hashing(struct directory *d, struct record *r)
{
    struct hashing *h = &d->hashing;
    hashing_end(h);
    if (folder_open(d->root, r->path, &h->fd, &h->file))
        return false;
    if (!folder_is_same(&h->file, &r->file) || sha256_new(&h->state)) {
        h->state = NULL;
        (void)close(h->fd);
        return false;
    }
    h->id = r->id;
    h->offset = 0;
    return true;
}

/* A file that was touched while it was hashed has no digest yet. */
static void take_digest(struct directory *d, struct record *r)
{
    char hex[SHA256_HEX];
    struct hashing *h = &d->hashing;
    bool good = sha256_finish(h->state, hex) == 0 && !folder_was_touched(h->fd, &h->file);
    if (!good) {
        give_up_hashing(d, r);
        return;
    }
    hashing_end(h);
    pthread_mutex_lock(&d->files.lock);
    copy_hex(r->sha256, hex);
    pthread_mutex_unlock(&d->files.lock);
    record_set_task(d, r, TASK_NONE);
    set_dirty(d);
}

/* Does little at a time, so that a walk is never late by more than one step. */
void record_hash_step(struct directory *d)
{
    static char block[STEP_BYTES]; /* there is only one such thread */
    struct record *r = d->unhashed;
    struct hashing *h = &d->hashing;
    if ((!h->state || h->id != r->id) && !begin_hashing(d, r)) {
        give_up_hashing(d, r);
        return;
    }
    for (int i = 0; i < STEPS; i++) {
        int64_t left = h->file.size - h->offset;
        if (left == 0) {
            take_digest(d, r);
            return;
        }
        size_t len = left < STEP_BYTES ? (size_t)left : STEP_BYTES;
        if (file_read_at(h->fd, block, len, h->offset) || sha256_add(h->state, block, len)) {
            give_up_hashing(d, r);
            return;
        }
        h->offset += (int64_t)len;
    }
}

/* ------------------------------------------------------------------ listing */

static char *text_of(const char *sha256)
{
    return sha256[0] ? str_printf("sha256=%s", sha256) : NULL;
}

/* Copies, because the listing outlives the record. */
static bool fill(struct listed_file *to, const struct record *r)
{
    *to = (struct listed_file){.url = strdup(r->path),
                               .path = strdup(r->path),
                               .name = strdup(r->name),
                               .kind = r->parsed.kind,
                               .project = str_dup(r->parsed.project),
                               .version = str_dup(r->parsed.version),
                               .digests = text_of(r->sha256),
                               .requires_python = str_dup(r->requires_python),
                               .has_metadata = r->metadata_sha256[0] != '\0',
                               .metadata_digests = text_of(r->metadata_sha256),
                               .size = r->file.size,
                               .about_size = -1,
                               .modified = r->file.modified_ns / 1000000000,
                               .modified_utc = true};
    return to->url && to->path && to->name && to->project;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(struct record *const *)a)->path, (*(struct record *const *)b)->path);
}

/* In the order of paths, so equal folders give equal listings. */
struct listing_ref *directory_listing(struct directory *d)
{
    size_t count = 0;
    struct listing *l = calloc(1, sizeof(*l));
    auto_free struct record **list = calloc(HASH_COUNT(d->table) + 1, sizeof(struct record *));
    for (struct record *r = list ? d->table : NULL; r; r = r->hh.next)
        if (r->is_listed)
            list[count++] = r;
    if (l && list && (l->files = calloc(count + 1, sizeof(*l->files)))) {
        if (count)
            qsort(list, count, sizeof(struct record *), by_path);
        while (l->file_count < count && fill(&l->files[l->file_count], list[l->file_count]))
            l->file_count++;
        if (l->file_count == count)
            return listing_ref_new(l);
        l->file_count++; /* the file whose copy failed, so that it is freed */
    }
    listing_free(l);
    return NULL;
}
