// SPDX-License-Identifier: Apache-2.0
/*
 * Which mirrors honour ranges (the rules are in ranges.h).
 *
 *     unknown --ranges_ask--> asked --206 or 200--> known, for YES_S or NO_S --> unknown
 *                               +-----anything else--> unknown, not asked again for RETRY_MS
 *
 * The table belongs to the flight thread and starts with the rows of the catalogue. The transfer
 * thread touches only its own question.
 */
#include "engine/listings/ranges.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/listings/link_places.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/sources.h"
#include "engine/loop/catalogue_post.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"

enum {
    YES_S = 30 * 24 * 3600, /* for so long an answer stands */
    NO_S = 24 * 3600,
    RETRY_MS = 60000, /* how soon a mirror is asked again when it gave no answer */
};

/* A mirror, by where its files are: a mirror that has moved is another one. */
struct known {
    char *files;
    bool honoured, asked;
    int64_t when_s;   /* real time of the answer; 0: there is none */
    int64_t again_ms; /* it is not asked before then */
    UT_hash_handle hh;
};

struct ranges {
    struct known *table;
};

static struct known *get(struct ranges *ranges, const char *files)
{
    struct known *k = NULL;
    HASH_FIND_STR(ranges->table, files, k);
    if (k)
        return k;
    k = calloc(1, sizeof(*k));
    if (!k || !(k->files = strdup(files))) {
        free(k);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, ranges->table, k->files, strlen(k->files), k);
    return k;
}

static int on_row(void *context, const char *files, bool honoured, int64_t when_s)
{
    struct known *k = get(context, files);
    if (!k)
        return ERROR_NO_MEMORY;
    k->honoured = honoured;
    k->when_s = when_s;
    return 0;
}

int ranges_new(struct services *s, struct ranges **ret)
{
    struct ranges *ranges = calloc(1, sizeof(*ranges));
    if (!ranges)
        return ERROR_NO_MEMORY;
    (void)catalogue_each_ranges(s->catalogue, on_row, ranges);
    *ret = ranges;
    return 0;
}

void ranges_free(struct ranges *ranges)
{
    struct known *k, *next;
    if (!ranges)
        return;
    HASH_ITER(hh, ranges->table, k, next)
    {
        HASH_DEL(ranges->table, k);
        free(k->files);
        free(k);
    }
    free(ranges);
}

static const struct known *find(const struct listings *listings, const struct origin *origin,
                                unsigned mirror)
{
    struct known *k = NULL;
    HASH_FIND_STR(listings->ranges->table, origin->mirrors[mirror].files, k);
    return k;
}

/* A yes stands for a month, a no for a day: servers are more likely to improve. */
static bool is_known(const struct known *k)
{
    return k && k->when_s && clock_real_s() - k->when_s < (k->honoured ? YES_S : NO_S);
}

/* An old yes stands until there is another answer: a page must not lose its promises meanwhile. */
bool ranges_are_honoured(const struct listings *listings, const struct origin *origin)
{
    for (unsigned m = 0; m < origin->mirror_count; m++) {
        const struct known *k = find(listings, origin, m);
        if (k && k->honoured)
            return true;
    }
    return false;
}

/* A mirror that gave no answer a moment ago is left alone. */
bool ranges_are_unknown(const struct listings *listings, const struct origin *origin,
                        unsigned mirror)
{
    const struct known *k = find(listings, origin, mirror);
    return !is_known(k) && !(k && (k->asked || clock_monotonic_ms() < k->again_ms));
}

bool ranges_are_asked(const struct listings *listings, const struct origin *origin, unsigned mirror)
{
    const struct known *k = find(listings, origin, mirror);
    return k && k->asked;
}

/* ----------------------------------------------------------------- requests */

struct question {
    struct job job;
    struct listings *listings;
    struct known *known;
    const char *mirror;
    int status;
};

static int put_answer(struct catalogue *catalogue, const struct row *row)
{
    return catalogue_put_ranges(catalogue, row->text[0], row->number[0] != 0, row->number[1]);
}

/* A 206 means yes and a 200 means no. Anything else, or no answer, says something about this
 * file alone. */
static void answered_run(struct job *job)
{
    struct question *q = container_of(job, struct question, job);
    struct known *k = q->known;
    bool tells = q->status == 200 || q->status == 206;
    k->asked = false;
    k->again_ms = clock_monotonic_ms() + RETRY_MS;
    if (!tells) {
        q->listings->s->events->source_settled(q->listings->s);
        free(q);
        return;
    }
    k->when_s = clock_real_s();
    k->honoured = q->status == 206;
    log_info("ranges mirror=%s honoured=%d", q->mirror, k->honoured);
    q->listings->s->events->pages_outdated(q->listings->s);
    q->listings->s->events->source_settled(q->listings->s);
    catalogue_post(q->listings->s, put_answer, "the ranges of",
                   &(struct row){.text = {k->files}, .number = {k->honoured, k->when_s}});
    free(q);
}

/* Ends the transfer after the head in any case. */
static int on_head(void *context, const struct fetch_head *head)
{
    struct question *q = context;
    /* perhaps a portal's page */
    q->status = portal_is_web_page(head->content_type) ? 0 : head->status;
    /* the body is not needed */
    return ERROR_UPSTREAM_STATUS;
}

static void on_data(void *context, struct slab *slab, int64_t offset)
{
    (void)context, (void)offset;
    slab_put(slab);
}

static void on_done(void *context, int error, const char *detail)
{
    struct question *q = context;
    (void)error, (void)detail;
    q->job.run = answered_run;
    loop_post(q->listings->s, &q->job);
}

static const struct fetch_sink sink = {on_head, on_data, on_done};

void ranges_ask(struct listings *listings, const struct origin *origin, unsigned mirror,
                const char *path)
{
    const struct mirror *at = &origin->mirrors[mirror];
    auto_free char *url = links_file_url(listings, origin, mirror, path);
    struct known *k = get(listings->ranges, at->files);
    struct question *q = calloc(1, sizeof(*q));
    if (!url || !k || !q) {
        free(q);
        return;
    }
    *q = (struct question){.listings = listings, .known = k, .mirror = at->name};
    k->asked = true;
    /* asked for like a wheel, not like a page: without a coding */
    struct fetch_request request = {.url = url,
                                    .from = 1,
                                    .to = 1,
                                    .via = listings->s->via,
                                    .redirects = mirror_redirects(at),
                                    .max_bytes = 1};
    (void)fetcher_start(listings->s->fetcher, &request, &sink, q);
}
