// SPDX-License-Identifier: Apache-2.0
/* The walk over all blobs, at the start and for a collection of orphans. The visitor gets every
 * blob; anything that cannot be ours is removed. Downloads may commit meanwhile, so names are
 * changed under the store's mutex. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cache/store.h"
#include "cache/store_state.h"

/* One scan: the caller's visitor, and a buffer for sidecars. */
struct scan {
    struct store *store;
    int (*visit)(void *context, const char *sha256, int64_t size, int64_t allocated_bytes,
                 const char *sidecar);
    void *context;
    struct buf text; /* the sidecar at hand */
};

/* NULL when it is missing, too big, or not text. */
static const char *read_sidecar(struct scan *scan, const char *path)
{
    auto_close int fd =
        openat(scan->store->blobs, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    buf_clear(&scan->text);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > STORE_SIDECAR_MAX)
        return NULL;
    size_t len = (size_t)st.st_size;
    char *to = buf_reserve(&scan->text, len);
    if (!to || file_read_at(fd, to, len, 0) || memchr(to, '\0', len))
        return NULL;
    to[len] = '\0';
    return to;
}

/* A commit moves the sidecar first and holds the lock until the blob has followed. */
static void remove_lonely_sidecar(struct store *store, const struct blob_names *names)
{
    pthread_mutex_lock(&store->names);
    if (faccessat(store->blobs, names->blob, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        (void)unlinkat(store->blobs, names->sidecar, 0);
    pthread_mutex_unlock(&store->names);
}

/* Names decide: 64 hex digits that fit the folder, with or without ".json". */
static int scan_entry(struct scan *scan, int directory, const char *prefix, const char *name)
{
    char sha256[SHA256_HEX];
    struct blob_names names;
    struct stat st;
    str_copy(sha256, sizeof(sha256), name);
    bool named = str_is_sha256(sha256) && strncmp(sha256, prefix, 2) == 0;
    const char *rest = named ? name + 64 : "";
    if (!named || (*rest && strcmp(rest, ".json") != 0)) {
        (void)unlinkat(directory, name, 0);
        return 0;
    }
    store_names_of(sha256, &names);
    if (*rest) {
        remove_lonely_sidecar(scan->store, &names);
        return 0;
    }
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_from_errno(errno);
    if (!S_ISREG(st.st_mode)) {
        (void)unlinkat(directory, name, 0);
        return 0;
    }
    return scan->visit(scan->context, sha256, (int64_t)st.st_size, (int64_t)st.st_blocks * 512,
                       read_sidecar(scan, names.sidecar));
}

/* The first two digits of a digest, so that no directory holds all blobs. */
static bool is_fan_out(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

/* A file or a link in the place of a folder is skipped. */
static int scan_directory(struct scan *scan, const char *prefix)
{
    auto_dir DIR *stream = store_list(scan->store->blobs, prefix);
    if (!stream)
        return errno == ENOTDIR || errno == ELOOP || errno == ENOENT ? 0 : error_from_errno(errno);
    int r = 0;
    const char *name;
    while (r == 0 && (name = store_next_name(stream)))
        r = scan_entry(scan, dirfd(stream), prefix, name);
    return r;
}

int store_scan(struct store *store,
               int (*visit)(void *context, const char *sha256, int64_t size,
                            int64_t allocated_bytes, const char *sidecar),
               void *context)
{
    struct scan scan = {.store = store, .visit = visit, .context = context};
    auto_dir DIR *stream = store_list(store->blobs, ".");
    if (!stream)
        return error_from_errno(errno);
    buf_init(&scan.text, STORE_SIDECAR_MAX);
    int r = 0;
    const char *name;
    while (r == 0 && (name = store_next_name(stream))) {
        if (is_fan_out(name))
            r = scan_directory(&scan, name);
        else
            (void)unlinkat(store->blobs, name, 0);
    }
    buf_release(&scan.text);
    return r;
}
