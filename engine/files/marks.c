// SPDX-License-Identifier: Apache-2.0
#include "engine/files/marks.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/entry.h"

struct mark {
    char sha256[SHA256_HEX];
    bool pinned;
    int64_t verified_s;
    UT_hash_handle hh;
};

struct marks {
    struct mark *table;
};

int marks_new(struct marks **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

void marks_free(struct marks *marks)
{
    struct mark *mark, *next;
    if (!marks)
        return;
    HASH_ITER(hh, marks->table, mark, next)
    {
        HASH_DEL(marks->table, mark);
        free(mark);
    }
    free(marks);
}

static struct mark *find(const struct engine *e, const char *sha256)
{
    struct mark *mark;
    HASH_FIND_STR(e->marks->table, sha256, mark);
    return mark;
}

static struct mark *find_or_add(struct engine *e, const char *sha256)
{
    struct mark *mark = find(e, sha256);
    if (mark)
        return mark;
    mark = calloc(1, sizeof(*mark));
    if (!mark)
        return NULL;
    str_copy(mark->sha256, sizeof(mark->sha256), sha256);
    HASH_ADD_STR(e->marks->table, sha256, mark);
    return mark;
}

static int on_mark(void *context, const char *sha256, bool pinned, int64_t verified_s)
{
    struct mark *mark = find_or_add(context, sha256);
    if (!mark)
        return ERROR_NO_MEMORY;
    mark->pinned = pinned;
    mark->verified_s = verified_s;
    return 0;
}

int marks_load(struct engine *e)
{
    return catalogue_each_mark(e->catalogue, on_mark, e);
}

bool marks_is_pinned(const struct engine *e, const char *sha256)
{
    const struct mark *mark = find(e, sha256);
    return mark && mark->pinned;
}

int64_t marks_verified_s(const struct engine *e, const char *sha256)
{
    const struct mark *mark = find(e, sha256);
    return mark ? mark->verified_s : 0;
}

/* ------------------------------------------------------------------ writing */

struct put {
    struct job job;
    struct engine *engine;
    char sha256[SHA256_HEX];
    bool pinned;
    int64_t verified_s;
};

static void put_run(struct job *job)
{
    struct put *p = container_of(job, struct put, job);
    int r = catalogue_put_mark(p->engine->catalogue, p->sha256, p->pinned, p->verified_s);
    if (r)
        log_warning("catalogue: cannot store the mark of %s: %s", p->sha256, error_text(r));
    free(p);
}

static int write_down(struct engine *e, const struct mark *mark)
{
    struct put *p = calloc(1, sizeof(*p));
    if (!p)
        return ERROR_NO_MEMORY;
    *p = (struct put){
        .job.run = put_run, .engine = e, .pinned = mark->pinned, .verified_s = mark->verified_s};
    memcpy(p->sha256, mark->sha256, sizeof(p->sha256));
    lane_post(e->catalogue_lane, &p->job);
    return 0;
}

int marks_pin(struct engine *e, const char *sha256, bool pinned)
{
    struct mark *mark = find_or_add(e, sha256);
    if (!mark)
        return ERROR_NO_MEMORY;
    mark->pinned = pinned;
    commit_sidecar(e, sha256);
    return write_down(e, mark);
}

int marks_verified(struct engine *e, const char *sha256, int64_t now_s)
{
    struct mark *mark = find_or_add(e, sha256);
    if (!mark)
        return ERROR_NO_MEMORY;
    mark->verified_s = now_s;
    return write_down(e, mark);
}

/* The row goes with the blob's: see catalogue_drop_blob. */
void marks_forget(struct engine *e, const char *sha256)
{
    struct mark *mark = find(e, sha256);
    if (!mark)
        return;
    mark->verified_s = 0;
    if (mark->pinned)
        return;
    HASH_DEL(e->marks->table, mark);
    free(mark);
}
