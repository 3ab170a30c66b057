// SPDX-License-Identifier: Apache-2.0
#include "engine/quarantine.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/entry.h"

enum { LIST_MOST = 1024 };

struct removal {
    struct job job;
    struct engine *engine;
    char sha256[SHA256_HEX];
};

static char *folder_of(const struct engine *e)
{
    return str_printf("%s/quarantine", e->options.cache_dir);
}

/* ------------------------------------------------------------------ bounds */

struct old {
    char name[NAME_MAX + 1];
    int64_t changed_ns;
};

static int by_age(const void *a, const void *b)
{
    const struct old *x = a, *y = b;
    return x->changed_ns < y->changed_ns ? -1 : x->changed_ns > y->changed_ns;
}

static unsigned list_folder(DIR *stream, struct old *list)
{
    const struct dirent *entry;
    struct stat st;
    unsigned count = 0;
    while (count < LIST_MOST && (entry = readdir(stream))) {
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        str_copy(list[count].name, sizeof(list[count].name), entry->d_name);
        list[count++].changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    }
    return count;
}

void quarantine_trim(struct engine *e, unsigned most)
{
    auto_free char *folder = folder_of(e);
    auto_free struct old *list = calloc(LIST_MOST, sizeof(*list));
    DIR *stream = folder && list ? opendir(folder) : NULL;
    if (!stream)
        return;
    unsigned count = list_folder(stream, list);
    qsort(list, count, sizeof(*list), by_age);
    for (unsigned i = 0; i + most < count; i++)
        (void)unlinkat(dirfd(stream), list[i].name, 0);
    (void)closedir(stream);
}

/* ------------------------------------------------------------------ putting */

static void drop_row_run(struct job *job)
{
    struct removal *r = container_of(job, struct removal, job);
    (void)catalogue_drop_blob(r->engine->catalogue, r->sha256);
    free(r);
}

/* On the cleaner lane, where commits are: none of this digest runs meanwhile. The name in the tree
 * is the store's; what cannot be moved is removed. */
static void put_run(struct job *job)
{
    struct removal *r = container_of(job, struct removal, job);
    struct engine *e = r->engine;
    auto_free char *folder = folder_of(e);
    auto_free char *from =
        str_printf("%s/blobs/%.2s/%s", e->options.cache_dir, r->sha256, r->sha256);
    auto_free char *to = folder ? str_printf("%s/%s", folder, r->sha256) : NULL;
    if (from && to && file_make_directory(folder, 0700) == 0 && rename(from, to) == 0)
        log_warning("moved to quarantine file=%s", to);
    (void)store_remove(e->store, r->sha256);
    quarantine_trim(e, QUARANTINE_MOST);
    job->run = drop_row_run;
    lane_post(e->catalogue_lane, job);
}

void quarantine_put(struct engine *e, const char *sha256)
{
    struct removal *r = calloc(1, sizeof(*r));
    if (!r)
        return;
    r->job.run = put_run;
    r->engine = e;
    str_copy(r->sha256, sizeof(r->sha256), sha256);
    lane_post(e->cleaner, &r->job);
}
