// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the links of a mirror's page: which file of the origin a link is, and where the mirror has
 * it.
 *
 *     links_new: the origin's prefixes are parsed once -> links_read for each link -> links_free
 *     links_settle does all three for a listing
 *
 * Two questions are answered by the same longest prefix: the rest of the link is the file's key,
 * and the prefix tells where to ask. Pure; compute lane.
 */
#include "engine/mirrors/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/mirrors/origins.h"

enum { HOSTS_BYTES = 160 };

/* A prefix of the origin's files. `base`: where this mirror is asked for files below it. */
struct place {
    struct url_prefix prefix;
    const char *base; /* NULL: below its `files` */
};

struct links {
    const struct origin *origin;
    const struct mirror *mirror;
    const char *page;
    struct url moved; /* where a redirect led to the page; without a path when none did */
    struct place *places;
    size_t count;
};

/* ----------------------------------------------------------------- prefixes */

static size_t count_strings(char *const *strings)
{
    size_t n = 0;
    for (; strings && *strings; strings++)
        n++;
    return n;
}

/* A prefix that cannot be parsed covers nothing. The configuration refuses such prefixes. */
static int add_place(struct links *l, const char *text, const char *base)
{
    struct place *p = &l->places[l->count];
    if (!text)
        return 0;
    int r = url_prefix_init(text, &p->prefix);
    if (r)
        return r == ERROR_NO_MEMORY ? r : 0;
    p->base = base;
    l->count++;
    return 0;
}

/* The `links` of other mirrors cover a link also: a page may lead to another mirror's files.
 * Only the mirror's own `links` say where it is asked. */
static int add_places(struct links *l)
{
    const struct origin *o = l->origin;
    size_t most = 1 + count_strings(o->aliases);
    for (size_t i = 0; i < o->mirror_count; i++)
        most += 1 + count_strings(o->mirrors[i].links);
    l->places = calloc(most, sizeof(*l->places));
    int r = l->places ? add_place(l, o->canonical, NULL) : ERROR_NO_MEMORY;
    for (char *const *alias = o->aliases; r == 0 && alias && *alias; alias++)
        r = add_place(l, *alias, NULL);
    for (size_t i = 0; r == 0 && i < o->mirror_count; i++) {
        const struct mirror *m = &o->mirrors[i];
        r = add_place(l, m->files, NULL);
        for (char *const *link = m->links; r == 0 && link && *link; link++)
            r = add_place(l, *link, m == l->mirror ? *link : NULL);
    }
    return r;
}

int links_new(const struct origin *origin, unsigned mirror, const char *page, const char *address,
              struct links **ret)
{
    struct links *l = calloc(1, sizeof(*l));
    if (!l)
        return ERROR_NO_MEMORY;
    *l = (struct links){.origin = origin, .mirror = &origin->mirrors[mirror], .page = page};
    int r = origin->directory ? 0 : add_places(l);
    if (r == 0 && page && address && strcmp(page, address) != 0)
        r = url_parse(address, &l->moved) == ERROR_NO_MEMORY ? ERROR_NO_MEMORY : 0;
    if (r) {
        links_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void links_free(struct links *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->count; i++)
        url_prefix_release(&l->places[i].prefix);
    url_release(&l->moved);
    free(l->places);
    free(l);
}

/* -------------------------------------------------------------------- links */

/* The place with the longest prefix that covers the link. NULL: none does, and *ret_error says
 * why. Each place is tried: there are few, and the longest prefix need not stand first. */
static const struct place *find_place(const struct links *l, const struct url *url,
                                      const char *decoded, const char **ret_rest, int *ret_error)
{
    const struct place *best = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const struct place *p = &l->places[i];
        const char *rest;
        /* of two equal prefixes the one that says where to ask */
        if (best && (p->prefix.len < best->prefix.len ||
                     (p->prefix.len == best->prefix.len && (best->base || !p->base))))
            continue;
        int r = url_prefix_rest(&p->prefix, url, decoded, &rest);
        if (r < 0)
            *ret_error = r;
        if (r)
            continue;
        best = p;
        *ret_rest = rest;
    }
    return best;
}

/* A query belongs to the place: a signed URL is refused without it. */
static int write_place(const struct links *l, const struct place *p, const char *path,
                       const char *query, char **ret)
{
    struct buf url;
    /* the usual case: the file lies at its path below `files` */
    if (!p->base && !query)
        return 0;
    buf_init(&url, URL_MAX_BYTES);
    buf_puts(&url, p->base ? p->base : l->mirror->files);
    url_encode_path(&url, path);
    if (query)
        buf_printf(&url, "?%s", query);
    int r = url.error == ERROR_TOO_BIG ? ERROR_BAD_REQUEST : url.error;
    if (r == 0)
        *ret = buf_take(&url, NULL);
    else
        buf_release(&url);
    return r;
}

/* The key is the decoded rest, so `+` and `%2B` lead to one file. */
static int read_covered(const struct links *l, const struct url *url, char **ret_path,
                        char **ret_place)
{
    auto_buf struct buf decoded;
    const char *rest = NULL;
    int error = URL_ELSEWHERE;
    buf_init(&decoded, URL_MAX_BYTES);
    int r = url_decode(url->path, strlen(url->path), &decoded);
    if (r)
        return r;
    const struct place *p = find_place(l, url, decoded.data, &rest, &error);
    if (!p)
        return error;
    auto_free char *path = strdup(rest);
    r = path ? write_place(l, p, path, url->query, ret_place) : ERROR_NO_MEMORY;
    if (r)
        return r;
    *ret_path = path;
    path = NULL;
    return 0;
}

/* How many bytes of two paths are the same folders. */
static size_t common_folders(const char *a, const char *b)
{
    size_t same = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '/')
            same = i + 1;
    return same;
}

/* Folders between two points of a path. */
static size_t count_slashes(const char *text, const char *end)
{
    size_t n = 0;
    for (; text < end; text++)
        n += *text == '/';
    return n;
}

/* A redirect led to the page. Takes the link's path relative to where the page came from, and
 * resolves it against the URL that was asked. NULL: the link leads out of that folder, or memory
 * is short. */
static char *seen_from_page(const struct links *l, const struct url *link)
{
    const char *from = l->moved.path, *from_end = strrchr(from, '/');
    struct url page;
    char *text = NULL;
    if (strcmp(link->host, l->moved.host) != 0 || link->port != l->moved.port ||
        url_parse(l->page, &page))
        return NULL;
    size_t same = common_folders(from, link->path);
    /* folders of the page's address that the link does not share */
    size_t up = from + same <= from_end ? count_slashes(from + same, from_end + 1) : 0;
    size_t depth = count_slashes(page.path, page.path + strlen(page.path)) - 1;
    auto_buf struct buf relative;
    buf_init(&relative, URL_MAX_BYTES);
    buf_puts(&relative, "./");
    for (size_t i = 0; i < up; i++)
        buf_puts(&relative, "../");
    buf_puts(&relative, link->path + same);
    if (link->query)
        buf_printf(&relative, "?%s", link->query);
    if (up > depth || relative.error || url_resolve(l->page, relative.data, &text))
        text = NULL;
    url_release(&page);
    return text;
}

static int read_moved(const struct links *l, const struct url *link, char **ret_path,
                      char **ret_place)
{
    struct url url;
    auto_free char *text = seen_from_page(l, link);
    if (!text || url_parse(text, &url))
        return URL_ELSEWHERE;
    int r = read_covered(l, &url, ret_path, ret_place);
    url_release(&url);
    return r;
}

/* The second try is for pages that a redirect led to, and only when no prefix covers the link. */
int links_read(const struct links *l, const char *text, char **ret_path, char **ret_place)
{
    struct url url;
    if (l->origin->directory) { /* a folder's listing has paths for URLs */
        char *path = strdup(text);
        if (path)
            *ret_path = path;
        return path ? 0 : ERROR_NO_MEMORY;
    }
    int r = url_parse(text, &url);
    if (r)
        return r;
    *ret_place = NULL;
    r = read_covered(l, &url, ret_path, ret_place);
    if (r == URL_ELSEWHERE && l->moved.path)
        r = read_moved(l, &url, ret_path, ret_place);
    url_release(&url);
    return r;
}

/* ----------------------------------------------------------------- listings */

/* Adds scheme and host to the text for people, each host once, as long as there is room. */
static void note_host(struct listing *listing, const char *text, char hosts[HOSTS_BYTES])
{
    const char *host = strstr(text, "://");
    size_t len = host ? (size_t)(host + 3 - text) : 0;
    char quoted[HOSTS_BYTES];
    len += strcspn(text + len, "/?#");
    listing->elsewhere++;
    if (len + 4 > sizeof(quoted))
        return;
    (void)snprintf(quoted, sizeof(quoted), "\"%.*s/\"", (int)len, text);
    size_t used = strlen(hosts);
    if (!strstr(hosts, quoted) && used + strlen(quoted) + 3 <= HOSTS_BYTES)
        (void)snprintf(hosts + used, HOSTS_BYTES - used, "%s%s", used ? ", " : "", quoted);
}

/* A flat page may list many files that do not belong to the origin: these are no losses. */
static bool counts(const struct origin *o, unsigned mirror, const struct listed_file *f)
{
    return o->mirrors[mirror].layout != LAYOUT_FLAT || origin_may_own(o, f->project);
}

/* A link that cannot be read is dropped, not an error: one bad row must not cost the page. */
int links_settle(const struct origin *origin, unsigned mirror, const char *page,
                 const char *address, struct listing *listing)
{
    struct links *l = NULL;
    char hosts[HOSTS_BYTES] = "";
    int r = links_new(origin, mirror, page, address, &l);
    for (size_t i = 0; r == 0 && i < listing->file_count; i++) {
        struct listed_file *f = &listing->files[i];
        r = links_read(l, f->url, &f->path, &f->place);
        bool counted = counts(origin, mirror, f);
        if (r == URL_ELSEWHERE && counted)
            note_host(listing, f->url, hosts);
        listing->counted += r == 0 && counted;
        listing->has_places |= f->place != NULL;
        r = r == ERROR_NO_MEMORY ? r : 0;
    }
    links_free(l);
    if (r)
        return r;
    listing_drop_unsettled(listing);
    listing->elsewhere_hosts = *hosts ? strdup(hosts) : NULL;
    return 0;
}

/* One lost link in a page is normal; half of a page means that the mirror has moved its files. */
bool links_are_lost(const struct listing *l, size_t had)
{
    return l->elsewhere && (l->elsewhere >= l->counted || 2 * l->counted <= had);
}

/* Quotes the hosts as the configuration wants them. */
void links_complain(const struct listing *l, char *ret, size_t size)
{
    const char *hosts = l->elsewhere_hosts ? l->elsewhere_hosts : "other hosts";
    (void)snprintf(ret, size,
                   "%zu of %zu links lead to %s, which no prefix covers (if its files lie there: "
                   "links = [%s])",
                   l->elsewhere, l->elsewhere + l->counted, hosts, hosts);
}
