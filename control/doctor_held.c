// SPDX-License-Identifier: Apache-2.0
#include "control/doctor_held.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "index/name.h"

enum { DATE_BYTES = 64 };

static const char is_empty[] =
    "put a bundle in with wheelyard import, or copy the cache folder of a "
    "machine that has a network";
static const char what_next[] =
    "wheelyard import brings more; a lock with other addresses installs "
    "after wheelyard relock LOCK";

/* Of complete wheels and source archives. */
struct held_count {
    char **projects; /* one for each file */
    size_t count, wheels;
    int64_t bytes;
};

static int count_row(struct held_count *held, const struct inventory_row *row)
{
    struct file_name name;
    if (!row->sha256[0])
        return 0;
    int r = file_name_parse(str_last_segment(row->name), &name);
    if (r)
        return r;
    if (name.kind == FILE_WHEEL || name.kind == FILE_SDIST) {
        char *project = strdup(name.project);
        if (project)
            held->projects[held->count++] = project;
        else
            r = ERROR_NO_MEMORY;
        held->wheels += name.kind == FILE_WHEEL;
        held->bytes += row->size;
    }
    file_name_release(&name);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t count_projects(struct held_count *held)
{
    size_t projects = 0;
    if (held->count)
        qsort(held->projects, held->count, sizeof(*held->projects), by_name);
    for (size_t i = 0; i < held->count; i++)
        projects += i == 0 || strcmp(held->projects[i - 1], held->projects[i]) != 0;
    return projects;
}

/* The date alone: an hour means little after weeks without a network. */
static void write_date(int64_t listed_s, char to[DATE_BYTES])
{
    time_t when = (time_t)listed_s;
    struct tm parts;
    if (!listed_s || !gmtime_r(&when, &parts) ||
        !strftime(to, DATE_BYTES, "the newest listing is of %Y-%m-%d", &parts))
        str_copy(to, DATE_BYTES, "no mirror was ever asked from here");
}

static void say(struct held_count *held, int64_t listed_s, bool has_folders, struct findings *to)
{
    char size[STR_SIZE], date[DATE_BYTES];
    size_t projects = count_projects(held);
    size_t others = held->count - held->wheels;
    bool has_some = held->count || has_folders;
    str_size(held->bytes, " ", size);
    write_date(listed_s, date);
    findings_add(
        to, has_some ? FINDING_OK : FINDING_WARNING, "offline", "offline",
        has_some ? what_next : is_empty,
        "no mirror is asked; held are %zu project%s, %zu wheel%s and %zu source archive%s, "
        "%s; %s",
        projects, projects == 1 ? "" : "s", held->wheels, held->wheels == 1 ? "" : "s", others,
        others == 1 ? "" : "s", size, date);
}

int doctor_held(const struct inventory *inventory, int64_t listed_s, bool has_folders,
                struct findings *to)
{
    struct held_count held = {.projects = calloc(inventory->count + 1, sizeof(char *))};
    int r = held.projects ? 0 : ERROR_NO_MEMORY;
    for (size_t i = 0; r == 0 && i < inventory->count; i++)
        r = count_row(&held, &inventory->rows[i]);
    if (r == 0)
        say(&held, listed_s, has_folders, to);
    for (size_t i = 0; i < held.count; i++)
        free(held.projects[i]);
    free(held.projects);
    return r;
}
