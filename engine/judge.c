// SPDX-License-Identifier: Apache-2.0
#include "engine/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/flying.h"

/*
 * Life of a judgement: judge_start -> by_claims -> tell -> freed. The verdict is told as a job of
 * its own, never from within judge_start: the flight's commands are being carried out there.
 */
struct judgement {
    struct job job;
    struct flying *flying;
    struct partial *partial;
    uint64_t number;
    int64_t size;
    char sha256[SHA256_HEX]; /* of the bytes */
    enum flight_verdict verdict;
    int error; /* < 0: the disk does not let us see; then there is no verdict */
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

/* ------------------------------------------------------------------- claims */

/* What is claimed of the file decides, where anything is. */
static void by_claims(struct judgement *j)
{
    const struct flying *fl = j->flying;
    if (!fl->sha256[0]) {
        j->verdict = FLIGHT_SOUND;
    } else if (strcmp(fl->sha256, j->sha256) == 0) {
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
