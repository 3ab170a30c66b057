// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/evidence.h"
#include "engine/files/file.h"
#include "engine/files/files.h"
#include "engine/files/files_state.h"
#include "engine/files/held_versions.h"
#include "engine/files/kept.h"
#include "engine/files/reading.h"
#include "engine/files/refusals.h"
#include "engine/files/renew.h"
#include "engine/files/scrub.h"
#include "engine/files/thrashing.h"
#include "engine/loop/key.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "index/digests.h"

/*
 * The table of files, and how a client opens one.
 *
 * files_open runs on an HTTP worker. It looks into the table, and follows what it finds:
 *
 *     a blob               a handle on it, at once
 *     a progress           known: a handle. Opening: the client waits. Over: look again
 *     neither              begin: a fresh entry with a progress; the flight thread opens it
 *     a brief failure      begin_again: the flight thread puts a new progress in its place
 *
 * An entry lives from `begin`, or from the start of the daemon (recover.c), until its file is
 * evicted or nothing is left of it. Workers add entries; only the flight thread changes them and
 * takes them out. The lock is held for look-ups, never for disk or catalogue.
 */

enum {
    TOUCH_EVERY_MS = 30000,
    TOUCH_AFTER_S = 3600, /* a use is written down when the last written one is so old */
    OPEN_LEAST = 16,
    OPEN_MOST = 2048,
    DISK_ERROR_MS = 10000, /* how long a failing disk is left alone */
};

/* ------------------------------------------------------------------ table */

/* A quarter of the descriptors; the rest is for connections and downloads. */
static size_t open_most(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 4 > OPEN_MOST)
        return OPEN_MOST;
    return limit.rlim_cur / 4 > OPEN_LEAST ? (size_t)limit.rlim_cur / 4 : OPEN_LEAST;
}

DEFINE_CLEANUP(struct files, files_free)

/* The limit of open blobs follows from the limit of descriptors, which is known only now. */
int files_new(struct services *s, struct listings *listings, struct files **ret)
{
    AUTO(files_free) struct files *files = calloc(1, sizeof(*files));
    if (!files)
        return ERROR_NO_MEMORY;
    files->s = s;
    files->listings = listings;
    pthread_rwlock_init(&files->lock, NULL);
    files->open_most = open_most();
    int r = kept_new(&files->kept);
    r = r ? r : refusals_new(&files->refusals);
    r = r ? r : evidence_new(files, &files->evidences);
    r = r ? r : renew_new(&files->renewals);
    r = r ? r : eviction_new(&files->eviction);
    r = r ? r : thrashing_new(&files->thrashing);
    r = r ? r : scrub_new(files, &files->scrub);
    if (r)
        return r;
    *ret = files;
    files = NULL;
    return 0;
}

/* Its blob and progress live on while others hold references. */
static void entry_free(struct entry *entry)
{
    blob_unref(entry->blob);
    progress_unref(entry->progress);
    free(entry->key);
    free(entry->etag);
    free(entry->mirrors);
    free(entry->validator);
    free(entry->leftover);
    free(entry);
}

void files_free(struct files *files)
{
    struct entry *entry, *next;
    if (!files)
        return;
    HASH_ITER(hh, files->table, entry, next)
    {
        HASH_DEL(files->table, entry);
        entry_free(entry);
    }
    scrub_free(files->scrub);
    refusals_free(files->refusals);
    kept_free(files->kept);
    evidence_free(files->evidences);
    renew_free(files->renewals);
    eviction_free(files->eviction);
    thrashing_free(files->thrashing);
    pthread_rwlock_destroy(&files->lock);
    free(files);
}

/* `size` -1 and no digest: the entry holds nothing yet. */
struct entry *files_add(struct files *files, const struct origin *origin, const char *path)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->key = key_new(origin->name, path, &entry->key_len);
    if (!entry->key) {
        free(entry);
        return NULL;
    }
    entry->path = entry->key + strlen(origin->name) + 1;
    entry->origin = origin;
    entry->size = -1;
    HASH_ADD_KEYPTR(hh, files->table, entry->key, entry->key_len, entry);
    return entry;
}

/* A key that is too long for the table is no file. */
struct entry *files_find(struct files *files, const char *origin, const char *path)
{
    char key[KEY_MAX_BYTES];
    struct entry *entry = NULL;
    size_t len = key_make(key, origin, path);
    if (len)
        HASH_FIND(hh, files->table, key, len, entry);
    return entry;
}

struct entry *files_look_up(struct files *files, const char *origin, const char *path)
{
    pthread_rwlock_rdlock(&files->lock);
    struct entry *entry = files_find(files, origin, path);
    pthread_rwlock_unlock(&files->lock);
    return entry;
}

/* Frees an entry that is out of the table, and tells other rooms that its file is gone. */
static void forget_entry(struct files *files, struct entry *entry)
{
    files->open_count -= entry->blob != NULL;
    if (entry->is_renewal)
        renew_gone(files, entry);
    if (entry->sha256[0]) {
        kept_drop(files, entry);
        files->s->events->file_gone(files->s, entry);
    }
    entry_free(entry);
}

void files_drop(struct files *files, struct entry *entry)
{
    pthread_rwlock_wrlock(&files->lock);
    HASH_DEL(files->table, entry);
    pthread_rwlock_unlock(&files->lock);
    forget_entry(files, entry);
}

/* Both under one lock, so that no worker can give the entry a progress in between. */
bool files_drop_idle(struct files *files, struct entry *entry)
{
    pthread_rwlock_wrlock(&files->lock);
    bool idle = !entry->progress;
    if (idle)
        HASH_DEL(files->table, entry);
    pthread_rwlock_unlock(&files->lock);
    if (idle)
        forget_entry(files, entry);
    return idle;
}

void files_drop_leftover(struct files *files, struct entry *entry)
{
    download_discard(files, entry->leftover);
    entry->leftover = NULL;
    if (!entry->is_failed)
        (void)files_drop_idle(files, entry); /* otherwise a client is about to open it */
}

/* The strings of an entry are its own: they outlive whatever they were copied from. */
static void replace(char **string, const char *by)
{
    free(*string);
    *string = str_dup(by);
}

void files_describe(struct entry *entry, const struct catalogue_file *file)
{
    str_copy(entry->sha256, sizeof(entry->sha256), file->blob);
    entry->size = file->size;
    entry->authoritative = file->authoritative;
    replace(&entry->etag, file->etag);
    replace(&entry->mirrors, file->mirrors);
    replace(&entry->validator, file->validator);
}

/* The old progress lives on while its readers have it. */
void files_set_progress(struct files *files, struct entry *entry, struct progress *progress)
{
    pthread_rwlock_wrlock(&files->lock);
    struct progress *old = entry->progress;
    entry->progress = progress;
    pthread_rwlock_unlock(&files->lock);
    progress_unref(old);
}

/* From now on clients read the blob. Its old progress lives on while readers have it. */
void files_set_blob(struct files *files, struct entry *entry, struct blob *blob)
{
    pthread_rwlock_wrlock(&files->lock);
    struct blob *old_blob = entry->blob;
    struct progress *old_progress = entry->progress;
    entry->blob = blob;
    entry->progress = NULL;
    pthread_rwlock_unlock(&files->lock);
    files->open_count += (blob != NULL) - (size_t)(old_blob != NULL);
    blob_unref(old_blob);
    progress_unref(old_progress);
}

void files_note_disk_error(struct files *files, int error)
{
    files->disk_error = error;
    files->disk_error_ms = clock_monotonic_ms() + DISK_ERROR_MS;
}

/* After a failure of the disk files are passed through for a while, so that it is not tried for
 * each one. */
bool files_disk_fails(const struct files *files)
{
    return files->disk_error && clock_monotonic_ms() < files->disk_error_ms;
}

/* The entry stays in the list until retire_failure, or until a client tries it again. */
void files_note_failure(struct files *files, struct entry *entry)
{
    if (entry->is_failed)
        return;
    entry->is_failed = true;
    LL_PREPEND2(files->failed, entry, next_failed);
}

/* Takes the entry out of the list of failures: a client has it tried again before its second is
 * over. */
static void end_failure(struct files *files, struct entry *entry)
{
    LL_DELETE2(files->failed, entry, next_failed);
    entry->is_failed = false;
}

/* What was promised with the blob goes also: the next bytes may be others. */
void files_forget_blob(struct files *files, struct entry *entry)
{
    if (entry->blob) /* otherwise it may be being opened: is_lost in downloads.c */
        files_set_blob(files, entry, NULL);
    kept_drop(files, entry);
    files->s->events->file_gone(files->s, entry);
    entry->sha256[0] = '\0';
    entry->size = -1;
    entry->authoritative = false;
    free(entry->etag);
    entry->etag = NULL;
}

/* The bytes go to quarantine unless another path has them, or is about to get them. */
void files_refute(struct files *files, struct entry *entry, const char *expected)
{
    log_warning("wrong bytes put aside path=%s/%s sha256=%s expected=%s", entry->origin->name,
                entry->path, entry->sha256, expected);
    problems_note(files->s, "wrong-digest", entry->origin->name, entry->path,
                  "the kept bytes are not %s%s: they are in quarantine",
                  str_is_sha256(expected) ? "sha256 " : "", expected);
    char sha256[SHA256_HEX];
    memcpy(sha256, entry->sha256, sizeof(sha256));
    files_forget_blob(files, entry);
    if (!kept_paths(files, sha256) && !commit_is_under_way(files, sha256))
        kept_discard(files, sha256, KEPT_QUARANTINE);
}

/* The row changes only when the answer does, so a page that says the same costs no write. */
void files_set_authority(struct files *files, struct entry *entry, bool authoritative)
{
    if (entry->authoritative == authoritative)
        return;
    entry->authoritative = authoritative;
    commit_authority(files, entry);
}

/* A kept file is compared with the new claim. By SHA-256 that is possible at once. By other
 * algorithms the next client's opening does it (downloads.c), so the open blob is closed here. */
static void learn_of_kept(struct files *files, struct entry *entry, const char *agreed)
{
    char sha256[SHA256_HEX];
    if (!digests_sha256(agreed, sha256) || strchr(agreed, ' ')) {
        files_set_authority(files, entry, false);
        if (entry->blob)
            files_set_blob(files, entry, NULL);
    } else if (strcmp(entry->sha256, sha256) == 0) {
        files_set_authority(files, entry, true);
    } else {
        files_refute(files, entry, sha256);
        commit_authority(files, entry);
    }
}

/* Called when pages were read. Blobs and downloads learn it; refusals of the file under the old
 * claim are void. */
void files_learn_claims(struct files *files, const struct origin *origin, const char *path,
                        const char *agreed)
{
    files->s->events->claims_learned(files->s, origin->name, path, agreed);
    refusals_forget(files->refusals, origin->name, path); /* the old claim may have refused it */
    struct entry *entry = files_look_up(files, origin->name, path);
    if (entry && entry->download)
        downloads_learn_claims(entry, agreed);
    if (entry && entry->sha256[0])
        learn_of_kept(files, entry, agreed);
}

/* ------------------------------------------------------------------- open */

/* A client's look at a file, on its way to the flight thread. */
struct open_job {
    struct job job;
    struct files *files;
    struct entry *entry;       /* fresh: its download begins; otherwise NULL */
    struct progress *progress; /* of an entry that is already being opened, or: */
    char *failed; /* the path of an entry that failed and is to be tried again; otherwise NULL */
    enum file_use use;
    char *via;
    bool refresh;
};

/* Gives the entry a new progress, unless the failure is already retired: then the waiting clients
 * look again. */
static void try_again(struct open_job *o)
{
    struct files *files = o->files;
    struct entry *entry = files_look_up(files, o->progress->origin->name, o->failed);
    if (!entry || !entry->is_failed || !entry->progress ||
        entry->progress->state != PROGRESS_CLOSED) {
        progress_close(o->progress, PROGRESS_ASK_AGAIN, OUTCOME_OK, "");
        return;
    }
    end_failure(files, entry);
    if (entry->download) {
        download_take_progress(entry->download, progress_ref(o->progress));
        downloads_interest(o->progress, o->use);
    } else {
        files_set_progress(files, entry, progress_ref(o->progress));
        downloads_open(files, entry, o->use, o->via, o->refresh);
    }
}

/* On the flight thread: what a worker found in the table decides what happens. */
static void open_job_run(struct job *job)
{
    struct open_job *o = container_of(job, struct open_job, job);
    if ((o->entry || o->failed) && o->files->s->stopping)
        progress_close(o->progress, PROGRESS_CLOSED, OUTCOME_STOPPING, "shutting down");
    else if (o->failed)
        try_again(o);
    else if (o->entry)
        downloads_open(o->files, o->entry, o->use, o->via, o->refresh);
    else
        downloads_interest(o->progress, o->use);
    progress_unref(o->progress);
    free(o->failed);
    free(o->via);
    free(o);
}

/* False: out of memory, and nothing was posted. */
static bool post_open(struct files *files, struct entry *entry, struct progress *progress,
                      const struct file_query *query, const char *failed)
{
    struct open_job *o = calloc(1, sizeof(*o));
    char *path = str_dup(failed);
    if (!o || (failed && !path)) {
        free(o);
        free(path);
        return false;
    }
    *o = (struct open_job){.job.run = open_job_run,
                           .files = files,
                           .entry = entry,
                           .progress = progress_ref(progress),
                           .failed = path,
                           .use = query->use,
                           .via = str_dup(query->via),
                           .refresh = query->refresh};
    loop_post(files->s, &o->job);
    return true;
}

/* What the table says of a file, with references to its blob or progress. */
struct found {
    struct blob *blob;
    struct progress *progress;
    bool fresh;
    bool look_due; /* engine/files/renew.h */
    /* digest of a blob that is shorter than its entry says; "": it is not */
    char cut_short[SHA256_HEX];
    struct file_facts facts;
    char etag[96], mirrors[256];
};

/* Under the read lock. A look counts as a use, which holds off eviction. */
static void look(struct files *files, const struct file_query *query, struct found *ret)
{
    pthread_rwlock_rdlock(&files->lock);
    struct entry *entry = files_find(files, query->origin, query->path);
    if (entry && entry->blob) {
        ret->blob = blob_ref(entry->blob);
        if (blob_is_short(entry->blob, entry->size))
            memcpy(ret->cut_short, entry->sha256, sizeof(ret->cut_short));
        ret->facts.size = entry->size;
        ret->facts.immutable = entry->authoritative;
        str_copy(ret->etag, sizeof(ret->etag), entry->etag ? entry->etag : "");
        str_copy(ret->mirrors, sizeof(ret->mirrors), entry->mirrors ? entry->mirrors : "");
        entry->used_s = clock_real_s();
        entry->used_after = ++files->uses;
        ret->look_due = renew_is_due(files, entry, query->refresh);
    } else if (entry && entry->progress) {
        ret->progress = progress_ref(entry->progress);
    }
    pthread_rwlock_unlock(&files->lock);
}

/* A brief failure answers only the clients that waited for it. */
static bool is_over(const struct progress *progress, const struct file_query *query)
{
    return progress && progress->state == PROGRESS_CLOSED && progress->is_brief && !query->waited;
}

/* The table has nothing of this file: adds an entry with a progress. Of two workers one begins, the
 * other waits. */
static int begin(struct files *files, const struct origin *origin, const struct file_query *query,
                 struct found *ret)
{
    struct entry *fresh = NULL;
    pthread_rwlock_wrlock(&files->lock);
    struct entry *entry = files_find(files, query->origin, query->path);
    if (!entry)
        entry = files_add(files, origin, query->path);
    if (entry && !entry->progress && !entry->blob && progress_new(origin, &entry->progress) == 0)
        fresh = entry;
    if (entry && entry->progress)
        ret->progress = progress_ref(entry->progress);
    pthread_rwlock_unlock(&files->lock);
    if (fresh) {
        ret->fresh = true;
        if (!post_open(files, fresh, ret->progress, query, NULL))
            abort();
    }
    return entry ? 0 : ERROR_NO_MEMORY;
}

/* A failed entry belongs to the flight thread, which gives it the new progress. */
static int begin_again(struct files *files, const struct origin *origin,
                       const struct file_query *query, struct found *ret)
{
    progress_unref(ret->progress);
    ret->progress = NULL;
    ret->fresh = true;
    int r = progress_new(origin, &ret->progress);
    if (r == 0 && !post_open(files, NULL, ret->progress, query, query->path))
        abort();
    return r;
}

/* The test of a client that waits for size and ETag. */
static bool is_decided(void *arg)
{
    return ((struct progress *)arg)->state != PROGRESS_OPENING;
}

/* Makes a handle on a progress that is known, has failed, or hands over to a passthrough. */
static int from_progress(struct files *files, struct progress *progress, int state,
                         const struct file_query *query, struct file **ret)
{
    struct file_facts facts = {.size = progress->size, .etag = progress->etag};
    bool closed = state == PROGRESS_CLOSED;
    bool passing = closed && progress->wants_passthrough;
    bool partial = progress->had_bytes || (progress->has_bytes && !query->waited);
    facts.state = partial ? FILE_PARTIAL : FILE_MISS;
    if (progress->limit == INT64_MAX && !query->waited) /* all of it is present, and verified */
        facts.state = FILE_HIT;
    if (passing || progress->unkept)
        facts.state = FILE_PASSTHROUGH;
    /* A whole file is checked before its last byte. A range or HEAD is checked only when the file
     * is complete. */
    bool checked = query->use == FILE_USE_WHOLE || progress->limit == INT64_MAX;
    facts.immutable = progress->authoritative && checked;
    if (closed && !passing) {
        facts.outcome = progress->outcome;
        facts.detail = progress->detail;
    }
    return reading_new(files, &facts, NULL, progress, NULL, query, ret);
}

bool files_has_progress(struct files *files, const char *path, const struct progress *progress)
{
    pthread_rwlock_rdlock(&files->lock);
    struct entry *entry = files_find(files, progress->origin->name, path);
    bool current = entry && entry->progress == progress;
    pthread_rwlock_unlock(&files->lock);
    return current;
}

int files_refuse(struct files *files, enum outcome outcome, const char *detail,
                 const struct file_query *query, struct file **ret)
{
    struct file_facts facts = {.outcome = outcome, .detail = detail, .size = -1, .etag = ""};
    return reading_new(files, &facts, NULL, NULL, NULL, query, ret);
}

/* The client's time is over, and no mirror has told yet what file this is. */
static int refuse_late(struct files *files, struct progress *progress,
                       const struct file_query *query, struct file **ret)
{
    char detail[FILE_DETAIL];
    enum outcome outcome = reading_say_late(progress, detail, sizeof(detail));
    return files_refuse(files, outcome, detail, query, ret);
}

/* ENGINE_WAIT, 0, or ENGINE_AGAIN (> 0): the table must be looked up again. */
enum { ENGINE_AGAIN = 100 };
/* What a progress means for the client that looks at it: wait, look again, or take it. */
static int follow(struct files *files, struct found *found, const struct file_query *query,
                  struct waiter *waiter, struct file **ret)
{
    struct progress *progress = found->progress;
    int state = progress->state;
    if (state == PROGRESS_OPENING && waiter_is_late(waiter))
        return refuse_late(files, progress, query, ret);
    if (state == PROGRESS_OPENING) {
        if (!found->fresh && !post_open(files, NULL, progress, query, NULL))
            return ERROR_NO_MEMORY;
        waiter->want = 0;
        return waitlist_join(&progress->waiters, waiter, is_decided, progress) == WAIT_SUSPENDED
                   ? ENGINE_WAIT
                   : ENGINE_AGAIN;
    }
    if (state == PROGRESS_ASK_AGAIN ||
        (state == PROGRESS_CLOSED && !files_has_progress(files, query->path, progress)))
        return ENGINE_AGAIN;
    return from_progress(files, progress, state, query, ret);
}

/* A mistyped origin is the usual reason, so the answer names the configured ones. */
static int refuse_origin(struct files *files, const struct file_query *query, struct file **ret)
{
    const struct origins *origins = mirrors_origins(files->s->mirrors);
    char detail[FILE_DETAIL];
    int len =
        snprintf(detail, sizeof(detail), "there is no origin %.100s; there are", query->origin);
    for (size_t i = 0; i < origins->count && (size_t)len < sizeof(detail); i++)
        len += snprintf(detail + len, sizeof(detail) - (size_t)len, "%s %s", i ? "," : "",
                        origins->list[i].name);
    return files_refuse(files, OUTCOME_NO_FILE, detail, query, ret);
}

bool files_held_digest(struct files *files, const char *origin, const char *path,
                       char ret[SHA256_HEX])
{
    pthread_rwlock_rdlock(&files->lock);
    const struct entry *entry = files_find(files, origin, path);
    bool held = entry && entry->sha256[0];
    if (held)
        memcpy(ret, entry->sha256, SHA256_HEX);
    pthread_rwlock_unlock(&files->lock);
    return held;
}

/* Whether the cache has all of it. */
static bool is_held(struct files *files, const struct file_query *query)
{
    pthread_rwlock_rdlock(&files->lock);
    const struct entry *entry = files_find(files, query->origin, query->path);
    bool held = entry && entry->sha256[0];
    pthread_rwlock_unlock(&files->lock);
    return held;
}

static int refuse_missing(struct files *files, const struct file_query *query, struct file **ret)
{
    static const char why[] = "not in the cache, and wheelyard is offline; ";
    char detail[FILE_DETAIL];
    str_copy(detail, sizeof(detail), why);
    held_versions_write(files, query->origin, query->path, detail + strlen(why),
                        sizeof(detail) - strlen(why));
    return files_refuse(files, OUTCOME_NO_FILE, detail, query, ret);
}

/* Each round of the loop looks at the table anew, because what was found may be over by then. */
int files_open(struct files *files, const struct file_query *query, struct waiter *waiter,
               struct file **ret)
{
    const struct origin *origin = origins_find(mirrors_origins(files->s->mirrors), query->origin);
    if (!origin)
        return refuse_origin(files, query, ret);
    if (strlen(query->origin) + strlen(query->path) + 2 > KEY_MAX_BYTES)
        return files_refuse(files, OUTCOME_NO_FILE, "no file has a name that is so long", query,
                            ret);
    if (files->s->options.offline && !is_held(files, query))
        return refuse_missing(files, query, ret);
    struct file_query again = *query;
    for (int tries = 0; tries < 8; tries++, query = &again) {
        struct found found = {0};
        if (files->s->stopping)
            return files_refuse(files, OUTCOME_STOPPING, "shutting down", query, ret);
        look(files, query, &found);
        if (found.look_due && !files->s->options.offline)
            renew_look(files, query->origin, query->path, query->refresh);
        int r = 0;
        if (is_over(found.progress, query))
            r = begin_again(files, origin, query, &found);
        else if (!found.blob && !found.progress)
            r = begin(files, origin, query, &found);
        if (found.cut_short[0]) {
            verify_cut_short(files, found.cut_short);
            blob_unref(found.blob);
            return files_refuse(files, OUTCOME_BROKEN,
                                "the kept file is damaged: it is fetched again", query, ret);
        }
        if (found.blob) {
            found.facts.etag = found.etag;
            found.facts.state = FILE_HIT;
            return reading_new(files, &found.facts, found.blob, NULL, found.mirrors, query, ret);
        }
        /* The client that began it has missed, whatever has come since, also within this round. */
        again.waited |= found.fresh;
        if (r == 0 && found.progress)
            r = follow(files, &found, &again, waiter, ret);
        else if (r == 0)
            r = ENGINE_AGAIN; /* a blob appeared between the two looks */
        progress_unref(found.progress);
        if (r != ENGINE_AGAIN)
            return r;
    }
    return files_refuse(files, OUTCOME_BROKEN, "the file keeps changing", query, ret);
}

/* ------------------------------------------------------------------- time */

/* One use that is written down. */
struct touch {
    const char *origin;
    char *path;
    int64_t used_s;
    struct touch *next;
};

/* All uses that are due, in one transaction. */
struct touches {
    struct job job;
    struct files *files;
    struct touch *first;
};

/* On the catalogue lane. Thousands of uses in one transaction cost as much as one. */
static void touches_run(struct job *job)
{
    struct touches *touches = container_of(job, struct touches, job);
    struct catalogue *catalogue = touches->files->s->catalogue;
    int r = catalogue_begin(catalogue);
    while (touches->first) {
        struct touch *t = touches->first;
        touches->first = t->next;
        if (r == 0)
            r = catalogue_touch(catalogue, t->origin, t->path, t->used_s);
        free(t->path);
        free(t);
    }
    if (r == 0)
        (void)catalogue_commit(catalogue); /* what can be lost is the order of eviction */
    else
        catalogue_rollback(catalogue);
    free(touches);
}

static void add_touch(struct touches *touches, struct entry *entry, int64_t used_s)
{
    struct touch *t = calloc(1, sizeof(*t));
    char *path = strdup(entry->path);
    if (!t || !path) {
        free(t);
        free(path);
        return;
    }
    *t = (struct touch){entry->origin->name, path, used_s, touches->first};
    touches->first = t;
    entry->written_s = used_s;
}

/* Writes last uses down, at most once an hour for each file: eviction needs no finer order. */
static void write_touches(struct files *files, int64_t least_age_s)
{
    struct touches *touches = calloc(1, sizeof(*touches));
    if (!touches)
        return;
    *touches = (struct touches){.job.run = touches_run, .files = files};
    for (struct entry *entry = files->table; entry; entry = entry->hh.next) {
        int64_t used_s = entry->used_s;
        if (entry->sha256[0] && used_s - entry->written_s >= least_age_s &&
            used_s != entry->written_s)
            add_touch(touches, entry, used_s);
    }
    if (touches->first)
        lane_post(files->s->catalogue_lane, &touches->job);
    else
        free(touches);
}

void files_tick(struct files *files, int64_t now_ms)
{
    downloads_tick(files, now_ms);
    thrashing_tick(files);
    if (now_ms - files->touched_ms < TOUCH_EVERY_MS)
        return;
    files->touched_ms = now_ms;
    pthread_rwlock_rdlock(&files->lock);
    write_touches(files, TOUCH_AFTER_S);
    pthread_rwlock_unlock(&files->lock);
}

/* Ends the downloads first, so that the uses of their readers are written down also. */
void files_stop(struct files *files)
{
    downloads_stop(files);
    pthread_rwlock_rdlock(&files->lock);
    write_touches(files, 1);
    pthread_rwlock_unlock(&files->lock);
}

const struct entry *files_first(const struct files *files)
{
    return files->table;
}

void files_end(struct files *files)
{
    if (!files)
        return;
    scrub_stop(files->scrub);
    evidence_stop(files->evidences);
}

/* The members "cache" and "flights" of /-/status. "full" and "read-only" say that nothing new is
 * kept. */
void files_write_status(struct files *files, struct buf *to)
{
    unsigned blobs, partials = downloads_count(files);
    int64_t bytes = eviction_used(files, &blobs);
    int64_t free_bytes = store_free_bytes(files->s->store);
    bool full = bytes >= files->s->options.max_size ||
                (free_bytes >= 0 && free_bytes < files->s->options.min_free);
    const char *state = full ? "full" : "ok";
    if (files_disk_fails(files))
        state = error_is_space(files->disk_error) ? "full" : "read-only";
    int64_t oldest_s = eviction_oldest_s(files), now_s = clock_real_s();
    int64_t idle_s = oldest_s < now_s ? now_s - oldest_s : 0;
    json_write_name(to, "cache");
    buf_printf(to,
               "{\"bytes\":%" PRId64 ",\"blobs\":%u,\"partials\":%u,\"max_bytes\":%" PRId64
               ",\"free_bytes\":%" PRId64 ",\"idle_s\":%" PRId64 ",\"state\":\"%s\"}",
               bytes, blobs, partials, files->s->options.max_size, free_bytes, idle_s, state);
    json_write_name(to, "flights");
    buf_putc(to, '[');
    downloads_write_status(files, to);
    buf_putc(to, ']');
}
