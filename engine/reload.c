// SPDX-License-Identifier: Apache-2.0
/*
 * engine_reload: other origins and limits while the engine runs.
 *
 *     read new advisories (main thread)
 *     add a generation -> allow its hosts, open its folders -> options -> in force -> drop pages
 *         | fails              | fails: take the generation back
 *         v                    v
 *     nothing has changed   nothing has changed
 *
 * All of it is one job on the flight thread, so no tick and no answer comes between the steps.
 */
#include "base/error.h"
#include "engine/engine.h"
#include "engine/engine_state.h"
#include "engine/folders/directory.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"
#include "engine/policy/policies.h"

static void take_options(struct engine *e, const struct engine_options *options)
{
    e->services.options.max_size = options->max_size;
    e->services.options.min_free = options->min_free;
    e->services.options.page_memory = options->page_memory;
    e->services.options.max_memory = options->max_memory;
    e->services.options.page_refresh_ms = options->page_refresh_ms;
    e->services.options.scrub_after_ms = options->scrub_after_ms;
    e->services.options.connections_per_mirror = options->connections_per_mirror;
    e->services.options.connections_per_file = options->connections_per_file;
    budget_set_connections(e->services.budget, (unsigned)options->connections_per_mirror);
}

/* The steps that can fail come first. A host that stays allowed until the next reload does no
 * harm. */
static int allow(struct engine *e, const struct origins *origins)
{
    char **hosts = NULL;
    int r = mirrors_allowed_hosts(e->services.mirrors, &hosts);
    if (r == 0)
        r = fetcher_allow(e->services.fetcher, (const char *const *)hosts);
    if (r == 0)
        r = folders_set(e->folders, origins);
    mirrors_hosts_free(hosts);
    return r;
}

static int reload(struct engine *e, const struct engine_options *options)
{
    if (options->origins == mirrors_origins(e->services.mirrors)) {
        take_options(e, options);
        return 0;
    }
    int r = generations_add(e->services.mirrors, options->origins);
    if (r)
        return r;
    r = allow(e, options->origins);
    if (r) {
        generations_take_back(e->services.mirrors);
        return r;
    }
    take_options(e, options);
    generations_use(e->services.mirrors);
    project_lists_reload(e->pages);
    pages_reload(e->pages);
    folders_note_problems(e->folders);
    return 0;
}

static void reload_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct engine *e = call->room;
    call->result = reload(e, call->argument);
    sem_post(&call->done);
}

int engine_reload(struct engine *e, const struct engine_options *options)
{
    if (e->services.stopping)
        return ERROR_STOPPING;
    int r = policies_prepare(e->services.policies, options->origins);
    return r ? r : loop_call(&e->services, reload_run, e, options);
}
