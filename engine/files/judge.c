// SPDX-License-Identifier: Apache-2.0
#include "engine/files/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/claims/claim_check.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/files/rehash.h"
#include "engine/files/soundness.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/generations.h"
#include "engine/policy/policies.h"

/*
 * The life of a judgement: judge_start -> claim_check_start -> by_claims [-> on_rehashed ->
 * by_claims again] [-> by_structure] -> tell -> freed. The verdict is told by a job of its own,
 * never from within judge_start, because the flight's commands are being carried out there.
 */
struct judgement {
    struct job job;
    struct download *download;
    struct partial *partial;
    uint64_t number;
    int64_t size;
    bool is_renewal;
    char sha256[SHA256_HEX]; /* of the bytes */
    struct claim_check check;
    enum flight_verdict verdict;
    int error;         /* < 0: the disk failed, so there is no verdict */
    char senders[128]; /* names of the mirrors that sent the bytes */
    char detail[FLIGHT_DETAIL];
};

/* ---------------------------------------------------------------- the end */

/* Bytes that are what they should be may still be bytes that nobody may have. */
static void ask_policy(struct judgement *j)
{
    struct download *dl = j->download;
    char why[POLICY_REASON_BYTES];
    bool is_good = j->verdict == FLIGHT_AGREED || j->verdict == FLIGHT_SOUND;
    if (j->error || !is_good ||
        !policies_refuse_bytes(dl->files->s->policies, dl->origin, dl->path, j->sha256, why))
        return;
    j->verdict = FLIGHT_UNSOUND;
    (void)snprintf(j->detail, sizeof(j->detail), "policy: %.60s sent bytes that are %.180s",
                   j->senders, why);
}

/* On the flight thread. The claims of the judgement become those of the download: blame and commit
 * rely on them. */
static void told_run(struct job *job)
{
    struct judgement *j = container_of(job, struct judgement, job);
    struct download *dl = j->download;
    ask_policy(j);
    if (!dl->over) {
        download_set_claims(dl, j->check.set, j->check.version);
        if (j->error)
            flight_on_disk_error(dl->flight, j->error);
        else
            flight_on_judged(dl->flight, j->number, j->verdict, j->detail);
        download_drain(dl);
        if (j->verdict == FLIGHT_UNSOUND && !j->is_renewal) /* after the cut, which forgets this */
            dl->files->s->events->file_refuted(dl->files->s, dl->origin->name, j->check.path,
                                               j->detail);
    }
    claim_check_release(&j->check);
    partial_unref(j->partial);
    download_unref(dl);
    free(j);
}

/* Any thread. */
static void tell(struct judgement *j)
{
    j->job.run = told_run;
    loop_post(j->download->files->s, &j->job);
}

/* -------------------------------------------------------------- structure */

/* The bytes are no file of their kind, so what was promised of the file is void. blame.c writes the
 * log line and the problem. */
static void refuse_unsound(struct judgement *j, const struct soundness *s)
{
    struct download *dl = j->download;
    j->verdict = FLIGHT_UNSOUND;
    (void)snprintf(j->detail, sizeof(j->detail), "%.60s sent no sound file: %.150s", j->senders,
                   s->why);
    if (!dl->entry->is_renewal)
        commit_forget_promise(dl->files, dl->origin->name, dl->path);
}

/* Under a dispute sound bytes count as agreed: one of the claims names them. */
static void judged_by_structure(void *owner, int error, const struct soundness *s)
{
    struct judgement *j = owner;
    struct download *dl = j->download;
    bool is_claimed = claim_set_counts(j->check.set); /* in dispute */
    if (!is_claimed && j->check.version != dl->files->s->claims_version &&
        !dl->files->s->stopping) {
        claim_check_start(&j->check); /* a page may have claimed a digest meanwhile */
        return;
    }
    j->error = error;
    j->verdict = is_claimed ? FLIGHT_AGREED : FLIGHT_SOUND;
    if (error == 0 && !dl->over) {
        dl->evidence_level = s->evidence;
        if (!s->sound)
            refuse_unsound(j, s);
        else if (s->other_version)
            problems_note(dl->files->s, "other-version", dl->origin->name, dl->path,
                          "METADATA names another version than the file name");
    }
    tell(j);
}

/* No page claims a digest, or the claims contradict each other: the bytes must vouch for
 * themselves. */
static void by_structure(struct judgement *j)
{
    struct download *dl = j->download;
    j->error =
        soundness_ask(dl->files, j->partial, j->size, dl->path, j->sha256, judged_by_structure, j);
    if (j->error)
        tell(j);
}

/* ----------------------------------------------------------------- claims */

/* A page claims a digest by an algorithm that the bytes were not hashed by: now they are. */
static void on_rehashed(void *context, int error, const struct digests *found)
{
    struct judgement *j = context;
    j->error = error;
    if (error) {
        tell(j);
        return;
    }
    digests_add_set(&j->check.found, found);
    claim_check_start(&j->check);
}

/* The partial is read again for the algorithms that are missing; then the claims are compared once
 * more. */
static void hash_more(struct judgement *j)
{
    uint32_t missing = claim_set_algorithms(j->check.set);
    for (size_t i = 0; i < j->check.found.count; i++)
        missing &= ~(1u << j->check.found.list[i].algorithm);
    j->error = rehash_start(j->download->files, j->partial ? j->partial->fd : -1, j->size, missing,
                            on_rehashed, j);
    if (j->error)
        tell(j);
}

/* Where anything is claimed, the claim decides. */
static void by_claims(struct claim_check *check)
{
    struct judgement *j = check->context;
    switch (check->verdict) {
    case CLAIMS_UNKNOWN:
        hash_more(j);
        return;
    case CLAIMS_NONE:
    case CLAIMS_DISPUTED:
        by_structure(j);
        return;
    case CLAIMS_AGREE:
        j->verdict = FLIGHT_AGREED;
        break;
    case CLAIMS_REFUSE:
        j->verdict = FLIGHT_WRONG;
        claim_check_describe(check, j->senders, j->detail, sizeof(j->detail));
        break;
    }
    tell(j);
}

/* Out of memory: there will be no verdict, so the flight fails. */
void judge_start(struct download *dl, const struct flight_command *c)
{
    struct judgement *j = calloc(1, sizeof(*j));
    if (!j || !claim_check_init(&j->check, dl->files->s, dl->origin, dl->path, dl->claims,
                                dl->claims_version)) {
        free(j);
        flight_on_disk_error(dl->flight, ERROR_NO_MEMORY);
        return;
    }
    j->download = dl;
    j->partial = dl->partial ? partial_ref(dl->partial) : NULL;
    j->number = c->judgement;
    j->size = c->size;
    j->is_renewal = dl->entry->is_renewal;
    memcpy(j->sha256, c->sha256, sizeof(j->sha256));
    j->check.found = dl->found;
    j->check.done = by_claims;
    j->check.context = j;
    dl->judged_size = c->size;
    struct flight_view view;
    flight_view(dl->flight, &view);
    mirrors_names(dl->origin, view.senders, j->senders, sizeof(j->senders));
    download_ref(dl);
    claim_check_start(&j->check);
}
