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

static char *key_of(const char *origin, const char *mirror, const char *path)
{
    return str_printf("%s %s %s", origin, mirror, path);
}

static struct remembered_links *find(struct engine *e, const char *origin, const char *mirror,
                                     const char *path)
{
    auto_free char *key = key_of(origin, mirror, path);
    struct remembered_links *r = NULL;
    if (key)
        HASH_FIND_STR(e->links, key, r);
    return r;
}

/* A row that comes again is the newest, so it moves to the end. */
void links_remember(struct engine *e, const char *origin, const char *mirror, const char *path,
                    const char *url)
{
    struct remembered_links *r = find(e, origin, mirror, path);
    if (r)
        drop(&e->links, r);
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
    HASH_ADD_KEYPTR(hh, e->links, r->key, strlen(r->key), r);
    if (HASH_COUNT(e->links) > REMEMBERED_MOST)
        drop(&e->links, e->links);
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

/* The pages of a mirror that may list a path. */
struct pages_of_path {
    char *channels[PAGE_CHANNELS];
    size_t count;
    struct file_name name;
};

static struct pages_of_path path_pages(struct engine *e, const struct origin *origin,
                                       const char *path)
{
    struct pages_of_path p = {.count = 0};
    if (file_name_parse(str_last_segment(path), &p.name) == 0 && p.name.project)
        p.count = e->events->page_channels(e, origin, path, p.name.project, p.channels);
    return p;
}

static const char *channel(const struct pages_of_path *p, size_t i)
{
    return *p->channels[i] ? p->channels[i] : NULL;
}

static void path_pages_release(struct pages_of_path *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->channels[i]);
    file_name_release(&p->name);
}

static char *place_of(struct engine *e, const struct origin *origin, unsigned mirror,
                      const char *path)
{
    struct pages_of_path p = path_pages(e, origin, path);
    char *place = NULL;
    bool found = false;
    for (size_t i = 0; i < p.count && !found; i++) {
        struct listing_ref *ref = sources_peek(e, origin, mirror, channel(&p, i), p.name.project);
        found = ref && look_in(ref->listing, path, &place);
        listing_ref_put(ref);
    }
    path_pages_release(&p);
    if (found)
        return place;
    struct remembered_links *r = find(e, origin->name, origin->mirrors[mirror].name, path);
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
char *links_file_url(struct engine *e, const struct origin *origin, unsigned mirror,
                     const char *path)
{
    auto_free char *file = links_file_of(path);
    char *place = file ? place_of(e, origin, mirror, file) : NULL;
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
static bool may_have_moved(struct engine *e, const struct origin *origin, unsigned mirror,
                           const char *file, const struct listing_ref *listing)
{
    char *const *prefixes = origin->mirrors[mirror].links;
    return (prefixes && *prefixes) || (listing && listing->listing->has_places) ||
           find(e, origin->name, origin->mirrors[mirror].name, file);
}

bool links_want_page(struct engine *e, const struct origin *origin, unsigned mirror,
                     const char *path, int status)
{
    auto_free char *file = links_file_of(path);
    bool wanted = false;
    if (!file || origin->directory || (!is_refusal(status) && status != 404 && status != 410))
        return false;
    struct pages_of_path p = path_pages(e, origin, file);
    for (size_t i = 0; i < p.count; i++) {
        struct source *s = sources_get(e, origin, mirror, channel(&p, i), p.name.project);
        struct source_view view;
        if (!s)
            continue;
        source_view(s, &view);
        if (is_refusal(status) || may_have_moved(e, origin, mirror, file, view.listing))
            wanted |= source_want_links(s);
    }
    path_pages_release(&p);
    return wanted;
}

bool links_page_is_awaited(struct engine *e, const struct origin *origin, unsigned mirror,
                           const char *path)
{
    auto_free char *file = links_file_of(path);
    bool awaited = false;
    if (!file)
        return false;
    struct pages_of_path p = path_pages(e, origin, file);
    for (size_t i = 0; i < p.count; i++) {
        struct source *s = sources_get(e, origin, mirror, channel(&p, i), p.name.project);
        struct source_view view;
        if (!s)
            continue;
        source_view(s, &view);
        awaited |= view.state != SOURCE_IDLE;
    }
    path_pages_release(&p);
    return awaited;
}

/* For the text that tells a client why a file cannot be had. */
void links_add_trouble(struct engine *e, const struct origin *origin, unsigned mirror,
                       const char *path, char *to, size_t size)
{
    auto_free char *file = links_file_of(path);
    if (!file)
        return;
    struct pages_of_path p = path_pages(e, origin, file);
    for (size_t i = 0; i < p.count; i++) {
        const char *why = sources_lost_links(e, origin, mirror, channel(&p, i), p.name.project);
        size_t len = strlen(to);
        if (why && len < size)
            (void)snprintf(to + len, size - len, "; %s", why);
    }
    path_pages_release(&p);
}
