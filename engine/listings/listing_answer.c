// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a mirror's page: from bytes to a listing, or to why it is none (see listing_answer.h).
 *
 *     new (flight thread) -> row of the catalogue | head and data of a transfer
 *       -> listing_answer_read (compute lane): unpack -> parse -> settle links -> judge
 *       -> back to the source (flight thread) -> keep (catalogue lane) | free
 *
 * An answer has one owner at a time, which its job hands on. Reading takes memory in two steps, and
 * may wait for it before each: first for what the packed body may become, then for what the parser
 * needs. Every limit ends in an error of the answer; the source keeps its last good listing then.
 */
#include "engine/listings/listing_answer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/listings/listings_state.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"

const char listing_answer_html[] = "text/html, */*;q=0.1";

enum { UNPACKED_TIMES = 1032 }; /* deflate makes at most so many bytes of one */

/* A flat page is HTML. A simple page is wanted as JSON first: it has sizes and dates. */
const char *listing_answer_accept(const struct mirror *mirror)
{
    return mirror->layout == LAYOUT_FLAT ? "text/html, application/json;q=0.5"
                                         : "application/vnd.pypi.simple.v1+json, "
                                           "application/vnd.pypi.simple.v1+html;q=0.2, "
                                           "text/html;q=0.1";
}

struct listing_answer *listing_answer_new(struct listings *listings, struct source *source,
                                          const struct origin *origin, const struct mirror *mirror,
                                          const char *page, bool is_list)
{
    struct listing_answer *r = calloc(1, sizeof(*r));
    if (!r || !(r->page = strdup(page))) {
        free(r);
        return NULL;
    }
    r->listings = listings;
    r->source = source;
    r->origin = origin;
    r->mirror = mirror;
    r->is_list = is_list;
    r->retry_after_s = r->max_age_s = -1;
    r->heard_ms = r->started_ms = clock_monotonic_ms();
    r->length = -1;
    buf_init(&r->body, LISTING_MAX_BYTES);
    buf_init(&r->packed, LISTING_MAX_BYTES);
    return r;
}

void listing_answer_free(struct listing_answer *r)
{
    r->listings->s->fetched_bytes -= r->counted;
    memory_give(r->listings->s, &r->claim);
    listing_ref_put(r->listing);
    listing_ref_put(r->before);
    changes_release(&r->changes);
    buf_release(&r->body);
    buf_release(&r->packed);
    free(r->etag);
    free(r->date);
    free(r->url);
    free(r->page);
    for (size_t i = 0; i < r->place_count; i++) {
        free(r->places[i].path);
        free(r->places[i].url);
    }
    free(r->places);
    free(r);
}

/* Places are stored, because a request after a restart needs them before the page is read. */
static int collect_places(struct listing_answer *r, const struct listing *l)
{
    if (!l->has_places || r->stored)
        return 0;
    r->places = calloc(l->file_count, sizeof(*r->places));
    if (!r->places)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < l->file_count; i++) {
        struct link_place *p = &r->places[r->place_count];
        if (!l->files[i].place)
            continue;
        *p = (struct link_place){strdup(l->files[i].path), strdup(l->files[i].place)};
        r->place_count++;
        if (!p->path || !p->url)
            return ERROR_NO_MEMORY;
    }
    return 0;
}

/* Which links are the origin's, and how many are lost. Also decides whether the listing has lost
 * its links: `had` is what the last good one listed. */
static int settle_links(struct listing_answer *r, struct listing *l)
{
    unsigned mirror = (unsigned)(r->mirror - r->origin->mirrors);
    int error = links_settle(r->origin, mirror, r->page, r->url ? r->url : r->page, l);
    if (error)
        return error;
    r->elsewhere = l->elsewhere;
    r->near = l->counted;
    str_copy(r->hosts, sizeof(r->hosts), l->elsewhere_hosts ? l->elsewhere_hosts : "");
    r->is_lost = links_are_lost(l, r->had);
    if (r->is_lost) {
        links_complain(l, r->detail, sizeof(r->detail));
        return ERROR_BAD_LISTING;
    }
    if (l->elsewhere && !r->stored)
        log_info("links elsewhere dropped url=%s count=%zu of=%zu hosts=%s", r->page, l->elsewhere,
                 l->elsewhere + l->counted, r->hosts);
    return collect_places(r, l);
}

/* A 200 need not be a listing: portals and blank pages answer 200 also. */
static int judge_listing(const struct listing_answer *r, const struct listing *l)
{
    if (r->is_list)
        return l->project_count ? 0 : ERROR_BAD_LISTING;
    if (l->file_count || (l->is_simple && r->mirror->layout == LAYOUT_SIMPLE))
        return 0;
    return ERROR_BAD_LISTING;
}

/* Pages that were stored are judged again: the configuration may have changed since. */
int listing_answer_parse(struct listing_answer *r)
{
    struct listing *listing = NULL;
    int error = sha256_of(r->body.data, r->body.len, r->sha256);
    if (error == 0)
        error = listing_parse(r->body.data, r->body.len, r->url ? r->url : r->page, &listing);
    if (error)
        return error == ERROR_CORRUPT ? ERROR_BAD_LISTING : error;
    if (!r->is_list)
        error = settle_links(r, listing);
    if (error == 0)
        error = judge_listing(r, listing);
    if (error) {
        listing_free(listing);
        return error;
    }
    shrink_guard_look(listing, &r->facts);
    r->listing = listing_ref_new(listing);
    if (r->listing && r->before) /* without memory a later comparison finds the changes */
        (void)changes_find(r->before->listing, listing, &r->changes);
    return r->listing ? 0 : ERROR_NO_MEMORY;
}

/* An S3 bucket says 403 for a key that does not exist; its body tells. */
bool listing_answer_says_missing(const struct listing_answer *r)
{
    if (r->status == 404 || r->status == 410)
        return true;
    for (const int *m = r->mirror->missing; m && *m; m++)
        if (*m == r->status)
            return true;
    return r->status == 403 && listing_is_s3_denial(r->body.data, r->body.len);
}

/* The stored body is packed; listing_answer_read unpacks it like a received one. */
int listing_answer_take_row(void *context, const struct catalogue_listing *row)
{
    struct listing_answer *r = context;
    r->status = row->status;
    r->etag = str_dup(row->etag);
    r->date = str_dup(row->last_modified);
    r->url = str_dup(row->url);
    r->fetched_s = row->fetched_s;
    if (row->status == 200)
        buf_add(&r->body, row->body, row->body_len);
    return r->body.error;
}

/* The bodies of these statuses say something; others end the transfer. */
int listing_answer_take_head(void *context, const struct fetch_head *head)
{
    struct listing_answer *r = context;
    r->status = head->status;
    r->etag = str_dup(head->etag);
    r->date = str_dup(head->last_modified);
    r->url = str_dup(head->final_url);
    r->retry_after_s = head->retry_after_s;
    r->max_age_s = head->max_age_s;
    r->length = head->length;
    r->heard_ms = r->head_ms = clock_monotonic_ms();
    (void)snprintf(r->detail, sizeof(r->detail), "HTTP %d", head->status);
    if (head->status == 508) /* the mirror asks this daemon, directly or through others */
        return ERROR_LOOP;
    bool reads = head->status == 200 || head->status == 304 || head->status == 403 ||
                 head->status == 404 || head->status == 410;
    return reads ? 0 : ERROR_UPSTREAM_STATUS;
}

/* All pages that are being received share one bound: many large pages at once must not fill
 * memory. */
void listing_answer_take_data(void *context, struct slab *slab, int64_t offset)
{
    struct listing_answer *r = context;
    (void)offset;
    int64_t len = r->body.error ? 0 : (int64_t)slab->len;
    /* spelled out for clang 14 */
    int64_t fetched = atomic_fetch_add(&r->listings->s->fetched_bytes, len) + len;
    r->counted += len;
    /* the transfer goes on, but its bytes are not kept: the error stays */
    if (fetched > memory_most_received(r->listings->s) && !r->body.error)
        r->body.error = ERROR_NO_MEMORY; /* other pages that are being received have the memory */
    buf_add(&r->body, slab->data, slab->len);
    r->received += (int64_t)slab->len;
    r->heard_ms = clock_monotonic_ms();
    slab_put(slab);
}

/* Unpacks the body. MEMORY_WAITS, or the outcome is in r->error. */
static int unpack(struct listing_answer *r)
{
    /* a packed page may become as large as LISTING_MAX_BYTES, whatever it claims */
    size_t most = r->body.len < LISTING_MAX_BYTES / UNPACKED_TIMES ? r->body.len * UNPACKED_TIMES
                                                                   : LISTING_MAX_BYTES;
    int got = gzip_is_packed(r->body.data, r->body.len)
                  ? memory_take(r->listings->s, &r->claim, most, r->listings->s->compute, &r->job)
                  : MEMORY_TAKEN;
    if (got == MEMORY_WAITS)
        return got;
    r->is_unpacked = true;
    r->error = got == MEMORY_REFUSED ? ERROR_NO_MEMORY : gzip_unpack(&r->body);
    if (r->status != 200) /* the body of a 404 is not needed */
        r->error = 0;
    else if (r->error == ERROR_CORRUPT)
        r->error = ERROR_BAD_LISTING;
    memory_give(r->listings->s,
                &r->claim); /* the process already has it, and memory_used shows it */
    return got;
}

/* Memory is claimed for the parser's result, which listing_need estimates from the bytes. */
static int read_listing(struct listing_answer *r)
{
    size_t most = listing_need(r->body.data, r->body.len, r->url ? r->url : r->page);
    int got = memory_take(r->listings->s, &r->claim, most, r->listings->s->compute, &r->job);
    if (got == MEMORY_WAITS)
        return got;
    r->error = got == MEMORY_REFUSED ? ERROR_NO_MEMORY : listing_answer_parse(r);
    if (r->error == 0 && !r->stored)
        (void)gzip_compress(r->body.data, r->body.len, &r->packed);
    if (r->error && !r->is_lost)
        str_copy(r->detail, sizeof(r->detail), error_text(r->error));
    if (r->error == ERROR_NO_MEMORY)
        (void)snprintf(r->detail, sizeof(r->detail),
                       "to read its page takes %zu MB, which max_memory has no room for",
                       most / 1000000);
    if (r->error == ERROR_BAD_LISTING && !r->is_lost)
        r->is_web_page = portal_begins_page(r->body.data, r->body.len, r->page_sha256);
    buf_release(&r->body);
    memory_give(r->listings->s, &r->claim);
    return got;
}

/* Each step that must wait for memory posts the job again; the next call goes on where it was. */
bool listing_answer_read(struct listing_answer *r)
{
    if (r->listings->s->stopping) /* no source will use it */
        r->error = ERROR_STOPPING;
    if (r->error || r->status == 304)
        return true;
    if (!r->is_unpacked && unpack(r) == MEMORY_WAITS)
        return false;
    if (r->error == 0 && r->status == 200)
        return read_listing(r) != MEMORY_WAITS;
    if (r->error == 0 && listing_answer_says_missing(r))
        r->status = 404;
    else if (r->error == 0)
        r->error = ERROR_UPSTREAM_STATUS;
    return true;
}

/* ---------------------------------------------------------------- catalogue */

/* One transaction: the page, and the places that it names instead of the page's old ones. A row
 * without its places would send requests to the wrong URLs after a restart. */
static int put_listing(const struct listing_answer *r, const struct catalogue_listing *row)
{
    struct catalogue *c = r->listings->s->catalogue;
    int error = catalogue_begin(c);
    if (error == 0)
        error = catalogue_put_listing(c, row);
    if (error == 0)
        error = catalogue_drop_places(c, row->origin, row->mirror, row->page);
    for (size_t i = 0; error == 0 && i < r->place_count; i++)
        error = catalogue_put_place(c, &(struct catalogue_place){.origin = row->origin,
                                                                 .path = r->places[i].path,
                                                                 .mirror = row->mirror,
                                                                 .page = row->page,
                                                                 .url = r->places[i].url});
    if (error == 0)
        return catalogue_commit(c);
    catalogue_rollback(c);
    return error;
}

/* A 304 only confirms the row: its body is still the one that is stored. */
static void store_run(struct job *job)
{
    struct listing_answer *r = container_of(job, struct listing_answer, job);
    int64_t now_s = clock_real_s();
    struct catalogue_listing row = {.origin = r->origin->name,
                                    .mirror = r->mirror->name,
                                    .page = r->page,
                                    .url = r->url ? r->url : r->page,
                                    .etag = r->etag,
                                    .last_modified = r->date,
                                    .status = r->status,
                                    .fetched_s = now_s,
                                    .body = r->packed.data,
                                    .body_len = r->packed.len};
    int error = r->status == 304 ? catalogue_confirm_listing(r->listings->s->catalogue, row.origin,
                                                             row.mirror, row.page, now_s)
                                 : put_listing(r, &row);
    if (error < 0)
        log_warning("catalogue: cannot store listing %s: %s", r->page, error_text(error));
    listing_answer_free(r);
}

void listing_answer_keep(struct listing_answer *r)
{
    r->job.run = store_run;
    lane_post(r->listings->s->catalogue_lane, &r->job);
}
