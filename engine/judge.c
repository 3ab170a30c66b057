// SPDX-License-Identifier: Apache-2.0
#include "engine/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/flying.h"
#include "engine/soundness.h"

/*
 * Life of a judgement: judge_start -> by_claims [-> by_structure] -> tell -> freed. The verdict is
 * told as a job of its own, never from within judge_start: the flight's commands are being carried
 * out there.
 */
struct judgement {
    struct job job;
    struct flying *flying;
    struct partial *partial;
    uint64_t number;
    int64_t size;
    char sha256[SHA256_HEX]; /* of the bytes */
    enum flight_verdict verdict;
    int error;         /* < 0: the disk does not let us see; then there is no verdict */
    char senders[128]; /* mirrors' names, of the bytes */
    char detail[FLIGHT_DETAIL];
};

/* ------------------------------------------------------------------ the end */

static void told_run(struct job *job)
{
    struct judgement *j = container_of(job, struct judgement, job);
    struct flying *fl = j->flying;
    if (!fl->over) {
        if (j->error)
            flight_on_disk_error(fl->flight, j->error);
        else
            flight_on_judged(fl->flight, j->number, j->verdict, j->detail);
        flying_drain(fl);
    }
    partial_unref(j->partial);
    flying_unref(fl);
    free(j);
}

/* Any thread. */
static void tell(struct judgement *j)
{
    j->job.run = told_run;
    core_post(j->flying->engine, &j->job);
}

static void by_claims(struct judgement *j);

/* ---------------------------------------------------------------- structure */

/* Nobody vouches for them: what was promised of the file is not the file's, either. Log and problem
 * are blame.c's. */
static void refuse_unsound(struct judgement *j, const struct soundness *s)
{
    struct flying *fl = j->flying;
    j->verdict = FLIGHT_UNSOUND;
    (void)snprintf(j->detail, sizeof(j->detail), "%.60s sent no sound file: %.150s", j->senders,
                   s->why);
    if (!fl->entry->is_renewal)
        commit_forget_promise(fl->engine, fl->origin->name, fl->entry->path);
}

static void judged_by_structure(void *owner, int error, const struct soundness *s)
{
    struct judgement *j = owner;
    struct flying *fl = j->flying;
    if (fl->sha256[0]) { /* somebody has claimed one meanwhile */
        by_claims(j);
        return;
    }
    j->error = error;
    j->verdict = FLIGHT_SOUND;
    if (error == 0 && !fl->over) {
        fl->evidence_level = s->evidence;
        if (!s->sound)
            refuse_unsound(j, s);
        else if (s->other_version)
            core_problem(fl->engine, "other-version", fl->origin->name, fl->entry->path,
                         "METADATA names another version than the file name");
    }
    tell(j);
}

/* Nobody claims a digest: the bytes speak for themselves. */
static void by_structure(struct judgement *j)
{
    struct flying *fl = j->flying;
    struct flight_view view;
    flight_view(fl->flight, &view);
    core_mirror_names(fl->origin, view.senders, j->senders, sizeof(j->senders));
    j->error = soundness_ask(fl->engine, j->partial, j->size, fl->entry->path, j->sha256,
                             judged_by_structure, j);
    if (j->error)
        tell(j);
}

/* ------------------------------------------------------------------- claims */

/* What is claimed of the file decides, where anything is. */
static void by_claims(struct judgement *j)
{
    const struct flying *fl = j->flying;
    if (!fl->sha256[0]) {
        by_structure(j);
        return;
    }
    if (strcmp(fl->sha256, j->sha256) == 0) {
        j->verdict = FLIGHT_AGREED;
    } else {
        j->verdict = FLIGHT_WRONG;
        (void)snprintf(j->detail, sizeof(j->detail), "wrong digest: sha256 %s instead of %s",
                       j->sha256, fl->sha256);
    }
    tell(j);
}

void judge_start(struct flying *fl, const struct flight_command *c)
{
    struct judgement *j = calloc(1, sizeof(*j));
    if (!j) {
        flight_on_disk_error(fl->flight, ERROR_NO_MEMORY);
        return;
    }
    *j = (struct judgement){.flying = fl,
                            .partial = fl->partial ? partial_ref(fl->partial) : NULL,
                            .number = c->judgement,
                            .size = c->size};
    memcpy(j->sha256, c->sha256, sizeof(j->sha256));
    fl->judged_size = c->size;
    flying_ref(fl);
    by_claims(j);
}
