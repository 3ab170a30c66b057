// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Origins, mirrors and indexes as configured, and the pure rules over them: which index a request
 * means, who owns a project, where a page or file is asked for. Plain data: the configuration
 * reader fills it, and nothing changes it from then on. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "index/policy.h"

enum layout { LAYOUT_FLAT, LAYOUT_SIMPLE, LAYOUT_DIRECTORY };

struct mirror {
    char *name;
    enum layout layout;
    char *index; /* page template: {channel} and, for LAYOUT_SIMPLE, {project} */
    /* URL prefix of files, ends in '/'. Of LAYOUT_DIRECTORY both are the folder's path. */
    char *files;
    /* statuses that also mean "no such project", beside 404 and 410; 0-terminated, or NULL */
    int *missing;
    /* further URL prefixes of the same files; the mirror is asked below them. These and
     * `redirects` may be NULL. */
    char **links;
    char **redirects; /* "host:port" that are not public and to which it may redirect */
    /* URL of the parent wheelyard that it is, without a slash at its end; or NULL */
    char *parent;
    int utc_offset_s; /* zone of the clock that dates its listings; MIRROR_NO_ZONE: unknown */
};
enum { MIRROR_NO_ZONE = 1 };

struct owns_in {
    char *channel;   /* pattern */
    char **projects; /* patterns; NULL-terminated */
};

struct origin {
    char *name;
    char *canonical; /* URL prefix of files, ends in '/'; or NULL */
    char *pages;     /* URL prefix of project pages where that differs; or NULL */
    /* absolute path of the folder that its files lie in; or NULL. Then it has no channels and
     * one mirror, of LAYOUT_DIRECTORY, which stands for the disk. */
    char *directory;
    char **aliases; /* further URL prefixes of the same files; NULL-terminated, never NULL */
    /* patterns, a `*` stays within a segment; NULL-terminated, never NULL. Empty: the origin has
     * no channels. */
    char **channels;
    /* patterns; NULL-terminated, never NULL. Empty, with neither of the next two: it owns what
     * no other origin owns, if it is the last of its index. */
    char **owns;
    /* owns what its mirrors list (engine/pages/project_list.h); `owns` is empty then */
    bool owns_listed;
    struct owns_in *owns_in; /* in addition to `owns` */
    size_t owns_in_count;
    struct mirror *mirrors;
    size_t mirror_count;
};

/* An index that the configuration names. One for each channel, and /simple/, exist without a
 * name. */
struct named_index {
    char *name;
    char **origins; /* in order of ownership; NULL-terminated */
};

/* Tables [channel."PATTERN"]. So no more policies than this, one at the top and one of its own
 * hold for an index. */
enum { POLICY_CHANNELS_MOST = 12, POLICIES_MOST = POLICY_CHANNELS_MOST + 2 };

struct origins {
    struct origin *list;
    size_t count;
    struct named_index *indexes;
    size_t index_count;
    struct policy *policies; /* at the top, of indexes and of channels: engine/policy/policies.h */
    size_t policy_count;
};

/* Frees what the members own, not the struct itself. */
void origins_release(struct origins *origins);

const struct origin *origins_find(const struct origins *origins, const char *name);

/*
 * What an index name means. A channel's name: the origin with a pattern that matches, and the
 * origin that answers for the rest ("pypi", or the only one without channels). "": /simple/, the
 * rest alone. A named index goes before a channel of that name, and the first origin with a channel
 * before later ones. ORIGINS_NO_INDEX (> 0) when nothing matches.
 */
enum { ORIGINS_NO_INDEX = 1, ORIGINS_MAX = 8 };
struct index_view {
    const struct origin *origins[ORIGINS_MAX]; /* in order of ownership */
    size_t count;
    /* the name, when it is a channel; else NULL. Points into the caller's string. */
    const char *channel;
};
int origins_index(const struct origins *origins, const char *index, struct index_view *ret);

/* Whether a text can name an index: segments of letters, digits, '.', '_' and '-', at most 128
 * bytes in all. A segment neither begins with a dot nor is a word of the server's own paths
 * (files, whl, mirror, - in front; simple, flat anywhere). */
bool origins_is_index_name(const char *name);
bool origin_has_channel(const struct origin *origin, const char *channel);
/* Whether a pattern of channels matches a channel, or another pattern letter by letter: a `*` stays
 * within a segment. */
bool channel_matches(const char *pattern, const char *channel);

/* The length of the longest index name at the start of `path` ("nightly/cu130/simple/torch/" ->
 * 13 bytes). 0 when none matches. A name must be followed by '/' or the end. */
size_t origins_index_length(const struct origins *origins, const char *path);

/* Whether an origin with owns_listed lists a name; `channel` may be NULL. */
enum listed { LISTED_NO, LISTED_YES, LISTED_UNKNOWN };
struct lister {
    enum listed (*find)(void *context, const struct origin *origin, const char *channel,
                        const char *project);
    void *context;
};

/*
 * The one origin that answers for a normalised project name: the first with a claim. *ret is NULL
 * when none has one. ORIGINS_NO_ANSWER (> 0): no origin claims the name, but the list of *ret may
 * have it and is not known to the lister. Until then the origin of the rest does not answer.
 * Without a lister no list is known.
 */
enum { ORIGINS_NO_ANSWER = 1 };
int origins_owner(const struct index_view *view, const char *project, const struct lister *lister,
                  const struct origin **ret);
/* Whether the origin claims the name by pattern; `channel` may be NULL. */
bool origin_owns(const struct origin *origin, const char *channel, const char *project);
/* The same for any channel; true where a list or the rest decides. */
bool origin_may_own(const struct origin *origin, const char *project);
/* Whether it claims no names of its own, and so answers for all that is left. */
bool origin_owns_rest(const struct origin *origin);

/* Whether a mirror's pages are those of the canonical site. Its `index` lies below the origin's
 * `canonical`, `pages` or an alias, or has the same host as `files` that do. */
bool origin_is_site(const struct origin *origin, size_t mirror);

/* The mirror's URL of a page (LAYOUT_FLAT ignores the project) and of a file. NULL when out of
 * memory. */
char *mirror_page_url(const struct mirror *mirror, const char *channel, const char *project);
char *mirror_file_url(const struct mirror *mirror, const char *path);

/* As a fetch request takes them. */
static inline const char *const *mirror_redirects(const struct mirror *mirror)
{
    return (const char *const *)mirror->redirects;
}
