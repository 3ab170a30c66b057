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
#include "engine/files/flying.h"
#include "engine/files/refusals.h"
#include "engine/loop/key.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"
#include "engine/mirrors/portal_report.h"

/* ------------------------------------------------------------- the catalogue */

struct blame {
    struct job job;
    struct engine *engine;
    const char *origin, *mirror;
    char *path, *validator;
};

static void blame_run(struct job *job)
{
    struct blame *b = container_of(job, struct blame, job);
    int error = catalogue_put_blame(b->engine->catalogue, b->origin, b->path, b->mirror,
                                    b->validator, clock_real_s());
    if (error)
        log_warning("catalogue: cannot store blame of %s for %s/%s: %s", b->mirror, b->origin,
                    b->path, error_text(error));
    free(b->path);
    free(b->validator);
    free(b);
}

static void write_down(const struct flying *fl, unsigned mirror, const char *validator)
{
    struct blame *b = calloc(1, sizeof(*b));
    char *path = strdup(fl->path);
    if (!b || !path) {
        free(b);
        free(path);
        return;
    }
    *b = (struct blame){.job.run = blame_run,
                        .engine = fl->engine,
                        .origin = fl->origin->name,
                        .mirror = fl->origin->mirrors[mirror].name,
                        .path = path,
                        .validator = str_dup(validator)};
    lane_post(fl->engine->catalogue_lane, &b->job);
}

/* ------------------------------------------------------------------ refusals */

void blame_recall(struct flying *fl, struct flight_options *options)
{
    struct refused_file known;
    options->blamed = fl->blamed;
    if (!refusals_find(fl->engine->refusals, fl->origin->name, fl->path, clock_monotonic_ms(),
                       &known))
        return;
    options->blamed |= known.mirrors;
    fl->blamed = options->blamed;
    if (!known.waits || fl->refresh)
        return;
    fl->why_refused = str_dup(known.detail);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        if (!(known.mirrors & (1u << m)))
            continue;
        fl->barred |= 1u << m;
        fl->wrong_under[m] = str_dup(known.validator[m]);
        if (!known.validator[m])
            options->refused |= 1u << m;
    }
    fl->waiting = fl->barred;
    fl->waiting_until_ms = known.until_ms;
}

void blame_allow(struct flying *fl, unsigned mirrors)
{
    fl->barred &= ~mirrors;
    fl->waiting &= ~mirrors;
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        if (!(mirrors & (1u << m)))
            continue;
        free(fl->wrong_under[m]);
        fl->wrong_under[m] = NULL;
    }
}

void blame_on_tick(struct flying *fl, int64_t now_ms)
{
    unsigned mirrors = fl->waiting;
    if (!mirrors || now_ms < fl->waiting_until_ms)
        return;
    blame_allow(fl, mirrors);
    flight_on_allowed(fl->flight, mirrors);
}

unsigned blame_bars(const struct flying *fl)
{
    unsigned all = (1u << fl->origin->mirror_count) - 1;
    return (fl->blamed & all) == all ? fl->barred : fl->blamed;
}

/* Where a captive portal answers, no mirror has sent anything. */
static bool is_portal(struct flying *fl, unsigned mirror, int64_t size, const char *sha256,
                      const char *stranger)
{
    const struct web_page page = {.mirror = fl->origin->mirrors[mirror].name,
                                  .place = "file",
                                  .asked = key_hash(fl->entry->key, fl->entry->key_len),
                                  .size = size,
                                  .sha256 = sha256,
                                  .stranger = stranger};
    char why[FLIGHT_DETAIL];
    if (!portal_report(fl->engine, &page, why, sizeof(why)))
        return false;
    log_warning("%s path=%s/%s", why, fl->origin->name, fl->path);
    free(fl->why_portal);
    fl->why_portal = str_dup(why);
    return true;
}

void blame_web_page(struct flying *fl, unsigned mirror, int64_t size, const char *sha256,
                    const char *stranger)
{
    if (fl->over || is_portal(fl, mirror, size, sha256, stranger))
        return;
    core_problem(fl->engine, "unsound", fl->origin->name, fl->path,
                 "%s: a web page came in the place of the file", fl->origin->mirrors[mirror].name);
}

void blame_refuse(struct flying *fl, const struct flight_command *c)
{
    const char *origin = fl->origin->name, *path = fl->path;
    const char *name = fl->origin->mirrors[c->mirror].name;
    bool wrong = c->error == ERROR_DIGEST_MISMATCH, web = fl->web_pages & (1u << c->mirror);
    if (web && is_portal(fl, c->mirror, fl->judged_size, c->sha256, fl->stranger[c->mirror])) {
        refusals_forget_bytes(fl->engine->refusals, c->sha256);
        return;
    }
    log_warning("%s mirror=%s path=%s/%s detail=\"%s\"%s", wrong ? "wrong digest" : "unsound file",
                name, origin, path, c->detail, web ? " (a web page)" : "");
    core_problem(fl->engine, wrong ? "wrong-digest" : "unsound", origin, path, "%s%s",
                 web ? "a web page; " : "", c->detail); /* which names the mirror */
    fl->blamed |= 1u << c->mirror;
    fl->barred |= 1u << c->mirror;
    fl->waiting &= ~(1u << c->mirror); /* from now on for this flight's own reason */
    refusals_note(fl->engine->refusals, origin, path, c->mirror, c->sha256, web,
                  fl->sent_under[c->mirror], c->detail, clock_monotonic_ms());
}

/* Two mirrors that have the same against a claim speak against the claim. */
void blame_failed(struct flying *fl, const struct flight_command *c)
{
    const char *origin = fl->origin->name, *path = fl->path;
    struct refused_file known;
    char names[256];
    if (!c->refusals)
        return;
    refusals_failed(fl->engine->refusals, origin, path, clock_monotonic_ms());
    if (!claim_set_counts(fl->claims) ||
        !refusals_find(fl->engine->refusals, origin, path, clock_monotonic_ms(), &known) ||
        !known.agreeing)
        return;
    core_mirror_names(fl->origin, known.agreeing, names, sizeof(names));
    core_problem(fl->engine, "doubtful-digest", origin, path, "%s sent the same; %s", names,
                 known.detail);
}

static void blame(struct flying *fl, unsigned mirror, const char *validator)
{
    struct engine *e = fl->engine;
    log_warning("blamed mirror=%s path=%s/%s", fl->origin->mirrors[mirror].name, fl->origin->name,
                fl->path);
    budget_lied(e->budget, core_mirror(e, fl->origin, mirror),
                key_hash(fl->entry->key, fl->entry->key_len), clock_monotonic_ms());
    write_down(fl, mirror, validator);
}

void blame_settle(struct flying *fl, const struct flight_command *c)
{
    struct engine *e = fl->engine;
    const char *origin = fl->origin->name, *path = fl->path;
    struct refused_file known = {0};
    struct flight_view view;
    char *validator[FLIGHT_MIRRORS] = {0};
    unsigned differ = 0;
    if (refusals_find(e->refusals, origin, path, clock_monotonic_ms(), &known)) {
        for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
            validator[m] = str_dup(known.validator[m]);
        differ = refusals_settle(e->refusals, origin, path, c->sha256);
        core_problem_over(e, "doubtful-digest", origin, path);
    }
    flight_view(fl->flight, &view);
    for (unsigned m = 0; m < fl->origin->mirror_count && c->authoritative; m++) {
        if (view.senders & (1u << m)) /* its file may have been put right since */
            budget_vouched(e->budget, core_mirror(e, fl->origin, m));
        else if (differ & (1u << m))
            blame(fl, m, validator[m]);
    }
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        free(validator[m]);
}

void blame_pass(struct engine *e, const struct origin *origin, const char *path, unsigned mirror,
                const char *expected)
{
    const char *name = origin->mirrors[mirror].name;
    int64_t now_ms = clock_monotonic_ms();
    core_problem(e, "wrong-digest", origin->name, path, "%s sent other bytes than %s%s", name,
                 str_is_sha256(expected) ? "sha256 " : "", expected);
    refusals_note(e->refusals, origin->name, path, mirror, "", false, NULL, "wrong digest", now_ms);
    refusals_failed(e->refusals, origin->name, path, now_ms);
}
