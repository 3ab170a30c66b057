// SPDX-License-Identifier: Apache-2.0
#include "engine/files/last_listed.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cache/catalogue.h"
#include "engine/files/files_state.h"

/* Lives on the stack of the thread that waits. */
struct row_look {
    struct job job;
    struct catalogue *catalogue;
    const char *origin, *project, *path;
    struct last_listed row;
    bool is_delisted; /* what `row` was taken from */
    int result;
    sem_t done;
};

void last_listed_release(struct last_listed *row)
{
    free(row->requires_python);
    free(row->upload_time);
    free(row->yanked_reason);
    *row = (struct last_listed){.is_known = false};
}

static int take(struct row_look *look, const struct catalogue_listed *listed_row)
{
    struct last_listed *row = &look->row;
    const char *upload_time = listed_row->upload_time_source ? NULL : listed_row->upload_time;
    last_listed_release(row);
    look->is_delisted = listed_row->delisted_s != 0;
    row->is_known = true;
    row->yanked = listed_row->yanked;
    row->requires_python = str_dup(listed_row->requires_python);
    row->upload_time = str_dup(upload_time);
    row->yanked_reason = str_dup(listed_row->yanked_reason);
    bool is_short = (listed_row->requires_python && !row->requires_python) ||
                    (upload_time && !row->upload_time) ||
                    (listed_row->yanked_reason && !row->yanked_reason);
    return is_short ? ERROR_NO_MEMORY : 0;
}

static int visit(void *context, const struct catalogue_listed *listed_row)
{
    struct row_look *look = context;
    if (strcmp(listed_row->path, look->path) != 0)
        return 0;
    bool is_better = !look->row.is_known || (look->is_delisted && !listed_row->delisted_s);
    return is_better ? take(look, listed_row) : 0;
}

static void look_run(struct job *job)
{
    struct row_look *look = container_of(job, struct row_look, job);
    look->result = catalogue_each_listed(look->catalogue, look->origin, look->project, visit, look);
    sem_post(&look->done);
}

int last_listed_get(struct files *files, const char *origin, const char *project, const char *path,
                    struct last_listed *ret)
{
    struct row_look look = {.job.run = look_run,
                            .catalogue = files->s->catalogue,
                            .origin = origin,
                            .project = project,
                            .path = path};
    sem_init(&look.done, 0, 0);
    lane_post(files->s->catalogue_lane, &look.job);
    while (sem_wait(&look.done) != 0)
        continue;
    sem_destroy(&look.done);
    if (look.result) {
        last_listed_release(&look.row);
        return look.result;
    }
    *ret = look.row;
    return 0;
}
