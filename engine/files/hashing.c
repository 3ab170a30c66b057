// SPDX-License-Identifier: Apache-2.0
/*
 * The digests of a download's bytes: SHA-256, which is a file's name in the store, and each other
 * algorithm that a claim uses.
 *
 * The flight asks for one run after the other (FLIGHT_HASH). hashing_start -> hash_run on the
 * compute lane, which reads the run back from the partial -> hashed_run on the flight thread ->
 * flight_on_hashed. While a job runs it owns the hasher; the download only remembers it.
 * hashing_abandon (after a cut, or at the end) marks that hasher, and the job frees it. Bytes that
 * are read back are in the page cache, and what is checked is what was written.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/files/rehash.h"

static void hasher_free(struct hasher *h)
{
    if (!h)
        return;
    digester_free(h->digester);
    free(h);
}

/* One run of bytes. It holds the partial, so that a cut does not close the file under the read. */
struct hash_job {
    struct job job;
    struct download *download;
    struct partial *partial;
    struct hasher *hasher;
    int64_t from, to, size;
    int error;
    struct digests found; /* at the end of the file; SHA-256 is the first of them */
};

/* An abandoned hasher belongs to bytes that are gone: its result is dropped. */
static void hashed_run(struct job *job)
{
    struct hash_job *h = container_of(job, struct hash_job, job);
    struct download *dl = h->download;
    if (h->hasher->abandoned || dl->over) {
        hasher_free(h->hasher);
    } else {
        dl->hasher = h->hasher;
        dl->hasher_out = NULL;
        if (h->to == h->size)
            dl->found = h->found;
        if (h->error)
            flight_on_disk_error(dl->flight, h->error);
        else
            flight_on_hashed(dl->flight, h->to, h->found.count ? h->found.list[0].hex : NULL);
        download_drain(dl);
    }
    partial_unref(h->partial);
    download_unref(dl);
    free(h);
}

/* On the compute lane. The partial's bytes do not change once they are written. */
static void hash_run(struct job *job)
{
    struct hash_job *h = container_of(job, struct hash_job, job);
    int r = rehash_range(h->hasher->digester, h->partial->fd, h->from, h->to);
    if (r == 0 && h->to == h->size)
        r = digester_finish(h->hasher->digester, &h->found);
    h->error = r;
    job->run = hashed_run;
    loop_post(h->download->files->s, job);
}

/* A hasher that a job has is freed by that job; another one is freed here. */
void hashing_abandon(struct download *dl)
{
    if (dl->hasher_out)
        dl->hasher_out->abandoned = true;
    dl->hasher_out = NULL;
    hasher_free(dl->hasher);
    dl->hasher = NULL;
}

/* Begins all digests anew, by the algorithms that the claims of now use. */
static void new_hasher(struct download *dl)
{
    uint32_t algorithms = claim_set_algorithms(dl->claims) | 1u << DIGEST_SHA256;
    hashing_abandon(dl);
    dl->found.count = 0;
    dl->hasher = calloc(1, sizeof(*dl->hasher));
    int r = dl->hasher ? digester_new(algorithms, &dl->hasher->digester) : ERROR_NO_MEMORY;
    if (r)
        hashing_abandon(dl);
}

/* from = 0 begins new digests. The job has the hasher until hashed_run gives it back. */
void hashing_start(struct download *dl, const struct flight_command *c)
{
    struct hash_job *h = calloc(1, sizeof(*h));
    if (c->from == 0 || !dl->hasher)
        new_hasher(dl);
    if (!h || !dl->hasher || !dl->partial) {
        free(h);
        flight_on_disk_error(dl->flight, ERROR_NO_MEMORY);
        return;
    }
    *h = (struct hash_job){.job.run = hash_run,
                           .download = dl,
                           .partial = partial_ref(dl->partial),
                           .hasher = dl->hasher,
                           .from = c->from,
                           .to = c->to,
                           .size = c->size};
    dl->hasher_out = dl->hasher;
    dl->hasher = NULL;
    download_ref(dl);
    lane_post(dl->files->s->compute, &h->job);
}
