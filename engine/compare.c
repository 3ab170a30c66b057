// SPDX-License-Identifier: Apache-2.0
#include "engine/compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/flying.h"

enum {
    BLOCK = 256 << 10,
    STEP_BLOCKS = 16, /* then whoever else waits for the disk comes first */
};

struct comparison {
    struct job job;
    struct engine *engine;
    struct partial *wrong, *right;
    char *sent_under[FLIGHT_MIRRORS]; /* see engine/flying.h */
    int64_t bytes;                    /* that the wrong one takes */
    const struct origin *origin;
    char *path;
    char sha256[SHA256_HEX];
    int64_t size; /* of the right file */
    unsigned blamed;
    struct extents sent[FLIGHT_MIRRORS]; /* of the wrong one */
    int64_t differs[FLIGHT_MIRRORS];     /* the first byte, -1: none */
    int error;
    /* where it goes on: */
    unsigned mirror;
    size_t run;
    int64_t at;
};

static void comparison_free(struct comparison *c)
{
    c->engine->files->evidence_bytes -= c->bytes;
    partial_unref(c->wrong);
    partial_unref(c->right);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        extents_release(&c->sent[m]);
        free(c->sent_under[m]);
    }
    free(c->path);
    free(c);
}

/* ----------------------------------------------------------------- evidence */

int64_t compare_bytes(const struct engine *e)
{
    return e->files->evidence_bytes;
}

void compare_keep(struct flying *fl)
{
    char names[256];
    (void)compare_forget(fl);
    struct comparison *c = fl->partial ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return;
    core_mirror_names(fl->origin, fl->board ? fl->board->senders : 0, names, sizeof(names));
    log_info("wrong digest: fetched again from one mirror, to compare path=%s/%s mirrors=%s",
             fl->origin->name, fl->entry->path, names);
    c->engine = fl->engine;
    c->wrong = partial_ref(fl->partial);
    c->bytes = fl->evidence_bytes = extents_total(&fl->present);
    memcpy(c->sent_under, fl->sent_under, sizeof(c->sent_under));
    memset(fl->sent_under, 0, sizeof(fl->sent_under));
    fl->evidence = c;
    c->engine->files->evidence_bytes += c->bytes;
}

bool compare_forget(struct flying *fl)
{
    if (!fl->evidence)
        return false;
    comparison_free(fl->evidence);
    fl->evidence = NULL;
    return true;
}

/* --------------------------------------------------------------- comparison */

/* On the flight thread. */
static void compared_run(struct job *job)
{
    struct comparison *c = container_of(job, struct comparison, job);
    bool found = false;
    for (unsigned m = 0; m < c->origin->mirror_count && m < FLIGHT_MIRRORS; m++) {
        if (c->differs[m] < 0)
            continue;
        found = true;
        if (c->blamed & (1u << m)) /* it sent wrong bytes alone, too */
            continue;
        log_warning("wrong digest mirror=%s path=%s/%s expected=%s differs_at=%" PRId64,
                    c->origin->mirrors[m].name, c->origin->name, c->path, c->sha256, c->differs[m]);
        blame_put(c->engine, c->origin, c->path, m, c->sha256, c->sent_under[m]);
    }
    if (c->error)
        log_warning("cannot compare path=%s/%s error=\"%s\"", c->origin->name, c->path,
                    error_text(c->error));
    else if (!found && !c->engine->stopping)
        log_warning("wrong digest, and no mirror's bytes differ path=%s/%s", c->origin->name,
                    c->path);
    comparison_free(c);
}

static void next_mirror(struct comparison *c)
{
    c->mirror++;
    c->run = 0;
    c->at = 0;
}

/* The next bytes to look at, of c->mirror; false: there are none left. */
static bool next_block(struct comparison *c, struct extent *ret)
{
    for (; c->mirror < FLIGHT_MIRRORS; next_mirror(c)) {
        const struct extents *sent = &c->sent[c->mirror];
        for (; c->run < sent->count; c->run++) {
            int64_t from = sent->list[c->run].from, to = sent->list[c->run].to;
            if (from < c->at)
                from = c->at;
            if (from >= to)
                continue;
            *ret = (struct extent){from, to - from < BLOCK ? to : from + BLOCK};
            return true;
        }
    }
    return false;
}

/* The first byte that differs, -1: none. What is sent behind the end is wrong as well. */
static int64_t first_difference(struct comparison *c, const struct extent *run, char *wrong,
                                char *right)
{
    int64_t to = run->to < c->size ? run->to : c->size;
    size_t len = run->from < to ? (size_t)(to - run->from) : 0;
    int r = file_read_at(c->wrong->fd, wrong, len, run->from);
    if (r == 0)
        r = file_read_at(c->right->fd, right, len, run->from);
    if (r) {
        c->error = r;
        return -1;
    }
    if (memcmp(wrong, right, len) != 0) {
        size_t same = 0;
        while (wrong[same] == right[same])
            same++;
        return run->from + (int64_t)same;
    }
    return run->to > c->size ? c->size : -1;
}

/* A step, on a disk lane. One difference says enough of a mirror. */
static void compare_run(struct job *job)
{
    struct comparison *c = container_of(job, struct comparison, job);
    auto_free char *blocks = malloc(2 * (size_t)BLOCK);
    struct extent run;
    bool more = true;
    c->error = blocks ? 0 : ERROR_NO_MEMORY;
    for (int i = 0; i < STEP_BLOCKS && c->error == 0; i++) {
        more = !c->engine->stopping && next_block(c, &run);
        if (!more)
            break;
        c->at = run.to;
        c->differs[c->mirror] = first_difference(c, &run, blocks, blocks + BLOCK);
        if (c->differs[c->mirror] >= 0)
            next_mirror(c);
    }
    if (more && c->error == 0) {
        lane_post(c->engine->reader, &c->job);
        return;
    }
    job->run = compared_run;
    core_post(c->engine, job);
}

/* On the lane that keeps them: bytes of stopped transfers may still come. */
static void take_sent_run(struct job *job)
{
    struct comparison *c = container_of(job, struct comparison, job);
    memcpy(c->sent, c->wrong->sent, sizeof(c->sent));
    memset(c->wrong->sent, 0, sizeof(c->wrong->sent));
    job->run = compare_run;
    lane_post(c->engine->reader, job);
}

void compare_start(struct flying *fl, int64_t size)
{
    struct comparison *c = fl->evidence;
    if (c)
        c->path = strdup(fl->entry->path);
    if (!c || !c->path) {
        (void)compare_forget(fl);
        return;
    }
    c->right = partial_ref(fl->partial);
    c->origin = fl->origin;
    c->size = size;
    c->blamed = fl->blamed;
    memcpy(c->sha256, fl->sha256, sizeof(c->sha256));
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        c->differs[m] = -1;
    fl->evidence = NULL; /* its bytes count until the end */
    c->job.run = take_sent_run;
    lane_post(c->wrong->writer, &c->job);
}
