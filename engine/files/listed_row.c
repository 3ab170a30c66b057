// SPDX-License-Identifier: Apache-2.0
#include "engine/files/listed_row.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cache/catalogue.h"
#include "engine/loop/core.h"

/* Lives on the stack of the thread that waits. */
struct row_look {
    struct job job;
    struct catalogue *catalogue;
    const char *origin, *project, *path;
    struct listed_row row;
    bool is_delisted; /* what `row` was taken from */
    int result;
    sem_t done;
};

void listed_row_release(struct listed_row *row)
{
    free(row->requires_python);
    free(row->upload_time);
    free(row->yanked_reason);
    *row = (struct listed_row){.is_known = false};
}

static int take(struct row_look *look, const struct catalogue_showing *showing)
{
    struct listed_row *row = &look->row;
    const char *upload_time = showing->upload_time_source ? NULL : showing->upload_time;
    listed_row_release(row);
    look->is_delisted = showing->delisted_s != 0;
    row->is_known = true;
    row->yanked = showing->yanked;
    row->requires_python = str_dup(showing->requires_python);
    row->upload_time = str_dup(upload_time);
    row->yanked_reason = str_dup(showing->yanked_reason);
    bool is_short = (showing->requires_python && !row->requires_python) ||
                    (upload_time && !row->upload_time) ||
                    (showing->yanked_reason && !row->yanked_reason);
    return is_short ? ERROR_NO_MEMORY : 0;
}

static int visit(void *context, const struct catalogue_showing *showing)
{
    struct row_look *look = context;
    if (strcmp(showing->path, look->path) != 0)
        return 0;
    bool is_better = !look->row.is_known || (look->is_delisted && !showing->delisted_s);
    return is_better ? take(look, showing) : 0;
}

static void look_run(struct job *job)
{
    struct row_look *look = container_of(job, struct row_look, job);
    look->result =
        catalogue_each_showing(look->catalogue, look->origin, look->project, visit, look);
    sem_post(&look->done);
}

int listed_row_get(struct engine *e, const char *origin, const char *project, const char *path,
                   struct listed_row *ret)
{
    struct row_look look = {.job.run = look_run,
                            .catalogue = e->catalogue,
                            .origin = origin,
                            .project = project,
                            .path = path};
    sem_init(&look.done, 0, 0);
    lane_post(e->catalogue_lane, &look.job);
    while (sem_wait(&look.done) != 0)
        continue;
    sem_destroy(&look.done);
    if (look.result) {
        listed_row_release(&look.row);
        return look.result;
    }
    *ret = look.row;
    return 0;
}
