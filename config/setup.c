// SPDX-License-Identifier: Apache-2.0
/*
 * Users copy an address from anywhere: from these lines, from pip.conf, from a browser. So each
 * command accepts the URL of an index where it needs the base, and takes it apart here.
 */
#include "config/setup.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/url.h"

/* cu126 is only an example that many users need; a configuration without it shows one of its own.
 */
const char *setup_example_index(const struct origins *origins)
{
    struct index_view view;
    static const char popular[] = "cu126";
    if (origins_index(origins, popular, &view) == 0)
        return popular;
    for (size_t i = 0; i < origins->count; i++)
        for (char **channel = origins->list[i].channels; *channel; channel++)
            if (!strchr(*channel, '*'))
                return *channel;
    return origins->index_count ? origins->indexes[0].name : "";
}

char *setup_listen_url(const char *address)
{
    if (str_starts(address, "0.0.0.0:"))
        return str_printf("http://127.0.0.1:%s", address + strlen("0.0.0.0:"));
    if (str_starts(address, "[::]:"))
        return str_printf("http://[::1]:%s", address + strlen("[::]:"));
    return str_printf("http://%s", address);
}

/* localhost reads better than 127.0.0.1 and works for both families. */
void setup_base(struct buf *to, const char *address)
{
    static const char *const local[] = {"127.0.0.1:", "[::1]:", "0.0.0.0:", "[::]:"};
    buf_puts(to, "http://");
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        if (str_starts(address, local[i])) {
            buf_printf(to, "localhost:%s", address + strlen(local[i]));
            return;
        }
    buf_puts(to, address);
}

/* Fixed names first, then channels, which may be patterns. */
void setup_write_indexes(struct buf *to, const struct origins *origins)
{
    struct index_view view;
    size_t start = to->len;
    if (origins_index(origins, "", &view) == 0)
        buf_puts(to, "simple");
    for (size_t i = 0; i < origins->index_count; i++)
        buf_printf(to, "%s%s", to->len > start ? ", " : "", origins->indexes[i].name);
    for (size_t i = 0; i < origins->count; i++)
        for (char **channel = origins->list[i].channels; *channel; channel++)
            buf_printf(to, "%s%s", to->len > start ? ", " : "", *channel);
}

static void cut(struct buf *text, size_t len)
{
    while (len && text->data[len - 1] == '/')
        len--;
    text->len = len;
    text->data[len] = '\0';
}

/* The index at the end of a path such as "/a/nightly/cu130", without its slash; NULL: unknown. The
 * longest match comes first, since a proxy's prefix may precede it. */
static const char *known_index(const char *path, const struct origins *origins, const char *given)
{
    for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
        struct index_view view;
        bool is_given = given && strcmp(slash + 1, given) == 0;
        if (is_given || (origins && slash[1] && origins_index(origins, slash + 1, &view) == 0))
            return slash + 1;
    }
    return NULL;
}

void setup_cut_index(struct buf *url, const struct origins *origins, const char *given,
                     char **ret_index)
{
    static const char end[] = "/simple";
    char *index = NULL;
    cut(url, url->len);
    const char *scheme = strstr(url->data, "://");
    const char *host = scheme ? scheme + strlen("://") : url->data;
    if (scheme && *host != '/' && str_ends(host, end)) {
        cut(url, url->len - strlen(end));
        const char *path = strchr(host, '/');
        const char *name = path ? known_index(path, origins, given) : "";
        if (!name)
            name = origins_is_index_name(path + 1) ? path + 1 : "";
        index = str_dup(name);
        if (*name)
            cut(url, (size_t)(name - url->data));
    }
    *ret_index = index;
}

/* A command accepts both forms of --url; afterwards it sees only the daemon's. */
void setup_take_url(const char **url, const char **index, char **ret_url_own, char **ret_index_own)
{
    auto_buf struct buf base;
    buf_init(&base, URL_MAX_BYTES);
    if (!*url)
        return;
    buf_puts(&base, *url);
    setup_cut_index(&base, NULL, **index ? *index : NULL, ret_index_own);
    *ret_url_own = buf_take(&base, NULL);
    if (*ret_url_own)
        *url = *ret_url_own;
    if (*ret_index_own && !**index)
        *index = *ret_index_own;
}

void setup_write(struct buf *to, const char *base, const char *index)
{
    const char *slash = *index ? "/" : "";
    const char *project = *index ? "torch" : "requests";
    buf_printf(to, "pip   pip install %s --index-url %s%s%s/simple\n", project, base, slash, index);
    buf_printf(to, "uv    uv pip install %s --index-url %s%s%s/simple\n", project, base, slash,
               index);
    buf_printf(to, "pixi  [tool.pixi.pypi-options] index-url = \"%s%s%s/simple\"\n", base, slash,
               index);
}
