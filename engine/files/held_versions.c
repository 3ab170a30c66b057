// SPDX-License-Identifier: Apache-2.0
#include "engine/files/held_versions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "engine/files/files_state.h"
#include "engine/mirrors/origins.h"
#include "index/name.h"
#include "index/version.h"

/* The newest, oldest first. */
struct versions {
    char *list[HELD_VERSIONS_MOST + 1];
    size_t count;
};

static void drop_oldest(struct versions *v)
{
    free(v->list[0]);
    v->count--;
    memmove(v->list, v->list + 1, v->count * sizeof(v->list[0]));
}

static void add(struct versions *v, const char *version)
{
    size_t at = v->count;
    while (at && version_compare(v->list[at - 1], version) > 0)
        at--;
    if (at && version_compare(v->list[at - 1], version) == 0)
        return;
    char *copy = strdup(version);
    if (!copy)
        return;
    memmove(v->list + at + 1, v->list + at, (v->count - at) * sizeof(v->list[0]));
    v->list[at] = copy;
    if (++v->count > HELD_VERSIONS_MOST)
        drop_oldest(v);
}

static void collect(struct files *files, const char *origin, const char *project,
                    struct versions *to)
{
    struct file_name name;
    pthread_rwlock_rdlock(&files->lock);
    for (const struct entry *entry = files->table; entry; entry = entry->hh.next) {
        if (!entry->sha256[0] || strcmp(entry->origin->name, origin) != 0 ||
            file_name_parse(str_last_segment(entry->path), &name))
            continue;
        if (name.version && strcmp(name.project, project) == 0)
            add(to, name.version);
        file_name_release(&name);
    }
    pthread_rwlock_unlock(&files->lock);
}

void held_versions_write(struct files *files, const char *origin, const char *path, char *to,
                         size_t size)
{
    struct versions held = {0};
    struct file_name wanted = {0};
    auto_free char *file = strdup(str_last_segment(path));
    if (file && str_ends(file, ".metadata"))
        file[strlen(file) - strlen(".metadata")] = '\0';
    if (file && file_name_parse(file, &wanted) == 0 && wanted.project)
        collect(files, origin, wanted.project, &held);
    (void)snprintf(to, size, held.count ? "held of %.100s are" : "nothing of this project is held",
                   wanted.project);
    for (size_t i = 0; i < held.count; i++) {
        size_t len = strlen(to);
        (void)snprintf(to + len, size - len, "%s %s", i ? "," : "", held.list[i]);
        free(held.list[i]);
    }
    file_name_release(&wanted);
}
