// SPDX-License-Identifier: Apache-2.0
/*
 * The path is decoded once into route->text and then cut in place: index, project, origin and path
 * point into it. Each route_* function takes the rest of the path, sets `kind`, and returns 0 or
 * ERROR_NO_MEMORY. A path that fits nothing is ROUTE_NONE with a reason for people. Redirects are
 * relative, because a proxy in front may add a prefix that we do not see.
 */
#include "server/route.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/mirrors/sites.h"
#include "index/name.h"

static const char no_such_path[] = "there is nothing at this path";

static int route_none(struct route *route, const char *why)
{
    route->kind = ROUTE_NONE;
    route->why = why;
    return 0;
}

/* `index` is the text that stands in the place of an index. */
static int route_no_index(struct route *route, const char *index)
{
    route->kind = ROUTE_NO_INDEX;
    route->index = index;
    route->why = "there is no such index";
    return 0;
}

static int route_malformed(struct route *route, const char *why)
{
    route->kind = ROUTE_MALFORMED;
    route->why = why;
    return 0;
}

/* `query` begins with '?' or is empty; the redirect keeps the client's ?format=. */
static int route_moved(struct route *route, const char *up, const char *segment, const char *query)
{
    auto_buf struct buf location;
    buf_init(&location, 3 * ROUTE_TARGET_MAX);
    buf_puts(&location, up);
    url_encode_path(&location, segment);
    buf_putc(&location, '/');
    buf_puts(&location, query);
    route->location = buf_take(&location, NULL);
    if (!route->location)
        return ERROR_NO_MEMORY;
    route->kind = ROUTE_MOVED;
    return 0;
}

/* Reads what follows an index: "", "/", "/{project}" or "/{project}/". `self` is the last segment
 * before it; a client that omitted the slash is redirected to it. */
static int route_project(struct route *route, char *tail, const char *self, const char *query)
{
    if (!*tail)
        return route_moved(route, "", self, query);
    char *project = tail + 1;
    if (!*project) {
        route->kind = ROUTE_PAGE;
        return 0;
    }
    char *end = strchrnul(project, '/');
    bool slashed = *end == '/';
    if (slashed && end[1])
        return route_none(route, no_such_path);
    *end = '\0';

    char normal[NAME_MAX_BYTES + 1];
    if (name_normalize(project, normal))
        return route_none(route, "this is not a project name");
    if (!slashed || strcmp(normal, project) != 0)
        return route_moved(route, slashed ? "../" : "", normal, query);
    route->kind = ROUTE_PAGE;
    route->project = project;
    return 0;
}

/* /whl/{channel}/{project}/: the paths of download.pytorch.org, for clients whose base URL was
 * replaced. */
static int route_whl(const struct origins *origins, struct route *route, char *channel,
                     const char *query)
{
    size_t len = origins_index_length(origins, channel);
    if (!len) {
        channel[strcspn(channel, "/")] = '\0';
        return route_no_index(route, channel);
    }
    auto_free char *name = strndup(channel, len);
    if (!name)
        return ERROR_NO_MEMORY;
    int r = route_project(route, channel + len, str_last_segment(name), query);
    channel[len] = '\0';
    route->index = channel;
    return r;
}

/* Whether `text` begins with the segment; *ret_tail is what follows it: "" or "/...". */
static bool route_segment(char *text, const char *segment, char **ret_tail)
{
    size_t len = strlen(segment);
    if (strncmp(text, segment, len) != 0 || (text[len] && text[len] != '/'))
        return false;
    *ret_tail = text + len;
    return true;
}

/* No index has this name. A request that looks like a page gets the list of indexes. */
static int route_unknown(struct route *route, char *path)
{
    static const char *const words[] = {"/simple", "/flat"};
    char *tail;
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (route_segment(slash, words[i], &tail)) {
                *slash = '\0';
                return route_no_index(route, path);
            }
    return route_none(route, no_such_path);
}

/* Reads what follows an index without simple/ or flat/: "", "/", "/{project}" or "/{project}/".
 * `name` is the index's last segment. The answer is a redirect to the address with simple/. */
static int route_bare(struct route *route, char *rest, const char *name, const char *query)
{
    char normal[NAME_MAX_BYTES + 1];
    auto_free char *target = NULL;
    char *project = *rest ? rest + 1 : rest;
    char *end = strchrnul(project, '/');
    bool slashed = *end == '/';
    if ((slashed && end[1]) || (*project && (*end = '\0', name_normalize(project, normal))))
        return route_none(route,
                          "an index has its project pages below simple/, and one page of all "
                          "its wheels at flat/");
    if (!*rest)
        target = str_printf("%s/simple", name);
    else if (!*project)
        target = str_dup("simple");
    else
        target = str_printf("simple/%s", normal);
    return target ? route_moved(route, slashed && *project ? "../" : "", target, query)
                  : ERROR_NO_MEMORY;
}

/* The longest index name wins, because a name may contain slashes (nightly/cu126). */
static int route_index(const struct origins *origins, struct route *route, char *index,
                       const char *query)
{
    char *tail;
    if (route_segment(index, "simple", &tail)) {
        route->index = "";
        return route_project(route, tail, "simple", query);
    }
    size_t len = origins_index_length(origins, index);
    if (!len)
        return route_unknown(route, index);
    char *rest = index + len;
    if (route_segment(rest, "/simple", &tail)) {
        int r = route_project(route, tail, "simple", query);
        *rest = '\0';
        route->index = index;
        return r;
    }
    if (route_segment(rest, "/flat", &tail)) {
        if (!*tail)
            return route_moved(route, "", "flat", query);
        if (tail[1])
            return route_none(route, no_such_path);
        *rest = '\0';
        *route = (struct route){.kind = ROUTE_PAGE,
                                .index = index,
                                .flat = true,
                                .format = route->format,
                                .text = route->text};
        return 0;
    }
    auto_free char *name = strndup(index, len);
    return name ? route_bare(route, rest, str_last_segment(name), query) : ERROR_NO_MEMORY;
}

/* The key was decoded already; it must be valid as it is. */
static int route_file(struct route *route, char *origin)
{
    char *slash = strchr(origin, '/');
    if (!slash || slash == origin)
        return route_none(route, no_such_path);
    if (!url_key_is_valid(slash + 1))
        return route_none(route, "this is not the path of a file");
    *slash = '\0';
    route->kind = ROUTE_FILE;
    route->origin = origin;
    route->path = slash + 1;
    return 0;
}

/* A wheel, an sdist, or a wheel's .metadata. */
static bool is_file(const char *path)
{
    struct file_name name;
    if (str_ends(path, ".metadata"))
        return true;
    if (file_name_parse(str_last_segment(path), &name))
        return false;
    bool is = name.kind != FILE_OTHER;
    file_name_release(&name);
    return is;
}

/* The length of the longest channel at the start of `tail`; what follows begins with the slash. */
static size_t channel_length(const struct origin *origin, const char *tail)
{
    size_t longest = 0;
    for (const char *end = strchrnul(tail, '/');; end = strchrnul(end + 1, '/')) {
        auto_free char *channel = strndup(tail, (size_t)(end - tail));
        if (channel && origins_is_index_name(channel) && origin_has_channel(origin, channel))
            longest = (size_t)(end - tail);
        if (!*end)
            return longest;
    }
}

/* A path below a site's prefix: a file, or a page of one of the channels. */
static int route_site(const struct site *site, struct route *route, char *tail, const char *query)
{
    const struct origin *origin = site->origin;
    size_t len = site->has_channels ? channel_length(origin, tail) : 0;
    if (len && !is_file(tail)) {
        auto_free char *name = strndup(tail, len);
        if (!name)
            return ERROR_NO_MEMORY;
        int r = route_project(route, tail + len, str_last_segment(name), query);
        tail[len] = '\0';
        route->index = tail;
        route->official = true;
        return r;
    }
    if (!url_key_is_valid(tail))
        return route_none(route, no_such_path);
    route->kind = ROUTE_FILE;
    route->origin = origin->name;
    route->path = tail;
    return 0;
}

/* `place`: host and path of a public site or a mirror, as a client writes them that puts our
 * address in front of theirs. */
static int route_mirror(const struct origins *origins, struct route *route, char *place,
                        const char *query)
{
    struct site site;

    if (!sites_find(origins, place, &site))
        return route_none(route, "no origin has this site; / lists the origins");
    char *tail = place + site.len;
    if (site.kind == SITE_FILES)
        return route_site(&site, route, tail, query);
    route->index = "";
    route->official = true;
    return route_project(route, tail - 1, "simple", query);
}

/* Everything under /-/ is ours, so no index can be named "-". */
static int route_own(struct route *route, char *name)
{
    static const struct {
        const char *name;
        enum route_kind kind;
    } own[] = {{"health", ROUTE_HEALTH},
               {"ready", ROUTE_READY},
               {"status", ROUTE_STATUS},
               {"metrics", ROUTE_METRICS},
               {"indexes", ROUTE_INDEXES}};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (!strcmp(name, own[i].name)) {
            route->kind = own[i].kind;
            return 0;
        }
    char *tail;
    if (route_segment(name, "claims", &tail) && *tail) {
        int r = route_file(route, tail + 1);
        if (route->kind == ROUTE_FILE)
            route->kind = ROUTE_CLAIMS;
        return r;
    }
    return route_none(route, no_such_path);
}

/* The fixed prefixes first; any other path begins with an index. */
static int route_text(const struct origins *origins, struct route *route, const char *query)
{
    char *text = route->text;
    if (!text[1]) {
        route->kind = ROUTE_HOME;
        return 0;
    }
    if (strstr(text, "//"))
        return route_none(route, no_such_path);
    if (str_starts(text, "/-/"))
        return route_own(route, text + strlen("/-/"));
    if (str_starts(text, "/files/"))
        return route_file(route, text + strlen("/files/"));
    if (str_starts(text, "/whl/"))
        return route_whl(origins, route, text + strlen("/whl/"), query);
    if (str_starts(text, "/mirror/"))
        return route_mirror(origins, route, text + strlen("/mirror/"), query);
    return route_index(origins, route, text + 1, query);
}

/* The value of the first `format` in a query. A bad escape counts as an unknown format. */
static int route_format(const char *query, char **ret)
{
    while (*query == '?' || *query == '&') {
        query++;
        size_t len = strcspn(query, "&");
        if (!strncmp(query, "format=", strlen("format="))) {
            auto_buf struct buf value;
            buf_init(&value, ROUTE_TARGET_MAX);
            if (url_decode(query + strlen("format="), len - strlen("format="), &value) ==
                ERROR_BAD_REQUEST)
                buf_clear(&value);
            *ret = buf_take(&value, NULL);
            return *ret ? 0 : ERROR_NO_MEMORY;
        }
        query += len;
    }
    return 0;
}

static bool has_control_byte(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* Clients resolve dot segments themselves; one that arrives here hides something. */
static bool has_dot_segment(const char *path)
{
    for (const char *p = path; (p = strchr(p, '/')); p++) {
        size_t len = strcspn(p + 1, "/");
        if ((len == 1 && p[1] == '.') || (len == 2 && p[1] == '.' && p[2] == '.'))
            return true;
    }
    return false;
}

/* Decodes the path into route->text. A bad path sets ROUTE_MALFORMED and returns 0. An escaped
 * slash is refused: two servers would disagree about its segments. */
static int route_decode(struct route *route, const char *target, size_t path_len)
{
    for (size_t i = 0; i + 2 < path_len; i++)
        if (!strncasecmp(target + i, "%2f", 3))
            return route_malformed(route, "an escaped slash");
    auto_buf struct buf path;
    buf_init(&path, ROUTE_TARGET_MAX);
    int r = url_decode(target, path_len, &path);
    if (r == ERROR_BAD_REQUEST)
        return route_malformed(route, "a path with a bad escape or a control byte");
    if (r)
        return r;
    if (has_dot_segment(path.data))
        return route_malformed(route, "a path with a dot segment");
    route->text = buf_take(&path, NULL);
    return route->text ? 0 : ERROR_NO_MEMORY;
}

/* The order of the checks is that of their cost. */
int route_parse(const struct origins *origins, const char *target, struct route *ret)
{
    struct route route = {.kind = ROUTE_NONE, .why = no_such_path};
    int r = 0;

    if (strnlen(target, ROUTE_TARGET_MAX + 1) > ROUTE_TARGET_MAX)
        route.kind = ROUTE_TOO_LONG;
    else if (*target != '/')
        (void)route_malformed(&route, "the target is not a path");
    else if (strchr(target, '#') || has_control_byte(target))
        (void)route_malformed(&route, "a target with a fragment or a control byte");
    else {
        const char *query = strchrnul(target, '?');
        r = route_decode(&route, target, (size_t)(query - target));
        if (r == 0 && route.text)
            r = route_format(query, &route.format);
        if (r == 0 && route.text)
            r = route_text(origins, &route, query);
    }
    if (r) {
        route_release(&route);
        return ERROR_NO_MEMORY;
    }
    *ret = route;
    return 0;
}

void route_release(struct route *route)
{
    free(route->text);
    free(route->location);
    free(route->format);
    *route = (struct route){.kind = ROUTE_NONE};
}
