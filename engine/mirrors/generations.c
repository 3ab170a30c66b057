// SPDX-License-Identifier: Apache-2.0
/*
 * Generations of origins (the rules are in generations.h).
 *
 *     mirrors_new ---------------------------------> in force
 *     generations_add --> added --generations_use--> in force --the next one is used--> older
 *                           +-----generations_take_back--> freed
 *
 * A stack, the newest first; none is freed before mirrors_free. Flights and pages point into
 * old origins, so an origin is looked up through all generations by its address. Any thread reads
 * the origins in force through one atomic pointer; the rest belongs to the flight thread.
 */
#include "engine/mirrors/generations.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"

/* a parent says something within ten seconds, as this daemon does */
enum { PARENT_PATIENCE_MS = 9500 };

struct generation {
    struct generation *older;
    const struct origins *origins;
    size_t *first;       /* for each origin: the place of its first mirror in `numbers` */
    size_t *numbers;     /* each mirror's number in the budget */
    size_t mirror_count; /* in the budget, up to this generation */
};

struct mirrors {
    struct services *s;
    _Atomic(const struct origins *) origins; /* those in force */
    struct generation *generations;          /* the one in force, and all before it */
    size_t mirror_count;                     /* of all generations, as the budget numbers them */
};

const struct origins *mirrors_origins(const struct mirrors *mirrors)
{
    return atomic_load(&mirrors->origins);
}

/* ------------------------------------------------------------------ numbers */

/* The place of an origin in a generation; -1: it belongs to another one. */
static long place_of(const struct generation *g, const struct origin *origin)
{
    for (size_t o = 0; o < g->origins->count; o++)
        if (&g->origins->list[o] == origin)
            return (long)o;
    return -1;
}

/* Searches all generations, because a flight keeps the origin that it began with. */
size_t mirrors_number(const struct mirrors *mirrors, const struct origin *origin, unsigned mirror)
{
    for (const struct generation *g = mirrors->generations; g; g = g->older) {
        long place = place_of(g, origin);
        if (place >= 0)
            return g->numbers[g->first[place] + mirror];
    }
    abort(); /* origins come from generations alone */
}

/* Mirrors of older generations are still asked by their flights, but no longer probed. */
bool mirrors_has(const struct mirrors *mirrors, size_t number)
{
    const struct generation *g = mirrors->generations;
    for (size_t o = 0, n = 0; o < g->origins->count; o++)
        for (size_t m = 0; m < g->origins->list[o].mirror_count; m++)
            if (g->numbers[n++] == number)
                return true;
    return false;
}

bool mirrors_is_backing_off(const struct mirrors *mirrors, const struct origin *origin)
{
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned m = 0; m < origin->mirror_count; m++)
        if (!budget_is_backing_off(mirrors->s->budget, mirrors_number(mirrors, origin, m), now_ms))
            return false;
    return true;
}

unsigned mirrors_of_origin(const struct mirrors *mirrors, const struct origin *origin, size_t ret[])
{
    for (unsigned m = 0; m < origin->mirror_count; m++)
        ret[m] = mirrors_number(mirrors, origin, m);
    return (unsigned)origin->mirror_count;
}

/* Name and addresses: a mirror that has moved is another mirror, and its health starts anew. */
static bool is_same_place(const struct mirror *a, const struct mirror *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->index, b->index) == 0 &&
           strcmp(a->files, b->files) == 0;
}

/* The number that the mirror had before, else the next one. */
static size_t number_of(const struct mirrors *mirrors, const struct origin *origin,
                        const struct mirror *mirror, size_t *count)
{
    for (const struct generation *g = mirrors->generations; g; g = g->older) {
        const struct origin *known = origins_find(g->origins, origin->name);
        for (unsigned m = 0; known && m < known->mirror_count; m++)
            if (is_same_place(&known->mirrors[m], mirror))
                return g->numbers[g->first[known - g->origins->list] + m];
    }
    return (*count)++;
}

static void generation_free(struct generation *g)
{
    free(g->first);
    free(g->numbers);
    free(g);
}

DEFINE_CLEANUP(struct generation, generation_free)

/* Numbers are given out here and take effect with generations_use: taking a generation back
 * costs nothing. */
static int generation_new(const struct mirrors *mirrors, const struct origins *origins,
                          struct generation **ret)
{
    AUTO(generation_free) struct generation *g = calloc(1, sizeof(*g));
    size_t count = 0;
    if (!g)
        return ERROR_NO_MEMORY;
    for (size_t o = 0; o < origins->count; o++)
        count += origins->list[o].mirror_count;
    g->origins = origins;
    g->older = mirrors->generations;
    g->mirror_count = mirrors->mirror_count;
    g->first = calloc(origins->count + 1, sizeof(*g->first));
    g->numbers = calloc(count + 1, sizeof(*g->numbers));
    if (!g->first || !g->numbers)
        return ERROR_NO_MEMORY;
    for (size_t o = 0, n = 0; o < origins->count; o++) {
        const struct origin *origin = &origins->list[o];
        g->first[o] = n;
        for (size_t m = 0; m < origin->mirror_count; m++)
            g->numbers[n++] = number_of(mirrors, origin, &origin->mirrors[m], &g->mirror_count);
    }
    *ret = g;
    g = NULL;
    return 0;
}

int mirrors_new(struct services *s)
{
    /* jitter must differ between machines that start together */
    uint64_t seed = (uint64_t)clock_monotonic_ms() * 2654435761u;
    struct mirrors *mirrors = s->mirrors = calloc(1, sizeof(*mirrors));
    if (!mirrors)
        return ERROR_NO_MEMORY;
    mirrors->s = s;
    int r = generation_new(mirrors, s->options.origins, &mirrors->generations);
    if (r)
        return r;
    generations_use(mirrors);
    r = budget_new(mirrors->mirror_count, (unsigned)s->options.connections_per_mirror, seed,
                   &s->budget);
    return r ? r : portal_new(&s->portal);
}

/* The budget grows first: when that fails nothing has changed. */
int generations_add(struct mirrors *mirrors, const struct origins *origins)
{
    AUTO(generation_free) struct generation *g = NULL;
    int r = generation_new(mirrors, origins, &g);
    if (r == 0)
        r = budget_grow(&mirrors->s->budget, g->mirror_count);
    if (r)
        return r;
    mirrors->generations = g;
    g = NULL;
    return 0;
}

void generations_take_back(struct mirrors *mirrors)
{
    struct generation *g = mirrors->generations;
    mirrors->generations = g->older;
    generation_free(g);
}

void generations_use(struct mirrors *mirrors)
{
    mirrors->mirror_count = mirrors->generations->mirror_count;
    atomic_store(&mirrors->origins, mirrors->generations->origins);
}

void mirrors_free(struct services *s)
{
    struct mirrors *mirrors = s->mirrors;
    portal_free(s->portal);
    budget_free(s->budget);
    for (struct generation *g; mirrors && (g = mirrors->generations);) {
        mirrors->generations = g->older;
        generation_free(g);
    }
    free(mirrors);
}

/* -------------------------------------------------------------------- hosts */

/* An IPv6 address is in brackets, as the address rules compare it. */
static char *host_of(const char *text)
{
    struct url url;
    if (url_parse(text, &url))
        return NULL;
    char *host = strchr(url.host, ':') ? str_printf("[%s]:%d", url.host, url.port)
                                       : str_printf("%s:%d", url.host, url.port);
    url_release(&url);
    return host;
}

static int add_host(const char *url, char ***list, size_t *count)
{
    char **longer = realloc(*list, (*count + 2) * sizeof(**list));
    if (!longer)
        return ERROR_NO_MEMORY;
    *list = longer;
    longer[*count] = host_of(url);
    *count += longer[*count] != NULL;
    longer[*count] = NULL;
    return 0;
}

/* A text that is no URL adds nothing: the configuration has refused it. */
static int add_hosts(const struct mirror *mirror, char ***list, size_t *count)
{
    int r = add_host(mirror->files, list, count);
    if (r == 0)
        r = add_host(mirror->index, list, count);
    for (char *const *link = mirror->links; r == 0 && link && *link; link++)
        r = add_host(*link, list, count);
    return r;
}

/* Only configured hosts may be loopback or private. Those of older generations stay, because
 * flights that began with them go on. */
int mirrors_allowed_hosts(const struct mirrors *mirrors, char ***ret)
{
    char **list = NULL;
    size_t count = 0;
    for (const struct generation *g = mirrors->generations; g; g = g->older)
        for (size_t o = 0; o < g->origins->count; o++) {
            const struct origin *origin = &g->origins->list[o];
            for (size_t m = 0; m < origin->mirror_count; m++)
                if (add_hosts(&origin->mirrors[m], &list, &count)) {
                    mirrors_hosts_free(list);
                    return ERROR_NO_MEMORY;
                }
        }
    *ret = list;
    return 0;
}

void mirrors_hosts_free(char **hosts)
{
    for (char **host = hosts; host && *host; host++)
        free(*host);
    free(hosts);
}

/* -------------------------------------------------------------------- names */

/* A name that no longer fits is left out, never cut. */
void mirrors_names(const struct origin *origin, unsigned set, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = '\0';
    for (unsigned m = 0; m < origin->mirror_count; m++) {
        if (!(set & (1u << m)) || len + strlen(origin->mirrors[m].name) + 2 > size)
            continue;
        if (len)
            ret[len++] = ',';
        str_copy(ret + len, size - len, origin->mirrors[m].name);
        len += strlen(ret + len);
    }
}

int mirrors_patience_ms(const struct mirror *mirror)
{
    return mirror->parent ? PARENT_PATIENCE_MS : 0;
}

/* Appends this daemon to the chain that the client brought, so a loop of wheelyards is noticed. */
char *mirrors_via(const struct mirrors *mirrors, const char *client_via)
{
    if (!client_via || !*client_via)
        return strdup(mirrors->s->via);
    return str_printf("%s, %s", client_via, mirrors->s->via);
}
