// SPDX-License-Identifier: Apache-2.0
/*
 * poetry.lock and pdm.lock: a table for each package with names and hashes of its files. Both have
 * addresses only where somebody asked for them. Older ones list all files below [metadata.files].
 */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "lock/lock_private.h"
#include "lock/toml_fields.h"

static int read_file(struct lock_reader *r, const struct toml_node *node)
{
    const char *name = NULL;
    const char *hash = NULL;
    struct lock_file *file = NULL;
    int e = field_file(r, node, LOCK_FILE_ANY, &file);

    if (e)
        return e;
    e = field_keep(r, node, "url", &file->address);
    if (!e)
        e = field_string(r, node, "file", &name);
    if (!e && !name && !file->address)
        e = lock_reader_complain(r, file->line, "a file without file and url");
    if (!e)
        e = lock_reader_name_file(r, file, name);
    if (!e)
        e = field_keep(r, node, "hash", &hash);
    if (hash)
        file->hashes = hash;
    return e;
}

/* Of the package itself, else of [metadata.files], where PDM's keys also have the version. */
static int read_files(struct lock_reader *r, const struct toml_node *node,
                      const struct toml_node *root, const struct lock_package *package)
{
    const struct toml_node *files = NULL;
    auto_free char *both = str_printf("%s %s", package->name, package->version);
    int e = both ? field_array(r, node, "files", &files) : ERROR_NO_MEMORY;

    if (!e && !files) {
        const struct toml_node *all = toml_get(toml_get(root, "metadata"), "files");

        files = toml_get(all, r->lock->kind == LOCK_PDM ? both : package->name);
        if (files && toml_type(files) != TOML_ARRAY)
            e = lock_reader_complain(r, field_line(files), "files are not an array");
    }
    for (size_t i = 0; !e && i < toml_count(files); i++)
        e = read_file(r, toml_at(files, i, NULL));
    return e;
}

static int begin_package(struct lock_reader *r, const struct toml_node *node,
                         struct lock_package **ret)
{
    const char *version = NULL;
    int e = field_package(r, node, ret);

    if (!e)
        e = field_needed(r, node, "version", &version);
    return e ? e : lock_reader_keep(r, version, &(*ret)->version);
}

static int skip_package(struct lock_reader *r, const struct lock_package *package)
{
    const char *reason = package->source == LOCK_FROM_GIT        ? "git"
                         : package->source == LOCK_FROM_FOLDER   ? "a folder of the project's own"
                         : package->source == LOCK_FROM_EDITABLE ? "editable, a folder of the "
                                                                   "project's own"
                         : package->source == LOCK_FROM_FILE     ? "a file of the project's own"
                                                                 : NULL;

    return reason ? lock_reader_skip(r, package->line, package->name, package->place, reason) : 0;
}

/* ------------------------------------------------------------------ poetry */

static int read_poetry_source(struct lock_reader *r, const struct toml_node *node,
                              struct lock_package *package)
{
    static const struct {
        const char *type;
        enum lock_source source;
    } types[] = {{"legacy", LOCK_FROM_INDEX},
                 {"git", LOCK_FROM_GIT},
                 {"url", LOCK_FROM_URL},
                 {"directory", LOCK_FROM_FOLDER},
                 {"file", LOCK_FROM_FILE}};
    const struct toml_node *source = NULL;
    const char *type = NULL;
    int e = field_table(r, node, "source", &source);

    if (!e && source)
        e = field_needed(r, source, "type", &type);
    if (e || !source)
        return e;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].type, type)) {
            package->source = types[i].source;
            return field_keep(r, source, "url", &package->place);
        }
    return lock_reader_complain(r, field_line(source), "a source of type %s is not known here",
                                type);
}

/* `markers` is a string, or a table with one for each group. */
static int read_poetry_markers(struct lock_reader *r, const struct toml_node *node,
                               struct lock_package *package)
{
    const struct toml_node *markers = toml_get(node, "markers");
    auto_buf struct buf text;

    buf_init(&text, LOCK_MAX_BYTES);
    if (toml_type(markers) != TOML_TABLE)
        return field_keep(r, node, "markers", &package->marker);
    for (size_t i = 0; i < toml_count(markers); i++) {
        const char *group = NULL;
        const struct toml_node *marker = toml_at(markers, i, &group);

        if (!toml_string(marker))
            return lock_reader_complain(r, field_line(marker), "a marker is not a string");
        buf_printf(&text, "%s %s\n", group, toml_string(marker));
    }
    return lock_reader_keep_buf(r, &text, &package->group_markers);
}

static int read_poetry_groups(struct lock_reader *r, const struct toml_node *node,
                              struct lock_package *package)
{
    const struct toml_node *optional = toml_get(node, "optional");

    package->is_optional = toml_boolean(optional);
    if (toml_get(node, "groups"))
        return field_list(r, node, "groups", ' ', &package->groups);
    if (toml_get(node, "category"))
        return field_keep(r, node, "category", &package->groups);
    package->groups = "main";
    return 0;
}

static int read_poetry_package(struct lock_reader *r, const struct toml_node *node,
                               const struct toml_node *root)
{
    struct lock_package *package = NULL;
    int e = begin_package(r, node, &package);

    if (!e)
        e = field_keep(r, node, "python-versions", &package->requires_python);
    if (!e)
        e = read_poetry_markers(r, node, package);
    if (!e)
        e = read_poetry_groups(r, node, package);
    if (!e)
        e = read_poetry_source(r, node, package);
    if (!e)
        e = read_files(r, node, root, package);
    return e ? e : skip_package(r, package);
}

/* "1.1", "2.0", "4.5.1": the first number must be one of a range. */
static int read_version(struct lock_reader *r, const struct toml_node *root, const char *name,
                        int least, int most)
{
    const struct toml_node *metadata = NULL;
    const char *version = NULL;
    int e = field_table(r, root, "metadata", &metadata);

    if (!e)
        e = field_string(r, metadata, name, &version);
    if (!e && !version)
        return lock_reader_complain(r, 1, "this is no %s: metadata.%s is missing",
                                    lock_kind_name(r->lock->kind), name);
    if (e)
        return e;
    long number = strtol(version, NULL, 10);
    if (number < least || number > most)
        return lock_reader_complain(r, field_line(toml_get(metadata, name)),
                                    "%s %s is not known here; %d to %d are", name, version, least,
                                    most);
    r->lock->version = (int)number;
    return 0;
}

int read_poetry(struct lock_reader *r, const struct toml_node *root)
{
    enum { LEAST = 1, MOST = 2 };
    const struct toml_node *packages = NULL;
    int e = read_version(r, root, "lock-version", LEAST, MOST);

    if (!e)
        e = field_array(r, root, "package", &packages);
    for (size_t i = 0; !e && i < toml_count(packages); i++)
        e = read_poetry_package(r, toml_at(packages, i, NULL), root);
    return e;
}

/* --------------------------------------------------------------------- pdm */

static int read_pdm_source(struct lock_reader *r, const struct toml_node *node,
                           struct lock_package *package)
{
    static const struct {
        const char *member;
        enum lock_source source;
    } members[] = {{"git", LOCK_FROM_GIT}, {"path", LOCK_FROM_FOLDER}, {"url", LOCK_FROM_URL}};
    int e = 0;

    for (size_t i = 0; !e && !package->place && i < sizeof members / sizeof *members; i++) {
        e = field_keep(r, node, members[i].member, &package->place);
        if (package->place)
            package->source = members[i].source;
    }
    if (!e && package->source == LOCK_FROM_FOLDER && toml_boolean(toml_get(node, "editable")))
        package->source = LOCK_FROM_EDITABLE;
    return e;
}

static int read_pdm_package(struct lock_reader *r, const struct toml_node *node,
                            const struct toml_node *root)
{
    struct lock_package *package = NULL;
    int e = begin_package(r, node, &package);

    if (!e)
        e = field_keep(r, node, "requires_python", &package->requires_python);
    if (!e)
        e = field_keep(r, node, "marker", &package->marker);
    if (!e && toml_get(node, "groups"))
        e = field_list(r, node, "groups", ' ', &package->groups);
    if (!e)
        e = read_pdm_source(r, node, package);
    if (!e)
        e = read_files(r, node, root, package);
    return e ? e : skip_package(r, package);
}

int read_pdm(struct lock_reader *r, const struct toml_node *root)
{
    enum { LEAST = 3, MOST = 4 };
    const struct toml_node *packages = NULL;
    int e = read_version(r, root, "lock_version", LEAST, MOST);

    if (!e)
        e = field_array(r, root, "package", &packages);
    for (size_t i = 0; !e && i < toml_count(packages); i++)
        e = read_pdm_package(r, toml_at(packages, i, NULL), root);
    return e;
}
