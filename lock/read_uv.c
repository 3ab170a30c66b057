// SPDX-License-Identifier: Apache-2.0
/* uv.lock, version 1. Revisions of it only add members, so any revision can be read. */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "lock/lock_private.h"
#include "lock/toml_fields.h"

enum { FORMAT_VERSION = 1 };

static const struct {
    const char *member;
    enum lock_source source;
    const char *reason; /* of a package that no index has; NULL: it is wanted */
} sources[] = {
    {"registry", LOCK_FROM_INDEX, NULL},
    {"url", LOCK_FROM_URL, NULL},
    {"path", LOCK_FROM_FILE, "a file of the project's own"},
    {"git", LOCK_FROM_GIT, "git"},
    {"directory", LOCK_FROM_FOLDER, "a folder of the project's own"},
    {"editable", LOCK_FROM_EDITABLE, "editable, a folder of the project's own"},
    {"virtual", LOCK_FROM_VIRTUAL, "virtual, the project itself"},
};

static int read_source(struct lock_reader *r, const struct toml_node *node, enum lock_source *ret,
                       const char **ret_place, const char **ret_reason)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const char *place = NULL;
        int e = field_keep(r, node, sources[i].member, &place);

        if (e)
            return e;
        if (place) {
            *ret = sources[i].source;
            *ret_place = place;
            *ret_reason = sources[i].reason;
            return 0;
        }
    }
    return lock_reader_complain(r, field_line(node), "a source that is not known here");
}

/* One entry of `wheels`, or `sdist`. */
static int read_file(struct lock_reader *r, const struct toml_node *node, enum lock_file_kind kind)
{
    const char *name = NULL;
    const char *hash = NULL;
    struct lock_file *file = NULL;
    int e = field_file(r, node, kind, &file);

    if (e)
        return e;
    const struct field_text texts[] = {
        {"url", &file->address}, {"path", &file->path}, {"hash", &hash}};
    e = field_keep_each(r, node, texts, sizeof texts / sizeof *texts);
    if (!e)
        e = field_string(r, node, "filename", &name);
    if (!e)
        e = lock_reader_name_file(r, file, name);
    if (hash)
        file->hashes = hash;
    if (!e)
        e = field_integer(r, node, "size", &file->size);
    if (!e && toml_type(toml_get(node, "upload-time")) == TOML_DATE)
        return lock_reader_keep(r, toml_date(toml_get(node, "upload-time")), &file->upload_time);
    return e ? e : field_keep(r, node, "upload-time", &file->upload_time);
}

static int read_files(struct lock_reader *r, const struct toml_node *package)
{
    const struct toml_node *wheels = NULL;
    const struct toml_node *sdist = NULL;
    int e = field_array(r, package, "wheels", &wheels);

    for (size_t i = 0; !e && i < toml_count(wheels); i++)
        e = read_file(r, toml_at(wheels, i, NULL), LOCK_FILE_WHEEL);
    if (!e)
        e = field_table(r, package, "sdist", &sdist);
    return e || !sdist ? e : read_file(r, sdist, LOCK_FILE_SDIST);
}

/* ------------------------------------------------------------ dependencies */

static int read_dependency(struct lock_reader *r, const struct toml_node *node, const char *extra,
                           const char *group)
{
    const struct toml_node *source = NULL;
    const char *name = NULL;
    enum lock_source unused;
    const char *reason;
    int e = field_needed(r, node, "name", &name);

    if (e)
        return e;
    struct lock_dependency *dependency = lock_reader_add_dependency(r, &e);
    if (!dependency)
        return e;
    dependency->extra = extra;
    dependency->group = group;
    e = lock_reader_keep_project(r, name, &dependency->project);
    if (!e)
        e = field_keep(r, node, "version", &dependency->version);
    if (!e)
        e = field_keep(r, node, "marker", &dependency->marker);
    if (!e)
        e = field_list(r, node, toml_get(node, "extra") ? "extra" : "extras", ' ',
                       &dependency->extras);
    if (!e)
        e = field_table(r, node, "source", &source);
    return e || !source ? e : read_source(r, source, &unused, &dependency->place, &reason);
}

static int read_dependencies(struct lock_reader *r, const struct toml_node *list, const char *extra,
                             const char *group)
{
    int e = 0;

    if (list && toml_type(list) != TOML_ARRAY)
        return lock_reader_complain(r, field_line(list), "dependencies are not an array");
    for (size_t i = 0; !e && i < toml_count(list); i++)
        e = read_dependency(r, toml_at(list, i, NULL), extra, group);
    return e;
}

/* A table of lists, one for each extra or group. */
static int read_named_dependencies(struct lock_reader *r, const struct toml_node *package,
                                   const char *member, bool are_groups)
{
    const struct toml_node *table = NULL;
    int e = field_table(r, package, member, &table);

    for (size_t i = 0; !e && i < toml_count(table); i++) {
        const char *name = NULL;
        const char *kept = NULL;
        const struct toml_node *list = toml_at(table, i, &name);

        e = lock_reader_keep_project(r, name, &kept);
        if (!e)
            e = read_dependencies(r, list, are_groups ? NULL : kept, are_groups ? kept : NULL);
    }
    return e;
}

static int read_needs(struct lock_reader *r, const struct toml_node *package)
{
    int e = read_dependencies(r, toml_get(package, "dependencies"), NULL, NULL);

    if (!e)
        e = read_named_dependencies(r, package, "optional-dependencies", false);
    if (!e)
        e = read_named_dependencies(r, package, "dev-dependencies", true);
    return e ? e : read_named_dependencies(r, package, "dependency-groups", true);
}

static int read_package(struct lock_reader *r, const struct toml_node *node)
{
    const char *reason = NULL;
    const struct toml_node *source = NULL;
    struct lock_package *package = NULL;
    int e = field_package(r, node, &package);

    if (e)
        return e;
    e = field_keep(r, node, "version", &package->version);
    if (!e)
        e = field_table(r, node, "source", &source);
    if (!e && !source)
        e = lock_reader_complain(r, field_line(node), "a package without a source");
    if (!e)
        e = read_source(r, source, &package->source, &package->place, &reason);
    if (!e && package->source == LOCK_FROM_INDEX && !is_web_address(package->place))
        reason = "of an index of the project's own";
    if (!e && toml_get(node, "resolution-markers"))
        e = field_list(r, node, "resolution-markers", '\n', &package->forks);
    if (!e)
        e = read_files(r, node);
    size_t first = r->lock->dependency_count;
    if (!e)
        e = read_needs(r, node);
    package->dependency_count = r->lock->dependency_count - first;
    return e || !reason ? e
                        : lock_reader_skip(r, package->line, package->name, package->place, reason);
}

/* ------------------------------------------------------------ the document */

/* What a script or a workspace without a project of its own wants. */
static int read_manifest(struct lock_reader *r, const struct toml_node *root)
{
    const struct toml_node *manifest = NULL;
    struct lock *lock = r->lock;
    int e = field_table(r, root, "manifest", &manifest);

    lock->first_wanted = lock->dependency_count;
    if (!e)
        e = field_list(r, manifest, "members", ' ', &lock->members);
    if (!e)
        e = read_dependencies(r, toml_get(manifest, "requirements"), NULL, NULL);
    if (!e)
        e = read_named_dependencies(r, manifest, "dependency-groups", true);
    lock->wanted_count = lock->dependency_count - lock->first_wanted;
    return e;
}

/* "package extra name", "package group name" or "package project", a line each. */
static int read_conflicts(struct lock_reader *r, const struct toml_node *root)
{
    const struct toml_node *sets = NULL;
    auto_buf struct buf text;
    int e = field_array(r, root, "conflicts", &sets);

    buf_init(&text, LOCK_MAX_BYTES);
    for (size_t i = 0; !e && i < toml_count(sets); i++) {
        const struct toml_node *set = toml_at(sets, i, NULL);

        for (size_t k = 0; !e && k < toml_count(set); k++) {
            const struct toml_node *item = toml_at(set, k, NULL);
            const char *package = NULL;
            const char *extra = NULL;
            const char *group = NULL;

            e = field_needed(r, item, "package", &package);
            if (!e)
                e = field_string(r, item, "extra", &extra);
            if (!e)
                e = field_string(r, item, "group", &group);
            if (!e)
                buf_printf(&text, "%s %s %s\n", package,
                           extra   ? "extra"
                           : group ? "group"
                                   : "project",
                           extra   ? extra
                           : group ? group
                                   : "");
        }
    }
    return e ? e : lock_reader_keep_buf(r, &text, &r->lock->conflicts);
}

int read_uv(struct lock_reader *r, const struct toml_node *root)
{
    const struct toml_node *packages = NULL;
    int64_t version = -1;
    int e = field_integer(r, root, "version", &version);

    if (!e && version < 0)
        e = lock_reader_complain(r, 1, "this is no uv.lock: version is missing");
    if (!e && version != FORMAT_VERSION)
        e = lock_reader_complain(r, field_line(toml_get(root, "version")),
                                 "version %lld of uv.lock is not known here; %d is",
                                 (long long)version, FORMAT_VERSION);
    r->lock->version = FORMAT_VERSION;
    if (!e)
        e = field_keep(r, root, "requires-python", &r->lock->requires_python);
    if (!e)
        e = field_array(r, root, toml_get(root, "distribution") ? "distribution" : "package",
                        &packages);
    for (size_t i = 0; !e && i < toml_count(packages); i++)
        e = read_package(r, toml_at(packages, i, NULL));
    if (!e)
        e = read_manifest(r, root);
    return e ? e : read_conflicts(r, root);
}
