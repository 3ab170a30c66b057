// SPDX-License-Identifier: Apache-2.0
/*
 * Prepares a build of a page entry: which listings, which further names, which parts of a flat
 * page.
 *
 * A build gets references and copies of all that it needs, because the entry goes on while the
 * build runs on its lanes. Versions that were built from are noted in the entry: needs_build
 * compares them. Flight thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/folders/directory.h"
#include "engine/listings/ranges.h"
#include "engine/loop/options.h"
#include "engine/metadata/metadata.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/page_policy.h"
#include "engine/pages/project_list.h"

/* Adds names that the index answers for without asking a mirror: projects of its last origin
 * whose pages are in memory. */
static void add_known(struct pages *pages, struct page_entry *s, struct build *b)
{
    struct page_entry *other;
    struct index_view view;
    if (origins_index(mirrors_origins(pages->s->mirrors), s->index, &view))
        return;
    pthread_rwlock_rdlock(&pages->lock);
    b->known = calloc(HASH_COUNT(pages->table) + 1, sizeof(*b->known));
    for (other = b->known ? pages->table : NULL; other; other = other->hh.next) {
        if (!other->project || !other->page || other->page->outcome != OUTCOME_OK ||
            other->origin != view.origins[view.count - 1])
            continue;
        b->known[b->known_count] = strdup(other->project);
        b->known_count += b->known[b->known_count] != NULL;
    }
    pthread_rwlock_unlock(&pages->lock);
}

/* Adds the names of the index's further origins, where no earlier origin owns them. */
static void add_listed(struct pages *pages, const struct page_entry *s, struct build *b)
{
    struct index_view view;
    if (origins_index(mirrors_origins(pages->s->mirrors), s->index, &view))
        return;
    for (size_t i = 1; i < view.count; i++) {
        size_t kept = b->known_count, count = kept;
        if (pages->s->options.offline && !view.origins[i]->directory) {
            delisted_add_names(b, view.origins[i]);
            count = b->known_count;
        } else if (project_list_names(pages, view.origins[i], view.channel, &b->known, &count)) {
            log_warning("out of memory: the names of %s are missing on a project list",
                        view.origins[i]->name);
        }
        for (size_t n = kept; n < count; n++) {
            const struct origin *owner = NULL;
            if (project_list_owner(pages, &view, b->known[n], &owner) == 0 &&
                owner == view.origins[i])
                b->known[kept++] = b->known[n];
            else
                free(b->known[n]);
        }
        b->known_count = kept;
    }
}

/* is_heard stays true only when every mirror's answer is known: a file is delisted only then. */
static void add_listings(const struct page_entry *s, struct build *b)
{
    b->is_heard = !b->only_held;
    for (unsigned i = 0; i < s->source_count && !(b->only_held && b->kind == BUILD_LIST); i++) {
        struct source_view v;
        source_view(s->sources[i], &v);
        if (!v.status || (v.status == 200 && !v.listing) || v.error == ERROR_BAD_LISTING)
            b->is_heard = false;
        if (v.status != 200 || !v.listing)
            continue;
        int64_t age_ms = clock_monotonic_ms() - v.confirmed_ms;
        int64_t said_s = clock_real_s() - (age_ms > 0 ? age_ms / 1000 : 0);
        b->mirrors[b->count] = i;
        /* never confirmed, so nobody says it today */
        b->said_s[b->count] = said_s > 0 ? said_s : 0;
        b->listings[b->count++] = listing_ref_get(v.listing);
    }
}

struct build *page_build_new(struct pages *pages, const struct page_entry *s, enum build_kind kind)
{
    struct index_view view;
    struct build *b = calloc(1, sizeof(*b));
    if (!b || origins_index(mirrors_origins(pages->s->mirrors), s->index, &view)) {
        free(b);
        return NULL;
    }
    b->kind = kind;
    b->official = s->official;
    b->up = s->up;
    b->pages = pages;
    b->origin = s->origin;
    b->index = strdup(s->index);
    b->channel = view.channel ? strdup(s->index) : NULL;
    b->project = str_dup(s->project);
    b->only_held = pages->s->options.offline && !s->origin->directory;
    b->makes_metadata = !b->only_held && ranges_are_honoured(pages->listings, s->origin);
    page_policy_begin(b);
    add_listings(s, b);
    delisted_begin(b);
    return b;
}

/* A part whose owner has changed with a reload is left out, and the page is built again later. */
static void add_parts(struct pages *pages, const struct page_entry *s, struct build *b)
{
    struct index_view view;
    if (origins_index(mirrors_origins(pages->s->mirrors), s->index, &view))
        return;
    b->parts = calloc(s->part_count + 1, sizeof(struct build *));
    for (size_t i = 0; b->parts && i < s->part_count; i++) {
        const struct page_entry *part = s->parts[i];
        bool is_now = false; /* false when a reload came between */
        for (size_t n = 0; part->source_count && n < view.count; n++)
            is_now |= view.origins[n] == part->origin;
        if (!is_now)
            continue;
        b->parts[b->part_count] = page_build_new(pages, part, BUILD_PROJECT);
        b->part_count += b->parts[b->part_count] != NULL;
    }
}

/* Whether a page shows what lies in a folder. Such a page lives shortly: clients must see new
 * wheels. */
static bool shows_folder(const struct pages *pages, const struct page_entry *s)
{
    struct index_view view;
    bool shows = s->origin->directory;
    if (s->project || origins_index(mirrors_origins(pages->s->mirrors), s->index, &view))
        return shows;
    for (size_t i = 0; i < view.count; i++)
        shows |= view.origins[i]->directory != NULL;
    return shows;
}

/* Names of held files, then those of the further origins. */
void page_add_names(struct pages *pages, const struct page_entry *s, struct build *b)
{
    delisted_add_names(b, b->origin);
    add_listed(pages, s, b);
}

/* A page is `incomplete` while a mirror that names digests is missing; such a page lives
 * shortly. */
struct build *page_build(struct pages *pages, struct page_entry *s, const struct page_tally *t)
{
    enum build_kind kind = s->project ? BUILD_PROJECT : s->flat ? BUILD_FLAT : BUILD_LIST;
    struct build *b = page_build_new(pages, s, kind);
    if (!b)
        return NULL;
    b->incomplete = t->missing > 0;
    b->max_age_s = pages->s->options.page_refresh_ms / 1000;
    if (b->incomplete || !t->confirmed)
        b->max_age_s = PAGE_INCOMPLETE_AGE_S;
    if (b->max_age_s > DIRECTORY_AGE_S && shows_folder(pages, s))
        b->max_age_s = DIRECTORY_AGE_S;
    (void)snprintf(b->missing_detail, sizeof(b->missing_detail), "%s has no project %s%s%.300s%s",
                   s->origin->name, s->project ? s->project : "",
                   t->failures[0] ? " (no answer from: " : "", t->failures,
                   t->failures[0] ? ")" : "");
    if (pages->s->options.offline)
        (void)snprintf(b->missing_detail, sizeof(b->missing_detail),
                       "nothing of %s is in the cache, and wheelyard is offline",
                       s->project ? s->project : s->origin->name);
    if (b->kind == BUILD_LIST) {
        add_known(pages, s, b);
        add_listed(pages, s, b);
        if (!origin_owns_rest(b->origin) || b->channel || b->only_held)
            delisted_add_names(b, b->origin);
    }
    if (b->kind == BUILD_FLAT)
        add_parts(pages, s, b);
    s->built_version = t->version + 1;
    s->built_metadata = metadata_version(pages->metadata);
    s->built_held = delisted_version(pages, s->origin, s->project);
    return b;
}
