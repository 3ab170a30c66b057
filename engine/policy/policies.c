// SPDX-License-Identifier: Apache-2.0
/*
 * Policies are part of the origins, so they change with a generation. Advisories change while it is
 * in force; each file of them is a set.
 *
 *     policies_prepare   reads a set for the first time (main thread)
 *     policies_tick      every LOOK_MS: a look at the sets' files (reader lane)
 *     look_run           a file that has changed is read; the set is swapped under the lock
 *     looked_run         problems are noted, pages are told (flight thread)
 *
 * A set is never freed before the end, so the list may be walked without the lock once its head was
 * read. What a set holds is read under the lock. Its other members belong to the look that runs, and
 * between looks to the flight thread.
 */
#include "engine/policy/policies.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/generations.h"

enum { LOOK_MS = 2000, WHY_BYTES = 400, REFUSED_MOST = 256 };

/* What tells that a file is another one, or was written to. */
struct identity {
    uint64_t device, inode;
    int64_t size, modified_ns, changed_ns;
};

struct advisory_set {
    struct advisory_set *next;
    char *path;
    struct advisories *advisories; /* under the lock; NULL: never read */
    struct identity identity;      /* of the file that was read last, also in vain */
    bool has_changed;              /* in the look that ran last */
    bool is_broken;
    char why[WHY_BYTES]; /* what is wrong, for people; "" nothing */
};

/* A file whose bytes turned out to be refused. */
struct refused_bytes {
    char *key; /* origin/path */
    char sha256[SHA256_HEX];
};

struct policies {
    pthread_rwlock_t lock;
    struct refused_bytes refused[REFUSED_MOST]; /* under the lock; a ring */
    _Atomic size_t refused_count;               /* that were ever entered */
    _Atomic(struct advisory_set *) sets;
    struct job job;
    struct services *services;
    bool looks; /* flight thread, as is looked_ms */
    int64_t looked_ms;
};

int policies_new(struct services *services, struct policies **ret)
{
    struct policies *p = calloc(1, sizeof(*p));
    if (!p)
        return ERROR_NO_MEMORY;
    p->services = services;
    pthread_rwlock_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

void policies_free(struct policies *p)
{
    struct advisory_set *next;
    if (!p)
        return;
    for (struct advisory_set *s = p->sets; s; s = next) {
        next = s->next;
        advisories_free(s->advisories);
        free(s->path);
        free(s);
    }
    for (size_t i = 0; i < REFUSED_MOST; i++)
        free(p->refused[i].key);
    pthread_rwlock_destroy(&p->lock);
    free(p);
}

/* --------------------------------------------------------------- advisories */

static struct advisory_set *find_set(struct policies *p, const char *path)
{
    for (struct advisory_set *s = p->sets; s; s = s->next)
        if (strcmp(s->path, path) == 0)
            return s;
    return NULL;
}

static int64_t to_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* All zero when there is no such file. */
static struct identity identify(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return (struct identity){0};
    return (struct identity){(uint64_t)st.st_dev, (uint64_t)st.st_ino, (int64_t)st.st_size,
                             to_ns(st.st_mtim), to_ns(st.st_ctim)};
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static int read_set(const char *path, struct advisories **ret)
{
    auto_buf struct buf text;
    buf_init(&text, ADVISORIES_MAX_BYTES);
    int r = file_read_all(path, &text);
    return r ? r : advisories_parse(text.data ? text.data : "", text.len, ret);
}

static void note_broken(struct advisory_set *s, int error)
{
    s->is_broken = true;
    (void)snprintf(s->why, sizeof(s->why), "%s; %s",
                   error == FILE_MISSING        ? "there is no such file"
                   : error == ERROR_BAD_LISTING ? "not advisories in the form of OSV"
                                                : error_text(error),
                   s->advisories ? "the advisories that were read before stay in force"
                                 : "no advisory is in force");
    log_error("advisories cannot be read file=%s: %s", s->path, s->why);
}

static void note_read(struct advisory_set *s, const struct advisories *a)
{
    size_t wrong = advisories_problem_count(a);
    s->is_broken = false;
    s->why[0] = '\0';
    if (wrong)
        (void)snprintf(s->why, sizeof(s->why),
                       "%zu entries cannot be understood and are ignored: %s", wrong,
                       advisories_problem(a, 0));
    log_info("advisories read file=%s count=%zu ignored=%zu", s->path, advisories_count(a), wrong);
    for (size_t i = 0; advisories_problem(a, i); i++)
        log_warning("advisories: ignored file=%s: %s", s->path, advisories_problem(a, i));
}

/* The identity is taken first: what is written during the reading is seen at the next look. */
static void renew_set(struct policies *p, struct advisory_set *s)
{
    struct advisories *fresh = NULL, *old;
    s->identity = identify(s->path);
    int r = read_set(s->path, &fresh);
    if (r) {
        note_broken(s, r);
        return;
    }
    note_read(s, fresh);
    pthread_rwlock_wrlock(&p->lock);
    old = s->advisories;
    s->advisories = fresh;
    pthread_rwlock_unlock(&p->lock);
    advisories_free(old);
    s->has_changed = true;
}

static int add_set(struct policies *p, const char *path)
{
    struct advisory_set *s = calloc(1, sizeof(*s));
    if (s)
        s->path = strdup(path);
    if (!s || !s->path) {
        free(s);
        return ERROR_NO_MEMORY;
    }
    renew_set(p, s);
    s->has_changed = false; /* its pages are built after this */
    s->next = p->sets;
    p->sets = s;
    return 0;
}

int policies_prepare(struct policies *p, const struct origins *origins)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < origins->policy_count; i++) {
        const char *path = origins->policies[i].advisories;
        if (path && !find_set(p, path))
            r = add_set(p, path);
    }
    return r;
}

/* ------------------------------------------------------------------- looks */

static bool is_in_use(const struct origins *origins, const char *path)
{
    for (size_t i = 0; i < origins->policy_count; i++)
        if (origins->policies[i].advisories && strcmp(origins->policies[i].advisories, path) == 0)
            return true;
    return false;
}

/* On the flight thread. */
static void looked_run(struct job *job)
{
    struct policies *p = container_of(job, struct policies, job);
    bool has_changed = false;
    for (struct advisory_set *s = p->sets; s; s = s->next) {
        has_changed |= s->has_changed;
        s->has_changed = false;
        if (s->why[0] && is_in_use(mirrors_origins(p->services->mirrors), s->path))
            (void)problems_note(p->services, "advisories", "", s->path, "%s", s->why);
        else
            problems_over(p->services, "advisories", "", s->path);
    }
    p->looks = false;
    if (has_changed)
        p->services->events->policy_changed(p->services);
}

/* On the reader lane. */
static void look_run(struct job *job)
{
    struct policies *p = container_of(job, struct policies, job);
    for (struct advisory_set *s = p->sets; s; s = s->next) {
        struct identity now = identify(s->path);
        if (is_in_use(mirrors_origins(p->services->mirrors), s->path) &&
            !is_same(&now, &s->identity))
            renew_set(p, s);
    }
    job->run = looked_run;
    loop_post(p->services, job);
}

void policies_tick(struct policies *p, int64_t now_ms)
{
    if (!p->sets || p->looks || (p->looked_ms && now_ms - p->looked_ms < LOOK_MS))
        return;
    p->looks = true;
    p->looked_ms = now_ms;
    p->job.run = look_run;
    lane_post(p->services->reader, &p->job);
}

/* ---------------------------------------------------------------- judgement */

bool policies_admit(struct policies *p, const struct policy_view *view,
                    const struct policy_file *file, struct policy_verdict *ret)
{
    bool admits = true;
    pthread_rwlock_rdlock(&p->lock);
    for (size_t i = 0; admits && i < view->count; i++) {
        const struct policy *policy = view->list[i];
        struct advisory_set *s = policy->advisories ? find_set(p, policy->advisories) : NULL;
        admits = policy_admits(policy, s ? s->advisories : NULL, file, ret);
    }
    pthread_rwlock_unlock(&p->lock);
    return admits;
}

struct admission {
    struct policies *policies;
    const struct policy_file *file;
    struct policy_verdict *verdict; /* of the first index that refuses */
    bool is_refused, is_admitted;
    unsigned needs;
};

/* One index that admits is enough. */
static bool admit_by(void *context, const struct policy_view *view)
{
    struct admission *a = context;
    struct policy_verdict verdict;
    a->is_admitted = policies_admit(a->policies, view, a->file, &verdict);
    if (!a->is_admitted && !a->is_refused) {
        a->is_refused = true;
        *a->verdict = verdict;
    }
    return !a->is_admitted;
}

bool policies_admit_file(struct policies *p, const struct origin *origin, const char *path,
                         const struct policy_file *file, struct policy_verdict *ret)
{
    const struct origins *origins = mirrors_origins(p->services->mirrors);
    struct admission a = {.policies = p, .file = file, .verdict = ret};
    struct policy_view none;
    if (policy_views_of_file(origins, origin, path, admit_by, &a))
        return a.is_admitted;
    policy_view_of_index(origins, "", &none); /* no index has it: the top alone */
    return policies_admit(p, &none, file, ret);
}

static bool need_by(void *context, const struct policy_view *view)
{
    struct admission *a = context;
    for (size_t i = 0; i < view->count; i++)
        a->needs |= policy_needs(view->list[i], a->file);
    return true;
}

unsigned policies_need(struct policies *p, const struct origin *origin, const char *path,
                       const struct policy_file *file)
{
    const struct origins *origins = mirrors_origins(p->services->mirrors);
    struct admission a = {.policies = p, .file = file};
    struct policy_view none;
    if (!policy_views_any(origins) || policy_views_of_file(origins, origin, path, need_by, &a))
        return a.needs;
    policy_view_of_index(origins, "", &none);
    (void)need_by(&a, &none);
    return a.needs;
}

/* ------------------------------------------------------------ refused bytes */

static void remember(struct policies *p, char *key, const char *sha256)
{
    pthread_rwlock_wrlock(&p->lock);
    struct refused_bytes *r = &p->refused[p->refused_count++ % REFUSED_MOST];
    free(r->key);
    r->key = key;
    memcpy(r->sha256, sha256, sizeof(r->sha256));
    pthread_rwlock_unlock(&p->lock);
}

/* The age was judged before the bytes were asked for, so only what they are counts here. */
bool policies_refuse_bytes(struct policies *p, const struct origin *origin, const char *path,
                           const char *sha256, char why[POLICY_REASON_BYTES])
{
    const struct policy_file file = {
        .name = str_last_segment(path), .sha256 = sha256, .uploaded_s = 0, .now_s = INT64_MAX / 2};
    struct policy_verdict verdict;
    if (!policy_views_any(mirrors_origins(p->services->mirrors)) || str_ends(path, ".metadata") ||
        policies_admit_file(p, origin, path, &file, &verdict))
        return false;
    str_copy(why, POLICY_REASON_BYTES, verdict.reason);
    char *key = str_printf("%s/%s", origin->name, path);
    if (key)
        remember(p, key, sha256);
    return true;
}

bool policies_refused_digest(struct policies *p, const char *origin, const char *path,
                             char ret[SHA256_HEX])
{
    bool found = false;
    if (!p->refused_count)
        return false;
    pthread_rwlock_rdlock(&p->lock);
    for (size_t i = 0; !found && i < REFUSED_MOST && p->refused[i].key; i++) {
        const char *key = p->refused[i].key;
        size_t len = strlen(origin);
        found =
            strncmp(key, origin, len) == 0 && key[len] == '/' && strcmp(key + len + 1, path) == 0;
        if (found)
            memcpy(ret, p->refused[i].sha256, SHA256_HEX);
    }
    pthread_rwlock_unlock(&p->lock);
    return found;
}
