// SPDX-License-Identifier: Apache-2.0
/*
 * The table of metadata, and the requests that wait for it (the life cycle is in metadata.h).
 *
 * Any thread asks, under the lock of the waitlist; jobs change an entry under that lock also.
 * LOOKING has a job on the catalogue lane, EXTRACTING has an extraction; each ends in exactly one
 * wake-up of its waiters. `id` ties a job to its entry: an entry that was dropped and added again
 * has another one.
 *
 * `refuted` notes that the wheel has changed while a job was under way: the job's result is void
 * then, and the look begins again. An entry goes when nobody has used it for a while; the catalogue
 * keeps the text.
 */
#include "engine/metadata/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/claims/claim_set.h"
#include "engine/files/file.h"
#include "engine/files/reading.h"
#include "engine/loop/key.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/metadata/metadata_state.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

enum {
    FAILED_MS = 2000,      /* for so long a failure answers the requests that waited for it */
    ELSEWHERE_MS = 600000, /* for so long a mirror is trusted to have the file */
    LATEST_MS = 9000,      /* a client needs a status line within ten seconds */
    IDLE_MS = 600000,      /* unused in memory; the catalogue has it */
    BYTES_MOST = 32 << 20, /* bytes of texts in memory */
    ENTRIES_MOST = 20000,
    SWEEP_MS = 1000,
};

/* Ids begin above every position in a file: a waiter's `want` then tells what it was suspended
 * for. */
static const int64_t FIRST_ID = INT64_C(1) << 62;

static const char suffix[] = ".metadata";

/* -------------------------------------------------------------------- table */

int metadata_new(struct services *s, struct files *files, struct metadata **ret)
{
    struct metadata *all = calloc(1, sizeof(*all));
    if (!all)
        return ERROR_NO_MEMORY;
    all->s = s;
    all->files = files;
    waitlist_init(&all->waiters);
    all->last_id = FIRST_ID;
    *ret = all;
    return 0;
}

/* Keeps count of what all texts take. */
static void set_text(struct metadata *all, struct meta *m, struct document *text)
{
    all->bytes -= m->text ? m->text->len : 0;
    all->bytes += text ? text->len : 0;
    document_unref(m->text);
    m->text = text;
}

/* Under the lock, like all that touches the table. */
static void drop(struct metadata *all, struct meta *m)
{
    HASH_DEL(all->table, m);
    set_text(all, m, NULL);
    free(m->key);
    free(m->authority);
    free(m);
}

void metadata_free(struct metadata *all)
{
    struct meta *m, *next;
    if (!all)
        return;
    HASH_ITER(hh, all->table, m, next)
    {
        drop(all, m);
    }
    waitlist_release(&all->waiters);
    free(all);
}

/* By origin and path of the wheel. Under the lock. */
static struct meta *find(struct metadata *all, const char *origin, const char *path)
{
    char key[KEY_MAX_BYTES];
    struct meta *m = NULL;
    size_t len = key_make(key, origin, path);
    if (len)
        HASH_FIND(hh, all->table, key, len, m);
    return m;
}

static struct meta *add(struct metadata *all, const char *origin, const char *path)
{
    struct meta *m = HASH_COUNT(all->table) < ENTRIES_MOST ? calloc(1, sizeof(*m)) : NULL;
    if (!m)
        return NULL;
    m->key = key_new(origin, path, &m->key_len);
    if (!m->key) {
        free(m);
        return NULL;
    }
    m->id = ++all->last_id;
    HASH_ADD_KEYPTR(hh, all->table, m->key, m->key_len, m);
    return m;
}

/* Whether no job is under way for the entry. */
static bool is_settled(const struct meta *m)
{
    return m->stage != META_LOOKING && m->stage != META_EXTRACTING;
}

/* The id is the `want` of those that wait for this entry. */
static void wake(struct metadata *all, int64_t id)
{
    waitlist_wake(&all->waiters, id, id + 1);
}

/* ----------------------------------------------------------------- look-ups */

struct look {
    struct job job;
    struct metadata *metadata;
    const struct origin *origin;
    char *path; /* the wheel's path */
    uint64_t id;
    bool asked_mirrors;
    struct document *text;
    char sha256[SHA256_HEX];
    char *authority;
    char mirrors[256], problem[512];
};

static void look_free(struct look *l)
{
    document_unref(l->text);
    free(l->authority);
    free(l->path);
    free(l);
}

static int on_row(void *context, const struct catalogue_metadata *row)
{
    struct look *l = context;
    bool made = row->sha256 && row->body_len;
    /* mirrors may have corrected it: no page promises the metadata, and a request has it tried
     * again */
    if (!made)
        return 0;
    str_copy(l->problem, sizeof(l->problem), row->problem ? row->problem : "");
    str_copy(l->mirrors, sizeof(l->mirrors), row->mirrors ? row->mirrors : "");
    str_copy(l->sha256, sizeof(l->sha256), row->sha256);
    return document_new(row->body, row->body_len, &l->text);
}

/* Mirrors are asked for the `.metadata` before a wheel is opened for it, in two cases. Where a
 * digest is claimed, some mirror has the file. Simple indexes come from servers that make it. */
static bool is_elsewhere(const struct look *l)
{
    bool flat = false;
    for (size_t i = 0; i < l->origin->mirror_count; i++)
        flat |= l->origin->mirrors[i].layout == LAYOUT_FLAT;
    return !l->asked_mirrors && (l->authority || !flat);
}

/* An administrator must know: a client may refuse such a wheel. */
static void flag(struct metadata *metadata, const char *origin, const char *path,
                 const char *problem)
{
    log_warning("metadata flagged path=%s/%s reason=\"%s\"", origin, path, problem);
    problems_note(metadata->s, "metadata", origin, path, "%s", problem);
}

/* A failure that answers for FAILED_MS; then a request tries again. */
static void fill(struct meta *m, enum outcome outcome, const char *detail)
{
    m->stage = META_FAILED;
    m->outcome = outcome;
    str_copy(m->detail, sizeof(m->detail), detail);
    m->until_ms = clock_monotonic_ms() + FAILED_MS;
}

/* Whether a text is what is claimed of it. A text that cannot be hashed is not. */
static bool agrees(const char *authority, const struct document *text)
{
    const struct claim claim = {.digests = authority};
    struct digests found = {.count = 0};
    uint32_t all = (1u << DIGEST_ALGORITHMS) - 1;
    return !authority || (digests_add_bytes(&found, all, text->data, text->len) == 0 &&
                          claim_matches(&claim, &found));
}

static void set_authority(struct meta *m, const char *authority)
{
    free(m->authority);
    m->authority = str_dup(authority);
}

/* Decides by what the catalogue said. True: the metadata is to be made. In this order: a stored
 * text that agrees, a mirror's own file, and last the wheel. */
static bool judge(struct metadata *all, struct meta *m, struct look *l)
{
    set_authority(m, l->authority);
    if (l->text && agrees(l->authority, l->text)) {
        m->stage = META_MADE;
        memcpy(m->sha256, l->sha256, sizeof(m->sha256));
        str_copy(m->mirrors, sizeof(m->mirrors), l->mirrors);
        set_text(all, m, l->text);
        l->text = NULL;
    } else if (is_elsewhere(l)) {
        m->stage = META_ELSEWHERE;
        m->until_ms = clock_monotonic_ms() + ELSEWHERE_MS;
    } else {
        m->stage = META_EXTRACTING;
        return true;
    }
    return false;
}

/* The look answers for the wheel as it is now, so `refuted` is cleared. */
static void post_look(struct metadata *metadata, const struct origin *origin, const char *path,
                      struct meta *m);

/* On the flight thread. Decides under the lock; logs, extracts and wakes after it. */
static void looked_run(struct job *job)
{
    struct look *l = container_of(job, struct look, job);
    struct metadata *metadata = l->metadata;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, l->origin->name, l->path);
    bool mine = m && (uint64_t)m->id == l->id && m->stage == META_LOOKING;
    bool again = mine && m->refuted && !metadata->s->stopping;
    if (again)
        post_look(metadata, l->origin, l->path, m);
    bool make = mine && !again && judge(metadata, m, l);
    bool flagged = mine && m->stage == META_MADE && l->problem[0];
    pthread_mutex_unlock(&metadata->waiters.lock);
    if (flagged)
        flag(metadata, l->origin->name, l->path, l->problem);
    if (make && (metadata->s->stopping || !extract_start(metadata, l->origin, l->path, l->id))) {
        struct extract_result none = {.outcome = OUTCOME_STOPPING, .detail = "no memory"};
        metadata_made(metadata, l->origin, l->path, l->id, &none);
    }
    if (mine && !make && !again)
        wake(metadata, (int64_t)l->id);
    look_free(l);
}

/* Claims about the metadata stand in the rows of its wheel. */
static void look_at_claims(struct look *l)
{
    auto_free char *path = str_printf("%s.metadata", l->path);
    struct claim_set *set =
        path ? claim_set_load(l->metadata->s->catalogue, l->origin, path) : NULL;
    if (set)
        l->authority = str_dup(set->choice.agreed);
    claim_set_unref(set);
}

/* On the catalogue lane. */
static void look_run(struct job *job)
{
    struct look *l = container_of(job, struct look, job);
    (void)catalogue_get_metadata(l->metadata->s->catalogue, l->origin->name, l->path, on_row, l);
    look_at_claims(l);
    job->run = looked_run;
    loop_post(l->metadata->s, job);
}

/* Under the lock. */
static void post_look(struct metadata *metadata, const struct origin *origin, const char *path,
                      struct meta *m)
{
    struct look *l = calloc(1, sizeof(*l));
    char *copy = strdup(path);
    if (!l || !copy)
        abort(); /* without the job nobody would answer the waiters */
    *l = (struct look){.job.run = look_run,
                       .metadata = metadata,
                       .origin = origin,
                       .path = copy,
                       .id = (uint64_t)m->id,
                       .asked_mirrors = m->asked_mirrors};
    m->stage = META_LOOKING;
    m->refuted = false;
    m->began_ms = clock_monotonic_ms();
    lane_post(metadata->s->catalogue_lane, &l->job);
}

/* ----------------------------------------------------------------- requests */

/* The wheel's path. NULL when the path is no wheel's metadata, or out of memory. */
static char *wheel_of(const char *path)
{
    if (!str_ends(path, ".whl.metadata"))
        return NULL;
    return strndup(path, strlen(path) - strlen(suffix));
}

struct awaited {
    struct metadata *all;
    const char *origin, *path;
    int64_t id;
};

/* Under the lock of the waitlist, as waitlist_join promises. An entry with another id is a new
 * one. */
static bool is_answered(void *arg)
{
    const struct awaited *a = arg;
    const struct meta *m = find(a->all, a->origin, a->path);
    return !m || m->id != a->id || is_settled(m);
}

static int refuse(struct metadata *metadata, enum outcome outcome, const char *detail,
                  const struct file_query *query, struct file **ret)
{
    struct file_facts facts = {.outcome = outcome, .detail = detail, .size = -1, .etag = ""};
    return reading_new(metadata->files, &facts, NULL, NULL, NULL, query, ret);
}

/* What the table says, copied under the lock. */
struct said {
    enum metadata_stage stage;
    int64_t id;
    struct document *text;
    char etag[SHA256_HEX + 16], mirrors[256], detail[512];
    enum outcome outcome;
    bool immutable, overdue;
};

/* A failure is remembered with the file also, which knows how soon to ask again. So only
 * requests that waited get it from here. */
static bool is_expired(const struct meta *m, const struct file_query *query, int64_t now_ms)
{
    if (m->stage == META_FAILED && !query->waited)
        return true;
    return (m->stage == META_FAILED || m->stage == META_ELSEWHERE) && now_ms >= m->until_ms;
}

/* Makes the entry if there is none, and copies what it says. Callers act on the copy without the
 * lock. */
static void look(struct metadata *metadata, const struct origin *origin, const char *path,
                 const struct file_query *query, const struct waiter *waiter, struct said *ret)
{
    int64_t now_ms = clock_monotonic_ms();
    *ret = (struct said){.stage = META_ELSEWHERE};
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin->name, path);
    bool fresh =
        !m && !metadata->s->stopping; /* after metadata_stop no job may begin under this lock */
    if (fresh)
        m = add(metadata, origin->name, path);
    bool expired = m && !metadata->s->stopping && is_expired(m, query, now_ms);
    /* a new attempt asks the mirrors again also */
    if (expired)
        m->asked_mirrors = false;
    if (m && (fresh || expired))
        post_look(metadata, origin, path, m);
    if (m) {
        m->used_ms = now_ms;
        ret->stage = m->stage;
        ret->id = m->id;
        ret->outcome = m->outcome;
        ret->immutable = m->authority != NULL;
        /* woken although it is not there yet: the time is over */
        ret->overdue = query->waited && waiter->want == m->id && !is_settled(m);
        str_copy(ret->detail, sizeof(ret->detail), m->detail);
        str_copy(ret->mirrors, sizeof(ret->mirrors), m->mirrors);
    }
    if (m && m->stage == META_MADE) {
        ret->text = m->text;
        ret->text->refs++;
        str_copy(ret->etag, sizeof(ret->etag), "\"sha256-");
        str_copy(ret->etag + 8, sizeof(ret->etag) - 8, m->sha256);
        ret->etag[8 + SHA256_HEX - 1] = '"';
        ret->etag[8 + SHA256_HEX] = '\0';
    }
    pthread_mutex_unlock(&metadata->waiters.lock);
}

/* The text is in memory as a whole, so there is nothing to wait for. */
static int serve(struct metadata *metadata, const struct said *said, const struct file_query *query,
                 struct file **ret)
{
    struct file_facts facts = {.size = (int64_t)said->text->len,
                               .etag = said->etag,
                               .immutable = said->immutable,
                               .state = query->waited ? FILE_MISS : FILE_HIT};
    return reading_new_text(metadata->files, &facts, said->text, said->mirrors, query, ret);
}

/* Looks, and waits if need be. A loop, because the entry may have been settled between the two. */
static int ask(struct metadata *metadata, const struct origin *origin, const char *path,
               const struct file_query *query, struct waiter *waiter, struct file **ret)
{
    for (;;) {
        struct said said;
        if (metadata->s->stopping)
            return refuse(metadata, OUTCOME_STOPPING, "shutting down", query, ret);
        look(metadata, origin, path, query, waiter, &said);
        waiter->want = 0; /* a wake-up counts once */
        if (said.stage == META_ELSEWHERE)
            return METADATA_ELSEWHERE;
        if (said.stage == META_MADE)
            return serve(metadata, &said, query, ret);
        if (said.stage == META_FAILED)
            return refuse(metadata, said.outcome, said.detail, query, ret);
        if (said.overdue)
            return refuse(metadata, OUTCOME_UNAVAILABLE,
                          "the wheel that it is read from is still being fetched", query, ret);
        struct awaited a = {metadata, origin->name, path, said.id};
        waiter->want = said.id;
        if (waitlist_join(&metadata->waiters, waiter, is_answered, &a) == WAIT_SUSPENDED)
            return ENGINE_WAIT;
    }
}

int metadata_file(struct metadata *metadata, const struct file_query *query, struct waiter *waiter,
                  struct file **ret)
{
    auto_free char *path = wheel_of(query->path);
    const struct origin *origin =
        path ? origins_find(mirrors_origins(metadata->s->mirrors), query->origin) : NULL;
    return origin ? ask(metadata, origin, path, query, waiter, ret) : METADATA_ELSEWHERE;
}

/* No mirror gave the `.metadata`, so it is made from the wheel. */
bool metadata_missed(struct metadata *metadata, const struct file_query *query,
                     const struct file_facts *facts)
{
    if (facts->outcome == OUTCOME_OK || facts->outcome == OUTCOME_STOPPING ||
        facts->outcome == OUTCOME_LOOP)
        return false;
    auto_free char *path = wheel_of(query->path);
    const struct origin *origin =
        path ? origins_find(mirrors_origins(metadata->s->mirrors), query->origin) : NULL;
    if (!origin)
        return false;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin->name, path);
    /* only the first failure changes the way; the others find it changed */
    bool vain = m && !metadata->s->stopping && m->stage == META_ELSEWHERE;
    if (vain) {
        m->asked_mirrors = true;
        post_look(metadata, origin, path, m);
    }
    bool again = m && !metadata->s->stopping;
    pthread_mutex_unlock(&metadata->waiters.lock);
    return again;
}

/* ------------------------------------------------------------------ results */

/* Changes the entry to what has come of the extraction. Returns what the administrator is told,
 * or "". */
static const char *settle(struct metadata *metadata, struct meta *m, struct extract_result *result)
{
    const char *problem = "";
    if (!result->text) {
        fill(m, result->outcome, result->detail);
        return result->is_wrong ? result->detail : "";
    }
    if (!agrees(m->authority, result->text)) {
        problem = "the wheel's METADATA is not what an authority names";
        fill(m, OUTCOME_BROKEN, problem);
        return problem;
    }
    m->stage = META_MADE;
    memcpy(m->sha256, result->sha256, sizeof(m->sha256));
    str_copy(m->mirrors, sizeof(m->mirrors), result->mirrors ? result->mirrors : "");
    set_text(metadata, m, result->text);
    m->text->refs++; /* the reference of the result is given back below */
    return result->fits ? "" : "Name or Version of METADATA are not those of the file name";
}

/* The end of an extraction. Its result is void when the wheel has changed meanwhile. */
void metadata_made(struct metadata *metadata, const struct origin *origin, const char *path,
                   uint64_t id, struct extract_result *result)
{
    const char *problem = "";
    bool made = false;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin->name, path);
    bool mine = m && (uint64_t)m->id == id && m->stage == META_EXTRACTING;
    bool refuted = mine && m->refuted;
    bool again = refuted && !metadata->s->stopping;
    if (again) {
        post_look(metadata, origin, path,
                  m); /* it runs on that lane after the job of metadata_forget */
    } else if (mine) {
        problem = settle(metadata, m, result);
        made = m->stage == META_MADE;
    }
    pthread_mutex_unlock(&metadata->waiters.lock);
    if (problem[0])
        flag(metadata, origin->name, path, problem);
    if (!refuted && (made || (mine && result->is_wrong))) {
        metadata_keep(metadata, origin->name, path, result, problem);
        metadata_changed(metadata);
    }
    if (!again)
        wake(metadata, (int64_t)id);
    document_unref(result->text);
    free(result->requires_python);
    free(result->etag);
    free(result->mirrors);
}

/* An entry with a job is only marked: the job's end finds `refuted` and looks again. */
void metadata_forget(struct metadata *metadata, const char *origin, const char *path)
{
    if (!str_ends(path, ".whl"))
        return;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin, path);
    if (m && is_settled(m))
        drop(metadata, m);
    else if (m)
        m->refuted = true;
    pthread_mutex_unlock(&metadata->waiters.lock);
    metadata_keep(metadata, origin, path, NULL, "");
    metadata_changed(metadata);
}

/* The row counts until a mirror tells another ETag of that file (OF_TODAY in
 * cache/catalogue_program.c). An extraction that runs comes to its own end. */
void metadata_refuse(struct metadata *metadata, const char *origin, const char *path,
                     const char *why)
{
    static char etag[] = "\"unsound\"";
    const struct extract_result nothing = {
        .outcome = OUTCOME_BROKEN, .is_wrong = true, .etag = etag};
    if (!str_ends(path, ".whl"))
        return;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin, path);
    if (m)
        m->refuted = false; /* another extraction would find the same */
    if (m && is_settled(m))
        fill(m, OUTCOME_BROKEN, why);
    pthread_mutex_unlock(&metadata->waiters.lock);
    metadata_keep(metadata, origin, path, &nothing, why);
    metadata_changed(metadata);
}

/* Only a failure is forgotten; what was made stands. */
void metadata_admit(struct metadata *metadata, const char *origin, const char *path)
{
    if (!str_ends(path, ".whl"))
        return;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin, path);
    if (m && m->stage == META_FAILED)
        drop(metadata, m);
    pthread_mutex_unlock(&metadata->waiters.lock);
    metadata_changed(metadata);
}

/* A text that was made before the claim may be refuted by it. */
void metadata_learn_claims(struct metadata *metadata, const char *origin, const char *path,
                           const char *agreed)
{
    auto_free char *wheel = wheel_of(path);
    if (!wheel)
        return;
    pthread_mutex_lock(&metadata->waiters.lock);
    struct meta *m = find(metadata, origin, wheel);
    bool refuted = m && m->stage == META_MADE && !agrees(agreed, m->text);
    if (m)
        set_authority(m, agreed);
    if (refuted) /* what the catalogue has is compared when it is read */
        drop(metadata, m);
    pthread_mutex_unlock(&metadata->waiters.lock);
    if (refuted)
        flag(metadata, origin, wheel, "the wheel's METADATA is not what an authority names");
}

uint64_t metadata_version(const struct metadata *metadata)
{
    return metadata->version;
}

void metadata_changed(struct metadata *metadata)
{
    metadata->version++;
}

/* --------------------------------------------------------------------- time */

/* When texts take too much, unused ones go after a second. */
static bool is_idle(const struct metadata *all, const struct meta *m, int64_t now_ms)
{
    if (!is_settled(m))
        return false;
    if (m->stage != META_MADE)
        return now_ms >= m->until_ms;
    return now_ms - m->used_ms > (all->bytes > BYTES_MOST ? SWEEP_MS : IDLE_MS);
}

/* No request waits longer than LATEST_MS: clients are told to come again, and the work goes on. */
static void sweep(struct metadata *all, int64_t now_ms)
{
    struct meta *m, *next;
    int64_t overdue[64];
    unsigned count = 0;
    pthread_mutex_lock(&all->waiters.lock);
    HASH_ITER(hh, all->table, m, next)
    {
        if (is_idle(all, m, now_ms)) {
            drop(all, m);
        } else if (!is_settled(m) && now_ms - m->began_ms >= LATEST_MS &&
                   count < sizeof(overdue) / sizeof(overdue[0])) {
            overdue[count++] = m->id;
            m->began_ms = now_ms;
        }
    }
    pthread_mutex_unlock(&all->waiters.lock);
    while (count)
        wake(all, overdue[--count]);
}

void metadata_tick(struct metadata *metadata, int64_t now_ms)
{
    extract_tick(metadata, now_ms);
    if (now_ms - metadata->swept_ms < SWEEP_MS)
        return;
    metadata->swept_ms = now_ms;
    (void)waitlist_sweep(&metadata->waiters);
    sweep(metadata, now_ms);
}

/* Extractions end first, because each of them still answers its waiters. */
void metadata_stop(struct metadata *metadata)
{
    extract_stop(metadata);
    waitlist_close(&metadata->waiters);
}
