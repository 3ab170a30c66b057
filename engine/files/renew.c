// SPDX-License-Identifier: Apache-2.0
#include "engine/files/renew.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/evidence.h"
#include "engine/files/file.h"
#include "engine/files/files_state.h"
#include "engine/files/kept.h"
#include "engine/listings/link_places.h"
#include "engine/loop/key.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"

/*
 * The life of a renewal:
 *
 *     renew_look, or renew_rows_changed -> look (HEAD) -> looked_run: another version?
 *     -> begin: an entry beside the other, with a download of its own
 *     -> renew_tick gives the download a reader
 *     -> renew_kept (from commit.c): take_over, or rename_same
 *     -> renew_gone: the entry is freed -> renew_tick frees the renewal
 *
 * Failures end at renew_gone also. The kept entry is touched only in renew_kept, in one step under
 * the write lock, so a client sees the old version or the new one.
 */

enum {
    LOOKS_MOST = 32,          /* HEAD requests at once */
    RENEWALS_MOST = 4,        /* downloads at once */
    FORCE_EVERY_S = 30,       /* no-cache of clients: at most so often for each file */
    LATER = 4,                /* so many times later after a fetch in vain */
    LATEST_S = 7 * 24 * 3600, /* ... and never later than this */
};

/* A file that is being fetched again. Its download is found through the entry. */
struct renewal {
    struct entry *entry;       /* NULL when the entry is gone */
    struct progress *progress; /* in which its download has a reader; NULL: none yet */
    struct renewal *prev, *next;
};

static void renewal_free(struct renewal *r)
{
    progress_unref(r->progress);
    free(r);
}

struct renewals {
    struct renewal *list;
    unsigned looks, count;
};

int renew_new(struct renewals **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

/* At the end of the daemon: downloads are over by then. */
void renew_free(struct renewals *all)
{
    struct renewal *r, *next;
    if (!all)
        return;
    DL_FOREACH_SAFE(all->list, r, next)
    {
        DL_DELETE(all->list, r);
        renewal_free(r);
    }
    free(all);
}

/* A file is looked at as often as a page is read. */
static int64_t interval_s(const struct files *files)
{
    return (files->s->options.page_refresh_ms + 999) / 1000;
}

/* Of several workers one sees true: the exchange of the time decides. */
bool renew_is_due(struct files *files, struct entry *entry, bool forced)
{
    int64_t now_s = clock_real_s(), due_s = entry->look_again_s, last_s = entry->forced_s;
    if (entry->authoritative)
        return false;
    if (forced && now_s - last_s >= FORCE_EVERY_S)
        return atomic_compare_exchange_strong(&entry->forced_s, &last_s, now_s);
    if (now_s < due_s)
        return false;
    return atomic_compare_exchange_strong(&entry->look_again_s, &due_s, now_s + interval_s(files));
}

/* --------------------------------------------------------------- download */

/* A fetch that brought nothing new makes the next look later. */
static void later(struct files *files, struct entry *entry)
{
    int64_t wait_s = entry->look_wait_s ? entry->look_wait_s : interval_s(files);
    wait_s = wait_s > LATEST_S / LATER ? LATEST_S : wait_s * LATER;
    entry->look_wait_s = wait_s;
    entry->look_again_s = clock_real_s() + wait_s;
}

/* An entry that files_find does not find, because its key is one byte longer. NULL also when there
 * is one already. */
static struct entry *add_entry(struct files *files, const struct origin *origin, const char *path)
{
    struct entry *entry = calloc(1, sizeof(*entry)), *other = NULL;
    char *key = entry ? key_new(origin->name, path, &entry->key_len) : NULL;
    char *longer = key ? realloc(key, entry->key_len + 1) : NULL;
    if (!longer) {
        free(key);
        free(entry);
        return NULL;
    }
    longer[entry->key_len++] = 'r';
    entry->key = longer;
    HASH_FIND(hh, files->table, longer, entry->key_len, other);
    if (other) {
        free(longer);
        free(entry);
        return NULL;
    }
    entry->path = longer + strlen(origin->name) + 1;
    entry->origin = origin;
    entry->size = -1;
    entry->is_renewal = true;
    HASH_ADD_KEYPTR(hh, files->table, entry->key, entry->key_len, entry);
    return entry;
}

/* At most RENEWALS_MOST at a time: they use connections that clients may need. */
static void begin(struct files *files, struct entry *entry)
{
    struct progress *progress;
    struct renewal *r = files->renewals->count < RENEWALS_MOST ? calloc(1, sizeof(*r)) : NULL;
    if (!r || progress_new(entry->origin, &progress)) {
        free(r);
        return; /* at a later use */
    }
    pthread_rwlock_wrlock(&files->lock);
    r->entry = add_entry(files, entry->origin, entry->path);
    if (r->entry)
        r->entry->progress = progress;
    pthread_rwlock_unlock(&files->lock);
    if (!r->entry) { /* it is under way */
        progress_unref(progress);
        free(r);
        return;
    }
    later(files, entry); /* unless other bytes come of it */
    files->renewals->count++;
    DL_APPEND(files->renewals->list, r);
    downloads_open(files, r->entry, FILE_USE_WHOLE, NULL, false);
}

/* A download without a reader would park, so each renewal gets one. A failed download is ended at
 * once. */
static void drive(struct files *files, struct renewal *r)
{
    struct download *dl = r->entry->download;
    struct progress *progress = r->entry->progress;
    bool failed =
        !progress || progress->state == PROGRESS_CLOSED || progress->state == PROGRESS_ASK_AGAIN;
    if (failed && dl && dl->flight && !dl->committing)
        download_forget(dl, false);
    if (failed || !dl || !dl->flight || r->progress == progress)
        return;
    progress_unref(r->progress); /* of a progress that was cut since, which forgot its readers */
    r->progress = progress_ref(progress);
    downloads_reader(progress, ++files->last_reader, FILE_USE_WHOLE, 0, -1);
}

/* Frees renewals whose entry is gone; gives the others a reader. */
void renew_tick(struct files *files)
{
    struct renewal *r, *next;
    DL_FOREACH_SAFE(files->renewals->list, r, next)
    {
        if (r->entry && !files->s->stopping)
            drive(files, r);
        if (r->entry)
            continue;
        DL_DELETE(files->renewals->list, r);
        files->renewals->count--;
        renewal_free(r);
    }
}

/* renew_tick frees the renewal. */
void renew_gone(struct files *files, const struct entry *entry)
{
    struct renewal *r;
    DL_FOREACH(files->renewals->list, r)
    {
        if (r->entry == entry)
            r->entry = NULL;
    }
}

/* ----------------------------------------------------------------- result */

/* The blob goes with its last path. A client that reads it reads on. */
static void forget_blob(struct files *files, const char *sha256)
{
    if (!kept_paths(files, sha256) && !commit_is_under_way(files, sha256))
        kept_discard(files, sha256, KEPT_REMOVE);
}

/* Changes everything in one step for the workers. False: the entry is being opened. */
static bool fill(struct files *files, struct entry *entry, const struct catalogue_file *file,
                 struct blob *blob)
{
    pthread_rwlock_wrlock(&files->lock);
    if (entry->progress || entry->download) {
        pthread_rwlock_unlock(&files->lock);
        return false;
    }
    struct blob *old = entry->blob;
    entry->blob = blob_ref(blob);
    files_describe(entry, file);
    pthread_rwlock_unlock(&files->lock);
    files->open_count += !old;
    blob_unref(old);
    return true;
}

/* The bytes are the same, with another validator, perhaps of another mirror. */
static void rename_same(struct files *files, struct entry *entry, const struct catalogue_file *file)
{
    log_info("it is the same still path=%s/%s", entry->origin->name, entry->path);
    pthread_rwlock_wrlock(&files->lock);
    free(entry->mirrors);
    free(entry->validator);
    entry->mirrors = str_dup(file->mirrors);
    entry->validator = str_dup(file->validator);
    pthread_rwlock_unlock(&files->lock);
}

/* The old blob goes with its last path; new clients get the new version under its own ETag. */
static bool take_over(struct files *files, struct entry *entry, const struct catalogue_file *file,
                      int64_t allocated_bytes, struct blob *blob)
{
    char old[SHA256_HEX];
    memcpy(old, entry->sha256, sizeof(old));
    if (!fill(files, entry, file, blob))
        return false;
    log_info("replaced by what its mirror has now path=%s/%s bytes=%" PRId64 " sha256=%s was=%s",
             entry->origin->name, entry->path, file->size, file->blob, old);
    kept_drop(files, entry);
    (void)kept_hold(files, entry, allocated_bytes);
    forget_blob(files, old);
    entry->used_after = ++files->uses;
    entry->look_wait_s = 0;
    entry->look_again_s = clock_real_s() + interval_s(files);
    if (!entry->authoritative)
        evidence_kept(files, file->blob, EVIDENCE_STRUCTURE);
    files->s->events->file_refuted(files->s, entry->origin->name, entry->path, NULL);
    return true;
}

/* On the flight thread, from commit.c: the new bytes are kept and judged. What they mean for
 * clients is decided here. */
void renew_kept(struct files *files, const struct entry *renewal, const struct catalogue_file *file,
                int64_t allocated_bytes, struct blob *blob)
{
    struct entry *entry = files_look_up(files, renewal->origin->name, renewal->path);
    bool held = entry && entry->sha256[0];
    bool same = held && strcmp(entry->sha256, file->blob) == 0;
    if (same) {
        rename_same(files, entry, file);
    } else if (!held || !blob || !take_over(files, entry, file, allocated_bytes, blob)) {
        /* evicted, or being opened at present: a later look finds the change again */
        forget_blob(files, file->blob);
    }
    if (held)
        commit_authority(files, entry); /* the row is the renewal's by now */
    else
        commit_forget_promise(files, renewal->origin->name, renewal->path);
    blob_unref(blob);
}

/* ------------------------------------------------------------------- look */

struct renew_look {
    struct job job;
    struct files *files;
    const struct origin *origin;
    unsigned mirror;
    char *path;
    bool is_sender; /* the mirror sent the held bytes */
    bool is_row;    /* the row on its page has changed */
    int status;
    int64_t size;
    char *etag, *date;
};

static void look_free(struct renew_look *l)
{
    free(l->path);
    free(l->etag);
    free(l->date);
    free(l);
}

/* Otherwise it is a date. */
static bool is_etag(const char *validator)
{
    return *validator == '"' || str_starts(validator, "W/");
}

/* A mirror that compresses on the way makes an ETag weak; the bytes are still the same. */
static const char *strong_part(const char *etag)
{
    return str_starts(etag, "W/") ? etag + 2 : etag;
}

/* Whether the mirror's answer is about another version than the held bytes. */
static bool is_another(const struct renew_look *l, const struct entry *entry)
{
    const char *held = entry->validator;
    if (l->status != 200)
        return false; /* a file that is gone at the mirror stays as long as it is held */
    if (l->size > 0 && l->size != entry->size)
        return true;
    if (!held || !l->is_sender)
        return false;
    if (is_etag(held))
        return l->etag && strcmp(strong_part(held), strong_part(l->etag)) != 0;
    return l->date && strcmp(held, l->date) != 0;
}

/* Whether the answer tells nothing but that the file exists. */
static bool is_silent(const struct renew_look *l, const struct entry *entry)
{
    static const int refusals[] = {400, 403, 405, 501};
    const char *held = entry->validator;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (l->status == refusals[i])
            return true;
    return l->status == 200 && (!held || !(is_etag(held) ? l->etag : l->date));
}

/* A changed row counts only when HEAD tells nothing, and only of the mirror that sent the bytes. */
static bool is_to_be_fetched(const struct renew_look *l, const struct entry *entry)
{
    return is_another(l, entry) || (l->is_row && l->is_sender && is_silent(l, entry));
}

/* On the flight thread: the entry may be gone, fetched anew or pinned by now. */
static void looked_run(struct job *job)
{
    struct renew_look *l = container_of(job, struct renew_look, job);
    struct files *files = l->files;
    struct entry *entry = files_look_up(files, l->origin->name, l->path);
    files->renewals->looks--;
    if (!files->s->stopping && entry && entry->sha256[0] && !entry->authoritative &&
        is_to_be_fetched(l, entry) && !kept_is_pinned(files, entry->sha256)) {
        log_info("another file at its mirror path=%s/%s mirror=%s: fetched again", l->origin->name,
                 l->path, l->origin->mirrors[l->mirror].name);
        begin(files, entry);
    }
    look_free(l);
}

static int on_head(void *context, const struct fetch_head *head)
{
    struct renew_look *l = context;
    l->status = head->status;
    l->size = head->total;
    l->etag = str_dup(head->etag);
    l->date = str_dup(head->last_modified);
    return 0;
}

/* A HEAD has no body; a mirror that sends one is not believed for it. */
static void on_data(void *context, struct slab *slab, int64_t offset)
{
    (void)context, (void)offset;
    slab_put(slab);
}

/* Any failure counts as an answer that tells nothing. */
static void on_done(void *context, int error, const char *detail)
{
    struct renew_look *l = context;
    (void)detail;
    if (error)
        l->status = 0;
    l->job.run = looked_run;
    loop_post(l->files->s, &l->job);
}

static const struct fetch_sink sink = {on_head, on_data, on_done};

/* Whether this mirror is the first that sent the held bytes. */
static bool has_sent(const struct entry *entry, const struct mirror *mirror)
{
    size_t len = entry->mirrors ? strcspn(entry->mirrors, ",") : 0;
    return len && strlen(mirror->name) == len && strncmp(mirror->name, entry->mirrors, len) == 0;
}

/* The first sender when it is configured and healthy; otherwise any healthy mirror. -1: none. */
static int choose(struct files *files, const struct entry *entry, const struct origin *origin)
{
    int64_t now_ms = clock_monotonic_ms();
    int found = -1;
    for (unsigned m = 0; m < origin->mirror_count; m++) {
        bool sender = has_sent(entry, &origin->mirrors[m]);
        if (!budget_is_backing_off(files->s->budget, mirrors_number(files->s->mirrors, origin, m),
                                   now_ms) &&
            (found < 0 || sender))
            found = (int)m;
    }
    return found;
}

/* NULL also when LOOKS_MOST requests are under way: the next use tries again. */
static struct renew_look *look_new(struct files *files, const struct entry *entry,
                                   const struct origin *origin, unsigned mirror)
{
    struct renew_look *l = files->renewals->looks < LOOKS_MOST ? calloc(1, sizeof(*l)) : NULL;
    if (!l)
        return NULL;
    l->path = strdup(entry->path);
    if (!l->path) {
        free(l);
        return NULL;
    }
    l->files = files;
    l->origin = origin;
    l->mirror = mirror;
    l->is_sender = has_sent(entry, &origin->mirrors[mirror]);
    l->size = -1;
    return l;
}

/* Takes over `l`. */
static void ask(struct renew_look *l, bool forced)
{
    struct files *files = l->files;
    auto_free char *url = links_file_url(files->listings, l->origin, l->mirror, l->path);
    if (!url) {
        look_free(l);
        return;
    }
    files->renewals->looks++;
    const struct fetch_request request = {.url = url,
                                          .head = true,
                                          .from = -1,
                                          .to = -1,
                                          .via = files->s->via,
                                          .no_cache = forced,
                                          .redirects =
                                              mirror_redirects(&l->origin->mirrors[l->mirror]),
                                          .max_bytes = 1};
    (void)fetcher_start(files->s->fetcher, &request, &sink, l);
}

/* A use, on its way to the flight thread. */
struct look_job {
    struct job job;
    struct files *files;
    char *origin, *path;
    bool forced;
};

/* On the flight thread: chooses the mirror that is asked. */
static void look_job_run(struct job *job)
{
    struct look_job *j = container_of(job, struct look_job, job);
    struct files *files = j->files;
    struct entry *entry = files_look_up(files, j->origin, j->path);
    const struct origin *origin = origins_find(mirrors_origins(files->s->mirrors), j->origin);
    int mirror = entry && origin && entry->sha256[0] && !files->s->stopping
                     ? choose(files, entry, origin)
                     : -1;
    struct renew_look *l = mirror >= 0 ? look_new(files, entry, origin, (unsigned)mirror) : NULL;
    if (l)
        ask(l, j->forced);
    free(j->origin);
    free(j->path);
    free(j);
}

/* A HEAD request under way, and then its answer. */
void renew_look(struct files *files, const char *origin, const char *path, bool forced)
{
    struct look_job *j = calloc(1, sizeof(*j));
    if (!j)
        return; /* after the next interval */
    *j = (struct look_job){{look_job_run, NULL}, files, strdup(origin), strdup(path), forced};
    if (j->origin && j->path) {
        loop_post(files->s, &j->job);
        return;
    }
    free(j->origin);
    free(j->path);
    free(j);
}

/* Called when a page was read. A row is a hint, so the mirror is asked before anything is fetched.
 */
void renew_rows_changed(struct files *files, const struct origin *origin, unsigned mirror,
                        const char *const *paths, size_t count)
{
    if (files->s->stopping ||
        origins_find(mirrors_origins(files->s->mirrors), origin->name) != origin)
        return;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = files_look_up(files, origin->name, paths[i]);
        if (!entry || !entry->sha256[0] || entry->authoritative)
            continue;
        log_info("another row of a file path=%s/%s mirror=%s", origin->name, entry->path,
                 origin->mirrors[mirror].name);
        struct renew_look *l = look_new(files, entry, origin, mirror);
        if (l) {
            l->is_row = true;
            ask(l, false);
        } else {
            entry->look_again_s = 0; /* looked at when it is used next */
        }
    }
}
