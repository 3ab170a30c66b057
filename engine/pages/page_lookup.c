// SPDX-License-Identifier: Apache-2.0
/*
 * From a file to the page that lists it, and from a page to the entry that several indexes share.
 *
 * A path in a channel's folder is listed by the index of that channel. A path of an origin without
 * channels is listed by the index of everything, or by the first index that names the origin. The
 * rules read only the origins and the project lists, which any thread may read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"
#include "engine/policy/policy_views.h"
#include "index/name.h"

/* The index whose pages list an origin without channels: the index of everything, or the first
 * that names the origin. */
static const char *index_with(const struct origins *origins, const struct origin *origin)
{
    struct index_view view;
    if (origins_index(origins, "", &view) == 0 && view.origins[0] == origin)
        return "";
    for (size_t i = 0; i < origins->index_count; i++)
        for (char *const *name = origins->indexes[i].origins; *name; name++)
            if (strcmp(*name, origin->name) == 0)
                return origins->indexes[i].name;
    return NULL;
}

/* The channel whose folder a path is in; "" where the origin has no channels. NULL: the path is
 * in no channel's folder. free() it. */
static char *channel_of(const struct origin *origin, const char *path)
{
    if (!origin->channels[0])
        return strdup("");
    for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
        char *channel = strndup(path, (size_t)(end - path));
        if (!channel || origin_has_channel(origin, channel))
            return channel;
        free(channel);
    }
    return NULL;
}

/* The index whose pages list a path; NULL: none. free() it. */
static char *index_of(const struct origins *origins, const struct origin *origin, const char *path)
{
    return origin->channels[0] ? channel_of(origin, path) : str_dup(index_with(origins, origin));
}

/* Which page lists a path. False: none. *ret_index and *ret_name (file_name_release it) own the
 * strings of the query. */
static bool page_of(struct pages *pages, const struct origin *origin, const char *path,
                    char **ret_index, struct file_name *ret_name, struct page_query *ret)
{
    struct index_view view;
    const struct origin *owner;
    auto_free char *file = strdup(str_last_segment(path));
    *ret_index = index_of(mirrors_origins(pages->s->mirrors), origin, path);
    if (!*ret_index || !file ||
        origins_index(mirrors_origins(pages->s->mirrors), *ret_index, &view))
        return false;
    if (str_ends(file, ".metadata"))
        file[strlen(file) - strlen(".metadata")] = '\0';
    if (file_name_parse(file, ret_name) || !ret_name->project)
        return false;
    if (project_list_owner(pages, &view, ret_name->project, &owner) == 0 && owner != origin)
        return false; /* where the owner is not known, loading the page will tell */
    *ret = (struct page_query){.index = *ret_index, .project = ret_name->project};
    return true;
}

/* Adds the entry if need be: its page is about to be asked for. */
struct page_entry *pages_entry_of(struct pages *pages, const struct origin *origin,
                                  const char *path)
{
    struct page_query query;
    struct file_name name = {0};
    struct page_entry *s = NULL;
    auto_free char *index = NULL;
    if (page_of(pages, origin, path, &index, &name, &query))
        s = pages_entry(pages, &query);
    file_name_release(&name);
    return s;
}

/* Counts as a use, so the page is not dropped before it is built. */
void pages_want_digest(struct pages *pages, const struct origin *origin, const char *path)
{
    struct page_entry *s = pages_entry_of(pages, origin, path);
    if (!s)
        return;
    s->used_ms = clock_monotonic_ms();
    if (!s->page || s->used_ms >= s->expires_ms)
        page_entry_post_load(pages, s, false, NULL);
    page_entry_unref(s);
}

static bool is_among(char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

/* A path outside of all channels' folders may be listed by any page of its project that was
 * asked for. */
size_t pages_channels(struct pages *pages, const struct origin *origin, const char *path,
                      const char *project, char *ret[PAGE_CHANNELS])
{
    size_t count = 0;
    ret[0] = channel_of(origin, path);
    if (ret[0])
        return 1;
    pthread_rwlock_rdlock(&pages->lock);
    for (const struct page_entry *s = pages->table; s && count < PAGE_CHANNELS; s = s->hh.next) {
        if (!s->project || strcmp(s->project, project) != 0 || s->origin != origin ||
            !origin_has_channel(origin, s->index) || is_among(ret, count, s->index))
            continue;
        ret[count] = strdup(s->index);
        count += ret[count] != NULL;
    }
    pthread_rwlock_unlock(&pages->lock);
    return count;
}

/* For the hint in a 404, which must not begin a load. */
struct page *pages_peek(struct pages *pages, const char *origin_name, const char *path)
{
    const struct origin *origin = origins_find(mirrors_origins(pages->s->mirrors), origin_name);
    struct page_query query;
    struct file_name name = {0};
    struct page *page = NULL;
    auto_free char *index = NULL;
    if (!pages->s->stopping && origin && page_of(pages, origin, path, &index, &name, &query)) {
        bool stale;
        struct page_entry *s = pages_entry(pages, &query);
        page = s ? page_entry_page(s, &stale) : NULL;
        if (s)
            page_entry_unref(s);
    }
    file_name_release(&name);
    return page;
}

/* Whether a listing decides who owns names of the index: then its own pages must look at that
 * listing again. */
static bool hangs_on_names(const struct index_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->origins[i]->owns_listed)
            return true;
    return false;
}

void pages_share(struct pages *pages, const struct origin *owner, struct page_query *query)
{
    const struct origins *origins = mirrors_origins(pages->s->mirrors);
    struct index_view own, view;
    const struct origin *there = NULL;
    const char *index = owner->channels[0] || query->official ? NULL : index_with(origins, owner);
    struct policy_view here, shared;
    if (!index || origins_index(origins, query->index, &own) || hangs_on_names(&own) ||
        origins_index(origins, index, &view) || hangs_on_names(&view) ||
        project_list_owner(pages, &view, query->project, &there) || there != owner)
        return;
    policy_view_of_index(origins, query->index, &here);
    policy_view_of_index(origins, index, &shared);
    if (!policy_view_is_same(&here, &shared))
        return;
    query->seen_from = query->index;
    query->index = index;
}
