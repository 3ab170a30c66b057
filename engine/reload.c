// SPDX-License-Identifier: Apache-2.0
/*
 * Generations of origins: those of the start, and one more with each reload. What is under way goes
 * on with the origins it began with (flights, sources and pages point into them), so none goes
 * before the end; what begins takes those in force. A flight that nobody reads is left for one that
 * does (leave_parked in flights.c). A mirror that is the same in the next generation keeps its
 * number in the budget, and with it its health.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/folders/directory.h"
#include "engine/loop/core.h"
#include "engine/pages/roster.h"

struct generation {
    struct generation *older;
    const struct origins *origins;
    size_t *first;   /* by origin: place of its first mirror's number */
    size_t *numbers; /* in the budget */
};

const struct origins *core_origins(const struct engine *e)
{
    return atomic_load(&e->origins);
}

/* ---------------------------------------------------------------- numbers */

/* Place of an origin in a generation; -1: it is of another one. */
static long place_of(const struct generation *g, const struct origin *origin)
{
    for (size_t o = 0; o < g->origins->count; o++)
        if (&g->origins->list[o] == origin)
            return (long)o;
    return -1;
}

size_t core_mirror(const struct engine *e, const struct origin *origin, unsigned mirror)
{
    for (const struct generation *g = e->generations; g; g = g->older) {
        long place = place_of(g, origin);
        if (place >= 0)
            return g->numbers[g->first[place] + mirror];
    }
    abort(); /* origins come from generations alone */
}

bool core_has_mirror(const struct engine *e, size_t number)
{
    const struct generation *g = e->generations;
    for (size_t o = 0, n = 0; o < g->origins->count; o++)
        for (size_t m = 0; m < g->origins->list[o].mirror_count; m++)
            if (g->numbers[n++] == number)
                return true;
    return false;
}

bool core_is_backing_off(const struct engine *e, const struct origin *origin)
{
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned m = 0; m < origin->mirror_count; m++)
        if (!budget_is_backing_off(e->budget, core_mirror(e, origin, m), now_ms))
            return false;
    return true;
}

unsigned core_origin_mirrors(const struct engine *e, const struct origin *origin, size_t ret[])
{
    for (unsigned m = 0; m < origin->mirror_count; m++)
        ret[m] = core_mirror(e, origin, m);
    return (unsigned)origin->mirror_count;
}

static bool is_same_place(const struct mirror *a, const struct mirror *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->index, b->index) == 0 &&
           strcmp(a->files, b->files) == 0;
}

/* The number that a mirror has had before, or the next one. */
static size_t number_of(const struct engine *e, const struct origin *origin,
                        const struct mirror *mirror, size_t *count)
{
    for (const struct generation *g = e->generations; g; g = g->older) {
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

static int generation_new(const struct engine *e, const struct origins *origins, size_t *count,
                          struct generation **ret)
{
    AUTO(generation_free) struct generation *g = calloc(1, sizeof(*g));
    size_t mirrors = 0;
    if (!g)
        return ERROR_NO_MEMORY;
    for (size_t o = 0; o < origins->count; o++)
        mirrors += origins->list[o].mirror_count;
    g->origins = origins;
    g->older = e->generations;
    g->first = calloc(origins->count + 1, sizeof(*g->first));
    g->numbers = calloc(mirrors + 1, sizeof(*g->numbers));
    if (!g->first || !g->numbers)
        return ERROR_NO_MEMORY;
    for (size_t o = 0, n = 0; o < origins->count; o++) {
        const struct origin *origin = &origins->list[o];
        g->first[o] = n;
        for (size_t m = 0; m < origin->mirror_count; m++)
            g->numbers[n++] = number_of(e, origin, &origin->mirrors[m], count);
    }
    *ret = g;
    g = NULL;
    return 0;
}

int generations_start(struct engine *e)
{
    uint64_t seed = (uint64_t)clock_monotonic_ms() * 2654435761u;
    int r = generation_new(e, e->options.origins, &e->mirror_count, &e->generations);
    if (r)
        return r;
    atomic_store(&e->origins, e->options.origins);
    return budget_new(e->mirror_count, (unsigned)e->options.connections_per_mirror, seed,
                      &e->budget);
}

void generations_free(struct engine *e)
{
    for (struct generation *g; (g = e->generations);) {
        e->generations = g->older;
        generation_free(g);
    }
}

/* ------------------------------------------------------------------ hosts */

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

static int add_hosts(const struct mirror *mirror, char ***list, size_t *count)
{
    int r = add_host(mirror->files, list, count);
    if (r == 0)
        r = add_host(mirror->index, list, count);
    for (char *const *link = mirror->links; r == 0 && link && *link; link++)
        r = add_host(*link, list, count);
    return r;
}

/* Hosts that were configured may be loopback or private; nothing else may. Those of former
 * generations stay: flights that began with them go on. */
int core_allowed_hosts(const struct engine *e, char ***ret)
{
    char **list = NULL;
    size_t count = 0;
    for (const struct generation *g = e->generations; g; g = g->older)
        for (size_t o = 0; o < g->origins->count; o++) {
            const struct origin *origin = &g->origins->list[o];
            for (size_t m = 0; m < origin->mirror_count; m++)
                if (add_hosts(&origin->mirrors[m], &list, &count)) {
                    core_hosts_free(list);
                    return ERROR_NO_MEMORY;
                }
        }
    *ret = list;
    return 0;
}

void core_hosts_free(char **hosts)
{
    for (char **host = hosts; host && *host; host++)
        free(*host);
    free(hosts);
}

/* ----------------------------------------------------------------- reload */

static void take_options(struct engine *e, const struct engine_options *options)
{
    e->options.max_size = options->max_size;
    e->options.min_free = options->min_free;
    e->options.page_memory = options->page_memory;
    e->options.max_memory = options->max_memory;
    e->options.page_refresh_ms = options->page_refresh_ms;
    e->options.scrub_after_ms = options->scrub_after_ms;
    e->options.connections_per_mirror = options->connections_per_mirror;
    e->options.connections_per_file = options->connections_per_file;
    budget_set_connections(e->budget, (unsigned)options->connections_per_mirror);
}

/* What can fail comes first. A host that is allowed too much until the next reload does no harm. */
static int reload(struct engine *e, const struct engine_options *options)
{
    AUTO(generation_free) struct generation *g = NULL;
    size_t count = e->mirror_count;
    char **hosts = NULL;
    if (options->origins == core_origins(e)) {
        take_options(e, options);
        return 0;
    }
    int r = generation_new(e, options->origins, &count, &g);
    if (r == 0)
        r = budget_grow(&e->budget, count);
    if (r)
        return r;
    e->generations = g;
    r = core_allowed_hosts(e, &hosts);
    if (r == 0)
        r = fetcher_allow(e->fetcher, (const char *const *)hosts);
    if (r == 0)
        r = directories_set(e, options->origins);
    core_hosts_free(hosts);
    if (r) {
        e->generations = g->older;
        return r;
    }
    g = NULL;
    e->mirror_count = count;
    take_options(e, options);
    atomic_store(&e->origins, options->origins);
    rosters_reload(e);
    pages_reload(e);
    directories_note_problems(e);
    return 0;
}

static void reload_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    call->result = reload(call->engine, call->argument);
    sem_post(&call->done);
}

int engine_reload(struct engine *e, const struct engine_options *options)
{
    return e->stopping ? ERROR_STOPPING : core_call(e, reload_run, options);
}
