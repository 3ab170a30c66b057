// SPDX-License-Identifier: Apache-2.0
#include "engine/files/passthrough.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/claims/claim_check.h"
#include "engine/files/blame.h"
#include "engine/files/file.h"
#include "engine/files/files_state.h"
#include "engine/files/passthrough_page.h"
#include "engine/files/passthrough_tail.h"
#include "engine/files/rehash.h"
#include "engine/flight/flight.h"
#include "engine/listings/link_places.h"
#include "engine/loop/options.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal_report.h"
#include "engine/policy/policies.h"

enum {
    QUEUE_MOST = 4 * SLAB_BYTES,
    QUEUE_RESUME = 2 * SLAB_BYTES,
    /* the least piece of a range that a mirror cuts short; a shorter one is a failure */
    PIECE_LEAST_BYTES = 64 << 10,
};

/*
 * The life of a passthrough:
 *
 *     passthrough_open (worker) [-> hash_prefix_run (compute lane)]
 *     -> begin_run (flight thread) chooses a mirror
 *     -> fetch -> on_head, on_data (transfer thread)
 *     -> arrival_run (first writer lane) hashes and queues
 *     -> on_done -> ended_behind_arrivals (writer lane) -> ended_run (flight thread):
 *          a short piece           fetch, from the same mirror
 *          a failure               begin_run: the next mirror, when a digest is claimed
 *          the whole range         conclude [-> on_compared] -> finish
 *
 * The reader takes bytes from the queue until `done` or `failed`. It has one reference, the source
 * the other: finish drops that one. The writer lane only hashes and copies here; the disk is not
 * used. The bytes are copied because slabs are a small pool: a few slow readers that held slabs
 * would stop every other transfer. `list.lock` guards what the threads share.
 */
struct chunk {
    struct chunk *next;
    size_t len;
    uint8_t data[];
};

struct passthrough {
    _Atomic int refs; /* one for the reader, and one while the source is alive */
    struct files *files;
    const struct origin *origin;
    char *path, *via;
    int64_t size, from, to;
    int64_t first_at; /* `arrived` at the beginning */
    bool whole;
    bool checks; /* the bytes are compared with the claims: */
    struct claim_check check;
    struct digester *digester; /* writer lane */
    struct partial *prefix;    /* bytes [0, from), which are hashed first */
    /* bytes below it are hashed and dropped: the reader does not want them */
    int64_t skip;
    struct job begin, ended;
    struct tail *tail;          /* writer lane; of a file without a claim, otherwise NULL */
    struct soundness soundness; /* the verdict on the tail */
    bool starved;               /* writer lane: no memory for a chunk, so later bytes are useless */
    struct passthrough *prev, *next; /* in files->passes; flight thread, as are these: */
    bool is_listed;
    unsigned tried;
    unsigned mirror;
    bool mixed; /* not all bytes came from this mirror */
    /* transfer thread while one runs, then flight thread: */
    bool contradicted, confirmed; /* whether mirrors contradicted or confirmed `size` */
    /* this mirror has another size, or the same one, or told none */
    bool is_other, is_like, is_endless;
    struct passed_page page; /* whether a web page came; while that is open, the verdict waits */
    int verdict;             /* on the answer: 0, or why its body is not taken */
    /* the answer is a 206; it says that it is coded; and it is */
    bool is_part, is_labelled, is_coded;
    char *etag;         /* a strong ETag of the body that came, or NULL */
    int64_t piece_from; /* where the current body begins */
    bool goes_on;       /* the current body continues a piece of the same mirror */
    int64_t started_ms;
    _Atomic int64_t head_ms; /* when the header section came; 0: it did not */
    int error;               /* transfer thread, then flight thread */
    char detail[FLIGHT_DETAIL];

    struct waitlist list;
    uint64_t fetch;
    struct chunk *first, **last;
    size_t taken;            /* bytes of the first chunk that the reader has */
    int64_t queued, arrived; /* bytes in the queue; the offset after its last one */
    int64_t at;              /* the reader's offset */
    bool paused, closed, done, failed;
    unsigned asked;               /* the mirror that is asked at present */
    char failures[FLIGHT_DETAIL]; /* which mirrors failed before it, and how */
};

/* Any thread. With the last reference no job and no transfer uses it any more. */
static void passthrough_unref(struct passthrough *p)
{
    if (--p->refs > 0)
        return;
    while (p->first) {
        struct chunk *chunk = p->first;
        p->first = chunk->next;
        free(chunk);
    }
    waitlist_release(&p->list);
    digester_free(p->digester);
    claim_check_release(&p->check);
    tail_free(p->tail);
    passed_page_release(&p->page);
    partial_unref(p->prefix);
    free(p->path);
    free(p->via);
    free(p->etag);
    free(p);
}

/* The offset up to which the reader may read now. Of a whole file the end is held back until
 * `done`. */
static int64_t limit(const struct passthrough *p)
{
    if (p->done || !p->whole)
        return p->arrived;
    int64_t held = p->size >= 0 && p->size <= FLIGHT_HOLD_BACK ? 1 : FLIGHT_HOLD_BACK;
    int64_t last = (p->size >= 0 ? p->size : p->arrived) - held;
    return p->arrived < last ? p->arrived : last;
}

/* ---------------------------------------------------------------- arrival */

/* A slab on its way to the writer lane. */
struct arrival {
    struct job job;
    struct passthrough *passthrough;
    struct slab *slab;
    int64_t offset;
};

/* Queues bytes for the reader. The transfer is paused when much is queued. Under the lock. */
static void enqueue(struct passthrough *p, struct chunk *chunk)
{
    *p->last = chunk;
    p->last = &chunk->next;
    p->queued += (int64_t)chunk->len;
    if (p->queued >= QUEUE_MOST && !p->paused) {
        p->paused = true;
        fetcher_pause(p->files->s->fetcher, p->fetch, true);
    }
}

static struct chunk *chunk_new(const void *data, size_t len)
{
    struct chunk *chunk = malloc(sizeof(*chunk) + len);
    if (!chunk)
        return NULL;
    chunk->next = NULL;
    chunk->len = len;
    memcpy(chunk->data, data, len);
    return chunk;
}

/* On the writer lane, in order of offsets: hashes a slab, and queues what the reader has not had
 * yet. */
static void take_in(struct passthrough *p, const struct slab *slab, int64_t offset)
{
    int64_t end = offset + (int64_t)slab->len;
    size_t cut = p->skip > offset ? (size_t)(p->skip - offset) : 0;
    struct chunk *chunk = NULL;
    pthread_mutex_lock(&p->list.lock);
    bool wanted = !p->closed && !p->starved && offset == p->arrived && end <= p->to;
    pthread_mutex_unlock(&p->list.lock);
    if (!wanted)
        return;
    if (digester_add(p->digester, slab->data, slab->len))
        p->starved = true;
    tail_add(p->tail, slab->data, slab->len, offset);
    if (cut < slab->len && !(chunk = chunk_new(slab->data + cut, slab->len - cut)))
        p->starved = true;
    if (p->starved) { /* no later byte fits: the transfer ends short, and fails */
        free(chunk);
        return;
    }
    pthread_mutex_lock(&p->list.lock);
    p->arrived = end;
    if (chunk)
        enqueue(p, chunk);
    pthread_mutex_unlock(&p->list.lock);
    waitlist_wake(&p->list, 0, INT64_MAX);
}

static void arrival_run(struct job *job)
{
    struct arrival *a = container_of(job, struct arrival, job);
    take_in(a->passthrough, a->slab, a->offset);
    slab_put(a->slab);
    passthrough_unref(a->passthrough);
    free(a);
}

/* An answer of another size, or of another version, is not taken. */
static int compare(struct passthrough *p, const struct fetch_head *head)
{
    p->head_ms = clock_monotonic_ms();
    bool sends = head->status == 200 || head->status == 206;
    if (head->status == 404 || head->status == 410)
        return ERROR_GONE;
    if (p->size >= 0 && head->total >= 0 && (sends || head->status == 416)) {
        p->is_other = head->total != p->size;
        p->is_like = !p->is_other;
    }
    if (!sends)
        return ERROR_UPSTREAM_STATUS;
    p->is_endless = head->total < 0;
    p->is_part = head->status == 206;
    p->is_labelled = head->is_labelled && !str_ends(p->path, "gz");
    const char *strong = head->etag && *head->etag == '"' ? head->etag : NULL;
    bool is_same = p->etag && strong && strcmp(p->etag, strong) == 0;
    if (p->goes_on && !claim_set_counts(p->check.set) && !is_same)
        return ERROR_UPSTREAM_BROKEN;
    free(p->etag);
    p->etag = str_dup(strong);
    return head->from != p->arrived || p->is_other ? ERROR_UPSTREAM_BROKEN : 0;
}

/* On the transfer thread, as all that follows. What may be a web page is judged by its first bytes:
 * nothing is said of the file by its length. */
static int on_head(void *context, const struct fetch_head *head)
{
    struct passthrough *p = context;
    passed_page_begin(&p->page, p->files->s->mirrors, head);
    p->verdict = compare(p, head);
    return p->page.awaits_bytes ? 0 : p->verdict;
}

/* Whether the bytes are to be taken. */
static bool takes(struct passthrough *p, const struct slab *slab, int64_t offset)
{
    p->is_coded |= p->is_labelled && offset == 0 && slab->len >= 2 && slab->data[0] == 0x1f &&
                   slab->data[1] == 0x8b; /* as in receive.c */
    if (p->page.awaits_bytes) {
        passed_page_see(&p->page, slab->data, slab->len);
        pthread_mutex_lock(&p->list.lock);
        uint64_t fetch_id = p->fetch;
        pthread_mutex_unlock(&p->list.lock);
        if (p->page.is_page || p->verdict)
            fetcher_cancel(p->files->s->fetcher, fetch_id);
    }
    return !p->is_coded && !p->page.is_page && !p->verdict;
}

/* Each slab takes a reference along, because the reader may close meanwhile. */
static void on_data(void *context, struct slab *slab, int64_t offset)
{
    struct passthrough *p = context;
    struct arrival *a = takes(p, slab, offset) ? calloc(1, sizeof(*a)) : NULL;
    if (!a) {
        slab_put(slab);
        return;
    }
    *a = (struct arrival){{arrival_run, NULL}, p, slab, offset};
    p->refs++;
    lane_post(p->files->s->writers[0], &a->job);
}

static void ended_run(struct job *job);

/* On the writer lane, so after the last arrival. Here the tail is complete. */
static void ended_behind_arrivals(struct job *job)
{
    struct passthrough *p = container_of(job, struct passthrough, ended);
    p->soundness.sound = true;
    if (p->tail && p->error == 0)
        tail_judge(p->tail, p->path, &p->soundness);
    job->run = ended_run;
    loop_post(p->files->s, job);
}

static void on_done(void *context, int error, const char *detail)
{
    struct passthrough *p = context;
    bool cancelled = error == 0 || error == ERROR_STOPPING;
    if (p->page.is_page || (p->is_coded && !error))
        error = ERROR_UPSTREAM_BROKEN;
    else if (p->verdict && cancelled)
        error = p->verdict;
    p->error = error;
    str_copy(p->detail, sizeof(p->detail),
             p->is_coded               ? "a coded body"
             : p->verdict && cancelled ? error_text(error)
                                       : detail);
    p->ended.run = ended_behind_arrivals;
    lane_post(p->files->s->writers[0], &p->ended);
}

static const struct fetch_sink sink = {on_head, on_data, on_done};

/* ----------------------------------------------------------------- source */

/* The flight thread sweeps what is in the list: suspended readers cannot notice that their clients
 * have left. */
static void enlist(struct passthrough *p)
{
    p->is_listed = true;
    DL_PREPEND(p->files->passes, p);
}

static void delist(struct passthrough *p)
{
    if (p->is_listed)
        DL_DELETE(p->files->passes, p);
    p->is_listed = false;
}

void passthrough_sweep(struct files *files)
{
    for (struct passthrough *p = files->passes; p; p = p->next) {
        waitlist_expire(&p->list, clock_monotonic_ms());
        (void)waitlist_sweep(&p->list);
    }
}

/* For a client that has had nothing yet, and is told why. */
static void note_failure(struct passthrough *p, const char *what)
{
    pthread_mutex_lock(&p->list.lock);
    size_t len = strlen(p->failures);
    (void)snprintf(p->failures + len, sizeof(p->failures) - len, "%s%s: %s", len ? "; " : "",
                   p->origin->mirrors[p->mirror].name, what);
    pthread_mutex_unlock(&p->list.lock);
}

/* The source is over: the reader gets the rest of the queue, or an error. Drops the source's
 * reference. */
static void finish(struct passthrough *p, bool good)
{
    delist(p);
    pthread_mutex_lock(&p->list.lock);
    p->done = good;
    p->failed = !good;
    pthread_mutex_unlock(&p->list.lock);
    waitlist_close(&p->list);
    passthrough_unref(p);
}

/* Asks for the rest of the range. With claims the whole file is fetched, or what follows the
 * prefix, because all of it is hashed. */
static void fetch(struct passthrough *p)
{
    auto_free char *url = links_file_url(p->files->listings, p->origin, p->mirror, p->path);
    auto_free char *via = mirrors_via(p->files->s->mirrors, p->via);
    bool part = p->arrived > 0 || (!p->checks && p->to < p->size);
    struct fetch_request request = {.url = url ? url : "",
                                    .from = part ? p->arrived : -1,
                                    .to = part && p->to < INT64_MAX ? p->to - 1 : -1,
                                    .via = via,
                                    .max_bytes = INT64_MAX,
                                    .redirects = mirror_redirects(&p->origin->mirrors[p->mirror]),
                                    .patience_ms =
                                        mirrors_patience_ms(&p->origin->mirrors[p->mirror]),
                                    .share = (uintptr_t)p,
                                    .mirror = (uintptr_t)&p->origin->mirrors[p->mirror]};
    p->started_ms = clock_monotonic_ms();
    p->head_ms = 0;
    p->is_other = p->is_like = p->is_endless = p->is_part = p->is_coded = false;
    p->verdict = 0;
    passed_page_release(&p->page);
    p->piece_from = p->arrived;
    pthread_mutex_lock(&p->list.lock);
    p->paused = false;
    p->asked = p->mirror;
    p->fetch = fetcher_start(p->files->s->fetcher, &request, &sink, p);
    if (p->closed) /* passthrough_close came before there was a transfer to cancel */
        fetcher_cancel(p->files->s->fetcher, p->fetch);
    pthread_mutex_unlock(&p->list.lock);
}

/* Chooses a mirror that was not tried yet. Without one the passthrough fails. */
static void begin_run(struct job *job)
{
    struct passthrough *p = container_of(job, struct passthrough, begin);
    size_t numbers[FLIGHT_MIRRORS];
    unsigned count = mirrors_of_origin(p->files->s->mirrors, p->origin, numbers);
    pthread_mutex_lock(&p->list.lock);
    bool closed = p->closed;
    pthread_mutex_unlock(&p->list.lock);
    bool may = !closed && !p->files->s->stopping &&
               (p->arrived == p->first_at ||
                /* only a claim makes sure that another mirror's bytes fit */
                claim_set_counts(p->check.set));
    int r = may ? budget_pick(p->files->s->budget, numbers, count, p->tried, BUDGET_FREE,
                              FLIGHT_RANK_WAITING, clock_monotonic_ms(), &p->mirror)
                : BUDGET_NONE;
    for (unsigned m = 0; r == BUDGET_BUSY && m < count; m++)
        if (!(p->tried & (1u << m))) { /* it was probed a moment ago, and is the only one left */
            p->mirror = m;
            r = 0;
        }
    if (r) {
        /* A claim tells which mirror was right. Without one, another mirror may have confirmed the
         * size. */
        if (may && p->contradicted && (!p->confirmed || claim_set_counts(p->check.set)))
            downloads_forget_size(p->files, p->origin->name, p->path, p->size);
        finish(p, false);
        return;
    }
    p->goes_on = false;
    if (!p->is_listed) /* after the stop several threads may be here, and nobody sweeps */
        enlist(p);
    p->tried |= 1u << p->mirror;
    fetch(p);
}

/* Everything that was asked for has come; of an unknown size, whatever came. */
static bool is_whole(const struct passthrough *p)
{
    return p->arrived == p->to || p->to == INT64_MAX;
}

/* The bytes contradict the claim. When several mirrors sent them, nobody knows whose were wrong. */
static void on_lie(struct passthrough *p)
{
    const char *name = p->origin->mirrors[p->mirror].name;
    char sha256[SHA256_HEX] = "";
    const char *expected = p->check.set->choice.agreed;
    if (digests_sha256(expected, sha256))
        expected = sha256;
    if (!expected)
        expected = "one of several";
    log_warning("wrong digest mirror=%s path=%s/%s expected=%s kept=no", name, p->origin->name,
                p->path, expected);
    if (p->mixed)
        return;
    blame_passthrough(p->files, p->origin, p->path, p->mirror, expected);
}

/* Bytes that are what they should be may still be bytes that nobody may have. */
static bool is_denied(struct passthrough *p, char *detail, size_t size)
{
    char why[POLICY_REASON_BYTES];
    for (size_t i = 0; i < p->check.found.count; i++) {
        if (p->check.found.list[i].algorithm != DIGEST_SHA256 ||
            !policies_refuse_bytes(p->files->s->policies, p->origin, p->path,
                                   p->check.found.list[i].hex, why))
            continue;
        (void)snprintf(detail, size, "policy: the bytes are %.200s", why);
        return true;
    }
    return false;
}

/* A claim by an algorithm that the bytes were not hashed by cannot be checked any more: the bytes
 * are gone. The reader is cut, and asks again. */
static void on_compared(struct claim_check *check)
{
    struct passthrough *p = check->context;
    bool right = check->verdict != CLAIMS_REFUSE && check->verdict != CLAIMS_UNKNOWN;
    char detail[FLIGHT_DETAIL];
    claim_check_describe(check, p->origin->mirrors[p->mirror].name, detail, sizeof(detail));
    if (check->verdict == CLAIMS_REFUSE)
        on_lie(p);
    if (right && is_denied(p, detail, sizeof(detail)))
        right = false;
    if (!right)
        note_failure(p, detail);
    finish(p, right);
}

/* No claim, and no sound file: what was promised of it is void. */
static void on_unsound(struct passthrough *p)
{
    const char *name = p->origin->mirrors[p->mirror].name;
    log_warning("unsound file mirror=%s path=%s/%s kept=no", name, p->origin->name, p->path);
    problems_note(p->files->s, "unsound", p->origin->name, p->path, "%s: %s", name,
                  p->soundness.why);
    commit_forget_promise(p->files, p->origin->name, p->path);
    p->files->s->events->file_refuted(p->files->s, p->origin->name, p->path, p->soundness.why);
}

/* Whether a policy asks for a digest. Without a claim these bytes were not hashed, so none can be
 * told, and they must not go out. */
static bool is_digest_needed(struct passthrough *p)
{
    const struct policy_file file = {.name = str_last_segment(p->path)};
    return policies_need(p->files->s->policies, p->origin, p->path, &file) & POLICY_NEEDS_DIGEST;
}

/* All bytes came. The last ones are released when they agree with the claims, or with the
 * structure. */
static void conclude(struct passthrough *p)
{
    int error = is_whole(p) ? 0 : ERROR_UPSTREAM_BROKEN;
    if (error == 0 && p->checks)
        error = digester_finish(p->digester, &p->check.found);
    if (!p->checks && !p->soundness.sound) {
        on_unsound(p);
        error = ERROR_UPSTREAM_BROKEN;
    }
    if (!p->checks && error == 0 && is_digest_needed(p))
        error = ERROR_DENIED;
    if (error)
        note_failure(p, error_text(error));
    if (error || !p->checks) {
        finish(p, error == 0);
        return;
    }
    p->check.done = on_compared;
    p->check.context = p;
    claim_check_start(&p->check);
}

/* Whether a body ended well, but before the end of what was asked for. */
static bool is_short(struct passthrough *p)
{
    pthread_mutex_lock(&p->list.lock);
    bool dropped = p->closed || p->starved; /* dropped by us */
    pthread_mutex_unlock(&p->list.lock);
    return (p->is_endless || p->is_part) && !dropped && p->to < INT64_MAX && p->arrived < p->to;
}

/* On the flight thread: the transfer has ended, and everything that it brought is queued. */
static void ended_run(struct job *job)
{
    struct passthrough *p = container_of(job, struct passthrough, ended);
    size_t number = mirrors_number(p->files->s->mirrors, p->origin, p->mirror);
    int64_t now_ms = clock_monotonic_ms();
    budget_count_bytes(p->files->s->budget, number, p->arrived - p->piece_from);
    counters_add(&p->files->s->counters, COUNT_FETCHED_BYTES, p->arrived - p->piece_from);
    if (p->head_ms)
        budget_count_answer(p->files->s->budget, number, p->head_ms - p->started_ms);
    p->contradicted |= p->is_other && !p->page.is_page;
    p->confirmed |= p->is_like && !p->page.is_page;
    if (p->error == 0 && is_short(p)) {
        p->goes_on = p->is_part && p->arrived - p->piece_from >= PIECE_LEAST_BYTES;
        if (p->goes_on && !p->files->s->stopping) {
            fetch(p);
            return;
        }
        p->error = ERROR_UPSTREAM_BROKEN;
        str_copy(p->detail, sizeof(p->detail), "body is shorter than the file");
    }
    if (p->error == 0) {
        if (!p->page.is_labelled)
            portal_report_gone(p->files->s);
        budget_succeeded(p->files->s->budget, number, p->arrived - p->from, now_ms - p->started_ms,
                         now_ms);
        conclude(p);
        return;
    }
    if (p->page.is_page) /* no mirror sent it */
        passed_page_tell(&p->page, p->files->s, p->origin, p->mirror, p->path, p->detail,
                         sizeof(p->detail));
    else if (p->is_other &&
             p->error != ERROR_STOPPING) /* that size may come from a mirror that lies */
        str_copy(p->detail, sizeof(p->detail), "a different size than before");
    else if (p->error != ERROR_STOPPING && p->error != ERROR_GONE)
        budget_failed(p->files->s->budget, number, p->detail, -1, now_ms);
    note_failure(p, p->detail);
    log_repeated(LOG_LEVEL_INFO, "transfer failed mirror=%s path=%s error=\"%s\" kept=no",
                 p->origin->mirrors[p->mirror].name, p->path, p->detail);
    p->mixed |= p->arrived > 0;
    begin_run(&p->begin);
}

/* The digest also covers what the reader had from the partial. */
static void hash_prefix_run(struct job *job)
{
    struct passthrough *p = container_of(job, struct passthrough, begin);
    (void)rehash_range(p->digester, p->prefix->fd, 0, p->from);
    job->run = begin_run; /* a prefix that cannot be read shows as a wrong digest at the end */
    loop_post(p->files->s, job);
}

/* ----------------------------------------------------------------- reader */

/* The prefix, when there is one, is hashed before the transfer begins. */
int passthrough_open(struct files *files, const struct passthrough_options *options,
                     struct passthrough **ret)
{
    struct passthrough *p = calloc(1, sizeof(*p));
    if (!p)
        return ERROR_NO_MEMORY;
    p->refs = 2;
    p->files = files;
    p->origin = options->origin;
    p->path = strdup(options->path);
    p->via = str_dup(options->via);
    p->size = options->size;
    p->from = p->at = p->arrived = options->from;
    p->to = options->to < 0 ? options->size : options->to;
    if (p->to < 0)
        p->to = INT64_MAX;
    p->tried = options->blamed;
    p->mixed = options->prefix != NULL;
    p->whole = options->whole;
    uint32_t claimed = p->whole ? claim_set_algorithms(options->claims) : 0;
    p->checks = claimed != 0;
    if (p->checks && p->from > 0 && options->prefix)
        p->prefix = partial_ref(options->prefix);
    else if (p->checks) {
        p->skip = p->from;
        p->arrived = 0;
    }
    p->first_at = p->arrived;
    p->last = &p->first;
    p->begin.run = begin_run;
    waitlist_init(&p->list);
    if (p->whole && !p->checks && (p->from == 0 || options->prefix))
        p->tail = tail_new(p->from); /* without it the file is not judged */
    int r = p->path && claim_check_init(&p->check, files->s, p->origin, p->path, options->claims,
                                        options->claims_version)
                ? 0
                : ERROR_NO_MEMORY;
    if (r == 0)
        r = digester_new(claimed, &p->digester);
    if (r) {
        p->refs = 1;
        passthrough_unref(p);
        return ERROR_NO_MEMORY;
    }
    if (p->prefix) {
        p->begin.run = hash_prefix_run;
        lane_post(files->s->compute, &p->begin);
    } else {
        loop_post(files->s, &p->begin);
    }
    *ret = p;
    return 0;
}

/* The test of a waiting reader. */
static bool has_news(void *arg)
{
    struct passthrough *p = arg;
    return limit(p) > p->at || p->done || p->failed;
}

/* Moves bytes from the queue to the reader. The transfer continues when enough was taken. Under the
 * lock. */
static size_t take(struct passthrough *p, char *to, size_t size)
{
    struct chunk *chunk = p->first;
    size_t n = chunk->len - p->taken;
    if (n > size)
        n = size;
    memcpy(to, chunk->data + p->taken, n);
    p->taken += n;
    p->queued -= (int64_t)n;
    p->at += (int64_t)n;
    if (p->taken == chunk->len) {
        p->first = chunk->next;
        if (!p->first)
            p->last = &p->first;
        p->taken = 0;
        free(chunk);
    }
    if (p->paused && p->queued <= QUEUE_RESUME) {
        p->paused = false;
        fetcher_pause(p->files->s->fetcher, p->fetch, false);
    }
    return n;
}

/* Takes what is queued, up to the limit. > 0: bytes. 0: nothing yet. FILE_END. < 0: an error. */
static int64_t take_some(struct passthrough *p, int64_t offset, void *data, size_t size)
{
    int64_t n = 0;
    pthread_mutex_lock(&p->list.lock);
    int64_t room = limit(p) - p->at;
    if (p->failed || offset != p->at)
        n = ERROR_UPSTREAM_BROKEN;
    else if (room > 0)
        n = (int64_t)take(p, data, room < (int64_t)size ? (size_t)room : size);
    else if (p->done)
        n = FILE_END;
    else if (p->list.closed)
        n = ERROR_STOPPING;
    pthread_mutex_unlock(&p->list.lock);
    return n;
}

/* Of a file that is held back to its last byte, waiting for the verdict is worth it: reading.c. */
static bool can_begin(void *arg)
{
    struct passthrough *p = arg;
    return has_news(p) &&
           (p->done || p->failed || !p->whole || p->size < 0 || p->size > FLIGHT_HOLD_BACK);
}

/* Writes why there are no bytes. Under the lock. */
static int say_why(struct passthrough *p, bool late, char *ret_detail, size_t size)
{
    const char *and = p->failures[0] ? "; " : "";
    if (late)
        (void)snprintf(ret_detail, size, "%s: no byte in %d s%s%s",
                       p->origin->mirrors[p->asked].name, FILE_STATUS_LINE_MS / 1000, and,
                       p->failures);
    else
        str_copy(ret_detail, size, and[0] ? p->failures : "no mirror left");
    return late ? ERROR_TIMEOUT : ERROR_UPSTREAM_BROKEN;
}

/* Late means that the client's time for a status line is over: it is answered with what is known.
 */
int passthrough_begin(struct passthrough *p, struct waiter *waiter, char *ret_detail, size_t size)
{
    bool late = waiter_is_late(waiter);
    waiter->want = 0;
    if (!late && waitlist_join(&p->list, waiter, can_begin, p) == WAIT_SUSPENDED)
        return ENGINE_WAIT;
    pthread_mutex_lock(&p->list.lock);
    bool fails = p->failed || (late && !p->done && p->arrived <= p->from);
    int r = fails ? say_why(p, !p->failed, ret_detail, size) : 0;
    pthread_mutex_unlock(&p->list.lock);
    return r;
}

int64_t passthrough_read(struct passthrough *p, int64_t offset, void *data, size_t size,
                         struct waiter *waiter)
{
    for (;;) {
        int64_t n = take_some(p, offset, data, size);
        if (n)
            return n;
        waiter->want = 0;
        if (waiter->gone)
            return ERROR_STOPPING;
        if (waitlist_join(&p->list, waiter, has_news, p) == WAIT_SUSPENDED)
            return 0;
    }
}

/* Any thread. A transfer that begins at the same moment is cancelled by `fetch`. */
void passthrough_close(struct passthrough *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->list.lock);
    p->closed = true;
    uint64_t fetch_id = p->fetch;
    pthread_mutex_unlock(&p->list.lock);
    if (fetch_id)
        fetcher_cancel(p->files->s->fetcher, fetch_id);
    passthrough_unref(p);
}
