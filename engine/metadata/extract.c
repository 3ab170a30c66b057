// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/files/file.h"
#include "engine/loop/options.h"
#include "engine/metadata/metadata.h"
#include "engine/metadata/metadata_state.h"
#include "engine/mirrors/origins.h"
#include "index/wheel.h"

/*
 * Extraction: reads METADATA out of a wheel by ranges. An extraction is a client of the engine
 * without a connection: it opens the wheel, reads a range, lets the compute lane parse it, and
 * opens the wheel again for the next range.
 *
 *     queued -> RANGE --read--> parsed --wants more--> RANGE
 *                 | failed: again at once   +--> metadata_made
 *                 | failed again
 *                 +--> (a moment later) WHOLE: waits for all of the wheel --> RANGE, once more
 *
 * Its waiter posts `step` to the flight thread when bytes have come. A mirror that ignores ranges
 * needs no WHOLE: its flight fetches everything even for a range. WHOLE is for mirrors that fail
 * when they are asked for a range. Flight thread, but for parse_run.
 */

enum {
    AGAIN_MS = 1250,       /* for a second a failure also answers new requests */
    RESTARTS_MOST = 2,     /* times that the wheel may become another one */
    RETRIES_MOST = 2,      /* at once: a failure because of a bad copy is not remembered */
    EXTRACTIONS_MOST = 32, /* at once; each holds up to a few parts of a wheel */
    PATIENCE_AT_END = 1 << 30,
};

enum phase { PHASE_RANGE, PHASE_WHOLE };

struct extract {
    struct waiter waiter;
    struct job step; /* posted while the waiter is not suspended */
    struct metadata *metadata;
    const struct origin *origin;
    char *path;
    uint64_t id;
    enum phase phase;
    bool waited, began, tried_whole;
    int64_t again_ms; /* when it goes on; 0: it is not waiting */
    struct file *file;
    struct wheel_parts parts;
    struct wheel_run want;
    char *room; /* the bytes of `want`, while they are read */
    int64_t at;
    unsigned rounds, restarts, retries;
    /* written on the compute lane: */
    int error;
    const char *why;
    struct extract_result result;
    struct extract *next;
};

/* The one step of an extraction: opens the wheel if need be, then reads. */
static void step_run(struct job *job);

static void suspend(struct waiter *waiter)
{
    (void)waiter;
}

/* Any thread may resume a waiter, so the work is posted to the flight thread. */
static void resume(struct waiter *waiter)
{
    struct extract *m = container_of(waiter, struct extract, waiter);
    loop_post(m->metadata->s, &m->step);
}

static const struct waiter_class waiter_class = {suspend, resume, NULL};

/* --------------------------------------------------------------------- life */

/* What was read belongs to one wheel; another wheel begins without parts. */
static void drop_parts(struct extract *m)
{
    for (unsigned i = 0; i < m->parts.count; i++)
        free((void *)(uintptr_t)m->parts.list[i].data);
    m->parts.count = 0;
    free(m->room);
    m->room = NULL;
}

static void close_file(struct extract *m)
{
    file_close(m->file);
    m->file = NULL;
    m->waited = false;
}

/* Few run at a time, so that a page with a thousand wheels does not take all connections. */
static void start_queued(struct metadata *metadata, unsigned most)
{
    while (metadata->queued && metadata->running_count < most) {
        struct extract *m = metadata->queued;
        metadata->queued = m->next;
        m->next = metadata->running;
        metadata->running = m;
        metadata->running_count++;
        loop_post(metadata->s, &m->step);
    }
}

/* The result goes to the table, the place to the next extraction in the queue. */
static void end(struct extract *m)
{
    struct metadata *metadata = m->metadata;
    struct extract **p = &metadata->running;
    while (*p != m)
        p = &(*p)->next;
    *p = m->next;
    metadata->running_count--;
    close_file(m);
    drop_parts(m);
    metadata_made(metadata, m->origin, m->path, m->id, &m->result);
    free(m->path);
    free(m);
    start_queued(metadata, EXTRACTIONS_MOST);
}

/* Appended to the queue: requests are served in the order in which they came. */
bool extract_start(struct metadata *metadata, const struct origin *origin, const char *path,
                   uint64_t id)
{
    struct extract *m = calloc(1, sizeof(*m));
    char *copy = strdup(path);
    if (!m || !copy) {
        free(m);
        free(copy);
        return false;
    }
    *m = (struct extract){.waiter.class = &waiter_class,
                          .step.run = step_run,
                          .metadata = metadata,
                          .origin = origin,
                          .path = copy,
                          .id = id};
    struct extract **p = &metadata->queued;
    while (*p)
        p = &(*p)->next;
    *p = m;
    start_queued(metadata, EXTRACTIONS_MOST);
    return true;
}

static void fail(struct extract *m, enum outcome outcome, const char *detail)
{
    m->result.outcome = outcome;
    str_copy(m->result.detail, sizeof(m->result.detail), detail);
    end(m);
}

/* Where a range cannot be had, the whole wheel may be. A wheel that is gone cannot be had at
 * all. A failed range is tried again at once, then the whole wheel after a moment, then it is a
 * failure. */
static void failed(struct extract *m, enum outcome outcome, const char *detail)
{
    /* a wheel that is gone is gone for every way of reading it */
    bool hopeless = m->tried_whole || (outcome != OUTCOME_BROKEN && outcome != OUTCOME_SILENT);
    if (hopeless || m->metadata->s->stopping) {
        fail(m, outcome, detail);
        return;
    }
    str_copy(m->result.detail, sizeof(m->result.detail), detail);
    close_file(m);
    if (m->retries++ < RETRIES_MOST) {
        loop_post(m->metadata->s, &m->step);
        return;
    }
    m->tried_whole = true;
    m->phase = PHASE_WHOLE;
    m->again_ms = clock_monotonic_ms() + AGAIN_MS;
}

/* -------------------------------------------------------------------- bytes */

/* Back on the flight thread. The number of rounds is bounded, because a wheel decides how many
 * it needs. */
static void parsed_run(struct job *job)
{
    struct extract *m = container_of(job, struct extract, step);
    bool again = m->error == WHEEL_WANTS && ++m->rounds < WHEEL_ROUNDS_MOST &&
                 m->parts.count < WHEEL_PARTS_MOST;
    m->step.run = step_run;
    if (again) {
        step_run(job);
        return;
    }
    m->result.is_wrong = m->error == ERROR_CORRUPT || m->error == ERROR_TOO_BIG;
    if (m->error)
        fail(m, OUTCOME_BROKEN, m->result.is_wrong ? m->why : error_text(m->error));
    else
        end(m);
}

/* On the compute lane. */
static void parse_run(struct job *job)
{
    struct extract *m = container_of(job, struct extract, step);
    struct wheel_header header = {0};
    auto_buf struct buf text;
    buf_init(&text, WHEEL_METADATA_MAX);
    m->error = wheel_metadata(&m->parts, str_last_segment(m->path), &m->want, &m->why, &text);
    if (m->error == 0)
        m->error = document_new(text.data, text.len, &m->result.text);
    if (m->error == 0)
        m->error = sha256_of(text.data, text.len, m->result.sha256);
    if (m->error == 0)
        m->error = wheel_header_read(text.data, text.len, &header);
    enum wheel_fit fit = wheel_header_compare(&header, str_last_segment(m->path));
    if (m->error == 0 && fit == WHEEL_OTHER_PROJECT) {
        m->error = ERROR_CORRUPT;
        m->why = "METADATA of the wheel is of another project";
        document_unref(m->result.text);
        m->result.text = NULL;
    }
    m->result.fits = fit == WHEEL_FITS;
    m->result.requires_python = header.requires_python;
    header.requires_python = NULL;
    wheel_header_release(&header);
    m->step.run = parsed_run;
    loop_post(m->metadata->s, &m->step);
}

/* What was read so far belongs to another wheel. */
static bool restart(struct extract *m)
{
    if (++m->restarts > RESTARTS_MOST)
        return false;
    drop_parts(m);
    free(m->result.etag);
    m->result.etag = NULL;
    m->began = false;
    m->rounds = 0;
    return true;
}

/* Learns which wheel it is. False: it has failed. Each opening may find another wheel at the
 * path; size and ETag tell. */
static bool begin(struct extract *m, const struct file_facts *facts)
{
    bool same = m->began && facts->size == m->parts.size && m->result.etag &&
                strcmp(facts->etag, m->result.etag) == 0;
    if (m->began && !same && !restart(m)) {
        failed(m, OUTCOME_BROKEN, "the wheel keeps changing");
        return false;
    }
    if (m->began)
        return true;
    m->began = true;
    m->parts.size = facts->size;
    free(m->result.etag);
    m->result.etag = str_dup(facts->etag);
    /* the directory of a zip archive stands at its end */
    int64_t tail = facts->size < WHEEL_TAIL_BYTES ? facts->size : WHEEL_TAIL_BYTES;
    m->want = (struct wheel_run){facts->size - tail, facts->size};
    return true;
}

/* The size is not known before the end: the wheel is fetched as a whole, and has a size then. */
static void open_size_unknown(struct extract *m)
{
    if (m->tried_whole) {
        fail(m, OUTCOME_BROKEN, "no mirror says how long the wheel is");
        return;
    }
    m->tried_whole = true;
    m->phase = PHASE_WHOLE;
    close_file(m);
    loop_post(m->metadata->s, &m->step);
}

/* True: the file is open and the range chosen. */
static bool open_file(struct extract *m)
{
    struct file_query query = {.origin = m->origin->name,
                               .path = m->path,
                               .use = m->phase == PHASE_WHOLE ? FILE_USE_WHOLE : FILE_USE_RANGE,
                               .waited = m->waited,
                               .is_inner = true};
    int r = m->metadata->s->events->file_open(m->metadata->s, &query, &m->waiter, &m->file);
    m->waited = r == ENGINE_WAIT;
    if (r == ENGINE_WAIT)
        return false;
    const struct file_facts *facts = r ? NULL : file_facts(m->file);
    if (r || facts->outcome != OUTCOME_OK) {
        failed(m, r ? OUTCOME_BROKEN : facts->outcome, r ? error_text(r) : facts->detail);
        return false;
    }
    if (m->phase == PHASE_WHOLE) {
        r = file_select(m->file, 0, facts->size, FILE_USE_WHOLE);
    } else if (facts->size < 0) {
        open_size_unknown(m);
        return false;
    } else {
        if (!begin(m, facts))
            return false;
        m->at = m->want.from;
        free(m->room);
        m->room = malloc((size_t)(m->want.to - m->want.from) + 1);
        r = m->room ? file_select(m->file, m->want.from, m->want.to, FILE_USE_RANGE)
                    : ERROR_NO_MEMORY;
    }
    if (r)
        failed(m, OUTCOME_BROKEN, error_text(r));
    return r == 0;
}

/* The names of the mirrors are taken now, because the file is closed while the parser works. */
static void hand_to_parser(struct extract *m)
{
    char mirrors[256];
    file_mirrors(m->file, mirrors, sizeof(mirrors));
    free(m->result.mirrors);
    m->result.mirrors = str_dup(mirrors);
    close_file(m);
    m->parts.list[m->parts.count++] =
        (struct wheel_part){m->want.from, m->room, (size_t)(m->want.to - m->want.from)};
    m->room = NULL;
    m->step.run = parse_run;
    lane_post(m->metadata->s->compute, &m->step);
}

/* Zero bytes mean that the waiter was suspended: its wake-up posts `step`. */
static void read_range(struct extract *m)
{
    while (m->at < m->want.to) {
        int64_t n = file_read(m->file, m->at, m->room + (m->at - m->want.from),
                              (size_t)(m->want.to - m->at), &m->waiter);
        if (n == 0)
            return;
        if (n < 0) {
            failed(m, OUTCOME_BROKEN, "the wheel's bytes did not come");
            return;
        }
        m->at += n;
    }
    hand_to_parser(m);
}

/* The last byte of a wheel is released when all of it is there and verified. So only that byte
 * is read. */
static void read_whole(struct extract *m)
{
    int64_t size = file_facts(m->file)->size;
    char last;
    int64_t n = file_read(m->file, size > 0 ? size - 1 : (int64_t)PATIENCE_AT_END << 20, &last, 1,
                          &m->waiter);
    if (n == 0)
        return;
    if (n < 0 && n != FILE_END) {
        failed(m, OUTCOME_BROKEN, m->result.detail);
        return;
    }
    close_file(m);
    m->phase = PHASE_RANGE;
    m->began = false;
    drop_parts(m);
    loop_post(m->metadata->s, &m->step);
}

static void step_run(struct job *job)
{
    struct extract *m = container_of(job, struct extract, step);
    if (m->metadata->s->stopping) {
        fail(m, OUTCOME_STOPPING, "shutting down");
        return;
    }
    if (!m->file && !open_file(m))
        return;
    if (m->phase == PHASE_WHOLE)
        read_whole(m);
    else
        read_range(m);
}

/* --------------------------------------------------------------------- time */

void extract_tick(struct metadata *metadata, int64_t now_ms)
{
    for (struct extract *m = metadata->running; m; m = m->next)
        if (m->again_ms && now_ms >= m->again_ms) {
            m->again_ms = 0;
            loop_post(metadata->s, &m->step);
        }
}

/* Extractions that read are woken by their downloads, which are closed by now. Queued
 * extractions are started, so that each of them ends and answers its waiters. */
void extract_stop(struct metadata *metadata)
{
    start_queued(metadata, UINT_MAX);
    extract_tick(metadata, INT64_MAX);
}
