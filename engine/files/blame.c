// SPDX-License-Identifier: Apache-2.0
#include "engine/files/blame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/files/refusals.h"
#include "engine/loop/key.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"

/*
 * How a bad copy is handled over time:
 *
 *     FLIGHT_REFUSE   blame_refuse: noted in refusals; the mirror is `barred` for this download
 *     FLIGHT_FAIL     blame_failed: the file waits; mirrors that agree make the claim doubtful
 *     next download   blame_recall: barred mirrors must show another validator until blame_on_tick
 *     FLIGHT_COMMIT   blame_settle: a claim confirms bytes; mirrors that sent others are blamed
 *
 * Only the last step harms a mirror's name. A captive portal is none of this: its web page is no
 * mirror's copy.
 */

/* -------------------------------------------------------------- catalogue */

struct blame {
    struct job job;
    struct files *files;
    const char *origin, *mirror;
    char *path, *validator;
};

static void blame_run(struct job *job)
{
    struct blame *b = container_of(job, struct blame, job);
    int error = catalogue_put_blame(b->files->s->catalogue, b->origin, b->path, b->mirror,
                                    b->validator, clock_real_s());
    if (error)
        log_warning("catalogue: cannot store blame of %s for %s/%s: %s", b->mirror, b->origin,
                    b->path, error_text(error));
    free(b->path);
    free(b->validator);
    free(b);
}

/* Posts the row of a blame. Without memory the blame is only in the budget, and lasts until the
 * next start. */
static void write_down(const struct download *dl, unsigned mirror, const char *validator)
{
    struct blame *b = calloc(1, sizeof(*b));
    char *path = strdup(dl->path);
    if (!b || !path) {
        free(b);
        free(path);
        return;
    }
    *b = (struct blame){.job.run = blame_run,
                        .files = dl->files,
                        .origin = dl->origin->name,
                        .mirror = dl->origin->mirrors[mirror].name,
                        .path = path,
                        .validator = str_dup(validator)};
    lane_post(dl->files->s->catalogue_lane, &b->job);
}

/* --------------------------------------------------------------- refusals */

/* While a refusal waits, its mirrors are asked only if they show another validator than that of the
 * bad copy. */
void blame_recall(struct download *dl, struct flight_options *options)
{
    struct refused_file known;
    options->blamed = dl->blamed;
    if (!refusals_find(dl->files->refusals, dl->origin->name, dl->path, clock_monotonic_ms(),
                       &known))
        return;
    options->blamed |= known.mirrors;
    dl->blamed = options->blamed;
    if (!known.waits || dl->refresh)
        return;
    dl->why_refused = str_dup(known.detail);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        if (!(known.mirrors & (1u << m)))
            continue;
        dl->barred |= 1u << m;
        dl->wrong_under[m] = str_dup(known.validator[m]);
        if (!known.validator[m])
            options->refused |= 1u << m;
    }
    dl->waiting = dl->barred;
    dl->waiting_until_ms = known.until_ms;
}

/* The mirrors may send anything again: neither this download nor a wait stands against them. */
void blame_allow(struct download *dl, unsigned mirrors)
{
    dl->barred &= ~mirrors;
    dl->waiting &= ~mirrors;
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        if (!(mirrors & (1u << m)))
            continue;
        free(dl->wrong_under[m]);
        dl->wrong_under[m] = NULL;
    }
}

/* Tells the flight when the wait of mirrors is over that were bad before this download. */
void blame_on_tick(struct download *dl, int64_t now_ms)
{
    unsigned mirrors = dl->waiting;
    if (!mirrors || now_ms < dl->waiting_until_ms)
        return;
    blame_allow(dl, mirrors);
    flight_on_allowed(dl->flight, mirrors);
}

/* When every mirror was bad before, only those that would send the same again are left out. */
unsigned blame_bars(const struct download *dl)
{
    unsigned all = (1u << dl->origin->mirror_count) - 1;
    return (dl->blamed & all) == all ? dl->barred : dl->blamed;
}

bool blame_portal(struct services *s, const struct origin *origin, const char *path,
                  unsigned mirror, struct web_page page, char *why, size_t size)
{
    char key[KEY_MAX_BYTES];
    page.mirror = origin->mirrors[mirror].name;
    page.place = "file";
    page.asked = key_hash(key, key_make(key, origin->name, path));
    if (!portal_report(s, &page, why, size))
        return false;
    log_warning("%s path=%s/%s", why, origin->name, path);
    return true;
}

/* The reason goes to the client. */
static bool is_portal(struct download *dl, unsigned mirror, int64_t size, const char *sha256,
                      const char *stranger)
{
    const struct web_page page = {.size = size, .sha256 = sha256, .stranger = stranger};
    char why[FLIGHT_DETAIL];
    if (!blame_portal(dl->files->s, dl->origin, dl->path, mirror, page, why, sizeof(why)))
        return false;
    free(dl->why_portal);
    dl->why_portal = str_dup(why);
    return true;
}

/* No mirror sent this: it is a problem to show, but not a copy to remember. */
void blame_web_page(struct download *dl, unsigned mirror, int64_t size, const char *sha256,
                    const char *stranger)
{
    if (dl->over || is_portal(dl, mirror, size, sha256, stranger))
        return;
    problems_note(dl->files->s, "unsound", dl->origin->name, dl->path,
                  "%s: a web page came instead of the file", dl->origin->mirrors[mirror].name);
}

/* A labelled web page whose first bytes do not show it gets here only with the verdict. When it is
 * a captive portal's, nothing is noted of the mirror. */
void blame_refuse(struct download *dl, const struct flight_command *c)
{
    const char *origin = dl->origin->name, *path = dl->path;
    const char *name = dl->origin->mirrors[c->mirror].name;
    bool wrong = c->error == ERROR_DIGEST_MISMATCH, web = dl->web_pages & (1u << c->mirror);
    if (web && is_portal(dl, c->mirror, dl->judged_size, c->sha256, dl->stranger[c->mirror])) {
        refusals_forget_bytes(dl->files->refusals, c->sha256);
        return;
    }
    counters_add(&dl->files->s->counters, wrong ? COUNT_DIGEST_FAILURES : COUNT_UNSOUND_FILES, 1);
    log_warning("%s mirror=%s path=%s/%s detail=\"%s\"%s", wrong ? "wrong digest" : "unsound file",
                name, origin, path, c->detail, web ? " (a web page)" : "");
    problems_note(dl->files->s, wrong ? "wrong-digest" : "unsound", origin, path, "%s%s",
                  web ? "a web page; " : "", c->detail); /* c->detail names the mirror */
    dl->blamed |= 1u << c->mirror;
    dl->barred |= 1u << c->mirror;
    /* from now on it is barred for what it sent to this download */
    dl->waiting &= ~(1u << c->mirror);
    refusals_note(dl->files->refusals, origin, path, c->mirror, c->sha256, web,
                  dl->sent_under[c->mirror], c->detail, clock_monotonic_ms());
}

/* Two mirrors that sent the same bytes against a claim make the claim doubtful. */
void blame_failed(struct download *dl, const struct flight_command *c)
{
    const char *origin = dl->origin->name, *path = dl->path;
    struct refused_file known;
    char names[256];
    if (!c->refusals)
        return;
    refusals_failed(dl->files->refusals, origin, path, clock_monotonic_ms());
    if (!claim_set_counts(dl->claims) ||
        !refusals_find(dl->files->refusals, origin, path, clock_monotonic_ms(), &known) ||
        !known.agreeing)
        return;
    mirrors_names(dl->origin, known.agreeing, names, sizeof(names));
    problems_note(dl->files->s, "doubtful-digest", origin, path, "%s sent the same; %s", names,
                  known.detail);
}

/* Only here does a mirror lose standing: a claim has confirmed other bytes than it sent. */
static void blame(struct download *dl, unsigned mirror, const char *validator)
{
    struct files *files = dl->files;
    log_warning("blamed mirror=%s path=%s/%s", dl->origin->mirrors[mirror].name, dl->origin->name,
                dl->path);
    budget_lied(files->s->budget, mirrors_number(files->s->mirrors, dl->origin, mirror),
                key_hash(dl->entry->key, dl->entry->key_len), clock_monotonic_ms());
    write_down(dl, mirror, validator);
}

/* Validators are copied first, because refusals_settle forgets the file. */
void blame_settle(struct download *dl, const struct flight_command *c)
{
    struct files *files = dl->files;
    const char *origin = dl->origin->name, *path = dl->path;
    struct refused_file known = {0};
    struct flight_view view;
    char *validator[FLIGHT_MIRRORS] = {0};
    unsigned differ = 0;
    if (refusals_find(files->refusals, origin, path, clock_monotonic_ms(), &known)) {
        for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
            validator[m] = str_dup(known.validator[m]);
        differ = refusals_settle(files->refusals, origin, path, c->sha256);
        problems_over(files->s, "doubtful-digest", origin, path);
    }
    flight_view(dl->flight, &view);
    for (unsigned m = 0; m < dl->origin->mirror_count && c->authoritative; m++) {
        if (view.senders & (1u << m)) /* it may have corrected its file since */
            budget_vouched(files->s->budget, mirrors_number(files->s->mirrors, dl->origin, m));
        else if (differ & (1u << m))
            blame(dl, m, validator[m]);
    }
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        free(validator[m]);
}

/* No flight counts the copies of a passthrough, so its failure is also the file's. */
void blame_passthrough(struct files *files, const struct origin *origin, const char *path,
                       unsigned mirror, const char *expected)
{
    const char *name = origin->mirrors[mirror].name;
    int64_t now_ms = clock_monotonic_ms();
    counters_add(&files->s->counters, COUNT_DIGEST_FAILURES, 1);
    problems_note(files->s, "wrong-digest", origin->name, path, "%s sent other bytes than %s%s",
                  name, str_is_sha256(expected) ? "sha256 " : "", expected);
    refusals_note(files->refusals, origin->name, path, mirror, "", false, NULL, "wrong digest",
                  now_ms);
    refusals_failed(files->refusals, origin->name, path, now_ms);
}
