// SPDX-License-Identifier: Apache-2.0
/*
 * The state of all mirrors of a page entry in one view: how many are waited for, have answered,
 * have failed. Taken anew whenever it is needed, so nothing here can be out of date. Flight thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/loop/options.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/project_list.h"

/* A project's page as a part of a flat one. */
static void tally_part(struct page_tally *t, const struct page_entry *part)
{
    struct source_view v;
    t->version = t->version * 31 + part->built_version;
    for (unsigned i = 0; i < part->source_count; i++)
        /* marks them as in use, although their own load may be over */
        source_view(part->sources[i], &v);
    if (!part->page || part->page->incomplete || part->page->outcome == OUTCOME_UNAVAILABLE)
        t->missing++;
}

/* The version of a page is made of its sources' versions: any change of one changes it. */
static void tally_source(struct pages *pages, const struct page_entry *s, unsigned i,
                         struct page_tally *t)
{
    struct source_view v;
    bool late = source_check_late(s->sources[i]);
    source_view(s->sources[i], &v);
    bool runs = v.state != SOURCE_IDLE, pending = runs && !late;
    t->pending += pending;
    t->late += runs && late;
    t->unknown += pending && v.status != 404 && !(v.status == 200 && v.listing);
    t->silent += v.is_silent || (!runs && v.error == ERROR_TIMEOUT);
    t->moving += runs && !v.is_silent;
    t->answered += v.status == 404 || (v.status == 200 && v.listing);
    t->confirmed += clock_monotonic_ms() - v.confirmed_ms < pages->s->options.page_refresh_ms;
    t->version = t->version * 31 + v.version;
    t->missing += (runs && s->origin->mirrors[i].layout == LAYOUT_SIMPLE) || v.is_provisional;
    t->looped += !runs && v.error == ERROR_LOOP;
    if (v.confirmed_ms > t->confirmed_ms)
        t->confirmed_ms = v.confirmed_ms;
    if (!runs && v.error && v.retry_after_s > 0 && v.retry_after_s <= PAGE_SOON_S)
        t->retry_after_s = v.retry_after_s;
    source_write_trouble(s->sources[i], &v, t->failures, sizeof(t->failures));
}

/* Never confirmed lies far in the past, but so that ages can still be computed. */
struct page_tally page_tally(struct pages *pages, struct page_entry *s)
{
    struct page_tally t = {.confirmed_ms = INT64_MIN / 2};
    for (unsigned i = 0; i < s->source_count; i++)
        tally_source(pages, s, i, &t);
    t.missing += s->inquiry && s->inquiry_is_worth;
    if (!s->project)
        t.version = t.version * 31 + project_lists_version(pages);
    t.listings_version = t.version;
    for (size_t i = 0; i < s->part_count; i++)
        tally_part(&t, s->parts[i]);
    s->renewed = !pages->s->options.offline && (!s->source_count || t.confirmed_ms >= s->began_ms);
    return t;
}
