// SPDX-License-Identifier: Apache-2.0
#include "engine/mirrors/sites.h"

#include <string.h>

static const char scheme_end[] = "://";

/* Takes the prefix where `place` lies below it and no longer one was found. */
static void consider(struct site *best, const char *place, const struct site *site)
{
    const char *host = site->prefix ? strstr(site->prefix, scheme_end) : NULL;

    if (!host)
        return;
    host += strlen(scheme_end);
    size_t len = strcspn(host, "{");
    if (!len || host[len - 1] != '/' || len <= best->len || strncmp(host, place, len) != 0)
        return;
    *best = *site;
    best->len = len;
}

/* Whether a template has its places right behind the prefix, where an index's address ends. */
static bool ends_in_places(const char *template, const char *places)
{
    const char *brace = strchr(template, '{');

    return brace && !strncmp(brace, places, strlen(places));
}

static void consider_mirror(struct site *best, const char *place, const struct origin *origin,
                            const struct mirror *mirror)
{
    bool is_simple = mirror->layout == LAYOUT_SIMPLE;
    bool has_channels = is_simple && origin->channels[0];
    const char *places = has_channels ? "{channel}/{project}" : "{project}";

    if (mirror->layout == LAYOUT_DIRECTORY)
        return;
    if (is_simple && ends_in_places(mirror->index, places))
        consider(best, place,
                 &(struct site){.origin = origin,
                                .kind = has_channels ? SITE_FILES : SITE_PAGES,
                                .prefix = mirror->index,
                                .has_channels = has_channels});
    consider(best, place, &(struct site){.origin = origin, .prefix = mirror->files});
    for (char **link = mirror->links; link && *link; link++)
        consider(best, place, &(struct site){.origin = origin, .prefix = *link});
}

static void consider_origin(struct site *best, const char *place, const struct origin *origin)
{
    struct site site = {.origin = origin, .has_channels = origin->channels[0] != NULL};

    if (!origin->canonical)
        return;
    if (!origin->channels[0])
        consider(best, place,
                 &(struct site){.origin = origin, .kind = SITE_PAGES, .prefix = origin->pages});
    site.prefix = origin->canonical;
    consider(best, place, &site);
    for (char **alias = origin->aliases; *alias; alias++) {
        site.prefix = *alias;
        consider(best, place, &site);
    }
}

bool sites_find(const struct origins *origins, const char *place, struct site *ret)
{
    struct site best = {.len = 0};

    /* Of two equal prefixes the first one counts: the official site's. */
    for (size_t i = 0; i < origins->count; i++)
        consider_origin(&best, place, &origins->list[i]);
    for (size_t i = 0; i < origins->count; i++)
        for (size_t k = 0; k < origins->list[i].mirror_count; k++)
            consider_mirror(&best, place, &origins->list[i], &origins->list[i].mirrors[k]);
    if (!best.len)
        return false;
    *ret = best;
    return true;
}

bool site_is_canonical(const struct site *site)
{
    return site->prefix == site->origin->canonical || site->prefix == site->origin->pages;
}
