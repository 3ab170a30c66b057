// SPDX-License-Identifier: Apache-2.0
/*
 * Asks mirrors by HEAD about files of which their listings say too little (the rules are in
 * heads.h).
 *
 *     inquiry: heads_ask -> ask_more: a HEAD per file, as mirrors are free -> all answered -> done
 *     HEAD:    ask -> transfer thread: on_head, on_done -> answered_run -> catalogue lane, or freed
 *
 * Everything but a running transfer belongs to the flight thread. A target is what is remembered of
 * a mirror: how many HEADs run, how many it had in this window, and whether it is left alone. Each
 * answer and each tick lets all inquiries go on, because they share the targets.
 */
#include "engine/listings/heads.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/listings/link_places.h"
#include "engine/listings/listings_state.h"
#include "engine/loop/catalogue_post.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"

enum {
    AT_ONCE = 4, /* HEADs at once to one mirror */
    WINDOW_MS = 600 * 1000,
    WINDOW_MOST = 600,
    WINDOW_MORE = WINDOW_MOST / 2, /* for an inquiry that goes on */
    INQUIRY_MS = 20 * 1000,
    FAILED_MS = 60 * 1000,
    REFUSED_MS = 24 * 3600 * 1000,
};

/* A mirror, by where its files are: a mirror that has moved is another one. */
struct target {
    char *files;
    unsigned running;
    bool answers;     /* it has answered a HEAD */
    int64_t again_ms; /* it is left alone until then */
    int64_t window_ms;
    unsigned window_count;
    UT_hash_handle hh;
};

struct inquiry {
    struct listings *listings;
    const struct origin *origin;
    char *project;
    struct {
        char *path;
        unsigned mirrors;
    } * files;
    size_t count, next;
    unsigned running, window_most;
    int64_t began_ms, heard_ms;
    bool any;
    void (*done)(void *owner, bool any);
    void *owner;
    struct inquiry *list_prev, *list_next;
};

struct heads {
    struct target *targets;
    struct inquiry *inquiries;
};

/* One HEAD, and its outcome. */
struct question {
    struct job job;
    struct listings *listings;
    struct inquiry *inquiry;
    struct target *target;
    const char *origin, *mirror; /* the configuration's strings */
    char *path, *project;
    int status, retry_after_s;
    int64_t modified_s, size, asked_s;
};

int heads_new(struct heads **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

static void inquiry_free(struct inquiry *q)
{
    for (size_t i = 0; i < q->count; i++)
        free(q->files[i].path);
    free(q->files);
    free(q->project);
    free(q);
}

void heads_free(struct heads *heads)
{
    struct target *t, *next;
    struct inquiry *q, *later;
    if (!heads)
        return;
    HASH_ITER(hh, heads->targets, t, next)
    {
        HASH_DEL(heads->targets, t);
        free(t->files);
        free(t);
    }
    DL_FOREACH_SAFE2(heads->inquiries, q, later, list_next)
    {
        DL_DELETE2(heads->inquiries, q, list_prev, list_next);
        inquiry_free(q);
    }
    free(heads);
}

/* Kept for good: the number of mirrors is small. */
static struct target *target_get(struct heads *heads, const char *files)
{
    struct target *t = NULL;
    HASH_FIND_STR(heads->targets, files, t);
    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t || !(t->files = strdup(files))) {
        free(t);
        return NULL;
    }
    t->again_ms = t->window_ms = INT64_MIN / 2;
    HASH_ADD_KEYPTR(hh, heads->targets, t->files, strlen(t->files), t);
    return t;
}

/* ------------------------------------------------------------------ answers */

static void question_free(struct question *q)
{
    free(q->path);
    free(q->project);
    free(q);
}

enum { PATH, ORIGIN, PROJECT };     /* texts of the row */
enum { ASKED_S, MODIFIED_S, SIZE }; /* its numbers */

static int put_first_seen(struct catalogue *catalogue, const struct row *row)
{
    return catalogue_put_first_seen(
        catalogue, &(struct catalogue_first_seen){.origin = row->text[ORIGIN],
                                                  .path = row->text[PATH],
                                                  .project = row->text[PROJECT],
                                                  .first_s = row->number[ASKED_S],
                                                  .asked_s = row->number[ASKED_S],
                                                  .modified_s = row->number[MODIFIED_S],
                                                  .size = row->number[SIZE]});
}

/* Whether the answer is worth storing; that a file has no date is worth it also. Other answers
 * mean that the mirror is left alone for a while. */
static bool judge(const struct question *q)
{
    struct target *t = q->target;
    int64_t now_ms = clock_monotonic_ms();
    switch (q->status) {
    case 200:
        t->answers = true;
        return true;
    case 404:
    case 410:
        return true;
    case 400:
    case 403:
    case 405:
    case 501:
        /* a mirror that answers HEAD refuses this file alone */
        if (t->answers && q->status != 405 && q->status != 501)
            return true;
        t->again_ms = now_ms + REFUSED_MS;
        log_info("mirror refuses HEAD mirror=%s status=%d", q->mirror, q->status);
        return false;
    default:
        t->again_ms = now_ms + FAILED_MS;
        if (q->retry_after_s > FAILED_MS / 1000)
            t->again_ms = now_ms + (int64_t)q->retry_after_s * 1000;
        return false;
    }
}

/* The job of the request brings it back from the transfer thread. */
static void answered_run(struct job *job)
{
    struct question *q = container_of(job, struct question, job);
    struct inquiry *inquiry = q->inquiry;
    struct listings *listings = q->listings;
    bool keep = judge(q) && !listings->s->stopping;
    q->target->running--;
    inquiry->running--;
    inquiry->heard_ms = clock_monotonic_ms();
    inquiry->any |= keep && (q->modified_s >= 0 || q->size >= 0);
    if (keep)
        catalogue_post(listings->s, put_first_seen, "date and size of",
                       &(struct row){.text = {q->path, q->origin, q->project},
                                     .number = {q->asked_s, q->modified_s, q->size}});
    question_free(q);
    heads_tick(listings); /* this inquiry goes on, and so do others that wait for the mirror */
}

/* A portal's web page says nothing about the file. */
static int on_head(void *context, const struct fetch_head *head)
{
    struct question *q = context;
    q->status = head->status;
    q->retry_after_s = head->retry_after_s;
    if (head->status != 200 || portal_is_web_page(head->content_type))
        return 0;
    if (head->total > 0) /* no wheel is empty: some servers answer every HEAD with that length */
        q->size = head->total;
    if (head->last_modified)
        q->modified_s = clock_parse_http_date(head->last_modified);
    return 0;
}

static void on_data(void *context, struct slab *slab, int64_t offset)
{
    (void)context, (void)offset;
    slab_put(slab);
}

/* An error means that no answer came, whatever its head said. */
static void on_done(void *context, int error, const char *detail)
{
    struct question *q = context;
    (void)detail;
    if (error)
        q->status = 0;
    q->job.run = answered_run;
    loop_post(q->listings->s, &q->job);
}

static const struct fetch_sink sink = {on_head, on_data, on_done};

/* ----------------------------------------------------------------- requests */

/* The URL comes from the listing, since a file need not lie at its path. */
static bool ask(struct inquiry *inquiry, struct target *t, unsigned mirror, const char *path)
{
    struct listings *listings = inquiry->listings;
    const struct mirror *at = &inquiry->origin->mirrors[mirror];
    auto_free char *url = links_file_url(listings, inquiry->origin, mirror, path);
    struct question *q = calloc(1, sizeof(*q));
    if (!q || !url || !(q->path = strdup(path)) || !(q->project = strdup(inquiry->project))) {
        if (q)
            question_free(q);
        return false;
    }
    q->listings = listings;
    q->inquiry = inquiry;
    q->target = t;
    q->origin = inquiry->origin->name;
    q->mirror = at->name;
    q->retry_after_s = -1;
    q->modified_s = q->size = -1;
    q->asked_s = clock_real_s();
    t->running++;
    t->window_count++;
    inquiry->running++;
    const struct fetch_request request = {.url = url,
                                          .head = true,
                                          .from = -1,
                                          .to = -1,
                                          .accept = "application/octet-stream, */*;q=0.9",
                                          .via = listings->s->via,
                                          .redirects = mirror_redirects(at),
                                          .max_bytes = 1};
    (void)fetcher_start(listings->s->fetcher, &request, &sink, q);
    return true;
}

enum turn { TURN_ASKED, TURN_BUSY, TURN_NOBODY };

/* The window bounds what a mirror sees of this daemon in ten minutes, whatever the number of
 * pages. */
static bool may_be_asked(const struct listings *listings, const struct origin *origin,
                         unsigned mirror, struct target *t, unsigned window_most, int64_t now_ms)
{
    /* a new window begins with the first HEAD after the old one */
    if (now_ms - t->window_ms >= WINDOW_MS) {
        t->window_ms = now_ms;
        t->window_count = 0;
    }
    return now_ms >= t->again_ms && t->window_count < window_most &&
           !budget_is_backing_off(listings->s->budget,
                                  mirrors_number(listings->s->mirrors, origin, mirror), now_ms);
}

/* Asks the first mirror that has the file and is free. The first HEAD to a mirror goes alone: it
 * shows whether the mirror answers HEAD at all. */
static enum turn ask_next(struct inquiry *q, int64_t now_ms)
{
    const struct origin *origin = q->origin;
    enum turn turn = TURN_NOBODY;
    for (unsigned m = 0; m < origin->mirror_count; m++) {
        struct target *t = NULL;
        if (q->files[q->next].mirrors & (1u << m))
            t = target_get(q->listings->heads, origin->mirrors[m].files);
        if (!t || !may_be_asked(q->listings, origin, m, t, q->window_most, now_ms))
            continue;
        if (t->running >= (t->answers ? AT_ONCE : 1))
            turn = TURN_BUSY;
        else
            return ask(q, t, m, q->files[q->next].path) ? TURN_ASKED : TURN_NOBODY;
    }
    return turn;
}

/* Asks about further files. True: the inquiry has ended. */
static bool ask_more(struct inquiry *q)
{
    int64_t now_ms = clock_monotonic_ms();
    if (q->listings->s->stopping || now_ms - q->began_ms >= INQUIRY_MS)
        q->next = q->count;
    for (; q->next < q->count; q->next++)
        if (ask_next(q, now_ms) == TURN_BUSY)
            return false;
    return q->running == 0;
}

void heads_tick(struct listings *listings)
{
    struct inquiry *q, *next;
    DL_FOREACH_SAFE2(listings->heads->inquiries, q, next, list_next)
    {
        if (!ask_more(q))
            continue;
        DL_DELETE2(listings->heads->inquiries, q, list_prev, list_next);
        q->done(q->owner, q->any);
        inquiry_free(q);
    }
}

bool heads_are_coming(const struct inquiry *q, int64_t now_ms)
{
    return now_ms - q->heard_ms < q->listings->s->options.listing_timeout_ms / 2;
}

/* Without any mirror that may be asked, an inquiry would only wait for its end. */
static bool is_askable(struct listings *listings, const struct origin *origin,
                       const struct heads_file *files, size_t count, unsigned window_most,
                       int64_t now_ms)
{
    unsigned mirrors = 0;
    for (size_t i = 0; i < count; i++)
        mirrors |= files[i].mirrors;
    for (unsigned m = 0; m < origin->mirror_count; m++) {
        struct target *t =
            mirrors & (1u << m) ? target_get(listings->heads, origin->mirrors[m].files) : NULL;
        if (t && may_be_asked(listings, origin, m, t, window_most, now_ms))
            return true;
    }
    return false;
}

struct inquiry *heads_ask(struct listings *listings, const struct origin *origin,
                          const char *project, const struct heads_file *files, size_t count,
                          bool more, void (*done)(void *owner, bool any), void *owner)
{
    int64_t now_ms = clock_monotonic_ms();
    unsigned window_most = more ? WINDOW_MORE : WINDOW_MOST;
    bool can = is_askable(listings, origin, files, count, window_most, now_ms);
    struct inquiry *q = can ? calloc(1, sizeof(*q)) : NULL;
    if (!q)
        return NULL;
    q->listings = listings;
    q->origin = origin;
    q->began_ms = q->heard_ms = now_ms;
    q->window_most = window_most;
    q->done = done;
    q->owner = owner;
    q->project = strdup(project);
    q->files = calloc(count, sizeof(*q->files));
    for (; q->project && q->files && q->count < count; q->count++) {
        q->files[q->count].mirrors = files[q->count].mirrors;
        if (!(q->files[q->count].path = strdup(files[q->count].path)))
            break;
    }
    if (q->count < count) {
        inquiry_free(q);
        return NULL;
    }
    DL_APPEND2(listings->heads->inquiries, q, list_prev, list_next);
    (void)ask_more(q); /* if there was nothing to ask, the next tick ends it */
    return q;
}
