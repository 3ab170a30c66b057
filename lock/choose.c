// SPDX-License-Identifier: Apache-2.0
/* Packages by their own markers, groups and uses; then a file of each. The walk that a uv.lock
 * needs is in choose_uv.c. */
#include "lock/choose.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "index/name.h"
#include "index/specifier.h"
#include "index/tags.h"
#include "lock/choose_private.h"

enum { NAMES_MAX = 256 };

static const char no_wheel[] = "no wheel of it fits, and it has no sdist";
static const char no_wheel_wanted[] = "no wheel of it fits, and sdists are not wanted";
static const char other_python[] = "it is for other Pythons";

DEFINE_CLEANUP(struct specifiers, specifiers_free)

bool wish_has(const char *const *list, size_t count, const char *name)
{
    char a[NAME_MAX_BYTES + 1];
    char b[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i], name) ||
            (!name_normalize(list[i], a) && !name_normalize(name, b) && !strcmp(a, b)))
            return true;
    return false;
}

/* What is no specifier, such as poetry's "^3.9", is no obstacle. */
static int admits(const char *requires_python, const struct target *target, bool *ret)
{
    AUTO(specifiers_free) struct specifiers *specifiers = NULL;
    int e = requires_python ? specifiers_parse(requires_python, &specifiers) : 0;

    if (e == ERROR_NO_MEMORY)
        return e;
    *ret = e || !specifiers || specifiers_contain(specifiers, target_python(target));
    return 0;
}

/* ------------------------------------------------------- packages by marker */

/* Names that a list of words has, and those of a wish. */
struct names {
    char *text;
    const char *list[NAMES_MAX];
    size_t count;
};

static int add_words(struct names *names, const char *words)
{
    const char *word;
    size_t len;

    free(names->text);
    names->text = words ? strdup(words) : NULL;
    if (!words)
        return 0;
    if (!names->text)
        return ERROR_NO_MEMORY;
    for (const char *at = names->text;
         names->count < NAMES_MAX && lock_next_word(&at, &word, &len);) {
        names->list[names->count++] = word;
        if (*at)
            names->text[at++ - names->text] = '\0';
    }
    return 0;
}

static void add_wished(struct names *names, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count && names->count < NAMES_MAX; i++)
        names->list[names->count++] = list[i];
}

/* All words where all are wanted, the defaults unless they are not; and what is asked for. */
static int choose_names(struct names *names, const char *all, const char *defaults,
                        const char *const *list, size_t count)
{
    int e = add_words(names, all ? all : defaults);

    if (!e)
        add_wished(names, list, count);
    return e;
}

static bool shares_word(const char *words, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (lock_has_word(words, names->list[i]))
            return true;
    return false;
}

/* poetry: a marker for each group; one that holds is enough. */
static int group_marker_holds(const char *markers, const struct names *groups, bool all_groups,
                              const struct marker_environment *environment, bool *ret)
{
    auto_free char *copy = strdup(markers);
    char *rest = copy;

    *ret = false;
    if (!copy)
        return ERROR_NO_MEMORY;
    for (char *line; !*ret && (line = strsep(&rest, "\n"));) {
        char *marker = strchr(line, ' ');

        if (!marker)
            continue;
        *marker++ = '\0';
        if (!all_groups && !shares_word(line, groups))
            continue;
        int e = marker_text_holds(marker, environment, ret);
        if (e)
            return e;
    }
    return 0;
}

struct chooser {
    const struct lock *lock;
    const struct lock_wish *wish;
    struct marker_environment environment;
    struct names extras, groups;
};

static int is_wanted(const struct chooser *c, const struct lock_package *package, bool *ret)
{
    const struct lock_wish *wish = c->wish;
    bool has_groups = c->lock->kind == LOCK_POETRY || c->lock->kind == LOCK_PDM;

    *ret = false;
    /* PDM has an extra as a group of its name. */
    if (has_groups && package->groups && !wish->all_groups &&
        !shares_word(package->groups, &c->groups) &&
        (c->lock->kind != LOCK_PDM ||
         (!wish->all_extras && !shares_word(package->groups, &c->extras))))
        return 0;
    if (package->is_optional && !wish->all_extras && !wish->extra_count)
        return 0;
    if (package->group_markers)
        return group_marker_holds(package->group_markers, &c->groups, wish->all_groups,
                                  &c->environment, ret);
    if (package->is_optional && wish->all_extras) {
        *ret = true;
        return 0;
    }
    return marker_text_holds(package->marker, &c->environment, ret);
}

static int set_names(struct chooser *c)
{
    static const char *const defaults[] = {[LOCK_POETRY] = "main dev", [LOCK_PDM] = "default dev"};
    const struct lock *lock = c->lock;
    const struct lock_wish *wish = c->wish;
    bool has_own = lock->kind == LOCK_POETRY || lock->kind == LOCK_PDM;
    const char *usual = has_own ? defaults[lock->kind] : lock->default_groups;
    const char *least = lock->kind == LOCK_POETRY ? "main"
                        : lock->kind == LOCK_PDM  ? "default"
                                                  : "";
    int e = choose_names(&c->extras, wish->all_extras ? lock->extra_names : NULL, NULL,
                         wish->extras, wish->extra_count);

    if (!e)
        e = choose_names(&c->groups, wish->all_groups && !has_own ? lock->group_names : NULL,
                         wish->no_default_groups ? least : usual, wish->groups, wish->group_count);
    c->environment = target_environment(wish->target);
    c->environment.extras = c->environment.extra =
        (struct marker_names){c->extras.list, c->extras.count};
    c->environment.groups = (struct marker_names){c->groups.list, c->groups.count};
    return e;
}

static int choose_by_markers(const struct lock *lock, const struct lock_wish *wish, bool *marks)
{
    struct chooser c = {.lock = lock, .wish = wish};
    int e = set_names(&c);

    for (size_t i = 0; !e && i < lock->package_count; i++)
        e = is_wanted(&c, &lock->packages[i], &marks[i]);
    free(c.extras.text);
    free(c.groups.text);
    return e;
}

static void choose_by_use(const struct lock *lock, const struct lock_wish *wish, bool *marks)
{
    const char *environment = wish->environment ? wish->environment : "default";
    const char *platform = target_pixi_platform(wish->target);

    for (size_t i = 0; i < lock->use_count; i++)
        if (!strcmp(lock->uses[i].environment, environment) &&
            !strcmp(lock->uses[i].platform, platform))
            marks[lock->uses[i].package] = true;
}

/* ---------------------------------------------------------- files of a package */

/* The wheel of the lowest rank; of equal ones that of the highest build number. */
static const struct lock_file *
best_wheel(const struct lock *lock, const struct lock_package *package, const struct tags *tags)
{
    const struct lock_file *best = NULL;
    struct wheel_tags best_tags;
    int best_rank = 0;

    for (size_t i = 0; i < package->file_count; i++) {
        const struct lock_file *file = &lock->files[package->first_file + i];
        struct wheel_tags wheel;

        if (!file->name || !wheel_tags_parse(file->name, &wheel))
            continue;
        int rank = tags_rank(tags, &wheel);
        if (rank < 0 ||
            (best && (rank > best_rank || (rank == best_rank && wheel.build <= best_tags.build))))
            continue;
        best = file;
        best_tags = wheel;
        best_rank = rank;
    }
    return best;
}

static const struct lock_file *first_sdist(const struct lock *lock,
                                           const struct lock_package *package)
{
    for (size_t i = 0; i < package->file_count; i++) {
        const struct lock_file *file = &lock->files[package->first_file + i];

        if (file->kind == LOCK_FILE_SDIST ||
            (file->kind == LOCK_FILE_ARCHIVE && file->name && !strstr(file->name, ".whl")))
            return file;
    }
    return NULL;
}

static void miss(struct lock_choice *choice, size_t package, const char *reason)
{
    choice->misses[choice->miss_count++] = (struct lock_miss){package, reason};
}

static void take_file(const struct lock *lock, const struct lock_file *file,
                      struct lock_choice *choice)
{
    choice->files[choice->file_count++] = (size_t)(file - lock->files);
}

/* Hashes without names: any of them may be the one. */
static bool has_names(const struct lock *lock, const struct lock_package *package)
{
    for (size_t i = 0; i < package->file_count; i++)
        if (lock->files[package->first_file + i].name)
            return true;
    return false;
}

static void choose_file(const struct lock *lock, const struct lock_wish *wish, size_t place,
                        struct lock_choice *choice)
{
    const struct lock_package *package = &lock->packages[place];

    if (!package->file_count) {
        if (package->source == LOCK_FROM_INDEX || package->source == LOCK_FROM_URL)
            miss(choice, place, no_wheel);
        return;
    }
    /* pixi names the very file for each platform, whatever Python is asked about. */
    if (lock->kind == LOCK_PIXI || !has_names(lock, package)) {
        for (size_t i = 0; i < package->file_count; i++)
            take_file(lock, &lock->files[package->first_file + i], choice);
        return;
    }
    const struct lock_file *file = best_wheel(lock, package, target_tags(wish->target));
    if (!file && !wish->no_sdist)
        file = first_sdist(lock, package);
    if (file)
        take_file(lock, file, choice);
    else
        miss(choice, place, wish->no_sdist ? no_wheel_wanted : no_wheel);
}

/* PDM has a package once more for each set of its extras, behind it and with the same files. */
static bool is_repeated(const struct lock *lock, size_t place, const struct lock_choice *choice)
{
    const struct lock_package *package = &lock->packages[place];

    for (size_t i = choice->package_count; lock->kind == LOCK_PDM && i > 0; i--) {
        const struct lock_package *other = &lock->packages[choice->packages[i - 1]];

        if (strcmp(other->project, package->project) != 0)
            return false;
        if (!strcmp(other->version, package->version))
            return true;
    }
    return false;
}

static int choose_files(const struct lock *lock, const struct lock_wish *wish, const bool *marks,
                        struct lock_choice *choice)
{
    for (size_t i = 0; i < lock->package_count; i++) {
        bool is_admitted = true;

        if (!marks[i] || is_repeated(lock, i, choice))
            continue;
        /* pixi has made sure of it, for its own Python. */
        int e = lock->kind == LOCK_PIXI
                    ? 0
                    : admits(lock->packages[i].requires_python, wish->target, &is_admitted);
        if (e)
            return e;
        choice->packages[choice->package_count++] = i;
        if (is_admitted)
            choose_file(lock, wish, i, choice);
        else
            miss(choice, i, other_python);
    }
    return 0;
}

int lock_choose(const struct lock *lock, const struct lock_wish *wish, struct lock_choice *ret)
{
    auto_free bool *marks = calloc(lock->package_count + 1, sizeof(*marks));
    struct lock_choice choice = {.packages = calloc(lock->package_count + 1, sizeof(size_t)),
                                 .files = calloc(lock->file_count + 1, sizeof(size_t)),
                                 .misses =
                                     calloc(lock->package_count + 1, sizeof(struct lock_miss))};
    bool is_admitted = true;
    int e = marks && choice.packages && choice.files && choice.misses ? 0 : ERROR_NO_MEMORY;

    if (!e)
        e = admits(lock->requires_python, wish->target, &is_admitted);
    choice.is_outside = !is_admitted;
    if (!e && lock->kind == LOCK_UV)
        e = choose_uv(lock, wish, marks);
    else if (!e && lock->kind == LOCK_PIXI)
        choose_by_use(lock, wish, marks);
    else if (!e)
        e = choose_by_markers(lock, wish, marks);
    if (!e)
        e = choose_files(lock, wish, marks, &choice);
    if (e)
        lock_choice_release(&choice);
    else
        *ret = choice;
    return e;
}

void lock_choice_release(struct lock_choice *choice)
{
    free(choice->packages);
    free(choice->files);
    free(choice->misses);
    *choice = (struct lock_choice){0};
}
