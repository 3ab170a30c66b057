// SPDX-License-Identifier: Apache-2.0
/*
 * What mirrors are asked beside their pages, when a build finds something missing: whether they
 * honour ranges, and what HEAD says of single files.
 *
 *     build done --page_asks: an answer may say more--> mirrors are asked --> pages_source_settled
 *                                                          --> page_awaits ends --> built again
 *
 * Only a page that nobody has seen yet waits for answers, and only for a short time. A page that
 * was published is built again when they come. Flight thread.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/listings/heads.h"
#include "engine/listings/ranges.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"

enum { ANSWERS_MS = 2000 }; /* how long a first page waits for what it has asked last */

/* The end of an inquiry. With answers the page differs, so its version is forgotten. */
static void inquired(void *owner, bool any)
{
    struct page_entry *s = owner;
    struct pages *pages = s->pages;
    s->inquiry = NULL;
    s->inquires_on = any;
    if (any)
        s->built_version = 0;
    pages_source_settled(pages);
    page_entry_unref(s);
}

/* Asks mirrors about files of which their pages say too little. Only a client's request for this
 * very page begins it. True: the page is to be built again with the answers. */
static bool asks_heads(struct pages *pages, struct page_entry *s, const struct build *b)
{
    bool more = s->has_inquired;
    if (!b->askable_count || !s->visited || s->inquiry || (more && !s->inquires_on))
        return false;
    s->has_inquired = true;
    s->inquires_on = false;
    auto_free struct heads_file *files = calloc(b->askable_count, sizeof(*files));
    if (!files)
        return false;
    for (size_t i = 0; i < b->askable_count; i++)
        files[i] = (struct heads_file){b->askable[i]->path, b->askable[i]->mirrors};
    s->inquiry = heads_ask(pages->listings, s->origin, s->project, files, b->askable_count, more,
                           inquired, s);
    if (!s->inquiry)
        return false;
    s->refs++;
    s->inquiry_is_worth = b->is_askable_worth;
    return s->inquiry_is_worth && s->stage != PAGE_PUBLISHED;
}

/* Metadata can be made of wheels only where ranges are honoured. That is found out with the
 * first wheel that no mirror has metadata of, and again when the answer is old. True: nothing is
 * known yet, and the page is to be built again. */
static bool asks_ranges(struct pages *pages, struct page_entry *s, const struct build *b)
{
    const char *path = b->merge.bare;
    bool asked = false;
    if (!path || !s->asked || s->origin->directory)
        return false;
    for (unsigned m = 0; m < s->origin->mirror_count; m++) {
        if (!(b->merge.bare_mirrors & (1u << m)) ||
            !ranges_are_unknown(pages->listings, s->origin, m))
            continue;
        ranges_ask(pages->listings, s->origin, m, path);
        asked = true;
    }
    return asked && s->stage != PAGE_PUBLISHED && !ranges_are_honoured(pages->listings, s->origin);
}

bool page_asks(struct pages *pages, struct page_entry *s, const struct build *b)
{
    s->is_askable = b->askable_count > 0;
    bool asks = asks_heads(pages, s, b);
    asks = asks_ranges(pages, s, b) || asks;
    if (asks)
        s->answers_ms = clock_monotonic_ms() + ANSWERS_MS;
    return asks;
}

bool page_awaits(const struct pages *pages, const struct page_entry *s)
{
    int64_t now_ms = clock_monotonic_ms();
    bool asked = false;
    if (s->inquiry && s->inquiry_is_worth && heads_are_coming(s->inquiry, now_ms) &&
        (now_ms - s->began_ms < pages->s->options.listing_timeout_ms || now_ms < s->answers_ms))
        return true;
    for (unsigned m = 0; m < s->origin->mirror_count; m++)
        asked |= ranges_are_asked(pages->listings, s->origin, m);
    return asked && now_ms < s->answers_ms;
}
