// SPDX-License-Identifier: Apache-2.0
/*
 * The walk through a uv.lock. It begins at the project, and goes along every dependency whose
 * marker holds, to a package and to those of its extras that are asked for: each such pair is a
 * stop, and is visited once.
 *
 * Extras and groups that conflict stand in markers under names of uv's own, such as
 * `extra == 'extra-8-nanochat-cpu'` (its length before the project's name). Such a name holds where
 * the walk has come to that extra of that project, or is about to by this very dependency.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "lock/choose_private.h"

enum { STOPS_MAX = 1 << 16 };

struct stop {
    size_t package;
    const char *extra; /* NULL: the package itself; of length `len` */
    size_t len;
};

struct named {
    const char *project;
    size_t package;
};

struct walk {
    const struct lock *lock;
    const struct lock_wish *wish;
    bool *marks;
    struct marker_environment environment;
    struct named *named; /* all packages, by project */
    struct stop *stops;  /* a queue that nothing leaves */
    size_t stop_count, stop_cap;
    char **active; /* names of uv's own that hold */
    size_t active_count, active_cap;
};

/* ------------------------------------------------------------- growing lists */

static int make_room(void **list, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return 0;
    if (count >= STOPS_MAX)
        return ERROR_TOO_BIG;
    size_t more = *cap ? 2 * *cap : 64;
    void *bigger = reallocarray(*list, more, size);
    if (!bigger)
        return ERROR_NO_MEMORY;
    *list = bigger;
    *cap = more;
    return 0;
}

static int activate(struct walk *w, const char *kind, const char *project, const char *name,
                    size_t len)
{
    int e = make_room((void **)&w->active, w->active_count, &w->active_cap, sizeof(*w->active));

    if (e)
        return e;
    char *text = *name
                     ? str_printf("%s-%zu-%s-%.*s", kind, strlen(project), project, (int)len, name)
                     : str_printf("%s-%zu-%s", kind, strlen(project), project);
    if (!text)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < w->active_count; i++)
        if (!strcmp(w->active[i], text)) {
            free(text);
            return 0;
        }
    w->active[w->active_count++] = text;
    w->environment.extra = (struct marker_names){(const char *const *)w->active, w->active_count};
    return 0;
}

static void deactivate(struct walk *w, size_t count)
{
    while (w->active_count > count)
        free(w->active[--w->active_count]);
    w->environment.extra = (struct marker_names){(const char *const *)w->active, w->active_count};
}

static bool is_stop(const struct walk *w, size_t package, const char *extra, size_t len)
{
    for (size_t i = 0; i < w->stop_count; i++) {
        const struct stop *stop = &w->stops[i];

        if (stop->package == package && !stop->extra == !extra && stop->len == len &&
            (!extra || !memcmp(stop->extra, extra, len)))
            return true;
    }
    return false;
}

static int visit(struct walk *w, size_t package, const char *extra, size_t len)
{
    if (extra ? is_stop(w, package, extra, len) : w->marks[package])
        return 0;
    int e = make_room((void **)&w->stops, w->stop_count, &w->stop_cap, sizeof(*w->stops));
    if (e)
        return e;
    if (!extra)
        w->marks[package] = true;
    w->stops[w->stop_count++] = (struct stop){package, extra, len};
    return 0;
}

/* ---------------------------------------------------------- which package is meant */

static int by_project(const void *x, const void *y)
{
    const struct named *a = x;
    const struct named *b = y;
    int c = strcmp(a->project, b->project);

    return c ? c : (a->package > b->package) - (a->package < b->package);
}

static int sort_packages(struct walk *w)
{
    size_t count = w->lock->package_count;

    w->named = calloc(count + 1, sizeof(*w->named));
    if (!w->named)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        w->named[i] = (struct named){w->lock->packages[i].project, i};
    qsort(w->named, count, sizeof(*w->named), by_project);
    return 0;
}

/* The first of the sorted packages whose project is not below. */
static size_t first_named(const struct walk *w, const char *project)
{
    size_t low = 0;
    size_t high = w->lock->package_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(w->named[middle].project, project) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_meant(const struct lock_package *package, const struct lock_dependency *dependency)
{
    return (!dependency->version ||
            (package->version && !strcmp(package->version, dependency->version))) &&
           (!dependency->place || (package->place && !strcmp(package->place, dependency->place)));
}

/* Whether one of the forks that a package belongs to is the target's. */
static int fork_holds(const struct walk *w, const struct lock_package *package, bool *ret)
{
    auto_free char *forks = str_dup(package->forks);
    char *rest = forks;

    *ret = !package->forks;
    if (package->forks && !forks)
        return ERROR_NO_MEMORY;
    for (char *marker; !*ret && (marker = strsep(&rest, "\n"));) {
        int e = marker_text_holds(marker, &w->environment, ret);

        if (e)
            return e;
    }
    return 0;
}

/* Goes to the package, and to the extras that are wanted of it. */
static int arrive(struct walk *w, size_t package, const struct lock_dependency *dependency)
{
    const char *extras = dependency->extras;
    const char *extra;
    size_t len;
    int e = visit(w, package, NULL, 0);

    while (!e && lock_next_word(&extras, &extra, &len))
        e = visit(w, package, extra, len);
    return e;
}

static int follow(struct walk *w, const struct lock_dependency *dependency)
{
    size_t count = w->lock->package_count;
    size_t first = first_named(w, dependency->project);
    size_t meant = 0;
    int e = 0;

    for (size_t i = first; i < count && !strcmp(w->named[i].project, dependency->project); i++)
        meant += is_meant(&w->lock->packages[w->named[i].package], dependency);
    for (size_t i = first; !e && i < count && !strcmp(w->named[i].project, dependency->project);
         i++) {
        size_t package = w->named[i].package;
        bool holds = true;

        if (!is_meant(&w->lock->packages[package], dependency))
            continue;
        if (meant > 1)
            e = fork_holds(w, &w->lock->packages[package], &holds);
        if (!e && holds)
            e = arrive(w, package, dependency);
    }
    return e;
}

/* ------------------------------------------------------------------- the walk */

static int activate_extras(struct walk *w, const struct lock_dependency *dependency)
{
    const char *extras = dependency->extras;
    const char *extra;
    size_t len;
    int e = 0;

    while (!e && *w->lock->conflicts && lock_next_word(&extras, &extra, &len))
        e = activate(w, "extra", dependency->project, extra, len);
    return e;
}

static int take(struct walk *w, const struct lock_dependency *dependency)
{
    size_t active = w->active_count;
    bool holds = false;
    int e = activate_extras(w, dependency);

    if (!e)
        e = marker_text_holds(dependency->marker, &w->environment, &holds);
    if (!holds)
        deactivate(w, active);
    return e || !holds ? e : follow(w, dependency);
}

static bool is_of(const struct lock_dependency *dependency, const struct stop *stop)
{
    if (dependency->group)
        return false;
    if (!stop->extra || !dependency->extra)
        return !stop->extra && !dependency->extra;
    return strlen(dependency->extra) == stop->len &&
           !memcmp(dependency->extra, stop->extra, stop->len);
}

static int walk(struct walk *w)
{
    for (size_t i = 0; i < w->stop_count; i++) {
        const struct stop stop = w->stops[i];
        const struct lock_package *package = &w->lock->packages[stop.package];

        for (size_t k = 0; k < package->dependency_count; k++) {
            const struct lock_dependency *dependency =
                &w->lock->dependencies[package->first_dependency + k];
            int e = is_of(dependency, &stop) ? take(w, dependency) : 0;

            if (e)
                return e;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ the roots */

static bool wants_group(const struct lock_wish *wish, const char *group)
{
    return wish->all_groups || (!wish->no_default_groups && !strcmp(group, "dev")) ||
           wish_has(wish->groups, wish->group_count, group);
}

static bool is_project(const struct lock_package *package)
{
    return (package->source == LOCK_FROM_EDITABLE || package->source == LOCK_FROM_VIRTUAL ||
            package->source == LOCK_FROM_FOLDER) &&
           package->place && !strcmp(package->place, ".");
}

static bool has_project(const struct lock *lock)
{
    for (size_t i = 0; i < lock->package_count; i++)
        if (is_project(&lock->packages[i]))
            return true;
    return false;
}

/* Names of all extras and groups of a root hold before anything is walked. */
static int activate_root(struct walk *w, const struct lock_package *root)
{
    int e = activate(w, "project", root->project, "", 0);

    for (size_t k = 0; !e && k < root->dependency_count; k++) {
        const struct lock_dependency *d = &w->lock->dependencies[root->first_dependency + k];

        if (d->extra &&
            (w->wish->all_extras || wish_has(w->wish->extras, w->wish->extra_count, d->extra)))
            e = activate(w, "extra", root->project, d->extra, strlen(d->extra));
        else if (d->group && wants_group(w->wish, d->group))
            e = activate(w, "group", root->project, d->group, strlen(d->group));
    }
    return e;
}

static int begin_at(struct walk *w, size_t place)
{
    const struct lock_package *root = &w->lock->packages[place];
    int e = visit(w, place, NULL, 0);

    for (size_t k = 0; !e && k < root->dependency_count; k++) {
        const struct lock_dependency *d = &w->lock->dependencies[root->first_dependency + k];

        if (d->extra &&
            (w->wish->all_extras || wish_has(w->wish->extras, w->wish->extra_count, d->extra)))
            e = visit(w, place, d->extra, strlen(d->extra));
        else if (d->group && wants_group(w->wish, d->group))
            e = take(w, d);
    }
    return e;
}

static bool is_root(const struct lock *lock, size_t place, bool has_one)
{
    const struct lock_package *package = &lock->packages[place];

    return has_one ? is_project(package) : lock_has_word(lock->members, package->project);
}

static int begin(struct walk *w)
{
    const struct lock *lock = w->lock;
    bool has_one = has_project(lock);
    int e = 0;

    for (size_t i = 0; !e && *lock->conflicts && i < lock->package_count; i++)
        if (is_root(lock, i, has_one))
            e = activate_root(w, &lock->packages[i]);
    for (size_t i = 0; !e && i < lock->package_count; i++)
        if (is_root(lock, i, has_one))
            e = begin_at(w, i);
    for (size_t k = 0; !e && k < lock->wanted_count; k++) {
        const struct lock_dependency *d = &lock->dependencies[lock->first_wanted + k];

        if (!d->group || wants_group(w->wish, d->group))
            e = take(w, d);
    }
    return e;
}

int choose_uv(const struct lock *lock, const struct lock_wish *wish, bool *marks)
{
    struct walk w = {.lock = lock,
                     .wish = wish,
                     .marks = marks,
                     .environment = target_environment(wish->target)};
    int e = sort_packages(&w);

    if (!e)
        e = begin(&w);
    if (!e)
        e = walk(&w);
    deactivate(&w, 0);
    free(w.active);
    free(w.stops);
    free(w.named);
    return e;
}
