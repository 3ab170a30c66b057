// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Origins, mirrors and indexes as configured, and the pure rules over them: which index a request
 * means, who owns a project, where a link's file lives, where a page or file is asked. Plain data,
 * filled by the configuration reader and immutable from then on; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

enum layout { LAYOUT_FLAT, LAYOUT_SIMPLE, LAYOUT_DIRECTORY };

struct mirror {
    char *name;
    enum layout layout;
    char *index;  /* page template: {channel} and, for LAYOUT_SIMPLE, {project}; */
    char *files;  /* URL prefix of files, ends in '/'; of LAYOUT_DIRECTORY both are its path */
    int *missing; /* statuses that mean "no such project" besides 404 and 410; 0-terminated, or NULL
                   */
    char **links; /* further URL prefixes of the same files, which it is asked for there; or NULL,
                     as is the next */
    char **redirects; /* "host:port" that are not public and that it may redirect to */
    char *parent;     /* URL of the wheelyard that it is, without a slash at its end; or NULL */
    int utc_offset_s; /* of the clock that dates its listings; MIRROR_NO_ZONE: nobody knows */
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
    char *directory; /* absolute path of the folder its files lie in: then it has no channels, and
                        one mirror, of LAYOUT_DIRECTORY, which stands for the disk; or NULL */
    char **aliases;  /* further URL prefixes of the same files; NULL-terminated, never NULL */
    char **channels; /* patterns, a `*` stays within a segment; NULL-terminated, never NULL; empty:
                        the origin has no channels */
    char **owns; /* patterns; NULL-terminated, never NULL; empty, and nothing of the next two: owns
                    what nobody else owns, if it is the last of its index */
    bool owns_listed; /* owns what its mirrors list (engine/pages/project_list.h); `owns` is empty
                         then */
    struct owns_in *owns_in; /* in addition to `owns` */
    size_t owns_in_count;
    struct mirror *mirrors;
    size_t mirror_count;
};

/* An index named in the configuration; one per channel and /simple/ come without being named. */
struct named_index {
    char *name;
    char **origins; /* in order of ownership; NULL-terminated */
};

struct origins {
    struct origin *list;
    size_t count;
    struct named_index *indexes;
    size_t index_count;
};

/* Frees what the members own, not the struct itself. */
void origins_release(struct origins *origins);

const struct origin *origins_find(const struct origins *origins, const char *name);

/*
 * What an index name means: the origin with channels whose pattern matches (its own projects), and
 * the origin that answers for the rest ("pypi", or the only one without channels). "" is /simple/:
 * the rest alone. A named index goes before a channel of that name, the first origin with a channel
 * before later ones. ORIGINS_NO_INDEX (> 0) when nothing matches.
 */
enum { ORIGINS_NO_INDEX = 1, ORIGINS_MAX = 8 };
struct index_view {
    const struct origin *origins[ORIGINS_MAX]; /* in order of ownership */
    size_t count;
    const char *channel; /* the name, when a channel; else NULL. Points into the caller's string */
};
int origins_index(const struct origins *origins, const char *index, struct index_view *ret);

/* Whether a text can name an index: segments of letters, digits, '.', '_' and '-' that are neither
 * a word of the server's own paths (files, whl, mirror, - in front; simple, flat anywhere) nor
 * begin with a dot; at most 128 bytes. */
bool origins_is_index_name(const char *name);
bool origin_has_channel(const struct origin *origin, const char *channel);

/* The longest index name at the start of `path` ("nightly/cu130/simple/torch/" -> 13 bytes), 0 when
 * none matches; only names followed by '/' or the end count. */
size_t origins_index_length(const struct origins *origins, const char *path);

/* Whether an origin with owns_listed lists a name; `channel` may be NULL. */
enum listed { LISTED_NO, LISTED_YES, LISTED_UNKNOWN };
struct lister {
    enum listed (*find)(void *context, const struct origin *origin, const char *channel,
                        const char *project);
    void *context;
};

/*
 * The one origin that answers for a normalised project name: the first whose claim holds; *ret is
 * NULL when nobody's does. ORIGINS_NO_ANSWER (> 0): nobody claims the name, and the listing of
 * *ret, which the lister does not know, may have it; who takes the rest does not answer meanwhile.
 * Without a lister no listing is known.
 */
enum { ORIGINS_NO_ANSWER = 1 };
int origins_owner(const struct index_view *view, const char *project, const struct lister *lister,
                  const struct origin **ret);
/* Whether the origin's claim on the name is by pattern; `channel` may be NULL. */
bool origin_owns(const struct origin *origin, const char *channel, const char *project);
/* The same for any channel; true where a list or the rest decides. */
bool origin_may_own(const struct origin *origin, const char *project);
/* Whether it claims no name of its own, and so answers for all that is left. */
bool origin_owns_rest(const struct origin *origin);

/* Whether a mirror's pages are those of the canonical site: its `index` lies under the origin's
 * `canonical`, `pages` or one of its aliases, or is of the host whose files do. */
bool origin_is_site(const struct origin *origin, size_t mirror);

/* The mirror's URL of a page (project is ignored by LAYOUT_FLAT) and of a file; NULL when out of
 * memory. */
char *mirror_page_url(const struct mirror *mirror, const char *channel, const char *project);
char *mirror_file_url(const struct mirror *mirror, const char *path);

/* As a request wants them. */
static inline const char *const *mirror_redirects(const struct mirror *mirror)
{
    return (const char *const *)mirror->redirects;
}
