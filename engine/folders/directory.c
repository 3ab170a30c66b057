// SPDX-License-Identifier: Apache-2.0
/*
 * The table of a folder's files, and the requests for them (the life of a file is in directory.h).
 *
 *     a request --look--> open: served at once
 *                  | not open: job on the read lane -> opening_run -> waiters resumed
 *                  | not read yet: waits for the first reading, at most LATEST_MS
 *                  +--> missing, refused or failed: a refusal
 *
 * Requests come on any thread, under the lock of `files`. What was opened stays open for a while:
 * at most OPEN_MOST files and TEXT_MOST bytes of METADATA, and not beyond IDLE_MS without use. The
 * directory thread finds files; the flight thread gets the listing as news, and shows it as a
 * source.
 */
#include "engine/folders/directory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "base/thread.h"
#include "engine/files/file.h"
#include "engine/files/reading.h"
#include "engine/folders/diagnosed_folder.h"
#include "engine/folders/directory_state.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

enum {
    OPEN_MOST = 256,      /* files that are held open for further requests */
    TEXT_MOST = 16 << 20, /* bytes of METADATA in memory */
    IDLE_MS = 30000,      /* how long an unused file stays open */
    LATEST_MS = 9000,     /* a client needs a status line within ten seconds */
    /* the `want` of waiters for the first reading; ids of records are above it */
    WANTS_FIRST = 1,
};

static const char suffix[] = ".metadata";

/* ------------------------------------------------------------------ folders */

/* By origin and path: after a reload another folder of that name is another directory. */
static struct directory *find_directory(const struct folders *folders, const struct origin *origin)
{
    struct directory *d = folders->list;
    while (d && (strcmp(d->origin, origin->name) != 0 || strcmp(d->root, origin->directory) != 0))
        d = d->next;
    return d;
}

/* Readers keep their own references to what they read. */
static void directory_free(struct directory *d)
{
    struct record *r, *next;
    HASH_ITER(hh, d->table, r, next)
    {
        record_drop(d, r);
    }
    for (size_t i = 0; i < d->gone_count; i++)
        free(d->gone[i]);
    free(d->gone);
    hashing_end(&d->hashing);
    directory_free_known(d);
    listing_ref_put(d->listing);
    waitlist_release(&d->files);
    free(d->origin);
    free(d->root);
    free(d);
}

/* In the list before its rows are read; the thread waits for has_known. */
static int add_directory(struct folders *folders, const struct origin *origin)
{
    struct directory *d = calloc(1, sizeof(*d));
    if (!d)
        return ERROR_NO_MEMORY;
    waitlist_init(&d->files);
    d->folders = folders;
    d->origin = strdup(origin->name);
    d->root = strdup(origin->directory);
    d->last_id = WANTS_FIRST;
    if (!d->origin || !d->root) {
        directory_free(d);
        return ERROR_NO_MEMORY;
    }
    d->next = folders->list;
    folders->list = d;
    directory_recall(d);
    return 0;
}

int folders_new(struct services *s, struct files *files, struct folders **ret)
{
    struct folders *all = calloc(1, sizeof(*all));
    if (!all)
        return ERROR_NO_MEMORY;
    all->s = s;
    all->files = files;
    pthread_mutex_init(&all->lock, NULL);
    thread_condition_init(&all->work);
    *ret = all;
    return 0;
}

/* All lanes have ended, so no job of a directory is under way. */
void folders_free(struct folders *all)
{
    if (!all)
        return;
    for (struct directory *d; (d = all->list);) {
        all->list = d->next;
        directory_free(d);
    }
    pthread_cond_destroy(&all->work);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/* A folder that is no longer configured has no problem. */
static void note_problem(struct directory *d)
{
    if (d->in_force && d->shown_failure[0])
        problems_note(d->folders->s, "directory", d->origin, d->root, "%s", d->shown_failure);
    else
        problems_over(d->folders->s, "directory", d->origin, d->root);
}

/* A folder stays in the list when it is no longer configured: readers may still use its files. */
int folders_set(struct folders *folders, const struct origins *origins)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < origins->count; i++)
        if (origins->list[i].directory && !find_directory(folders, &origins->list[i]))
            r = add_directory(folders, &origins->list[i]);
    if (r)
        return r;
    for (struct directory *d = folders->list; d; d = d->next)
        d->in_force = false;
    for (size_t i = 0; i < origins->count; i++) {
        struct directory *d =
            origins->list[i].directory ? find_directory(folders, &origins->list[i]) : NULL;
        if (d)
            d->in_force = true;
    }
    if (folders->list)
        r = folders_start_thread(folders);
    folders_kick(folders);
    return r;
}

/* After a reload another set of folders is in force. */
void folders_note_problems(struct folders *folders)
{
    for (struct directory *d = folders->list; d; d = d->next)
        note_problem(d);
}

/* The thread looks at `kicked` before it sleeps, so no kick is lost. */
void folders_kick(struct folders *folders)
{
    pthread_mutex_lock(&folders->lock);
    folders->kicked = true;
    pthread_cond_signal(&folders->work);
    pthread_mutex_unlock(&folders->lock);
}

/* --------------------------------------------------------------- open files */

struct record *directory_find(struct directory *d, const char *path)
{
    struct record *r;
    HASH_FIND_STR(d->table, path, r);
    return r;
}

/* Keeps count of the bytes in memory. Under the lock. */
static void set_text(struct directory *d, struct record *r, struct document *text)
{
    d->text_bytes -= r->text ? r->text->len : 0;
    d->text_bytes += text ? text->len : 0;
    document_unref(r->text);
    r->text = text;
}

/* Keeps count of open files. Under the lock. */
static void set_blob(struct directory *d, struct record *r, struct blob *blob)
{
    d->open_count -= r->blob != NULL;
    d->open_count += blob != NULL;
    blob_unref(r->blob);
    r->blob = blob;
}

void record_close(struct directory *d, struct record *r)
{
    set_text(d, r, NULL);
    set_blob(d, r, NULL);
}

/* Nothing open is the usual case, so the table is not walked for it. */
void directory_close_idle(struct directory *d, int64_t now_ms)
{
    struct record *r, *next;
    if (!d->open_count && !d->text_bytes)
        return;
    HASH_ITER(hh, d->table, r, next)
    {
        if ((r->blob || r->text) && now_ms - r->used_ms > IDLE_MS)
            record_close(d, r);
    }
}

/* Makes room for one more. A reader of what is closed keeps its own reference. */
static void close_oldest(struct directory *d)
{
    struct record *oldest = NULL;
    for (struct record *r = d->table; r; r = r->hh.next)
        if ((r->blob || r->text) && (!oldest || r->used_ms < oldest->used_ms))
            oldest = r;
    if (oldest)
        record_close(d, oldest);
}

/* ------------------------------------------------------------------ opening */

struct opening {
    struct job job;
    struct directory *directory;
    enum part part;
    char *path;
    int64_t id;
    struct folder_file file;
    char metadata_sha256[SHA256_HEX];
    struct blob *blob;
    struct document *text;
};

/* The digest tells whether it is still the METADATA that pages promise. */
static int open_metadata(struct opening *o, int fd)
{
    const char *why;
    char sha256[SHA256_HEX];
    int r = record_read_metadata(fd, o->file.size, str_last_segment(o->path), &o->text, &why);
    if (r == 0)
        r = sha256_of(o->text->data, o->text->len, sha256);
    if (r == 0 && strcmp(sha256, o->metadata_sha256) != 0)
        r = FOLDER_MISSING; /* another wheel lies there now */
    return r;
}

/* FOLDER_MISSING: the file is gone, or another one lies there. The opened file must be the one
 * that was listed: same size, time and inode. */
static int open_part(struct opening *o)
{
    int fd;
    struct folder_file file;
    int r = folder_open(o->directory->root, o->path, &fd, &file);
    if (r)
        return r;
    if (!folder_is_same(&file, &o->file)) {
        (void)close(fd);
        return FOLDER_MISSING;
    }
    if (o->part == PART_BYTES)
        return blob_of_foreign(o->directory->folders->files, fd, &file, &o->blob);
    r = open_metadata(o, fd);
    (void)close(fd);
    return r;
}

/* On the read lane. The record may have been dropped meanwhile; its id tells. */
static void opening_run(struct job *job)
{
    struct opening *o = container_of(job, struct opening, job);
    struct directory *d = o->directory;
    int failed = open_part(o);
    pthread_mutex_lock(&d->files.lock);
    struct record *r = directory_find(d, o->path);
    if (r && r->id == o->id) {
        r->opening[o->part] = false;
        r->failed = failed;
        if (o->blob)
            set_blob(d, r, blob_ref(o->blob));
        if (o->text && !failed) {
            o->text->refs++;
            set_text(d, r, o->text);
        }
        /* over the limit only after opening: the newest stays */
        if (d->open_count > OPEN_MOST || d->text_bytes > TEXT_MOST)
            close_oldest(d);
    }
    pthread_mutex_unlock(&d->files.lock);
    blob_unref(o->blob);
    document_unref(o->text);
    if (failed) {
        d->asked = true;
        folders_kick(d->folders);
    }
    waitlist_wake(&d->files, o->id, o->id + 1);
    free(o->path);
    free(o);
}

/* Under the lock. One opening per part at a time: `opening` is set until its job has run. */
static void post_opening(struct directory *d, struct record *r, enum part part)
{
    struct opening *o = calloc(1, sizeof(*o));
    char *path = strdup(r->path);
    if (!o || !path)
        abort(); /* without the job nobody would answer the waiters */
    *o = (struct opening){.job.run = opening_run,
                          .directory = d,
                          .part = part,
                          .path = path,
                          .id = r->id,
                          .file = r->file};
    memcpy(o->metadata_sha256, r->metadata_sha256, sizeof(o->metadata_sha256));
    r->opening[part] = true;
    lane_post(d->folders->s->reader, &o->job);
}

/* ----------------------------------------------------------------- requests */

/* What the table says, copied under the lock. */
struct said {
    struct blob *blob; /* one of the two, as a reference; */
    struct document *text;
    int64_t waits; /* or what the waiter has to want; 0: neither, and `outcome` counts */
    enum outcome outcome;
    char detail[512], etag[SHA256_HEX + 16];
    int64_t size;
};

/* A refusal: neither bytes nor a wait. */
static void say(struct said *said, enum outcome outcome, const char *detail)
{
    said->outcome = outcome;
    str_copy(said->detail, sizeof(said->detail), detail);
}

/* There is no such file, or that is not known yet. Tells a client apart what will come, what is
 * refused and what does not exist. */
static void say_missing(struct directory *d, const struct record *r, bool has_waited,
                        struct said *said)
{
    if (d->failure[0]) {
        say(said, OUTCOME_UNAVAILABLE, d->failure);
    } else if (!d->is_read && has_waited) {
        say(said, OUTCOME_UNAVAILABLE, "the folder is being read for the first time");
    } else if (!d->is_read) {
        said->waits = WANTS_FIRST;
        if (!d->waited_ms)
            d->waited_ms = clock_monotonic_ms();
    } else if (r && r->problem) {
        (void)snprintf(said->detail, sizeof(said->detail), "not served: %s", r->problem);
        said->outcome = OUTCOME_NO_FILE;
    } else if (r) {
        say(said, OUTCOME_UNAVAILABLE, "the file was written a moment ago");
    } else {
        say(said, OUTCOME_NO_FILE, "the folder has no such file");
    }
}

/* A positive error is no failure of the disk: the file is another one. */
static void say_failed(const struct record *r, struct said *said)
{
    if (r->failed > 0)
        say(said, OUTCOME_UNAVAILABLE, "the file has gone, or another one has taken its place");
    else
        say(said, OUTCOME_BROKEN, error_text(r->failed));
}

/* Chosen with the first answer, and never changed: the digest may not be known yet. */
static void choose_etag(struct record *r)
{
    if (!r->etag[0] && r->sha256[0])
        (void)snprintf(r->etag, sizeof(r->etag), "\"sha256-%s\"", r->sha256);
    else if (!r->etag[0])
        (void)snprintf(r->etag, sizeof(r->etag), "\"file-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
                       (uint64_t)r->file.size, (uint64_t)r->file.modified_ns, r->file.inode);
}

/* Answers with what is open, or posts its opening. */
static void say_part(struct directory *d, struct record *r, enum part part, struct said *said)
{
    r->used_ms = clock_monotonic_ms();
    if (part == PART_METADATA && r->text) {
        said->text = r->text;
        said->text->refs++;
        said->size = (int64_t)r->text->len;
        (void)snprintf(said->etag, sizeof(said->etag), "\"sha256-%s\"", r->metadata_sha256);
    } else if (part == PART_BYTES && r->blob) {
        choose_etag(r);
        said->blob = blob_ref(r->blob);
        said->size = r->file.size;
        str_copy(said->etag, sizeof(said->etag), r->etag);
    } else if (r->failed) {
        say_failed(r, said);
    } else {
        if (!r->opening[part])
            post_opening(d, r, part);
        said->waits = r->id;
    }
}

/* The record that a path means; *ret_part: which part of it. */
static struct record *find_part(struct directory *d, const char *path, enum part *ret_part)
{
    *ret_part = PART_BYTES;
    if (!str_ends(path, ".whl.metadata"))
        return directory_find(d, path);
    auto_free char *wheel = strndup(path, strlen(path) - strlen(suffix));
    *ret_part = PART_METADATA;
    return wheel ? directory_find(d, wheel) : NULL;
}

/* One look under the lock decides everything; the answer is made outside of it. */
static void look(struct directory *d, const struct file_query *query, const struct waiter *waiter,
                 struct said *ret)
{
    enum part part;
    *ret = (struct said){.size = -1};
    pthread_mutex_lock(&d->files.lock);
    struct record *r = find_part(d, query->path, &part);
    if (d->folders->s->stopping) /* after folders_close no job may begin under this lock */
        say(ret, OUTCOME_STOPPING, "shutting down");
    else if (!r || !r->is_listed || d->failure[0])
        say_missing(d, r, query->waited && waiter->want == WANTS_FIRST, ret);
    else if (part == PART_METADATA && !r->metadata_sha256[0])
        say(ret, OUTCOME_NO_FILE, r->problem ? r->problem : "the wheel has no METADATA");
    else
        say_part(d, r, part, ret);
    pthread_mutex_unlock(&d->files.lock);
}

struct awaited {
    struct directory *directory;
    const char *path;
    int64_t what;
};

/* Under the lock of the waitlist, as waitlist_join promises. */
static bool is_answered(void *arg)
{
    const struct awaited *a = arg;
    enum part part;
    if (a->what == WANTS_FIRST)
        return a->directory->is_read || a->directory->failure[0];
    const struct record *r = find_part(a->directory, a->path, &part);
    return !r || r->id != a->what || !r->opening[part];
}

/* Takes over the references that the look has taken. */
static int answer(struct folders *folders, const struct said *said, const struct file_query *query,
                  struct file **ret)
{
    struct file_facts facts = {.outcome = said->outcome,
                               .detail = said->detail,
                               .size = said->size,
                               .etag = said->etag,
                               .state = FILE_HIT};
    if (said->text)
        return reading_new_text(folders->files, &facts, said->text, "directory", query, ret);
    return reading_new(folders->files, &facts, said->blob, NULL, "directory", query, ret);
}

/* A loop, because the file may have been opened between the look and the wait. */
int directory_file(struct folders *folders, const struct origin *origin,
                   const struct file_query *query, struct waiter *waiter, struct file **ret)
{
    struct directory *d = find_directory(folders, origin);
    for (;;) {
        struct said said = {.size = -1};
        if (!d || folders->s->stopping)
            say(&said, OUTCOME_STOPPING, "shutting down");
        else
            look(d, query, waiter, &said);
        waiter->want = 0; /* a wake-up counts once */
        if (!said.waits)
            return answer(folders, &said, query, ret);
        struct awaited a = {d, query->path, said.waits};
        waiter->want = said.waits;
        if (waitlist_join(&d->files, waiter, is_answered, &a) == WAIT_SUSPENDED)
            return ENGINE_WAIT;
    }
}

/* ---------------------------------------------------------------- diagnosis */

/* The doctor shows how many files there are, and one refused file as an example. */
static void count_record(const struct record *r, struct diagnosed_folder *to)
{
    if (r->is_listed) {
        size_t *count = r->parsed.kind == FILE_WHEEL ? &to->wheel_count : &to->other_count;
        ++*count;
    } else if (r->problem && !to->refused_count++) {
        (void)snprintf(to->refused, sizeof(to->refused), "%.120s: %.120s", r->path, r->problem);
    }
}

void directory_diagnose(struct folders *folders, const struct origin *origin,
                        struct diagnosed_folder *ret)
{
    struct directory *d = find_directory(folders, origin);
    *ret = (struct diagnosed_folder){.origin = origin};
    if (!d)
        return;
    pthread_mutex_lock(&d->files.lock);
    ret->is_read = d->is_read;
    str_copy(ret->failure, sizeof(ret->failure), d->failure);
    for (const struct record *r = d->table; r; r = r->hh.next)
        count_record(r, ret);
    pthread_mutex_unlock(&d->files.lock);
}

/* -------------------------------------------------------- the flight thread */

/* A folder that could not be read counts as a mirror that cannot be reached. */
void directory_view(struct folders *folders, const struct origin *origin, struct source_view *ret)
{
    const struct directory *d = find_directory(folders, origin);
    bool is_listed = d && d->listing;
    *ret = (struct source_view){.state = d && !d->is_settled ? SOURCE_FETCHING : SOURCE_IDLE,
                                .status = is_listed ? 200 : 0,
                                .listing = is_listed ? d->listing : NULL,
                                .confirmed_ms = is_listed ? clock_monotonic_ms() : INT64_MIN / 2,
                                .version = d ? d->version : 0,
                                .error = d && d->shown_failure[0] ? ERROR_UNREACHABLE : 0,
                                .failure = d ? d->shown_failure : ""};
}

/* The thread may be asleep for a second and more, so it is kicked. */
void directory_look(struct folders *folders, const struct origin *origin)
{
    struct directory *d = find_directory(folders, origin);
    if (!d)
        return;
    d->asked = true;
    folders_kick(folders);
}

struct news {
    struct job job;
    struct directory *directory;
    struct listing_ref *listing;
    char failure[512];
};

/* The listing is complete, so it replaces the last one. */
static void news_run(struct job *job)
{
    struct news *n = container_of(job, struct news, job);
    struct directory *d = n->directory;
    struct folders *folders = d->folders;
    listing_ref_put(d->listing);
    d->listing = n->listing;
    d->version++;
    d->is_settled = true;
    str_copy(d->shown_failure, sizeof(d->shown_failure), n->failure);
    note_problem(d);
    free(n);
    const struct origin *origin = origins_find(mirrors_origins(folders->s->mirrors), d->origin);
    if (folders->s->stopping || !origin || !origin->directory)
        return;
    folders->s->events->folder_changed(folders->s, origin);
}

/* Without memory the flight thread would show an old listing for ever. */
void directory_tell(struct directory *d, struct listing_ref *listing, const char *failure)
{
    struct news *n = calloc(1, sizeof(*n));
    if (!n)
        abort();
    *n = (struct news){.job.run = news_run, .directory = d, .listing = listing};
    str_copy(n->failure, sizeof(n->failure), failure);
    loop_post(d->folders->s, &n->job);
}

void directory_wake_first(struct directory *d)
{
    waitlist_wake(&d->files, WANTS_FIRST, WANTS_FIRST + 1);
}

/* Resumes requests that have waited for the first reading long enough. */
void folders_tick(struct folders *folders, int64_t now_ms)
{
    for (struct directory *d = folders->list; d; d = d->next) {
        pthread_mutex_lock(&d->files.lock);
        bool overdue = d->waited_ms && now_ms - d->waited_ms >= LATEST_MS;
        if (overdue)
            d->waited_ms = 0;
        pthread_mutex_unlock(&d->files.lock);
        if (overdue)
            directory_wake_first(d);
        (void)waitlist_sweep(&d->files);
    }
}

/* Runs before the lanes stop: an opening that is under way finds nobody to wake. */
void folders_close(struct folders *folders)
{
    for (struct directory *d = folders->list; d; d = d->next)
        waitlist_close(&d->files);
}
