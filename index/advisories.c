// SPDX-License-Identifier: Apache-2.0
/*
 * The document stays in memory, and the table points into it: one row for each pair of an advisory
 * and a project, sorted by project. Parsing checks everything once, so that a look-up cannot fail:
 * a row is entered only when all of its versions and events are understood.
 */
#include "index/advisories.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "index/version.h"

enum { PLACE_BYTES = 160 };

struct row {
    char project[NAME_MAX_BYTES + 1];
    const struct json *advisory, *affected; /* into the document */
    size_t order;
};

struct advisories {
    struct json *document;
    struct row **rows; /* ascending by project */
    size_t count;
    char *problems[ADVISORIES_PROBLEMS_MOST];
    size_t problem_count;
};

/* Where in the file we are, for messages. */
struct place {
    char text[PLACE_BYTES];
};

static struct place place_in(const struct place *above, const char *name, size_t i)
{
    struct place place;
    (void)snprintf(place.text, sizeof(place.text), "%.120s%s%s[%zu]", above->text,
                   above->text[0] ? "." : "", name, i);
    return place;
}

/* ----------------------------------------------------------------- versions */

/* The public part in the normal form. False: PEP 440 does not know it. */
static bool public_version(const char *text, char ret[NAME_MAX_BYTES + 1])
{
    if (!text || version_normalize(text, ret))
        return false;
    ret[strcspn(ret, "+")] = '\0';
    return true;
}

/* The one member of an event that counts, and its version. "0" stands before all versions. */
static const char *event_of(const struct json *event, const char **ret_version)
{
    static const char *const names[] = {"introduced", "fixed", "last_affected", "limit", NULL};
    for (const char *const *name = names; *name; name++) {
        *ret_version = json_string(json_member(event, *name));
        if (*ret_version)
            return *name;
    }
    return NULL;
}

/* Events at one version count in this order: a fix, an introduction, the last affected one. */
enum rank { RANK_FIXED, RANK_INTRODUCED, RANK_LAST };

static enum rank rank_of(const char *name)
{
    return strcmp(name, "introduced") == 0      ? RANK_INTRODUCED
           : strcmp(name, "last_affected") == 0 ? RANK_LAST
                                                : RANK_FIXED;
}

/* Whether the highest event that the version has reached leaves it affected. Events need no
 * order in the file. */
static bool range_has(const struct json *range, const char *version)
{
    char highest[NAME_MAX_BYTES + 1] = "", at[NAME_MAX_BYTES + 1];
    int highest_rank = -1;
    const struct json *event;
    for (event = json_first(json_member(range, "events")); event; event = json_next(event)) {
        const char *text, *name = event_of(event, &text);
        if (!name || strcmp(name, "limit") == 0)
            continue;
        enum rank rank = rank_of(name);
        bool is_zero = strcmp(text, "0") == 0;
        if (is_zero)
            at[0] = '\0'; /* before all versions, as version_compare has it */
        else if (!public_version(text, at))
            continue;
        int order = version_compare(version, at);
        if (order < 0 || (rank == RANK_LAST && order == 0))
            continue;
        int higher = highest_rank < 0 ? 1 : version_compare(at, highest);
        if (higher < 0 || (higher == 0 && (int)rank < highest_rank))
            continue;
        str_copy(highest, sizeof(highest), at);
        highest_rank = (int)rank;
    }
    return highest_rank == RANK_INTRODUCED;
}

static bool lists_version(const struct json *versions, const char *version)
{
    char listed[NAME_MAX_BYTES + 1];
    for (const struct json *v = json_first(versions); v; v = json_next(v))
        if (public_version(json_string(v), listed) && version_compare(listed, version) == 0)
            return true;
    return false;
}

static bool is_git(const struct json *range)
{
    return strcmp(json_text(range, "type"), "GIT") == 0;
}

static bool affects(const struct json *affected, const char *version)
{
    const struct json *versions = json_member(affected, "versions");
    const struct json *ranges = json_member(affected, "ranges");
    bool says = json_first(versions) != NULL;
    if (lists_version(versions, version))
        return true;
    for (const struct json *r = json_first(ranges); r; r = json_next(r)) {
        if (is_git(r))
            continue;
        says = true;
        if (range_has(r, version))
            return true;
    }
    return !says;
}

/* ------------------------------------------------------------------ parsing */

static void complain(struct advisories *a, const struct place *place, const char *what)
{
    if (a->problem_count < ADVISORIES_PROBLEMS_MOST)
        a->problems[a->problem_count] = str_printf("%s: %s", place->text, what);
    a->problem_count++;
}

static const char *check_versions(const struct json *versions)
{
    char text[NAME_MAX_BYTES + 1];
    if (versions && !json_is_array(versions))
        return "`versions` is no list";
    for (const struct json *v = json_first(versions); v; v = json_next(v))
        if (!public_version(json_string(v), text))
            return "`versions` has something that is no version";
    return NULL;
}

static const char *check_range(const struct json *range)
{
    char at[NAME_MAX_BYTES + 1];
    const struct json *events = json_member(range, "events");
    if (is_git(range))
        return NULL;
    if (!json_is_array(events) || !json_first(events))
        return "a range has no `events`";
    for (const struct json *e = json_first(events); e; e = json_next(e)) {
        const char *text, *name = event_of(e, &text);
        if (!name)
            return "an event has none of introduced, fixed, last_affected and limit";
        if (strcmp(name, "limit") != 0 && strcmp(text, "0") != 0 && !public_version(text, at))
            return "an event names something that is no version";
    }
    return NULL;
}

/* What is wrong with an entry; NULL: nothing. */
static const char *check_affected(const struct json *affected)
{
    const struct json *ranges = json_member(affected, "ranges");
    const char *why = check_versions(json_member(affected, "versions"));
    if (!why && ranges && !json_is_array(ranges))
        why = "`ranges` is no list";
    for (const struct json *r = json_first(ranges); !why && r; r = json_next(r))
        why = check_range(r);
    return why;
}

static int add_row(struct advisories *a, const char *project, const struct json *advisory,
                   const struct json *affected)
{
    if (a->count == ADVISORIES_MOST)
        return ERROR_TOO_BIG;
    struct row **rows = vec_grow(a->rows, a->count, sizeof(struct row *));
    if (!rows)
        return ERROR_NO_MEMORY;
    a->rows = rows;
    struct row *row = calloc(1, sizeof(*row));
    if (!row)
        return ERROR_NO_MEMORY;
    str_copy(row->project, sizeof(row->project), project);
    row->advisory = advisory;
    row->affected = affected;
    row->order = a->count;
    a->rows[a->count++] = row;
    return 0;
}

static int read_affected(struct advisories *a, const struct json *advisory,
                         const struct json *affected, const struct place *place)
{
    char project[NAME_MAX_BYTES + 1];
    const struct json *package = json_member(affected, "package");
    const char *ecosystem = json_text(package, "ecosystem");
    if (json_is_object(package) && *ecosystem && strcmp(ecosystem, "PyPI") != 0)
        return 0;
    const char *why = !json_is_object(package) ? "no `package`"
                      : name_normalize(json_text(package, "name"), project)
                          ? "`package.name` is no name of a project"
                          : check_affected(affected);
    if (!why)
        return add_row(a, project, advisory, affected);
    complain(a, place, why);
    return 0;
}

static int read_advisory(struct advisories *a, const struct json *advisory,
                         const struct place *place)
{
    const struct json *list = json_member(advisory, "affected");
    if (!json_is_object(advisory)) {
        complain(a, place, "no object");
        return 0;
    }
    if (json_string(json_member(advisory, "withdrawn")))
        return 0;
    if (!list)
        return read_affected(a, advisory, advisory, place);
    if (!json_is_array(list)) {
        complain(a, place, "`affected` is no list");
        return 0;
    }
    size_t i = 0;
    int r = 0;
    for (const struct json *one = json_first(list); r == 0 && one; one = json_next(one)) {
        struct place inner = place_in(place, "affected", i++);
        r = read_affected(a, advisory, one, &inner);
    }
    return r;
}

static int by_project(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a;
    const struct row *y = *(const struct row *const *)b;
    int order = strcmp(x->project, y->project);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int read_all(struct advisories *a)
{
    const struct json *vulns = json_member(a->document, "vulns");
    const struct json *list = vulns ? vulns : a->document;
    const struct place top = {""};
    const char *name = vulns ? "vulns" : "";
    if (!vulns && json_is_object(a->document))
        return read_advisory(a, a->document, &(struct place){"the object"});
    if (!json_is_array(list))
        return ERROR_BAD_LISTING;
    size_t i = 0;
    int r = 0;
    for (const struct json *one = json_first(list); r == 0 && one; one = json_next(one)) {
        struct place place = place_in(&top, name, i++);
        r = read_advisory(a, one, &place);
    }
    return r;
}

DEFINE_CLEANUP(struct advisories, advisories_free)

int advisories_parse(const char *text, size_t len, struct advisories **ret)
{
    if (len > ADVISORIES_MAX_BYTES)
        return ERROR_TOO_BIG;
    AUTO(advisories_free) struct advisories *a = calloc(1, sizeof(*a));
    if (!a)
        return ERROR_NO_MEMORY;
    int r = json_parse(text, len, &a->document);
    r = r ? r : read_all(a);
    if (r)
        return r;
    if (a->count)
        qsort(a->rows, a->count, sizeof(struct row *), by_project);
    *ret = a;
    a = NULL;
    return 0;
}

void advisories_free(struct advisories *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        free(a->rows[i]);
    for (size_t i = 0; i < ADVISORIES_PROBLEMS_MOST; i++)
        free(a->problems[i]);
    free(a->rows);
    json_free(a->document);
    free(a);
}

/* ------------------------------------------------------------------ look-up */

size_t advisories_count(const struct advisories *a)
{
    return a->count;
}

const char *advisories_problem(const struct advisories *a, size_t i)
{
    return i < ADVISORIES_PROBLEMS_MOST && i < a->problem_count ? a->problems[i] : NULL;
}

size_t advisories_problem_count(const struct advisories *a)
{
    return a->problem_count;
}

/* The first row of a project, by halving. */
static size_t first_row(const struct advisories *a, const char *project)
{
    size_t from = 0, to = a->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(a->rows[middle]->project, project) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

bool advisories_find(const struct advisories *a, const char *project, const char *version,
                     struct advisory *ret)
{
    char public[NAME_MAX_BYTES + 1];
    if (!a)
        return false;
    bool is_version = public_version(version, public);
    for (size_t i = first_row(a, project);
         i < a->count && strcmp(a->rows[i]->project, project) == 0; i++) {
        const struct row *row = a->rows[i];
        if (is_version && !affects(row->affected, public))
            continue;
        *ret =
            (struct advisory){json_text(row->advisory, "id"), json_text(row->advisory, "summary")};
        return true;
    }
    return false;
}
