// SPDX-License-Identifier: Apache-2.0
/* pylock.toml (PEP 751), version 1: a later minor version only adds members. */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "lock/lock_private.h"
#include "lock/toml_fields.h"

/* "sha256:<hex> ..." of the table `hashes`. */
static int read_hashes(struct lock_reader *r, const struct toml_node *node, const char **ret)
{
    const struct toml_node *hashes = NULL;
    auto_buf struct buf text;
    int e = field_table(r, node, "hashes", &hashes);

    buf_init(&text, LOCK_MAX_BYTES);
    for (size_t i = 0; !e && i < toml_count(hashes); i++) {
        const char *name = NULL;
        const struct toml_node *value = toml_at(hashes, i, &name);

        if (!toml_string(value))
            return lock_reader_complain(r, field_line(value), "a hash is not a string");
        buf_printf(&text, "%s%s:%s", i ? " " : "", name, toml_string(value));
    }
    return e ? e : lock_reader_keep_buf(r, &text, ret);
}

static int read_file(struct lock_reader *r, const struct toml_node *node, enum lock_file_kind kind)
{
    const char *name = NULL;
    struct lock_file *file = NULL;
    int e = field_file(r, node, kind, &file);

    if (e)
        return e;
    const struct field_text texts[] = {{"url", &file->address}, {"path", &file->path}};
    e = field_keep_each(r, node, texts, sizeof texts / sizeof *texts);
    if (!e && !file->address && !file->path)
        e = lock_reader_complain(r, file->line, "a file without url and path");
    if (!e)
        e = field_string(r, node, "name", &name);
    if (!e)
        e = lock_reader_name_file(r, file, name);
    if (!e)
        e = field_integer(r, node, "size", &file->size);
    if (!e)
        e = lock_reader_keep(r, toml_date(toml_get(node, "upload-time")), &file->upload_time);
    if (!e)
        e = read_hashes(r, node, &file->hashes);
    if (!e && !*file->hashes)
        e = lock_reader_complain(r, file->line, "a file without hashes");
    return e || file->address
               ? e
               : lock_reader_skip(r, file->line, file->name ? file->name : file->path, file->path,
                                  "a file of the project's own");
}

static int read_files(struct lock_reader *r, const struct toml_node *node,
                      struct lock_package *package)
{
    const struct toml_node *wheels = NULL;
    const struct toml_node *sdist = NULL;
    const struct toml_node *archive = NULL;
    int e = field_array(r, node, "wheels", &wheels);

    for (size_t i = 0; !e && i < toml_count(wheels); i++)
        e = read_file(r, toml_at(wheels, i, NULL), LOCK_FILE_WHEEL);
    if (!e)
        e = field_table(r, node, "sdist", &sdist);
    if (!e && sdist)
        e = read_file(r, sdist, LOCK_FILE_SDIST);
    if (!e)
        e = field_table(r, node, "archive", &archive);
    if (e || !archive)
        return e;
    package->source = LOCK_FROM_URL;
    return read_file(r, archive, LOCK_FILE_ARCHIVE);
}

/* A source that is no file: said, and passed over. */
static int read_tree(struct lock_reader *r, const struct toml_node *node,
                     struct lock_package *package)
{
    const struct toml_node *vcs = NULL;
    const struct toml_node *folder = NULL;
    int e = field_table(r, node, "vcs", &vcs);

    if (!e)
        e = field_table(r, node, "directory", &folder);
    if (e || (!vcs && !folder))
        return e;
    package->source = vcs ? LOCK_FROM_GIT : LOCK_FROM_FOLDER;
    e = field_keep(r, vcs ? vcs : folder, vcs && toml_get(vcs, "url") ? "url" : "path",
                   &package->place);
    return e ? e
             : lock_reader_skip(r, package->line, package->name, package->place,
                                vcs ? "git" : "a folder of the project's own");
}

static int read_package(struct lock_reader *r, const struct toml_node *node)
{
    struct lock_package *package = NULL;
    int e = field_package(r, node, &package);

    if (e)
        return e;
    const struct field_text texts[] = {{"version", &package->version},
                                       {"marker", &package->marker},
                                       {"requires-python", &package->requires_python},
                                       {"index", &package->place}};
    e = field_keep_each(r, node, texts, sizeof texts / sizeof *texts);
    if (!e)
        e = read_files(r, node, package);
    return e ? e : read_tree(r, node, package);
}

int read_pylock(struct lock_reader *r, const struct toml_node *root)
{
    const struct toml_node *packages = NULL;
    const char *version = NULL;
    struct lock *lock = r->lock;
    int e = field_string(r, root, "lock-version", &version);

    if (!e && !version)
        e = lock_reader_complain(r, 1, "this is no pylock.toml: lock-version is missing");
    if (!e && strcmp(version, "1") != 0 && !str_starts(version, "1."))
        e = lock_reader_complain(r, field_line(toml_get(root, "lock-version")),
                                 "lock-version %s is not known here; 1.0 is", version);
    lock->version = 1;
    if (!e)
        e = field_keep(r, root, "requires-python", &lock->requires_python);
    if (!e)
        e = field_list(r, root, "default-groups", ' ', &lock->default_groups);
    if (!e)
        e = field_list(r, root, "extras", ' ', &lock->extra_names);
    if (!e)
        e = field_list(r, root, "dependency-groups", ' ', &lock->group_names);
    if (!e)
        e = field_array(r, root, "packages", &packages);
    for (size_t i = 0; !e && i < toml_count(packages); i++)
        e = read_package(r, toml_at(packages, i, NULL));
    return e;
}
