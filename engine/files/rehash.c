// SPDX-License-Identifier: Apache-2.0
#include "engine/files/rehash.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/files/files_state.h"

/* A rehash lives: rehash_start -> step_run on the compute lane, which posts itself again until the
 * end -> told_run on the flight thread -> freed. A stop of the daemon ends it early, with
 * ERROR_STOPPING. */

enum { BLOCK_BYTES = 256 << 10, STEP_BYTES = 8 << 20 };

/* One file that is read again; `at` is how far it has come. */
struct rehash {
    struct job job;
    struct files *files;
    int fd;
    int64_t at, size;
    struct digester *digester;
    struct digests found;
    int error;
    void (*done)(void *context, int error, const struct digests *found);
    void *context;
};

static void rehash_free(struct rehash *r)
{
    digester_free(r->digester);
    free(r);
}

static void told_run(struct job *job)
{
    struct rehash *r = container_of(job, struct rehash, job);
    r->done(r->context, r->error, r->error ? NULL : &r->found);
    rehash_free(r);
}

static void finish(struct rehash *r)
{
    if (r->error == 0)
        r->error = digester_finish(r->digester, &r->found);
    r->job.run = told_run;
    loop_post(r->files->s, &r->job);
}

/* One block is read at a time, so the memory that it takes does not depend on the file. */
int rehash_range(struct digester *digester, int fd, int64_t from, int64_t to)
{
    auto_free char *block = malloc(BLOCK_BYTES);
    int r = block ? 0 : ERROR_NO_MEMORY;
    for (int64_t at = from; r == 0 && at < to;) {
        size_t len = to - at < BLOCK_BYTES ? (size_t)(to - at) : BLOCK_BYTES;
        r = file_read_at(fd, block, len, at);
        if (r == 0)
            r = digester_add(digester, block, len);
        at += (int64_t)len;
    }
    return r;
}

/* After each step other jobs of the lane have their turn. */
static void step_run(struct job *job)
{
    struct rehash *r = container_of(job, struct rehash, job);
    int64_t end = r->size - r->at < STEP_BYTES ? r->size : r->at + STEP_BYTES;
    r->error = rehash_range(r->digester, r->fd, r->at, end);
    r->at = end;
    if (r->files->s->stopping)
        r->error = ERROR_STOPPING;
    if (r->error || r->at == r->size)
        finish(r);
    else
        lane_post(r->files->s->compute, &r->job);
}

int rehash_start(struct files *files, int fd, int64_t size, uint32_t algorithms,
                 void (*done)(void *context, int error, const struct digests *found), void *context)
{
    struct rehash *r = calloc(1, sizeof(*r));
    if (!r)
        return ERROR_NO_MEMORY;
    *r = (struct rehash){{step_run, NULL}, files,        fd,
                         .size = size,     .done = done, .context = context};
    if (digester_new(algorithms, &r->digester)) {
        rehash_free(r);
        return ERROR_NO_MEMORY;
    }
    lane_post(files->s->compute, &r->job);
    return 0;
}
