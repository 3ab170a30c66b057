// SPDX-License-Identifier: Apache-2.0
/* Two lines: the query of a page, and Accept. The first `format` is read as a reader of RFC 3986
 * would, names one type or none, outranks Accept, survives redirects, and nothing else in the query
 * has a say. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "../server/fake_origins.h"
#include "base/str.h"
#include "base/url.h"
#include "fuzz.h"
#include "server/negotiate.h"
#include "server/route.h"

enum { NOTHING = -1 };

static char *format_of(const char *path, const char *query, enum route_kind kind)
{
    auto_free char *target = str_printf("%s?%s", path, query);
    struct route route;

    require(target != NULL && route_parse(&fake_origins, target, &route) == 0);
    require(route.kind == kind || route.kind == ROUTE_MALFORMED || route.kind == ROUTE_TOO_LONG);
    char *format = route.kind == kind && route.format ? strdup(route.format) : NULL;
    require(route.kind == kind || !route.format);
    route_release(&route);
    return format;
}

/* The same, read in another way: *ret_there tells "" from nothing. */
static char *expected(const char *query, bool *ret_there)
{
    auto_free char *copy = strdup(query);
    char *rest = copy;
    char *item;

    require(copy != NULL);
    while ((item = strsep(&rest, "&")) && strncmp(item, "format=", strlen("format=")) != 0)
        ;
    *ret_there = item != NULL;
    if (!item)
        return NULL;
    item += strlen("format=");
    char *value = calloc(strlen(item) + 1, 1);
    char *to = value;
    require(value != NULL);
    for (const char *s = item; *s; s++) {
        unsigned code = (unsigned char)*s;
        if (code == '%') {
            bool good = isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]) &&
                        sscanf(s + 1, "%2x", &code) == 1;
            s += 2;
            if (!good || iscntrl((int)code)) {
                *value = '\0';
                return value;
            }
        }
        *to++ = (char)code;
    }
    *to = '\0';
    return value;
}

static int chosen(const char *accept, const char *format)
{
    enum page_type type = (enum page_type)NOTHING;
    int r = negotiate_page(accept, format, &type);

    require(r == 0 || r == NEGOTIATE_NOTHING);
    return r ? NOTHING : (int)type;
}

static int named(const char *format)
{
    static const struct {
        const char *name;
        int type;
    } names[] = {
        {"application/vnd.pypi.simple.v1+json", PAGE_TYPE_JSON},
        {"application/vnd.pypi.simple.latest+json", PAGE_TYPE_JSON},
        {"application/vnd.pypi.simple.v1+html", PAGE_TYPE_HTML_V1},
        {"application/vnd.pypi.simple.latest+html", PAGE_TYPE_HTML_V1},
        {"text/html", PAGE_TYPE_HTML},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcasecmp(names[i].name, format) == 0)
            return names[i].type;
    return NOTHING;
}

/* Where the redirect leads, the same is asked for. */
static void check_moved(const char *query, const char *format)
{
    auto_free char *target = str_printf("/cu126/simple/Torch?%s", query);
    struct route route;

    require(target != NULL && route_parse(&fake_origins, target, &route) == 0);
    if (route.kind == ROUTE_MOVED) {
        const char *sent = strchr(route.location, '?');
        require(sent && strcmp(sent + 1, query) == 0 && !strpbrk(sent, "\r\n"));
        auto_free char *again = format_of("/cu126/simple/torch/", sent + 1, ROUTE_PAGE);
        require(fuzz_same(again, format));
    }
    route_release(&route);
}

static void check_others(const char *query, const char *format)
{
    auto_free char *more = str_printf("a&formats=x&%s&format=application/xml", query);
    require(more != NULL);
    auto_free char *got = format_of("/cu126/simple/", more, ROUTE_PAGE);
    /* NULL: too long now */
    require(!got || strcmp(got, format ? format : "application/xml") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    const char *query = fuzz_line(&rest);
    const char *accept = rest;
    struct route route;
    bool there;

    auto_free char *target = str_printf("/cu126/simple/torch/?%s", query);
    require(target != NULL && route_parse(&fake_origins, target, &route) == 0);
    enum route_kind kind = route.kind;
    route_release(&route);
    if (kind != ROUTE_PAGE)
        return 0;
    auto_free char *format = format_of("/cu126/simple/torch/", query, ROUTE_PAGE);
    auto_free char *wanted = expected(query, &there);
    require(there == (format != NULL) && fuzz_same(format, wanted));
    require(chosen(accept, format) == (format ? named(format) : chosen(accept, NULL)));
    check_moved(query, format);
    check_others(query, format);
    return 0;
}
