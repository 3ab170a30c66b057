// SPDX-License-Identifier: Apache-2.0
/*
 * The pure rules over origins, mirrors and indexes: which index a name means, who owns a project,
 * where a page or a file is asked for. No state: the configuration fills the data, and nothing
 * changes it.
 */
#include "engine/mirrors/origins.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"

enum { INDEX_NAME_MAX_BYTES = 128 };

/* ------------------------------------------------------------------ release */

static void release_strings(char **strings)
{
    for (char **s = strings; s && *s; s++)
        free(*s);
    free(strings);
}

/* Any member may be NULL: the configuration may fail in the middle of an origin. */
static void release_origin(struct origin *origin)
{
    free(origin->name);
    free(origin->canonical);
    free(origin->pages);
    free(origin->directory);
    release_strings(origin->aliases);
    release_strings(origin->channels);
    release_strings(origin->owns);
    for (size_t i = 0; i < origin->owns_in_count; i++) {
        free(origin->owns_in[i].channel);
        release_strings(origin->owns_in[i].projects);
    }
    free(origin->owns_in);
    for (size_t i = 0; i < origin->mirror_count; i++) {
        free(origin->mirrors[i].name);
        free(origin->mirrors[i].index);
        free(origin->mirrors[i].files);
        free(origin->mirrors[i].missing);
        free(origin->mirrors[i].parent);
        release_strings(origin->mirrors[i].links);
        release_strings(origin->mirrors[i].redirects);
    }
    free(origin->mirrors);
}

void origins_release(struct origins *origins)
{
    for (size_t i = 0; i < origins->count; i++)
        release_origin(&origins->list[i]);
    for (size_t i = 0; i < origins->index_count; i++) {
        free(origins->indexes[i].name);
        release_strings(origins->indexes[i].origins);
    }
    for (size_t i = 0; i < origins->policy_count; i++)
        policy_release(&origins->policies[i]);
    free(origins->policies);
    free(origins->list);
    free(origins->indexes);
    *origins = (struct origins){0};
}

/* ------------------------------------------------------------------ indexes */

/* By name. The first of two origins of one name wins; the configuration refuses the second. */
const struct origin *origins_find(const struct origins *origins, const char *name)
{
    for (size_t i = 0; i < origins->count; i++)
        if (strcmp(origins->list[i].name, name) == 0)
            return &origins->list[i];
    return NULL;
}

/* In a pattern `*` matches any run of characters. */
static bool matches_any(char *const *patterns, const char *s)
{
    for (char *const *p = patterns; *p; p++)
        if (str_matches(*p, s))
            return true;
    return false;
}

static size_t count_slashes(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == '/';
    return n;
}

/* A star must not match a slash. With as many slashes on both sides, none is left for a star. */
bool channel_matches(const char *pattern, const char *channel)
{
    return count_slashes(pattern) == count_slashes(channel) && str_matches(pattern, channel);
}

/* A pattern allows more names than exist: engine/listings/channels.h finds out which do. */
bool origin_has_channel(const struct origin *origin, const char *channel)
{
    for (char *const *p = origin->channels; *p; p++)
        if (channel_matches(*p, channel))
            return true;
    return false;
}

/* Compares a segment of a path, which has no NUL at its end. */
static bool is_word(const char *s, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && memcmp(*words, s, len) == 0)
            return true;
    return false;
}

/* The server's own paths begin with the first words. The second words end the name of an index
 * in a path. */
static const char *const reserved_first[] = {"files", "whl", "mirror", "-", NULL};
static const char *const reserved[] = {"simple", "flat", NULL};

/* The name must not be mistaken for one of the server's own paths. */
bool origins_is_index_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strlen(name) > INDEX_NAME_MAX_BYTES)
        return false;
    for (const char *s = name;; s++) {
        size_t len = strspn(s, allowed);
        if (!len || *s == '.' || is_word(s, len, reserved) ||
            (s == name && is_word(s, len, reserved_first)))
            return false;
        s += len;
        if (*s != '/')
            return !*s;
    }
}

static bool has_channels(const struct origin *origin)
{
    return origin->channels[0] != NULL;
}

/* The origin that answers for what no channel's origin owns. NULL: the configuration leaves it
 * open. An origin that owns names of its own comes into an index by name, unless it is the only
 * one. */
static const struct origin *find_rest(const struct origins *origins, bool claims_names)
{
    const struct origin *rest = origins_find(origins, "pypi");
    if (rest && !has_channels(rest))
        return rest;
    rest = NULL;
    for (size_t i = 0; i < origins->count; i++) {
        const struct origin *origin = &origins->list[i];
        if (has_channels(origin) || (!claims_names && !origin_owns_rest(origin)))
            continue;
        if (rest)
            return NULL;
        rest = &origins->list[i];
    }
    return rest;
}

/* A named index lists its origins in order of ownership. Its name is a channel of those that
 * have one. */
static void view_named(const struct origins *origins, const struct named_index *named,
                       const char *index, struct index_view *ret)
{
    for (char *const *name = named->origins; *name && ret->count < ORIGINS_MAX; name++) {
        const struct origin *origin = origins_find(origins, *name);
        if (!origin)
            continue;
        ret->origins[ret->count++] = origin;
        if (has_channels(origin))
            ret->channel = index;
    }
}

/* Few indexes are named, so a walk is fast enough; every request does it. */
static const struct named_index *find_named(const struct origins *origins, const char *index)
{
    for (size_t i = 0; i < origins->index_count; i++)
        if (strcmp(origins->indexes[i].name, index) == 0)
            return &origins->indexes[i];
    return NULL;
}

/* The first origin with such a channel wins. */
static void view_channel(const struct origins *origins, const char *index, struct index_view *ret)
{
    for (size_t i = 0; i < origins->count && !ret->count; i++)
        if (origin_has_channel(&origins->list[i], index)) {
            ret->origins[ret->count++] = &origins->list[i];
            ret->channel = index;
        }
}

/* A named index comes first, so an administrator can replace what a channel's name means. */
int origins_index(const struct origins *origins, const char *index, struct index_view *ret)
{
    struct index_view view = {.count = 0};
    if (*index && !origins_is_index_name(index))
        return ORIGINS_NO_INDEX;
    const struct named_index *named = find_named(origins, index);
    if (named) {
        view_named(origins, named, index, &view);
    } else {
        if (*index)
            view_channel(origins, index, &view);
        if (*index && !view.count)
            return ORIGINS_NO_INDEX;
        /* an origin without names of its own goes before one that has some */
        const struct origin *rest = find_rest(origins, false);
        if (!rest)
            rest = find_rest(origins, true);
        if (rest)
            view.origins[view.count++] = rest;
    }
    if (!view.count)
        return ORIGINS_NO_INDEX;
    *ret = view;
    return 0;
}

/* Tries every prefix, because one index name may be the beginning of another. */
size_t origins_index_length(const struct origins *origins, const char *path)
{
    char name[INDEX_NAME_MAX_BYTES + 1];
    size_t longest = 0;
    for (size_t len = strcspn(path, "/"); len && len < sizeof name;
         len += 1 + strcspn(path + len + 1, "/")) {
        struct index_view view;
        memcpy(name, path, len);
        name[len] = '\0';
        if (origins_index(origins, name, &view) == 0)
            longest = len;
        if (!path[len])
            break;
    }
    return longest;
}

/* ---------------------------------------------------------------- ownership */

/* Patterns for all channels first, then those for this one. */
bool origin_owns(const struct origin *origin, const char *channel, const char *project)
{
    if (matches_any(origin->owns, project))
        return true;
    for (size_t i = 0; channel && i < origin->owns_in_count; i++)
        if (channel_matches(origin->owns_in[i].channel, channel) &&
            matches_any(origin->owns_in[i].projects, project))
            return true;
    return false;
}

/* For pages of all channels together: a flat page does not say which channel it is. */
bool origin_may_own(const struct origin *origin, const char *project)
{
    bool owns =
        origin->owns_listed || origin_owns_rest(origin) || matches_any(origin->owns, project);
    for (size_t i = 0; !owns && i < origin->owns_in_count; i++)
        owns = matches_any(origin->owns_in[i].projects, project);
    return owns;
}

bool origin_owns_rest(const struct origin *origin)
{
    return !origin->owns[0] && !origin->owns_in_count && !origin->owns_listed;
}

/* Patterns first: they decide without a list. */
static enum listed claim(const struct origin *origin, const char *channel, const char *project,
                         const struct lister *lister)
{
    if (origin_owns(origin, channel, project))
        return LISTED_YES;
    if (!origin->owns_listed)
        return LISTED_NO;
    return lister ? lister->find(lister->context, origin, channel, project) : LISTED_UNKNOWN;
}

/* An unknown list stops the search only for the rest: a later origin's own claim by pattern
 * still counts. */
int origins_owner(const struct index_view *view, const char *project, const struct lister *lister,
                  const struct origin **ret)
{
    const struct origin *unknown = NULL;

    for (size_t i = 0; i < view->count; i++) {
        enum listed listed = claim(view->origins[i], view->channel, project, lister);
        if (listed == LISTED_YES) {
            *ret = view->origins[i];
            return 0;
        }
        if (listed == LISTED_UNKNOWN && !unknown)
            unknown = view->origins[i];
    }
    /* the rest of the names belongs to the last origin, if that claims none of its own */
    const struct origin *last = view->count ? view->origins[view->count - 1] : NULL;
    *ret = last && origin_owns_rest(last) ? last : NULL;
    if (!unknown)
        return 0;
    *ret = unknown;
    return ORIGINS_NO_ANSWER;
}

/* ---------------------------------------------------------------- addresses */

/* Whether `url` lies below one of the site's own addresses. A prefix decides, so a mirror below
 * the site's path counts as the site. */
static bool is_of_site(const struct origin *origin, const char *url)
{
    if ((origin->canonical && str_starts(url, origin->canonical)) ||
        (origin->pages && str_starts(url, origin->pages)))
        return true;
    for (char *const *alias = origin->aliases; *alias; alias++)
        if (str_starts(url, *alias))
            return true;
    return false;
}

/* The length of scheme, host and port. */
static size_t authority_length(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : 0;
}

/* A parent is never the site: it vouches for what it has from others. */
bool origin_is_site(const struct origin *origin, size_t mirror)
{
    const struct mirror *m = &origin->mirrors[mirror];
    if (origin->directory || m->parent)
        return false;
    if (is_of_site(origin, m->index))
        return true;
    size_t len = authority_length(m->files);
    return len && is_of_site(origin, m->files) && authority_length(m->index) == len &&
           strncmp(m->index, m->files, len) == 0;
}

/* Fills in the template. A word in braces that is not given stays as it is. */
char *mirror_page_url(const struct mirror *mirror, const char *channel, const char *project)
{
    struct buf url;
    buf_init(&url, URL_MAX_BYTES);
    for (const char *s = mirror->index; *s;) {
        if (channel && str_starts(s, "{channel}")) {
            url_encode_path(&url, channel);
            s += strlen("{channel}");
        } else if (project && str_starts(s, "{project}")) {
            url_encode_path(&url, project);
            s += strlen("{project}");
        } else {
            buf_putc(&url, *s++);
        }
    }
    return buf_take(&url, NULL);
}

/* Encoded anew: a mirror must see `%2B` and never `+`. */
char *mirror_file_url(const struct mirror *mirror, const char *path)
{
    struct buf url;
    buf_init(&url, URL_MAX_BYTES);
    buf_puts(&url, mirror->files);
    url_encode_path(&url, path);
    return buf_take(&url, NULL);
}
