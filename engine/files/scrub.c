// SPDX-License-Identifier: Apache-2.0
#include "engine/files/scrub.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/file.h"
#include "engine/files/files_state.h"
#include "engine/files/inventory.h"
#include "engine/files/kept.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"

/*
 * A comparison lives: compare reads the blob on the caller's thread -> judge_run on the flight
 * thread: the date is stored, or take_away. After take_away no new client finds the file; the scrub
 * fetches it again, as a client without a connection ("patient").
 *
 * The scrub lives: scrub_tick (flight thread) chooses the blob -> scrub_run on its own lane ->
 * `busy` is false again. While a download exists, `pause` stops its reading between two blocks,
 * because a disk that clients wait for is not to be read in the background.
 */

enum {
    BLOCK_BYTES = 1 << 20,
    DRAIN_BYTES = 256 << 10,
    SCRUB_BYTES_S = 20 << 20,
    SCRUB_EVERY_MS = 1000, /* how often the next blob is looked for */
};

DEFINE_CLEANUP(struct sha256, sha256_free)

/* ---------------------------------------------------------------- reading */

/* Negative times mean that the pace is behind: no sleep. */
static void sleep_ms(int64_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    if (ms > 0)
        (void)nanosleep(&time, NULL);
}

/* How fast a comparison may read, and what stops it. */
struct pace {
    int64_t bytes_s;                  /* 0: no limit */
    const _Atomic bool *stop, *pause; /* pause may be NULL */
    int64_t due_ms;
};

/* Waits until `len` more bytes may be read. False: stop. */
static bool pace_wait(struct pace *pace, size_t len)
{
    while (pace->pause && *pace->pause && !*pace->stop)
        sleep_ms(100);
    int64_t now_ms = clock_monotonic_ms();
    if (pace->due_ms < now_ms)
        pace->due_ms = now_ms;
    if (pace->bytes_s > 0)
        pace->due_ms += (int64_t)len * 1000 / pace->bytes_s;
    while (!*pace->stop &&
           now_ms < pace->due_ms) { /* in steps, because a low rate must not delay a stop */
        sleep_ms(pace->due_ms - now_ms < 100 ? pace->due_ms - now_ms : 100);
        now_ms = clock_monotonic_ms();
    }
    return !*pace->stop;
}

/* The pace is kept between blocks of a megabyte, so a stop waits for one block at most. */
static int hash_file(int fd, int64_t size, struct pace *pace, char ret_hex[SHA256_HEX])
{
    AUTO(sha256_free) struct sha256 *sha = NULL;
    auto_free char *block = malloc(BLOCK_BYTES);
    int r = block ? sha256_new(&sha) : ERROR_NO_MEMORY;
    for (int64_t at = 0; r == 0 && at < size;) {
        size_t len = size - at < BLOCK_BYTES ? (size_t)(size - at) : BLOCK_BYTES;
        if (!pace_wait(pace, len))
            return ERROR_STOPPING;
        r = file_read_at(fd, block, len, at);
        if (r == 0)
            r = sha256_add(sha, block, len);
        at += (int64_t)len;
    }
    return r ? r : sha256_finish(sha, ret_hex);
}

/* A file that cannot be read to its end counts as one with other bytes. */
static int compare(struct files *files, const char *sha256, struct pace *pace,
                   enum verdict_of_blob *ret)
{
    char hex[SHA256_HEX] = "";
    int64_t size;
    int fd;
    int r = store_open_blob(files->s->store, sha256, &fd, &size);
    if (r == STORE_MISSING || r == ERROR_CORRUPT) {
        *ret = r == STORE_MISSING ? BLOB_MISSING : BLOB_CORRUPT;
        return 0;
    }
    if (r)
        return r;
    auto_close int guard = fd;
    r = hash_file(guard, size, pace, hex);
    if (r && r != ERROR_IO)
        return r;
    *ret = strcmp(hex, sha256) == 0 ? BLOB_GOOD : BLOB_CORRUPT;
    return 0;
}

/* ---------------------------------------------------------------- verdict */

/* The result of a comparison, on its way to the flight thread. */
struct comparison {
    const char *sha256;
    enum verdict_of_blob verdict;
};

/* New clients do not find the file any more. A client that has it open reads on. */
static void take_away(struct files *files, const struct comparison *j)
{
    for (struct entry *entry = kept_paths(files, j->sha256), *next; entry; entry = next) {
        next = entry->next_path;
        log_error("kept bytes are %s path=%s/%s sha256=%s",
                  j->verdict == BLOB_MISSING ? "gone" : "not what they were", entry->origin->name,
                  entry->path, j->sha256);
        problems_note(files->s, j->verdict == BLOB_MISSING ? "blob-missing" : "blob-corrupt",
                      entry->origin->name, entry->path, "%s failed its check: fetched again",
                      j->sha256);
        files_forget_blob(files, entry);
    }
    kept_discard(files, j->sha256, KEPT_QUARANTINE);
}

/* A client's report that a blob is shorter than it should be. */
struct cut_short {
    struct job job;
    struct files *files;
    char sha256[SHA256_HEX];
};

/* On the flight thread. Several clients may report the same blob: the first report takes it away.
 */
static void cut_short_run(struct job *job)
{
    struct cut_short *c = container_of(job, struct cut_short, job);
    if (kept_paths(c->files, c->sha256) && !commit_is_under_way(c->files, c->sha256))
        take_away(c->files, &(struct comparison){c->sha256, BLOB_CORRUPT});
    free(c);
}

void verify_cut_short(struct files *files, const char *sha256)
{
    struct cut_short *c = calloc(1, sizeof(*c));
    if (!c) /* the next client notices it also */
        return;
    c->job.run = cut_short_run;
    c->files = files;
    str_copy(c->sha256, sizeof(c->sha256), sha256);
    loop_post(files->s, &c->job);
}

/* On the flight thread: between the read and now the blob may have been evicted or replaced. */
static void judge_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    const struct comparison *j = call->argument;
    if (!kept_paths(files, j->sha256)) /* evicted meanwhile, so it is not there */
        call->result = ENGINE_ABSENT;
    else if (j->verdict == BLOB_GOOD)
        call->result = kept_verified(files, j->sha256, clock_real_s());
    else if (commit_is_under_way(files, j->sha256)) /* the commit would take the bad bytes over */
        call->result = ENGINE_BUSY;
    else
        take_away(files, j);
    sem_post(&call->done);
}

static int verify(struct files *files, const char *sha256, struct pace *pace,
                  enum verdict_of_blob *ret)
{
    struct comparison j = {sha256, BLOB_GOOD};
    int r = compare(files, sha256, pace, &j.verdict);
    if (r == 0)
        r = loop_call(files->s, judge_run, files, &j);
    if (r == 0)
        *ret = j.verdict;
    return r;
}

int inventory_verify(struct files *files, const char *sha256, int64_t rate_bytes_s,
                     const _Atomic bool *stop, enum verdict_of_blob *ret)
{
    struct pace pace = {.bytes_s = rate_bytes_s, .stop = stop};
    return verify(files, sha256, &pace, ret);
}

/* ---------------------------------------------------------------- refetch */

/* A client without a connection: it waits on a semaphore. */
struct patient {
    struct waiter waiter;
    sem_t woken;
    const _Atomic bool *stop;
};

static void patient_suspend(struct waiter *waiter)
{
    (void)waiter;
}

static void patient_resume(struct waiter *waiter)
{
    struct patient *p = container_of(waiter, struct patient, waiter);
    sem_post(&p->woken);
}

static bool patient_is_gone(struct waiter *waiter)
{
    struct patient *p = container_of(waiter, struct patient, waiter);
    return *p->stop;
}

static const struct waiter_class patient_class = {patient_suspend, patient_resume, patient_is_gone};

static int patient_wait(struct patient *p)
{
    while (sem_wait(&p->woken) < 0 && errno == EINTR)
        ;
    return *p->stop ? ERROR_STOPPING : 0;
}

/* The refetch reports outcomes of clients as errors of the program. */
static int error_of(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return 0;
    case OUTCOME_NO_FILE:
        return ERROR_GONE;
    case OUTCOME_SILENT:
        return ERROR_TIMEOUT;
    case OUTCOME_STOPPING:
        return ERROR_STOPPING;
    case OUTCOME_FORBIDDEN:
        return ERROR_DENIED;
    default:
        return ERROR_UPSTREAM_BROKEN;
    }
}

/* Reads the whole file, which makes the download fetch and keep all of it. */
static int drain(struct file *file, struct patient *p)
{
    auto_free char *block = malloc(DRAIN_BYTES);
    int r = block ? file_select(file, 0, file_facts(file)->size, FILE_USE_WHOLE) : ERROR_NO_MEMORY;
    for (int64_t at = 0; r == 0;) {
        int64_t n = file_read(file, at, block, DRAIN_BYTES, &p->waiter);
        if (n == FILE_END)
            return 0;
        if (n < 0)
            return (int)n;
        at += n;
        r = n ? *p->stop ? ERROR_STOPPING : 0 : patient_wait(p);
    }
    return r;
}

/* As server/ does for a client: open, wait, look at the outcome, read. */
static int fetch(struct files *files, const struct file_query *query, struct patient *p,
                 char *ret_why, size_t size)
{
    struct file *file = NULL;
    int r;
    while ((r = files->s->events->file_open(files->s, query, &p->waiter, &file)) == ENGINE_WAIT)
        if ((r = patient_wait(p)))
            return r;
        else
            p->waiter.until_ms = 0; /* a page's limit is none for the file */
    if (r)
        return r;
    r = error_of(file_facts(file)->outcome);
    if (r && file_facts(file)->detail)
        str_copy(ret_why, size, file_facts(file)->detail);
    if (r == 0)
        r = drain(file, p);
    file_close(file);
    return r;
}

/* Blocks until the whole file has been read. With nothing kept (a full disk) it was only passed
 * through. */
int inventory_fetch(struct files *files, const char *origin, const char *path,
                    const _Atomic bool *stop, char *ret_why, size_t size)
{
    struct patient p = {.waiter.class = &patient_class, .stop = stop};
    struct file_query query = {.origin = origin, .path = path, .use = FILE_USE_WHOLE};
    *ret_why = '\0';
    sem_init(&p.woken, 0, 0);
    int r = fetch(files, &query, &p, ret_why, size);
    sem_destroy(&p.woken);
    return r;
}

int inventory_refetch(struct files *files, const struct inventory_row *row,
                      const _Atomic bool *stop)
{
    char why[FILE_DETAIL];
    auto_free char *origin = strndup(row->name, row->origin_len);
    if (!origin)
        return ERROR_NO_MEMORY;
    return inventory_fetch(files, origin, row->name + row->origin_len + 1, stop, why, sizeof why);
}

/* ------------------------------------------------------------------ scrub */

struct scrub {
    struct job job;
    struct files *files;
    struct lane *lane;
    _Atomic bool busy, pause;
    int64_t looked_ms;
    char sha256[SHA256_HEX]; /* the current blob */
    char *name;              /* one of its paths: origin/path */
    size_t origin_len;
};

int scrub_new(struct files *files, struct scrub **ret)
{
    struct scrub *s = calloc(1, sizeof(*s));
    if (!s)
        return ERROR_NO_MEMORY;
    s->files = files;
    int r = lane_new("scrub", 1, &s->lane);
    if (r)
        free(s);
    else
        *ret = s;
    return r;
}

void scrub_stop(struct scrub *s)
{
    if (s)
        lane_stop(s->lane);
}

void scrub_free(struct scrub *s)
{
    if (!s)
        return;
    lane_free(s->lane);
    free(s->name);
    free(s);
}

/* On the scrub's lane, which may block. */
static void scrub_run(struct job *job)
{
    struct scrub *s = container_of(job, struct scrub, job);
    struct files *files = s->files;
    enum verdict_of_blob verdict = BLOB_GOOD;
    struct pace pace = {.bytes_s = SCRUB_BYTES_S, .stop = &files->s->stopping, .pause = &s->pause};
    struct inventory_row row = {.name = s->name, .origin_len = s->origin_len};
    int r = files->s->stopping ? ERROR_STOPPING : verify(files, s->sha256, &pace, &verdict);
    if (r == 0 && verdict != BLOB_GOOD) {
        r = inventory_refetch(files, &row, &files->s->stopping);
        if (r && r != ERROR_STOPPING)
            log_warning("cannot fetch again path=%s error=\"%s\"", s->name, error_text(r));
    }
    s->busy = false;
}

/* When the blob was last known to be good: when it was compared, or when it came. */
static int64_t good_s(const struct files *files, const struct entry *entry)
{
    int64_t verified_s = kept_verified_s(files, entry->sha256);
    return verified_s ? verified_s : entry->written_s;
}

/* NULL when every blob was compared within scrub_after. */
static const struct entry *oldest(struct files *files)
{
    const struct entry *found = NULL;
    int64_t found_s = clock_real_s() - files->s->options.scrub_after_ms / 1000;
    pthread_rwlock_rdlock(&files->lock);
    for (const struct entry *entry = files->table; entry; entry = entry->hh.next) {
        if (!entry->sha256[0] || good_s(files, entry) > found_s)
            continue;
        found_s = good_s(files, entry);
        found = entry;
    }
    pthread_rwlock_unlock(&files->lock);
    return found;
}

/* One blob at a time, and none while clients fetch. */
void scrub_tick(struct files *files, int64_t now_ms)
{
    struct scrub *s = files->scrub;
    s->pause = files->download != NULL;
    if (s->busy || s->pause || files->s->stopping || now_ms - s->looked_ms < SCRUB_EVERY_MS)
        return;
    s->looked_ms = now_ms;
    const struct entry *entry = oldest(files);
    char *name = entry ? str_printf("%s/%s", entry->origin->name, entry->path) : NULL;
    if (!name)
        return;
    free(s->name);
    s->name = name;
    s->origin_len = strlen(entry->origin->name);
    memcpy(s->sha256, entry->sha256, sizeof(s->sha256));
    s->busy = true;
    s->job.run = scrub_run;
    lane_post(s->lane, &s->job);
}
