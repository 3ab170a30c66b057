// SPDX-License-Identifier: Apache-2.0
/*
 * What a build has found out and nobody knew before: who claims which digest of a file, when files
 * were uploaded, what is delisted.
 *
 *     build_remember (flight thread): files learn other digests, problems are noted
 *         -> nothing is new: build_free
 *         -> else one transaction on the catalogue lane -> build_free
 *
 * The files learn first. A client that reads the new page and then asks for a file must find the
 * digest of that page. A transaction that fails loses no more than these rows: the next build finds
 * them again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/files.h"
#include "engine/loop/problems.h"
#include "engine/pages/built.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/pages_state.h"

static void put_claim(struct build *b, const struct merge_news *news)
{
    struct catalogue_claim claim = {.origin = b->origin->name,
                                    .path = b->merge.files[news->file].path,
                                    .mirror = news->mirror,
                                    .project = b->project,
                                    .channel = b->channel ? b->channel : "",
                                    .digests = news->digests,
                                    .metadata = news->metadata,
                                    .said_s = news->said_s,
                                    .is_withdrawn = news->is_withdrawn};
    (void)catalogue_put_claim(b->pages->s->catalogue, &claim);
}

static void remember_run(struct job *job)
{
    struct build *b = container_of(job, struct build, job);
    int error = catalogue_begin(b->pages->s->catalogue);
    for (size_t i = 0; error == 0 && i < b->merge.news_count; i++)
        put_claim(b, &b->merge.news[i]);
    for (size_t i = 0; error == 0 && i < b->merge.count; i++)
        if (b->merge.files[i].corrects) /* under other claims the blame may have been wrong */
            (void)catalogue_drop_blame(b->pages->s->catalogue, b->origin->name,
                                       b->merge.files[i].path);
    for (size_t i = 0; error == 0 && i < b->merge.count; i++)
        if (dates_is_new(&b->merge.files[i]))
            dates_store(b, &b->merge.files[i]);
    if (error == 0)
        delisted_store(b);
    if (error == 0)
        error = catalogue_commit(b->pages->s->catalogue);
    if (error)
        log_warning("catalogue: cannot store claims and dates of %s: %s", b->project,
                    error_text(error));
    build_free(b);
}

/* Claims of a file have changed: what is in download or kept is compared with the new ones. */
static void learn(struct build *b, const struct merge_file *f)
{
    auto_free char *metadata = f->learns_metadata ? str_printf("%s.metadata", f->path) : NULL;
    if (f->corrects)
        problems_over(b->pages->s, "wrong-digest", b->origin->name, f->path);
    if (f->learns)
        files_learn_claims(b->pages->files, b->origin, f->path, f->digests);
    if (metadata)
        files_learn_claims(b->pages->files, b->origin, metadata, f->said_metadata);
}

/* A dispute is a problem as long as it goes on. */
static void tell_dispute(struct build *b, const struct merge_file *f)
{
    if (!f->dispute)
        problems_over(b->pages->s, "digest-disputed", b->origin->name, f->path);
    else if (problems_note(b->pages->s, "digest-disputed", b->origin->name, f->path, "%s%s",
                           f->dispute, f->is_disputed ? "" : " (the claim of the site counts)"))
        log_warning("digest disputed path=%s/%s claims=\"%s\"", b->origin->name, f->path,
                    f->dispute);
}

void build_remember(struct build *b)
{
    bool is_fleeting = b->origin->directory != NULL; /* the folder says it again */
    bool news = !is_fleeting && (delisted_settle(b) || b->merge.news_count);
    if (b->merge.news_count && !is_fleeting)
        b->pages->s->claims_version++;
    for (size_t i = 0; !is_fleeting && i < b->merge.count; i++) {
        const struct merge_file *f = &b->merge.files[i];
        news |= dates_is_new(f);
        learn(b, f);
        tell_dispute(b, f);
    }
    if (!news) {
        build_free(b);
        return;
    }
    b->job.run = remember_run;
    lane_post(b->pages->s->catalogue_lane, &b->job);
}
