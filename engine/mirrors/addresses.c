// SPDX-License-Identifier: Apache-2.0
#include "engine/mirrors/addresses.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/mirrors/sites.h"
#include "index/name.h"

static const char no_origin[] = "no origin of the configuration has this site";
static const char no_index[] = "no index of ours is the same";
static const char no_file[] = "this is not the address of a file of that site";
static const char no_official[] = "no official site has the same";
static const char no_way_back[] = "the way back would lead to another address";

/* Of an address with a scheme of the web: what is behind "://"; NULL for anything else, and for one
 * with blanks or control bytes, which no request can have. */
static const char *place_of(const char *url)
{
    const char *place = strstr(url, "://");

    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return NULL;

    if (!place || (!str_starts(url, "http://") && !str_starts(url, "https://")))
        return NULL;
    return place + strlen("://");
}

/* What follows one of our bases and a slash; NULL when it is none of ours. */
static const char *tail_of_ours(const struct addresses *a, const char *url)
{
    for (const char *const *base = a->ours; *base; base++) {
        size_t len = strlen(*base);

        if (len && !strncmp(url, *base, len) && url[len] == '/')
            return url + len + 1;
    }
    return NULL;
}

/* The site of an address that is written with the very scheme of the configuration. */
static bool find_site(const struct addresses *a, const char *url, const char *place,
                      struct site *ret)
{
    size_t scheme = (size_t)(place - url);

    return sites_find(a->origins, place, ret) && !strncmp(ret->prefix, url, scheme);
}

/* Whether the daemon's router takes it for the path of a file: base/url.h, server/route.h. */
static bool is_file_path(const char *rest)
{
    auto_buf struct buf key;
    size_t len = strcspn(rest, "?#");

    buf_init(&key, URL_MAX_BYTES);
    for (size_t i = 0; i + 2 < len; i++)
        if (rest[i] == '%' && !strncasecmp(rest + i, "%2f", 3))
            return false;
    return !rest[strcspn(rest, "#")] && url_decode(rest, len, &key) == 0 &&
           url_key_is_valid(key.data);
}

/* Below a channel the router takes for a file only what is called like one. */
static int is_called_file(const char *rest, bool *ret)
{
    auto_free char *path = strndup(rest, strcspn(rest, "?"));
    auto_buf struct buf decoded;
    struct file_name parsed;

    buf_init(&decoded, URL_MAX_BYTES);
    if (!path)
        return ERROR_NO_MEMORY;
    *ret = false;
    if (url_decode(path, strlen(path), &decoded))
        return 0;
    int r = file_name_parse(str_last_segment(decoded.data), &parsed);
    if (r)
        return r;
    *ret = parsed.kind != FILE_OTHER || str_ends(decoded.data, ".metadata");
    file_name_release(&parsed);
    return 0;
}

static int none(const char **ret_why, const char *why)
{
    *ret_why = why;
    return ADDRESSES_NONE;
}

/* -------------------------------------------------------------- to an ours */

static int file_to_ours(const struct addresses *a, const char *url, struct buf *to,
                        const char **ret_why)
{
    const char *place = place_of(url);
    struct site site;

    if (!place || !find_site(a, url, place, &site))
        return none(ret_why, no_origin);
    const char *rest = place + site.len;
    if (site.kind != SITE_FILES || !is_file_path(rest))
        return none(ret_why, no_file);
    if (site_is_canonical(&site)) {
        buf_printf(to, "%s/files/%s/%s", a->base, site.origin->name, rest);
        return to->error;
    }
    bool is_called = true;
    int r = site.has_channels ? is_called_file(rest, &is_called) : 0;
    if (r || !is_called)
        return r ? r : none(ret_why, no_file);
    buf_printf(to, "%s/mirror/%s", a->base, place);
    return to->error;
}

/* /simple/ is what one origin answers for alone. */
static bool is_rest(const struct origins *origins, const struct origin *origin)
{
    struct index_view view;

    return origins_index(origins, "", &view) == 0 && view.count == 1 && view.origins[0] == origin;
}

static bool is_channel_of(const struct origins *origins, const struct origin *origin,
                          const char *name)
{
    struct index_view view;

    return origins_is_index_name(name) && origins_index(origins, name, &view) == 0 &&
           view.channel && view.origins[0] == origin;
}

/* `place` ends in a slash here, whether the address did or not. */
static int index_by_place(const struct addresses *a, const char *url, const char *place,
                          struct buf *to, const char **ret_why)
{
    struct site site;

    if (!find_site(a, url, place, &site))
        return none(ret_why, no_origin);
    auto_free char *rest = str_dup(place + site.len);
    if (!rest)
        return ERROR_NO_MEMORY;
    if (*rest)
        rest[strlen(rest) - 1] = '\0';
    bool is_called = false;
    int r = is_called_file(rest, &is_called);
    if (r)
        return r;
    bool is_ours = is_called ? false
                   : site.kind == SITE_PAGES
                       ? !*rest && is_rest(a->origins, site.origin)
                       : site.has_channels && is_channel_of(a->origins, site.origin, rest);
    if (!is_ours)
        return none(ret_why, no_index);
    if (!site_is_canonical(&site))
        buf_printf(to, "%s/mirror/%s", a->base, place);
    else if (site.kind == SITE_PAGES)
        buf_printf(to, "%s/simple/", a->base);
    else
        buf_printf(to, "%s/whl/%s/", a->base, rest);
    return to->error;
}

/* An index is the same with and without a slash at its end; what was written stays. */
static int index_to_ours(const struct addresses *a, const char *url, struct buf *to,
                         const char **ret_why)
{
    bool has_slash = str_ends(url, "/");
    auto_free char *slashed = str_printf("%s%s", url, has_slash ? "" : "/");
    const char *place = slashed ? place_of(slashed) : NULL;

    if (!slashed)
        return ERROR_NO_MEMORY;
    if (!place || strpbrk(url, "?#"))
        return none(ret_why, no_origin);
    int r = index_by_place(a, slashed, place, to, ret_why);
    if (!r && !has_slash)
        to->data[--to->len] = '\0';
    return r;
}

int addresses_to_ours(const struct addresses *a, const char *url, enum address_role role,
                      struct buf *to, const char **ret_why)
{
    const char *tail = tail_of_ours(a, url);
    auto_buf struct buf back;
    size_t start = to->len;

    buf_init(&back, URL_MAX_BYTES);
    if (tail) {
        buf_printf(to, "%s/%s", a->base, tail);
        return to->error;
    }
    int r = role == ADDRESS_FILE ? file_to_ours(a, url, to, ret_why)
                                 : index_to_ours(a, url, to, ret_why);
    if (!r)
        r = addresses_to_official(a, to->data + start, role, NULL, &back, ret_why);
    if (!r && strcmp(back.data, url) != 0)
        r = none(ret_why, no_way_back);
    return r;
}

/* ----------------------------------------------------------- to an official */

static int file_to_official(const struct addresses *a, const char *tail, struct buf *to,
                            const char **ret_why)
{
    size_t len = strcspn(tail, "/");
    auto_free char *name = strndup(tail, len);

    if (!name)
        return ERROR_NO_MEMORY;
    const struct origin *origin = origins_find(a->origins, name);
    if (!origin || !origin->canonical || tail[len] != '/' || !is_file_path(tail + len + 1))
        return none(ret_why, no_official);
    buf_printf(to, "%s%s", origin->canonical, tail + len + 1);
    return to->error;
}

/* "/mirror/PLACE": the scheme is that of the configured prefix. */
static int mirror_to_official(const struct addresses *a, const char *place, struct buf *to,
                              const char **ret_why)
{
    struct site site;
    auto_free char *slashed = str_printf("%s/", place);

    if (!slashed)
        return ERROR_NO_MEMORY;
    if (!sites_find(a->origins, slashed, &site))
        return none(ret_why, no_official);
    buf_printf(to, "%.*s%s", (int)(strstr(site.prefix, "://") + 3 - site.prefix), site.prefix,
               place);
    return to->error;
}

/* The address of a prefix, whose closing slash goes where ours has none. */
static int write_index(struct buf *to, const char *prefix, const char *channel, bool has_slash)
{
    buf_printf(to, "%s%s", prefix, channel);
    if (has_slash && to->len && to->data[to->len - 1] != '/')
        buf_putc(to, '/');
    else if (!has_slash && !to->error && to->len && to->data[to->len - 1] == '/')
        to->data[--to->len] = '\0';
    return to->error;
}

/* `name` is an index without its slashes: "" is /simple/. */
static int named_to_official(const struct addresses *a, const char *name, const char *project,
                             bool has_slash, struct buf *to, const char **ret_why)
{
    struct index_view view;
    const struct origin *owner = NULL;

    if (origins_index(a->origins, name, &view) || !view.count)
        return none(ret_why, no_official);
    if (project && origins_owner(&view, project, NULL, &owner))
        owner = NULL;
    if (!owner)
        owner = view.origins[0];
    if (!owner->channels[0])
        return owner->pages && (view.channel || view.count == 1)
                   ? write_index(to, owner->pages, "", has_slash)
                   : none(ret_why, no_official);
    return owner->canonical && view.channel
               ? write_index(to, owner->canonical, view.channel, has_slash)
               : none(ret_why, no_official);
}

static int index_to_official(const struct addresses *a, const char *tail, const char *project,
                             struct buf *to, const char **ret_why)
{
    auto_free char *name = str_dup(tail);
    bool has_slash = str_ends(tail, "/");

    if (!name)
        return ERROR_NO_MEMORY;
    if (strpbrk(name, "?#%"))
        return none(ret_why, no_official);
    if (has_slash)
        name[strlen(name) - 1] = '\0';
    if (str_starts(name, "whl/"))
        return named_to_official(a, name + strlen("whl/"), NULL, has_slash, to, ret_why);
    if (!strcmp(name, "simple"))
        return named_to_official(a, "", project, has_slash, to, ret_why);
    if (!str_ends(name, "/simple"))
        return none(ret_why, no_official);
    name[strlen(name) - strlen("/simple")] = '\0';
    return named_to_official(a, name, project, has_slash, to, ret_why);
}

int addresses_to_official(const struct addresses *a, const char *url, enum address_role role,
                          const char *project, struct buf *to, const char **ret_why)
{
    const char *tail = tail_of_ours(a, url);

    if (!tail) {
        buf_puts(to, url);
        return to->error;
    }
    if (str_starts(tail, "mirror/"))
        return mirror_to_official(a, tail + strlen("mirror/"), to, ret_why);
    if (role == ADDRESS_INDEX)
        return index_to_official(a, tail, project, to, ret_why);
    return str_starts(tail, "files/") ? file_to_official(a, tail + strlen("files/"), to, ret_why)
                                      : none(ret_why, no_official);
}
