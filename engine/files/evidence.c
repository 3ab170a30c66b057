// SPDX-License-Identifier: Apache-2.0
#include "engine/files/evidence.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/files_state.h"
#include "engine/files/inventory.h"
#include "engine/files/kept.h"
#include "engine/files/soundness.h"
#include "engine/loop/problems.h"
#include "index/archive.h"

enum {
    NICE = 10,
    LOOK_EVERY_MS = 500,
};

/*
 * The life of a check:
 *
 *     evidence_tick (flight thread) chooses a file -> check_run (lane "evidence") reads it
 *     -> apply, done_run (flight thread)
 *
 * apply stores what was found; a refuted blob is taken away (take_away). When the disk damaged a
 * blob since it came, the check says nothing about the bytes that came: is_as_it_came compares the
 * digest first, and the file is fetched again. A check that a person asks for
 * (inventory_check_evidence) runs on that person's thread, and ends in the same apply. Both may check
 * one blob at the same time; the second result changes nothing.
 */

/* What is known of one digest. It outlives the blob only when it was refuted. */
struct known_evidence {
    char sha256[SHA256_HEX];
    enum evidence evidence;
    char *why; /* or NULL */
    UT_hash_handle hh;
};

struct evidences {
    struct known_evidence *table;
    struct lane *lane;
    bool due; /* some blob may have to be checked */
    int64_t looked_ms;
    /* the current check: */
    bool busy, failed;
    struct job job;
    struct files *files;
    char *name; /* origin/path */
    char sha256[SHA256_HEX];
};

static const char *const levels[] = {[EVIDENCE_UNKNOWN] = "",
                                     [EVIDENCE_NONE] = "none",
                                     [EVIDENCE_STRUCTURE] = "structure",
                                     [EVIDENCE_SILENT] = "structure",
                                     [EVIDENCE_RECORD] = "record",
                                     [EVIDENCE_DISPUTED] = "structure",
                                     [EVIDENCE_DAMAGED] = "none"};
enum { EVIDENCES = sizeof(levels) / sizeof(levels[0]) };

/* ------------------------------------------------------------------ table */

/* The lane is the check's own: one blob at a time, however long that takes. */
int evidence_new(struct files *files, struct evidences **ret)
{
    struct evidences *all = calloc(1, sizeof(*all));
    int r = all ? lane_new("evidence", 1, &all->lane) : ERROR_NO_MEMORY;
    if (r) {
        free(all);
        return r;
    }
    all->files = files;
    *ret = all;
    return 0;
}

void evidence_stop(struct evidences *all)
{
    if (all)
        lane_stop(all->lane);
}

static void drop(struct evidences *all, struct known_evidence *known)
{
    HASH_DEL(all->table, known);
    free(known->why);
    free(known);
}

void evidence_free(struct evidences *all)
{
    struct known_evidence *known, *next;
    if (!all)
        return;
    lane_free(all->lane);
    HASH_ITER(hh, all->table, known, next)
    {
        drop(all, known);
    }
    free(all->name);
    free(all);
}

static struct known_evidence *find(const struct files *files, const char *sha256)
{
    struct known_evidence *known;
    HASH_FIND_STR(files->evidences->table, sha256, known);
    return known;
}

/* Remembers it in memory alone. NULL: out of memory. */
static struct known_evidence *set(struct files *files, const char *sha256, enum evidence evidence,
                                  const char *why)
{
    struct known_evidence *known = find(files, sha256);
    if (!known) {
        known = calloc(1, sizeof(*known));
        if (!known)
            return NULL; /* a later check finds it out again */
        str_copy(known->sha256, sizeof(known->sha256), sha256);
        HASH_ADD_STR(files->evidences->table, sha256, known);
    }
    known->evidence = evidence;
    free(known->why);
    known->why = why && *why ? strdup(why) : NULL;
    return known;
}

/* Refuted digests outlive their blobs. */
static bool is_refuted(enum evidence evidence)
{
    return evidence == EVIDENCE_DISPUTED || evidence == EVIDENCE_DAMAGED;
}

static int on_row(void *context, const char *sha256, int level, const char *why)
{
    bool legal = level > EVIDENCE_UNKNOWN && level < EVIDENCES;
    if (legal && !set(context, sha256, (enum evidence)level, why))
        return ERROR_NO_MEMORY;
    return 0;
}

int evidence_load(struct files *files)
{
    files->evidences->due = true;
    return catalogue_each_evidence(files->s->catalogue, on_row, files);
}

/* A row on its way to the catalogue. */
struct put {
    struct job job;
    struct files *files;
    char sha256[SHA256_HEX];
    enum evidence evidence;
    char *why;
};

static void put_run(struct job *job)
{
    struct put *p = container_of(job, struct put, job);
    int r = catalogue_put_evidence(p->files->s->catalogue, p->sha256, (int)p->evidence,
                                   is_refuted(p->evidence), p->why);
    if (r)
        log_warning("catalogue: cannot store the evidence of %s: %s", p->sha256, error_text(r));
    free(p->why);
    free(p);
}

/* Remembers it, in memory and in the catalogue. */
static void put(struct files *files, const char *sha256, enum evidence evidence, const char *why)
{
    const struct known_evidence *known = find(files, sha256);
    if (known && known->evidence == evidence)
        return;
    (void)set(files, sha256, evidence, why);
    struct put *p = calloc(1, sizeof(*p));
    if (!p)
        return; /* the check after the next start finds it out again */
    *p =
        (struct put){.job.run = put_run, .files = files, .evidence = evidence, .why = str_dup(why)};
    str_copy(p->sha256, sizeof(p->sha256), sha256);
    lane_post(files->s->catalogue_lane, &p->job);
}

/* EVIDENCE_UNKNOWN: it was kept before such checks existed, or the note was lost. */
static enum evidence evidence_of(const struct files *files, const char *sha256)
{
    const struct known_evidence *known = find(files, sha256);
    return known ? known->evidence : EVIDENCE_UNKNOWN;
}

/* A claim counts more than anything that the bytes say themselves. */
const char *evidence_level(struct files *files, const struct entry *entry, const char **ret_why)
{
    const struct known_evidence *known = find(files, entry->sha256);
    if (ret_why)
        *ret_why = !entry->authoritative && known && known->why ? known->why : "";
    if (entry->authoritative)
        return "authority";
    return known ? levels[known->evidence] : levels[EVIDENCE_UNKNOWN];
}

/* What a finished check found outweighs what the structure tells. */
void evidence_kept(struct files *files, const char *sha256, enum evidence evidence)
{
    if (evidence_of(files, sha256) == EVIDENCE_UNKNOWN)
        put(files, sha256, evidence, NULL);
    evidence_changed(files);
}

bool evidence_refuses(const struct files *files, const char *sha256, const char **ret_why)
{
    const struct known_evidence *known = find(files, sha256);
    if (!known || known->evidence != EVIDENCE_DAMAGED)
        return false;
    *ret_why = known->why ? known->why : "it was found damaged before";
    return true;
}

/* The row goes with the blob's row: catalogue_drop_blob. */
void evidence_forget(struct files *files, const char *sha256)
{
    struct known_evidence *known = find(files, sha256);
    if (known && !is_refuted(known->evidence))
        drop(files->evidences, known);
}

void evidence_changed(struct files *files)
{
    files->evidences->due = true;
}

/* ---------------------------------------------------------------- reading */

/* A read that must not disturb clients: bounded by a rate, or by the CPU time that it uses. */
struct paced_read {
    int fd;
    int64_t rate_bytes_s; /* 0: half a core, and no other bound */
    int64_t begun_ms, bytes;
    struct timespec cpu; /* CPU time of this thread when it slept last */
    const _Atomic bool *stop;
};

/* CPU time of this thread alone, so that other work of the process does not slow the check down. */
static int64_t cpu_ns_since(const struct timespec *then, struct timespec *ret_now)
{
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, ret_now) < 0)
        *ret_now = *then;
    return (ret_now->tv_sec - then->tv_sec) * 1000000000 + ret_now->tv_nsec - then->tv_nsec;
}

/* Sleeps as long as it has used a core, or as long as the rate asks for. */
static void rest(struct paced_read *r)
{
    enum { STEP_NS = 5000000 };
    struct timespec now;
    int64_t used_ns = cpu_ns_since(&r->cpu, &now), ns = 0;
    if (!r->rate_bytes_s && used_ns >= STEP_NS)
        ns = used_ns;
    else if (r->rate_bytes_s)
        ns = (r->begun_ms + r->bytes * 1000 / r->rate_bytes_s - clock_monotonic_ms()) * 1000000;
    if (ns >= STEP_NS)
        r->cpu = now;
    while (ns >= STEP_NS && !*r->stop) { /* in steps, because a low rate must not delay a stop */
        int64_t step_ns = ns < 100000000 ? ns : 100000000;
        (void)nanosleep(&(struct timespec){0, step_ns}, NULL);
        ns -= step_ns;
    }
}

/* Each read first rests, so that the pace holds whatever the reader does. */
static int read_some(void *userdata, int64_t from, void *to, size_t len)
{
    struct paced_read *r = userdata;
    rest(r);
    r->bytes += (int64_t)len;
    return *r->stop ? ERROR_STOPPING : file_read_at(r->fd, to, len, from);
}

/* Opens the blob, and lets index/archive.h judge it, at the bounded rate. */
static int look_into(struct files *files, const char *sha256, const char *path,
                     int64_t rate_bytes_s, const _Atomic bool *stop, struct archive_verdict *ret)
{
    int fd;
    int64_t size;
    int r = store_open_blob(files->s->store, sha256, &fd, &size);
    if (r)
        return r;
    auto_close int guard = fd;
    struct paced_read reading = {
        .fd = guard, .rate_bytes_s = rate_bytes_s, .begun_ms = clock_monotonic_ms(), .stop = stop};
    (void)cpu_ns_since(&reading.cpu, &reading.cpu);
    struct archive_source source = {read_some, &reading, size};
    struct soundness s;
    if (!str_ends(path, ".whl.metadata"))
        return archive_record(&source, str_last_segment(path), ret);
    r = soundness_of(&source, path, &s);
    if (r)
        return r;
    *ret = (struct archive_verdict){.level = s.sound ? ARCHIVE_STRUCTURE : ARCHIVE_NONE,
                                    .other_version = s.other_version};
    memcpy(ret->why, s.why, sizeof(ret->why));
    return 0;
}

/* ---------------------------------------------------------------- results */

/* What a check found. It lives on the stack of the checking thread, until apply has run. */
struct finding {
    const char *sha256;
    const char *origin, *path; /* the name by which it was judged */
    struct archive_verdict verdict;
    bool taken_away, rotten; /* rotten: the disk damaged it */
};

/* Whether files of that name tell anything about themselves. */
static bool is_judged(const char *path)
{
    return archive_is_known(str_last_segment(path)) || str_ends(path, ".whl.metadata");
}

static bool has_authority(const struct files *files, const char *sha256)
{
    const struct entry *entry = kept_paths(files, sha256);
    while (entry && !entry->authoritative)
        entry = entry->next_path;
    return entry;
}

/* New clients do not find the file any more. A client that has it open reads on. */
static void take_away(struct files *files, const struct finding *f)
{
    for (struct entry *entry = kept_paths(files, f->sha256), *next; entry; entry = next) {
        next = entry->next_path;
        log_error("kept bytes are not sound path=%s/%s sha256=%s mirrors=%s reason=\"%s\"",
                  entry->origin->name, entry->path, f->sha256, entry->mirrors ? entry->mirrors : "",
                  f->verdict.why);
        problems_note(files->s, "unsound", entry->origin->name, entry->path,
                      "the bytes from %s are in quarantine: %s",
                      entry->mirrors ? entry->mirrors : "a mirror", f->verdict.why);
        files_forget_blob(files, entry);
        /* its size is no wheel's size */
        commit_forget_promise(files, entry->origin->name, entry->path);
    }
    kept_discard(files, f->sha256, KEPT_QUARANTINE);
}

/* A claim that agrees with the bytes outweighs the check: then they stay, and the contradiction is
 * noted. */
static void refuted(struct files *files, struct finding *f)
{
    enum evidence now = f->verdict.contradicted ? EVIDENCE_DISPUTED : EVIDENCE_DAMAGED;
    if (has_authority(files, f->sha256)) {
        put(files, f->sha256, EVIDENCE_NONE, f->verdict.why);
        return;
    }
    counters_add(&files->s->counters, COUNT_EVIDENCE_FAILURES, 1);
    put(files, f->sha256, now, f->verdict.why);
    take_away(files, f);
    f->taken_away = true;
}

/* RECORD without digests leaves the level at the structure. */
static enum evidence confirmed(const struct archive_verdict *verdict, const char *path)
{
    if (!is_judged(path))
        return EVIDENCE_NONE;
    return verdict->level == ARCHIVE_RECORD ? EVIDENCE_RECORD : EVIDENCE_SILENT;
}

/* On the flight thread. ENGINE_ABSENT, ENGINE_BUSY (engine/files/inventory.h). */
static int apply(struct files *files, struct finding *f)
{
    if (!kept_paths(files, f->sha256)) /* evicted meanwhile */
        return ENGINE_ABSENT;
    if (evidence_of(files, f->sha256) == EVIDENCE_DISPUTED && f->verdict.contradicted)
        return 0;
    if (f->verdict.level != ARCHIVE_NONE || !is_judged(f->path))
        put(files, f->sha256, confirmed(&f->verdict, f->path), f->verdict.why);
    else if (commit_is_under_way(files, f->sha256)) /* the commit would take the bad bytes over */
        return ENGINE_BUSY;
    else
        refuted(files, f);
    if (f->verdict.other_version)
        problems_note(files->s, "other-version", f->origin, f->path,
                      "METADATA of the wheel names another version than its file name");
    return 0;
}

static void apply_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    struct finding *f = (struct finding *)(uintptr_t)call->argument;
    call->result = apply(files, f);
    sem_post(&call->done);
}

/* Damage by the disk says nothing about the bytes that came. inventory_verify has taken such a blob
 * away. */
static int is_as_it_came(struct files *files, const struct finding *f, int64_t rate_bytes_s,
                         const _Atomic bool *stop, bool *ret)
{
    enum verdict_of_blob verdict = BLOB_GOOD;
    int r = f->verdict.level == ARCHIVE_NONE
                ? inventory_verify(files, f->sha256, rate_bytes_s, stop, &verdict)
                : 0;
    *ret = verdict == BLOB_GOOD;
    return r;
}

/* On any thread that may block, except the flight thread. */
static int check(struct files *files, struct finding *f, int64_t rate_bytes_s,
                 const _Atomic bool *stop)
{
    bool as_it_came = true;
    int r = look_into(files, f->sha256, f->path, rate_bytes_s, stop, &f->verdict);
    if (r == 0)
        r = is_as_it_came(files, f, rate_bytes_s, stop, &as_it_came);
    if (r)
        return r == STORE_MISSING ? ENGINE_ABSENT : r;
    if (as_it_came)
        return loop_call(files->s, apply_run, files, f);
    f->taken_away = f->rotten = true;
    return 0;
}

/* On the caller's thread, which may block for minutes. *stop ends it early. */
int inventory_check_evidence(struct files *files, const struct inventory_row *row,
                             int64_t rate_bytes_s, const _Atomic bool *stop, bool *ret_sound,
                             char **ret_why)
{
    auto_free char *origin = strndup(row->name, row->origin_len);
    struct finding f = {
        .sha256 = row->sha256, .origin = origin, .path = row->name + row->origin_len + 1};
    int r = origin ? check(files, &f, rate_bytes_s, stop) : ERROR_NO_MEMORY;
    if (r)
        return r;
    *ret_sound = !f.taken_away;
    *ret_why = strdup(f.verdict.why);
    return *ret_why ? 0 : ERROR_NO_MEMORY;
}

/* ------------------------------------------------------------- background */

/* On the flight thread: the next check may begin. */
static void done_run(struct job *job)
{
    struct evidences *all = container_of(job, struct evidences, job);
    if (all->failed) /* not again before the next start */
        (void)set(all->files, all->sha256, EVIDENCE_SILENT, "it could not be read");
    all->busy = false;
}

/* On the lane "evidence", at low priority, so that it takes only what clients leave over. */
static void check_run(struct job *job)
{
    struct evidences *all = container_of(job, struct evidences, job);
    struct files *files = all->files;
    struct inventory_row row = {.name = all->name, .origin_len = strcspn(all->name, "/")};
    auto_free char *origin = strndup(all->name, row.origin_len);
    struct finding f = {.sha256 = all->sha256,
                        .origin = origin ? origin : "",
                        .path = all->name + row.origin_len + 1};
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE); /* of this thread alone */
    int r = files->s->stopping ? ERROR_STOPPING : check(files, &f, 0, &files->s->stopping);
    all->failed = r < 0 && r != ERROR_STOPPING;
    if (all->failed)
        log_warning("cannot check path=%s error=\"%s\"", all->name, error_text(r));
    if (r == 0 && f.rotten)
        (void)inventory_refetch(files, &row, &files->s->stopping);
    job->run = done_run;
    loop_post(files->s, job);
}

/* Whether no page names a digest, and the blob was not checked, or not completely. */
static bool is_due(const struct files *files, const struct entry *entry)
{
    enum evidence evidence = entry->sha256[0] ? evidence_of(files, entry->sha256) : EVIDENCE_RECORD;
    return !entry->authoritative &&
           (evidence == EVIDENCE_UNKNOWN || evidence == EVIDENCE_STRUCTURE);
}

static struct entry *next_due(struct files *files)
{
    struct entry *found = NULL;
    pthread_rwlock_rdlock(&files->lock);
    for (struct entry *entry = files->table; entry && !found; entry = entry->hh.next)
        if (is_due(files, entry))
            found = entry;
    pthread_rwlock_unlock(&files->lock);
    return found;
}

/* Looks for work twice a second at most, and only while something may have to be checked. The walk
 * over the table is cheap, but not free. */
void evidence_tick(struct files *files, int64_t now_ms)
{
    struct evidences *all = files->evidences;
    if (all->busy || !all->due || files->s->stopping || now_ms - all->looked_ms < LOOK_EVERY_MS)
        return;
    all->looked_ms = now_ms;
    struct entry *entry = next_due(files);
    if (!entry) {
        all->due = false;
        return;
    }
    char *name = str_printf("%s/%s", entry->origin->name, entry->path);
    if (!name)
        return;
    free(all->name);
    all->name = name;
    memcpy(all->sha256, entry->sha256, sizeof(all->sha256));
    all->busy = true;
    all->job.run = check_run;
    lane_post(all->lane, &all->job);
}

/* How many held files have which level, for /-/status. */
void evidence_write_status(struct files *files, struct buf *to)
{
    static const char *const names[] = {"authority", "record", "structure", "none", "unchecked"};
    unsigned counts[sizeof(names) / sizeof(names[0])] = {0};
    pthread_rwlock_rdlock(&files->lock);
    for (const struct entry *entry = files->table; entry; entry = entry->hh.next) {
        if (!entry->sha256[0])
            continue;
        const char *level = evidence_level(files, entry, NULL);
        size_t i = 0;
        while (i < 4 && strcmp(names[i], level) != 0)
            i++;
        counts[i]++;
    }
    pthread_rwlock_unlock(&files->lock);
    json_write_name(to, "evidence");
    buf_putc(to, '{');
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_write_name(to, names[i]);
        buf_printf(to, "%u", counts[i]);
    }
    buf_putc(to, '}');
}
