// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/metadata/metadata.h"
#include "index/name.h"

/* Stores what was made of a wheel in the catalogue, or that it is void. */

struct keep {
    struct job job;
    struct engine *engine;
    const char *origin;
    char *path, *project, *etag, *requires_python, *mirrors;
    char problem[512], sha256[SHA256_HEX];
    struct document *text;
};

static void keep_free(struct keep *k)
{
    document_unref(k->text);
    free(k->path);
    free(k->project);
    free(k->etag);
    free(k->requires_python);
    free(k->mirrors);
    free(k);
}

/* On the catalogue lane. Without an ETag the row is dropped: nothing would tell whether it is of
 * this wheel. */
static void keep_run(struct job *job)
{
    struct keep *k = container_of(job, struct keep, job);
    struct catalogue_metadata row = {.origin = k->origin,
                                     .path = k->path,
                                     .project = k->project,
                                     .sha256 = k->text ? k->sha256 : NULL,
                                     .requires_python = k->requires_python,
                                     .problem = k->problem[0] ? k->problem : NULL,
                                     .mirrors = k->mirrors,
                                     .etag = k->etag,
                                     .made_s = clock_real_s(),
                                     .body = k->text ? k->text->data : NULL,
                                     .body_len = k->text ? k->text->len : 0};
    int r = k->etag ? catalogue_put_metadata(k->engine->catalogue, &row)
                    : catalogue_drop_metadata(k->engine->catalogue, k->origin, k->path);
    if (r)
        log_warning("catalogue: cannot store metadata of %s: %s", k->path, error_text(r));
    keep_free(k);
}

void metadata_keep(struct engine *e, const char *origin, const char *path,
                   const struct extract_result *result, const char *problem)
{
    struct file_name name = {0};
    struct keep *k = calloc(1, sizeof(*k));
    if (!k || file_name_parse(str_last_segment(path), &name)) {
        free(k);
        return;
    }
    *k = (struct keep){.job.run = keep_run, .engine = e, .origin = origin};
    k->path = strdup(path);
    k->project = strdup(name.project ? name.project : "");
    file_name_release(&name);
    if (result) {
        k->etag = str_dup(result->etag);
        k->requires_python = str_dup(result->requires_python);
        k->mirrors = str_dup(result->mirrors);
        memcpy(k->sha256, result->sha256, sizeof(k->sha256));
        k->text = result->text;
        if (k->text)
            k->text->refs++;
    }
    str_copy(k->problem, sizeof(k->problem), problem);
    if (k->path && k->project && (k->etag || !result))
        lane_post(e->catalogue_lane, &k->job);
    else
        keep_free(k);
}
