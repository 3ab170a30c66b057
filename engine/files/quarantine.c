// SPDX-License-Identifier: Apache-2.0
#include "engine/files/quarantine.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "engine/files/entry.h"

struct removal {
    struct job job;
    struct engine *engine;
    char sha256[SHA256_HEX];
};

static void drop_row_run(struct job *job)
{
    struct removal *r = container_of(job, struct removal, job);
    (void)catalogue_drop_blob(r->engine->catalogue, r->sha256);
    free(r);
}

/* On the cleaner lane, where commits are: none of this digest runs meanwhile. */
static void put_run(struct job *job)
{
    struct removal *r = container_of(job, struct removal, job);
    struct engine *e = r->engine;
    if (store_quarantine(e->store, r->sha256) == 0)
        log_warning("moved to quarantine file=%s/quarantine/%s", e->options.cache_dir, r->sha256);
    job->run = drop_row_run;
    lane_post(e->catalogue_lane, job);
}

void quarantine_put(struct engine *e, const char *sha256)
{
    struct removal *r = calloc(1, sizeof(*r));
    if (!r)
        return;
    r->job.run = put_run;
    r->engine = e;
    str_copy(r->sha256, sizeof(r->sha256), sha256);
    lane_post(e->cleaner, &r->job);
}
