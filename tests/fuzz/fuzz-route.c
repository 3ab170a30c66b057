// SPDX-License-Identifier: Apache-2.0
/* Any text as the target of a request: nothing leads out of its folder or to another host, what is
 * asked for can be asked for again in its plain spelling, and a redirect ends at a page. */
#include "../server/fake_origins.h"
#include "base/str.h"
#include "base/url.h"
#include "fuzz.h"
#include "index/name.h"
#include "server/route.h"

/* The route of `prefix` and the encoded `path`. */
static void ask_again(const char *prefix, const char *path, struct route *ret)
{
    auto_buf struct buf target;

    buf_init(&target, 4 * ROUTE_TARGET_MAX);
    buf_puts(&target, prefix);
    url_encode_path(&target, path);
    require(target.error == 0);
    require(route_parse(&fake_origins, target.data, ret) == 0);
}

static void check_file(const struct route *route)
{
    struct route again;

    require(url_key_is_valid(route->path) && *route->origin && !strchr(route->origin, '/'));
    auto_free char *whole = str_printf("%s/%s", route->origin, route->path);
    require(whole != NULL);
    ask_again("/files/", whole, &again);
    require(again.kind == ROUTE_TOO_LONG ||
            (again.kind == ROUTE_FILE && fuzz_same(again.origin, route->origin) &&
             fuzz_same(again.path, route->path)));
    route_release(&again);
}

static void check_page(const struct route *route)
{
    char normal[NAME_MAX_BYTES + 1];
    const char *slash = *route->index ? "/" : "";
    struct route again;

    if (route->project) {
        require(name_normalize(route->project, normal) == 0);
        require(strcmp(normal, route->project) == 0);
    }
    auto_free char *whole =
        str_printf("%s%ssimple/%s%s", route->index, slash, route->project ? route->project : "",
                   route->project ? "/" : "");
    require(whole != NULL);
    ask_again("/", whole, &again);
    require(again.kind == ROUTE_TOO_LONG ||
            (again.kind == ROUTE_PAGE && fuzz_same(again.index, route->index) &&
             fuzz_same(again.project, route->project)));
    route_release(&again);
}

static void check_moved(const struct route *route, const char *target)
{
    static const char host[] = "http://h.example";
    auto_free char *base = str_printf("%s%s", host, target);
    auto_free char *there = NULL;
    struct route next;

    require(base != NULL && route->location && !strpbrk(route->location, "\r\n"));
    if (url_resolve(base, route->location, &there) != 0)
        return; /* a target with spaces is no URL */
    require(str_starts(there, "http://h.example/"));
    require(route_parse(&fake_origins, there + strlen(host), &next) == 0);
    require(next.kind == ROUTE_PAGE || next.kind == ROUTE_TOO_LONG);
    require(next.kind == ROUTE_TOO_LONG || fuzz_same(next.format, route->format));
    route_release(&next);
}

/* What must never be understood, whatever stands around it. */
static void check_accepted(const char *target)
{
    const char *query = strchr(target, '?');
    auto_free char *path = query ? strndup(target, (size_t)(query - target)) : strdup(target);

    require(path != NULL && path[0] == '/' && strlen(target) <= ROUTE_TARGET_MAX);
    require(!strcasestr(path, "%2f") && !strstr(path, "%00") && !strchr(target, '#'));
    require(!strstr(path, "/../") && !strstr(path, "/./"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *target = fuzz_text(data, size);
    struct route route;

    require(route_parse(&fake_origins, target, &route) == 0);
    if (route.kind == ROUTE_NONE || route.kind == ROUTE_MALFORMED || route.kind == ROUTE_NO_INDEX)
        require(route.why != NULL);
    require(route.kind != ROUTE_NO_INDEX || route.index);
    if (route.kind != ROUTE_MALFORMED && route.kind != ROUTE_TOO_LONG)
        check_accepted(target);
    if (route.kind == ROUTE_FILE)
        check_file(&route);
    else if (route.kind == ROUTE_PAGE)
        check_page(&route);
    else if (route.kind == ROUTE_MOVED)
        check_moved(&route, target);
    route_release(&route);
    return 0;
}
