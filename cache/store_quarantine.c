// SPDX-License-Identifier: Apache-2.0
/* Blobs whose bytes do not match their name, moved aside. A person may want to know what a disk or
 * a mirror did to them; the program never reads them again. The folder is bounded, and the oldest
 * files leave it first. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cache/store.h"
#include "cache/store_state.h"

static const char FOLDER[] = "quarantine";

enum { LIST_MOST = 1024 };

/* A file in quarantine, for sorting by age. */
struct old {
    char name[NAME_MAX + 1];
    int64_t changed_ns;
};

/* The time of the last change is the time of the move, because rename sets it. */
static int by_age(const void *a, const void *b)
{
    const struct old *x = a, *y = b;
    return x->changed_ns < y->changed_ns ? -1 : x->changed_ns > y->changed_ns;
}

/* At most LIST_MOST entries; a fuller folder is trimmed over several calls. */
static unsigned list_folder(DIR *stream, struct old *list)
{
    const char *name;
    struct stat st;
    unsigned count = 0;
    while (count < LIST_MOST && (name = store_next_name(stream))) {
        if (fstatat(dirfd(stream), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        str_copy(list[count].name, sizeof(list[count].name), name);
        list[count++].changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    }
    return count;
}

void store_trim_quarantine(struct store *store, unsigned most)
{
    auto_dir DIR *stream = store_list(store->root, FOLDER);
    auto_free struct old *list = stream ? calloc(LIST_MOST, sizeof(*list)) : NULL;
    if (!list)
        return;
    unsigned count = list_folder(stream, list);
    qsort(list, count, sizeof(*list), by_age);
    for (unsigned i = 0; i + most < count; i++)
        (void)unlinkat(dirfd(stream), list[i].name, 0);
}

/* A rename within the tree costs no copy, also for gigabytes. */
static int move_aside(struct store *store, const struct blob_names *names, const char *sha256)
{
    if (mkdirat(store->root, FOLDER, 0700) < 0 && errno != EEXIST)
        return STORE_MISSING;
    auto_close int folder = openat(store->root, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || renameat(store->blobs, names->blob, folder, sha256) < 0)
        return STORE_MISSING;
    return 0;
}

/* The removal also takes the sidecar, and the blob where the move has failed. */
int store_quarantine(struct store *store, const char *sha256)
{
    struct blob_names names;
    if (!str_is_sha256(sha256))
        return STORE_MISSING;
    store_names_of(sha256, &names);
    int moved = move_aside(store, &names, sha256);
    int r = store_remove(store, sha256);
    store_trim_quarantine(store, STORE_QUARANTINE_MOST);
    return moved ? moved : r;
}
