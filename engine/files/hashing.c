// SPDX-License-Identifier: Apache-2.0
/*
 * The digests of a flight's bytes, read back from its partial on the compute lane while they come:
 * by SHA-256, which is a file's name here, and by what else is claimed of it. Reading back checks
 * the bytes that are kept, not those that were received, and runs at its own pace. The bytes come
 * from the page cache.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/files/flying.h"

enum { HASH_BLOCK = 256 << 10 };

static void hasher_free(struct hasher *h)
{
    if (!h)
        return;
    sha256_free(h->sha);
    digester_free(h->others);
    free(h);
}

struct hash_job {
    struct job job;
    struct flying *flying;
    struct partial *partial;
    struct hasher *hasher;
    int64_t from, to, size;
    int error;
    char sha256[SHA256_HEX];
    struct digests found;
};

static void hashed_run(struct job *job)
{
    struct hash_job *h = container_of(job, struct hash_job, job);
    struct flying *fl = h->flying;
    if (h->hasher->abandoned || fl->over) {
        hasher_free(h->hasher);
    } else {
        fl->hasher = h->hasher;
        fl->hasher_out = NULL;
        if (h->to == h->size)
            fl->found = h->found;
        if (h->error)
            flight_on_disk_error(fl->flight, h->error);
        else
            flight_on_hashed(fl->flight, h->to, h->sha256[0] ? h->sha256 : NULL);
        flying_drain(fl);
    }
    partial_unref(h->partial);
    flying_unref(fl);
    free(h);
}

static void hash_run(struct job *job)
{
    struct hash_job *h = container_of(job, struct hash_job, job);
    auto_free char *block = malloc(HASH_BLOCK);
    int r = block ? 0 : ERROR_NO_MEMORY;
    for (int64_t at = h->from; r == 0 && at < h->to;) {
        size_t len = h->to - at < HASH_BLOCK ? (size_t)(h->to - at) : HASH_BLOCK;
        r = file_read_at(h->partial->fd, block, len, at);
        if (r == 0)
            r = sha256_add(h->hasher->sha, block, len);
        if (r == 0)
            r = digester_add(h->hasher->others, block, len);
        at += (int64_t)len;
    }
    if (r == 0 && h->to == h->size)
        r = sha256_finish(h->hasher->sha, h->sha256);
    if (r == 0 && h->to == h->size)
        r = digester_finish(h->hasher->others, &h->found);
    h->error = r;
    job->run = hashed_run;
    core_post(h->flying->engine, job);
}

void hashing_abandon(struct flying *fl)
{
    if (fl->hasher_out)
        fl->hasher_out->abandoned = true;
    fl->hasher_out = NULL;
    hasher_free(fl->hasher);
    fl->hasher = NULL;
}

/* By SHA-256, which is its name here, and by what else is claimed of it. */
static void new_hasher(struct flying *fl)
{
    uint32_t others = claim_set_algorithms(fl->claims) & ~(1u << DIGEST_SHA256);
    hashing_abandon(fl);
    fl->found.count = 0;
    fl->hasher = calloc(1, sizeof(*fl->hasher));
    int r = fl->hasher ? sha256_new(&fl->hasher->sha) : ERROR_NO_MEMORY;
    if (r == 0)
        r = digester_new(others, &fl->hasher->others);
    if (r)
        hashing_abandon(fl);
}

void hashing_start(struct flying *fl, const struct flight_command *c)
{
    struct hash_job *h = calloc(1, sizeof(*h));
    if (c->from == 0 || !fl->hasher)
        new_hasher(fl);
    if (!h || !fl->hasher || !fl->partial) {
        free(h);
        flight_on_disk_error(fl->flight, ERROR_NO_MEMORY);
        return;
    }
    *h = (struct hash_job){.job.run = hash_run,
                           .flying = fl,
                           .partial = partial_ref(fl->partial),
                           .hasher = fl->hasher,
                           .from = c->from,
                           .to = c->to,
                           .size = c->size};
    fl->hasher_out = fl->hasher;
    fl->hasher = NULL;
    flying_ref(fl);
    lane_post(fl->engine->compute, &h->job);
}
