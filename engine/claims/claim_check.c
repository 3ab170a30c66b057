// SPDX-License-Identifier: Apache-2.0
/*
 * Compares a file's bytes with what is claimed of them (the life cycle is in claim_check.h).
 *
 * A check has one job, which is on its way to one thread at a time. Claims are loaded again
 * whenever services->claims_version has grown since they were loaded, because a page may have said
 * something new. Before the verdict is "refuse", the page is asked for again once. When the engine
 * stops, the check ends with what it knows.
 */
#include "engine/claims/claim_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

/* The check may begin with claims that the caller has loaded; `version` tells how old they are. */
bool claim_check_init(struct claim_check *c, struct services *s, const struct origin *origin,
                      const char *path, struct claim_set *set, uint64_t version)
{
    c->s = s;
    c->origin = origin;
    c->path = strdup(path);
    c->set = claim_set_ref(set);
    c->version = version;
    return c->path != NULL;
}

void claim_check_release(struct claim_check *c)
{
    claim_set_unref(c->set);
    free(c->path);
    c->set = NULL;
    c->path = NULL;
}

/* May run several times: after the claims were loaded, and after the page was asked for again.
 * `done` always comes by a job, never from within a caller. */
static void compare(struct claim_check *c);

static void asked(void *context)
{
    compare(context);
}

static void done_run(struct job *job)
{
    struct claim_check *c = container_of(job, struct claim_check, job);
    c->done(c);
}

static void loaded_run(struct job *job)
{
    compare(container_of(job, struct claim_check, job));
}

/* On the catalogue lane, whose order matters: what a page has just said is written before. */
static void load_run(struct job *job)
{
    struct claim_check *c = container_of(job, struct claim_check, job);
    struct claim_set *set = claim_set_load(c->s->catalogue, c->origin, c->path);
    claim_set_unref(c->set);
    c->set = set;
    job->run = loaded_run;
    loop_post(c->s, job);
}

static void compare(struct claim_check *c)
{
    if (c->version != c->s->claims_version && !c->s->stopping) {
        c->version = c->s->claims_version;
        c->job.run = load_run;
        lane_post(c->s->catalogue_lane, &c->job);
        return;
    }
    c->verdict = claim_set_judge(c->set, &c->found);
    if (c->verdict == CLAIMS_REFUSE && !c->has_asked && !c->s->stopping) {
        c->has_asked = true;
        if (c->s->events->page_doubted(c->s, c->origin, c->path, asked, c))
            return;
    }
    c->job.run = done_run;
    loop_post(c->s, &c->job);
}

void claim_check_start(struct claim_check *c)
{
    compare(c);
}

/* Shows only the digests by algorithms that claims use. */
void claim_check_describe(const struct claim_check *c, const char *senders, char *ret, size_t size)
{
    char found[DIGESTS_TEXT], claimed[512];
    struct digests compared = {.count = 0};
    uint32_t wanted = claim_set_algorithms(c->set);
    for (size_t i = 0; i < c->found.count; i++) /* other algorithms tell nothing here */
        if (wanted & (1u << c->found.list[i].algorithm))
            (void)digests_add(&compared, c->found.list[i].algorithm, c->found.list[i].hex);
    digests_write(&compared, found);
    claim_set_describe(c->set, claimed, sizeof(claimed));
    (void)snprintf(ret, size, "wrong digest: %.60s sent %s; claimed is %s", senders, found,
                   claimed);
}
