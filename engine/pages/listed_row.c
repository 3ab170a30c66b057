// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/loop/memory.h"
#include "engine/loop/services.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/delisted.h"
#include "engine/pages/pages_state.h"

/*
 * Writing the listed row of one file while it is being fetched. When its page is built the next
 * time, mirrors may not list it any more.
 *
 *     catalogue lane: is there a row? --yes--> flight thread: it counts
 *       | no: stored pages are read, where listings are not in memory
 *     compute lane: parsed, and merged as for a page --> catalogue lane: stored --> flight thread
 *
 * One look belongs to one thread at a time. It takes memory twice: a little while stored pages wait
 * for the compute lane, and what the merge needs when it runs. Without memory it ends without a
 * row; the next build of the page writes it.
 */

enum { READ_TIMES = 8 }; /* how often a page's bytes, while it is read */

/* A stored page. It waits for the compute lane as it is packed: many may wait at once. */
struct stored {
    struct buf packed;
    char *url;
};

struct look {
    struct job job;
    struct pages *pages;
    const struct origin *origin;
    char *channel, *path, *project; /* channel "": none */
    struct listing_ref *listings[MERGE_SOURCES];
    char *addresses[MERGE_SOURCES]; /* the pages of mirrors whose listing is not in memory */
    struct stored stored[MERGE_SOURCES];
    struct memory_claim claim;
    bool is_due; /* its claim is for the merge, no longer for waiting */
    struct merge merge;
    struct merge_first_seen first_seen; /* the row of the path; none when first_s is 0 */
    struct catalogue_listed row;
    bool is_seen;
};

/* Gives its memory claim back with everything else. */
static void look_free(struct look *l)
{
    memory_give(l->pages->s, &l->claim);
    for (unsigned m = 0; m < MERGE_SOURCES; m++) {
        listing_ref_put(l->listings[m]);
        buf_release(&l->stored[m].packed);
        free(l->stored[m].url);
        free(l->addresses[m]);
    }
    merge_release(&l->merge);
    free(l->channel);
    free(l->path);
    free(l->project);
    free(l);
}

void listed_row_fill(const struct merge *m, const struct merge_file *f,
                     struct catalogue_listed *row)
{
    struct page_file page;
    merge_file_view(m, f, &page);
    row->requires_python = page.requires_python;
    row->upload_time = page.upload_time;
    row->upload_time_source = page.upload_time_source;
    row->yanked = page.yanked;
    row->yanked_reason = page.yanked_reason;
}

/* The last job: back on the flight thread, which owns the index of held files. */
static void noted_run(struct job *job)
{
    struct look *l = container_of(job, struct look, job);
    if (l->is_seen)
        delisted_note(l->pages, l->origin->name, l->project, l->path, l->channel,
                      l->row.delisted_s);
    look_free(l);
}

/* From any lane back to the flight thread. */
static void end(struct look *l)
{
    l->job.run = noted_run;
    loop_post(l->pages->s, &l->job);
}

/* On the catalogue lane. Another look may have stored the row meanwhile: it says the same. */
static void put_run(struct job *job)
{
    struct look *l = container_of(job, struct look, job);
    int r = catalogue_put_listed(l->pages->s->catalogue, &l->row);
    if (r)
        log_warning("catalogue: cannot store the listed row of %s/%s: %s", l->origin->name, l->path,
                    error_text(r));
    end(l);
}

/* A page that cannot be read is left out, as if its mirror had not answered. */
static void parse(struct look *l, unsigned mirror)
{
    const struct stored *s = &l->stored[mirror];
    struct listing *listing;
    auto_buf struct buf body;
    buf_init(&body, LISTING_MAX_BYTES);
    if (!s->url || gzip_decompress(s->packed.data, s->packed.len, &body) ||
        listing_parse(body.data, body.len, s->url, &listing))
        return;
    if (links_settle(l->origin, mirror, l->addresses[mirror], s->url, listing)) {
        listing_free(listing);
        return;
    }
    l->listings[mirror] = listing_ref_new(listing);
}

/* Merges only files of this name, as a page of the project would show them. */
static int merge(struct look *l)
{
    struct merge_held held = {.path = l->path};
    struct merge_input input = {.origin = l->origin,
                                .channel = *l->channel ? l->channel : NULL,
                                .project = l->project,
                                .href_prefix = "",
                                .now_s = clock_real_s(),
                                .held = &held,
                                .held_count = 1,
                                .first_seen = &l->first_seen,
                                .first_seen_count = l->first_seen.first_s ? 1 : 0,
                                .name = str_last_segment(l->path)};
    for (unsigned m = 0; m < MERGE_SOURCES; m++) {
        if (!l->listings[m])
            parse(l, m);
        if (!l->listings[m])
            continue;
        input.sources[input.source_count].listing = l->listings[m]->listing;
        input.sources[input.source_count++].mirror = m;
    }
    return merge_project(&input, &l->merge);
}

/* What stored pages take when they are read, and the listings that are in memory. */
static size_t bytes_needed(const struct look *l)
{
    size_t bytes = 0;
    for (unsigned m = 0; m < MERGE_SOURCES; m++) {
        size_t plain = gzip_plain_bytes(l->stored[m].packed.data, l->stored[m].packed.len);
        bytes += l->listings[m] ? l->listings[m]->listing->bytes : READ_TIMES * plain;
    }
    return bytes;
}

/* On the compute lane. */
static void merge_run(struct job *job)
{
    struct look *l = container_of(job, struct look, job);
    if (!l->is_due)
        memory_give(l->pages->s, &l->claim);
    l->is_due = true;
    int got = memory_take(l->pages->s, &l->claim, bytes_needed(l), l->pages->s->compute, job);
    if (got == MEMORY_WAITS)
        return;
    int r = got == MEMORY_REFUSED ? ERROR_NO_MEMORY : merge(l);
    for (size_t i = 0; r == 0 && i < l->merge.count; i++) {
        if (!l->merge.files[i].held)
            continue;
        l->is_seen = true;
        l->row = (struct catalogue_listed){.origin = l->origin->name,
                                           .project = l->project,
                                           .path = l->path,
                                           .channel = l->channel,
                                           .first_s = clock_real_s()};
        listed_row_fill(&l->merge, &l->merge.files[i], &l->row);
    }
    if (!l->is_seen) {
        end(l);
        return;
    }
    job->run = put_run;
    lane_post(l->pages->s->catalogue_lane, job);
}

static int on_listed(void *context, const struct catalogue_listed *row)
{
    struct look *l = context;
    if (strcmp(row->path, l->path) != 0 || strcmp(row->channel, l->channel) != 0)
        return 0;
    l->is_seen = true;
    l->row.delisted_s = row->delisted_s;
    return 0;
}

/* The date of a file's first listing must not change with this look. */
static int on_first_seen(void *context, const struct catalogue_first_seen *row)
{
    struct look *l = context;
    if (strcmp(row->path, l->path) == 0)
        l->first_seen = (struct merge_first_seen){l->path, row->first_s, row->asked_s,
                                                  row->modified_s, row->size};
    return 0;
}

/* Only a page: a stored 404 lists nothing. */
static int on_listing(void *context, const struct catalogue_listing *row)
{
    struct stored *s = context;
    if (row->status != 200)
        return 0;
    buf_add(&s->packed, row->body, row->body_len);
    s->url = s->packed.error ? NULL : str_dup(row->url);
    return 0;
}

/* On the catalogue lane. */
static void look_run(struct job *job)
{
    struct look *l = container_of(job, struct look, job);
    struct catalogue *c = l->pages->s->catalogue;
    int got =
        memory_take(l->pages->s, &l->claim, MEMORY_SMALL_BYTES, l->pages->s->catalogue_lane, job);
    if (got == MEMORY_WAITS)
        return;
    if (got == MEMORY_REFUSED) {
        end(l);
        return;
    }
    (void)catalogue_each_listed(c, l->origin->name, l->project, on_listed, l);
    if (l->is_seen) {
        end(l);
        return;
    }
    (void)catalogue_each_first_seen(c, l->origin->name, l->project, on_first_seen, l);
    for (unsigned m = 0; m < MERGE_SOURCES; m++)
        if (l->addresses[m])
            (void)catalogue_get_listing(c, l->origin->name, l->origin->mirrors[m].name,
                                        l->addresses[m], on_listing, &l->stored[m]);
    job->run = merge_run;
    lane_post(l->pages->s->compute, job);
}

/* The listings are references, so they stay although their sources may drop them meanwhile. */
void listed_row_look(struct pages *pages, const struct origin *origin, const char *channel,
                     const char *path, const char *project)
{
    struct look *l = calloc(1, sizeof(*l));
    if (!l)
        return;
    *l = (struct look){.job.run = look_run,
                       .pages = pages,
                       .origin = origin,
                       .channel = strdup(channel),
                       .path = strdup(path),
                       .project = strdup(project)};
    if (!l->channel || !l->path || !l->project) {
        look_free(l);
        return;
    }
    const char *in = *channel ? channel : NULL;
    for (unsigned m = 0; m < origin->mirror_count && m < MERGE_SOURCES; m++) {
        buf_init(&l->stored[m].packed, LISTING_MAX_BYTES);
        l->listings[m] = source_listing(sources_find(pages->listings, origin, m, in, project));
        if (!l->listings[m])
            l->addresses[m] = mirror_page_url(&origin->mirrors[m], in, project);
    }
    lane_post(pages->s->catalogue_lane, &l->job);
}
