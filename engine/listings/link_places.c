// SPDX-License-Identifier: Apache-2.0
/*
 * Where a mirror is asked for a file. Three sources are tried in this order: listings in memory,
 * which are the newest; what the catalogue had when the file was looked up; the file's path.
 *
 * Remembered links live in one table of at most REMEMBERED_MOST, in the order in which they came;
 * the oldest goes first. A mirror that refuses a file has its page read again (links_want_page):
 * its link may have run out or moved. Flight thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/listings/link_places.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/sources.h"
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"

enum { REMEMBERED_MOST = 4096 };

static const char metadata_end[] = ".metadata";

/* A row of the catalogue. uthash keeps the order in which rows were added. */
struct remembered_links {
    char *key, *url;
    UT_hash_handle hh;
};

static void drop(struct remembered_links **table, struct remembered_links *r)
{
    HASH_DEL(*table, r);
    free(r->key);
    free(r->url);
    free(r);
}

void remembered_links_free(struct remembered_links *table)
{
    while (table)
        drop(&table, table);
}

/* By names: a row outlives the generation of origins that it was read in. */
static char *key_of(const char *origin, const char *mirror, const char *path)
{
    return str_printf("%s %s %s", origin, mirror, path);
}

static struct remembered_links *find(struct listings *listings, const char *origin,
                                     const char *mirror, const char *path)
{
    auto_free char *key = key_of(origin, mirror, path);
    struct remembered_links *r = NULL;
    if (key)
        HASH_FIND_STR(listings->links, key, r);
    return r;
}

/* A row that comes again is the newest, so it moves to the end. */
void links_remember(struct listings *listings, const char *origin, const char *mirror,
                    const char *path, const char *url)
{
    struct remembered_links *r = find(listings, origin, mirror, path);
    if (r)
        drop(&listings->links, r);
    r = calloc(1, sizeof(*r));
    if (!r)
        return;
    r->key = key_of(origin, mirror, path);
    r->url = str_dup(url);
    if (!r->key || !r->url) {
        free(r->key);
        free(r->url);
        free(r);
        return;
    }
    HASH_ADD_KEYPTR(hh, listings->links, r->key, strlen(r->key), r);
    /* the table's first row is its oldest */
    if (HASH_COUNT(listings->links) > REMEMBERED_MOST)
        drop(&listings->links, listings->links);
}

/* What a listing says of a path. False: it does not list it. Most listings have no places, so
 * they are not searched. */
static bool look_in(const struct listing *l, const char *path, char **ret_place)
{
    if (!l->has_places)
        return true;
    const char *name = str_last_segment(path);
    for (size_t i = 0; i < l->file_count; i++) {
        const struct listed_file *f = &l->files[i];
        if (strcmp(f->name, name) != 0 || strcmp(f->path, path) != 0)
            continue;
        *ret_place = str_dup(f->place);
        return true;
    }
    return false;
}

/* The pages of a mirror that may list a file, made by sources_get or only looked up by
 * sources_find. Returns how many. */
static size_t pages_of(struct listings *listings, const struct origin *origin, unsigned mirror,
                       const char *file,
                       struct source *(*get)(struct listings *, const struct origin *, unsigned,
                                             const char *, const char *),
                       struct source *ret[PAGE_CHANNELS])
{
    struct file_name name = {0};
    char *channels[PAGE_CHANNELS];
    size_t named = 0, count = 0;
    if (file && file_name_parse(str_last_segment(file), &name) == 0 && name.project)
        named =
            listings->s->events->page_channels(listings->s, origin, file, name.project, channels);
    for (size_t i = 0; i < named; i++) {
        ret[count] = get(listings, origin, mirror, *channels[i] ? channels[i] : NULL, name.project);
        count += ret[count] != NULL;
        free(channels[i]);
    }
    file_name_release(&name);
    return count;
}

static char *place_of(struct listings *listings, const struct origin *origin, unsigned mirror,
                      const char *path)
{
    struct source *pages[PAGE_CHANNELS];
    char *place = NULL;
    size_t count = pages_of(listings, origin, mirror, path, sources_find, pages);
    for (size_t i = 0; i < count; i++) {
        struct listing_ref *ref = source_listing(pages[i]);
        bool found = ref && look_in(ref->listing, path, &place);
        listing_ref_put(ref);
        if (found)
            return place;
    }
    struct remembered_links *r = find(listings, origin->name, origin->mirrors[mirror].name, path);
    return r ? str_dup(r->url) : NULL;
}

char *links_file_of(const char *path)
{
    size_t len = strlen(path);
    return strndup(path, str_ends(path, metadata_end) ? len - strlen(metadata_end) : len);
}

/* PEP 658: the metadata lies beside the wheel, in the path of its URL. */
static char *beside(const char *place)
{
    size_t path_len = strcspn(place, "?");
    return str_printf("%.*s%s%s", (int)path_len, place, metadata_end, place + path_len);
}

/* The place of `.metadata` is made of the wheel's: listings name only the wheel. */
char *links_file_url(struct listings *listings, const struct origin *origin, unsigned mirror,
                     const char *path)
{
    auto_free char *file = links_file_of(path);
    char *place = file ? place_of(listings, origin, mirror, file) : NULL;
    if (!place)
        return mirror_file_url(&origin->mirrors[mirror], path);
    if (strcmp(file, path) == 0)
        return place;
    char *url = beside(place);
    free(place);
    return url;
}

/* ----------------------------------------------------------------- refusals */

/* A signed link that has run out is refused with one of these, and so is a link without its
 * signature. */
static bool is_refusal(int status)
{
    return status == 400 || status == 401 || status == 403;
}

/* Where a mirror's pages name other places, "not here" may mean "no longer here". */
static bool may_have_moved(struct listings *listings, const struct origin *origin, unsigned mirror,
                           const char *file, const struct listing_ref *listing)
{
    char *const *prefixes = origin->mirrors[mirror].links;
    return (prefixes && *prefixes) || (listing && listing->listing->has_places) ||
           find(listings, origin->name, origin->mirrors[mirror].name, file);
}

/* A 404 is a reason only where the mirror's files may have moved. A refusal is one in any case. */
bool links_want_page(struct listings *listings, const struct origin *origin, unsigned mirror,
                     const char *path, int status)
{
    auto_free char *file = links_file_of(path);
    struct source *pages[PAGE_CHANNELS];
    bool wanted = false;
    if (!file || origin->directory || (!is_refusal(status) && status != 404 && status != 410))
        return false;
    size_t count = pages_of(listings, origin, mirror, file, sources_get, pages);
    for (size_t i = 0; i < count; i++) {
        struct source_view view;
        source_view(pages[i], &view);
        if (is_refusal(status) || may_have_moved(listings, origin, mirror, file, view.listing))
            wanted |= source_want_links(pages[i]);
    }
    return wanted;
}

/* As long as any of the pages is being loaded or fetched. */
bool links_page_is_awaited(struct listings *listings, const struct origin *origin, unsigned mirror,
                           const char *path)
{
    auto_free char *file = links_file_of(path);
    struct source *pages[PAGE_CHANNELS];
    size_t count = pages_of(listings, origin, mirror, file, sources_get, pages);
    bool awaited = false;
    for (size_t i = 0; i < count; i++) {
        struct source_view view;
        source_view(pages[i], &view);
        awaited |= view.state != SOURCE_IDLE;
    }
    return awaited;
}

/* For the text that tells a client why a file cannot be had. */
void links_add_trouble(struct listings *listings, const struct origin *origin, unsigned mirror,
                       const char *path, char *to, size_t size)
{
    auto_free char *file = links_file_of(path);
    struct source *pages[PAGE_CHANNELS];
    size_t count = pages_of(listings, origin, mirror, file, sources_find, pages);
    for (size_t i = 0; i < count; i++) {
        const char *why = source_lost_links(pages[i]);
        size_t len = strlen(to);
        if (why && len < size)
            (void)snprintf(to + len, size - len, "; %s", why);
    }
}
