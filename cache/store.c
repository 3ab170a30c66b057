// SPDX-License-Identifier: Apache-2.0
/*
 * A blob's life on disk:
 *
 *     partials/<n>            from store_begin, while it is fetched; sparse, with a map beside it
 *     blobs/ab/<digest>       from store_commit; its bytes never change
 *     gone                    by store_remove, store_quarantine or store_discard
 *
 * The disk lanes call all of this. One mutex (`names`) guards the change from one name to the next;
 * it is never held during an fsync. Readers need no lock, because bytes under a digest's name never
 * change, and an unlinked file stays readable through its descriptor. A kill at any moment leaves a
 * partial with a map, which is resumed, or a blob with a sidecar, which a start adopts.
 */
#include "cache/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cache/store_state.h"

/* Fixed-size names: the caller has checked that it is a digest. */
void store_names_of(const char *sha256, struct blob_names *ret)
{
    memcpy(ret->directory, sha256, 2);
    ret->directory[2] = '\0';
    memcpy(ret->blob, sha256, 2);
    ret->blob[2] = '/';
    memcpy(ret->blob + 3, sha256, SHA256_HEX);
    memcpy(ret->sidecar, ret->blob, sizeof(ret->blob) - 1);
    memcpy(ret->sidecar + sizeof(ret->blob) - 1, ".json", 6);
}

/* A missing file is no error: two removals of one blob may meet. */
static int unlink_at(int directory, const char *name)
{
    return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? error_from_errno(errno) : 0;
}

/* Everything later is relative to this descriptor, so a renamed parent does no harm. */
static int open_directory(const char *parent, const char *name, int *ret_fd)
{
    auto_free char *path = str_printf("%s/%s", parent, name);
    if (!path)
        return ERROR_NO_MEMORY;
    int r = file_make_directory(path, 0755);
    if (r)
        return r;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_from_errno(errno);
    *ret_fd = fd;
    return 0;
}

/* A stream over a directory that is already open; the descriptor stays the caller's. */
DIR *store_list(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !stream)
        (void)close(fd);
    return stream;
}

const char *store_next_name(DIR *stream)
{
    const struct dirent *entry;
    do
        entry = readdir(stream);
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry ? entry->d_name : NULL;
}

/* ------------------------------------------------------------------ opening */

/* flock belongs to the open file, so a second store in this process is refused as well. */
static int take_lock(const char *dir, int *ret_fd)
{
    auto_free char *path = str_printf("%s/lock", dir);
    if (!path)
        return ERROR_NO_MEMORY;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_from_errno(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = error_from_errno(errno);
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* "<name>.map"; false when it is too long to be one of ours. */
enum { NAME_MAX_BYTES = 64 };
static bool map_name(const char *name, char ret[NAME_MAX_BYTES])
{
    int len = snprintf(ret, NAME_MAX_BYTES, "%s.map", name);
    return len > 0 && len < NAME_MAX_BYTES;
}

/* A name of store_begin, small enough that one more can follow. */
static bool is_number(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 19 && strspn(name, "0123456789") == len;
}

static bool is_file(int directory, const char *name)
{
    struct stat st;
    return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Whether an earlier run left this partial with a map, so that it can be resumed. */
static bool is_resumable(struct store *store, const char *name)
{
    char map[NAME_MAX_BYTES];
    return is_number(name) && map_name(name, map) && is_file(store->partials, name) &&
           is_file(store->partials, map);
}

/* A map whose partial is gone is removed with the junk. */
static bool is_map_of_resumable(struct store *store, const char *name)
{
    char partial[NAME_MAX_BYTES];
    if (!str_ends(name, ".map") || strlen(name) >= sizeof(partial))
        return false;
    str_copy(partial, strlen(name) - strlen(".map") + 1, name);
    return is_resumable(store, partial);
}

/* Removes partials that cannot be resumed, and sidecars that never met their blob. This run's names
 * are higher than those that stay. */
static void remove_partials(struct store *store)
{
    auto_dir DIR *stream = store_list(store->partials, ".");
    const char *name;
    while (stream && (name = store_next_name(stream))) {
        if (is_resumable(store, name)) {
            uint64_t n = strtoull(name, NULL, 10);
            store->first = n >= store->first ? n + 1 : store->first;
        } else if (!is_map_of_resumable(store, name)) {
            (void)unlinkat(store->partials, name, 0);
        }
    }
    atomic_store(&store->next, store->first);
}

static int directory_is_writable(int fd)
{
    return faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0 ? error_from_errno(errno) : 0;
}

/* The lock comes first: nothing is changed in a directory of another daemon. */
static int open_tree(struct store *store, const char *dir)
{
    int r = file_make_directory(dir, 0755);
    if (r == 0)
        r = take_lock(dir, &store->lock);
    if (r == 0)
        r = open_directory(dir, ".", &store->root);
    if (r == 0)
        r = open_directory(dir, "blobs", &store->blobs);
    if (r == 0)
        r = open_directory(dir, "partials", &store->partials);
    if (r == 0)
        r = directory_is_writable(store->blobs);
    if (r == 0)
        r = directory_is_writable(store->partials);
    return r;
}

/* Cleans up before any partial of this run exists, so no name can be confused. */
int store_open(const char *dir, struct store **ret)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return ERROR_NO_MEMORY;
    store->lock = store->root = store->blobs = store->partials = -1;
    (void)pthread_mutex_init(&store->names, NULL);
    store->catalogue_path = str_printf("%s/catalogue.sqlite", dir);
    int r = store->catalogue_path ? open_tree(store, dir) : ERROR_NO_MEMORY;
    if (r) {
        store_close(store);
        return r;
    }
    remove_partials(store);
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    cleanup_close(&store->partials);
    cleanup_close(&store->blobs);
    cleanup_close(&store->root);
    cleanup_close(&store->lock); /* last: from now on another process may start */
    (void)pthread_mutex_destroy(&store->names);
    free(store->catalogue_path);
    free(store);
}

const char *store_catalogue_path(struct store *store)
{
    return store->catalogue_path;
}

/* f_bavail: what this user may use, without root's reserve. */
int64_t store_free_bytes(struct store *store)
{
    struct statvfs fs;
    if (fstatvfs(store->blobs, &fs) < 0)
        return -1;
    return (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}

/* ------------------------------------------------------------------ partials */

/* O_EXCL: two downloads can never share a partial. */
int store_begin(struct store *store, char **ret_name, int *ret_fd)
{
    for (;;) {
        uint64_t n = atomic_fetch_add(&store->next, 1);
        auto_free char *name = str_printf("%llu", (unsigned long long)n);
        if (!name)
            return ERROR_NO_MEMORY;
        int fd = openat(store->partials, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 && errno == EEXIST)
            continue; /* a file that the start could not remove */
        if (fd < 0)
            return error_from_errno(errno);
        *ret_fd = fd;
        *ret_name = name;
        name = NULL;
        return 0;
    }
}

/* In steps: a write into the file then waits for one step, not for gigabytes. */
static int allocate(int fd, int64_t size)
{
    enum { STEP = 64 << 20 };
    for (int64_t at = 0, len; at < size; at += len) {
        int r;
        len = size - at < STEP ? size - at : STEP;
        do
            r = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len);
        while (r < 0 && errno == EINTR);
        if (r < 0 && errno == EOPNOTSUPP)
            return 0;
        if (r < 0)
            return errno == EFBIG ? ERROR_NO_SPACE : error_from_errno(errno);
    }
    return 0;
}

/* KEEP_SIZE leaves the size to the writers, who extend the file as bytes arrive. */
int store_reserve(struct store *store, int fd, int64_t size, int64_t keep_free)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_from_errno(errno);
    int64_t missing = size - (int64_t)st.st_blocks * 512;

    /* Checked first, because a failed fallocate may keep the part that it got. */
    int64_t free_bytes = store_free_bytes(store);
    if (free_bytes >= 0 && missing > 0 && missing > free_bytes - keep_free)
        return missing > free_bytes ? ERROR_NO_SPACE : ERROR_MIN_FREE;
    return allocate(fd, size);
}

/* Only whole blocks inside the missing spans are punched, never a block with data. */
int store_unreserve(int fd, int64_t size, const struct store_span *missing, size_t count)
{
    enum { BLOCK = 4096 };
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_from_errno(errno);

    /* Some file systems free nothing after the end of a file, so the file first grows to its final
     * size. Growing loses no byte of a concurrent write. */
    if ((int64_t)st.st_size < size && ftruncate(fd, (off_t)size) < 0)
        return error_from_errno(errno);
    for (size_t i = 0; i < count; i++) {
        int64_t from = (missing[i].from + BLOCK - 1) / BLOCK * BLOCK;
        int64_t to = missing[i].to >= size ? (size + BLOCK - 1) / BLOCK * BLOCK
                                           : missing[i].to / BLOCK * BLOCK;
        if (from < to && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                                   (off_t)(to - from)) < 0)
            return errno == EOPNOTSUPP ? 0 : error_from_errno(errno);
    }
    return 0;
}

/* Allocates all blocks of a map: a write to a mapping on a full disk would raise a signal. */
static int promise(int fd, int64_t size)
{
    int r;
    do
        r = posix_fallocate(
            fd, 0, (off_t)size); /* writes zeros where the file system does not support it */
    while (r == EINTR);
    return r ? error_from_errno(r) : 0;
}

/* Reads the whole map once: a disk error is a return value here, and would be a signal later. */
static int read_through(int fd, int64_t size)
{
    char block[16 << 10];
    int r = 0;
    for (int64_t at = 0; r == 0 && at < size; at += (int64_t)sizeof(block)) {
        int64_t left = size - at;
        r = file_read_at(fd, block, left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block),
                         at);
    }
    return r;
}

/* The map is small and is allocated completely. */
int store_begin_map(struct store *store, const char *name, int64_t size, int *ret_fd)
{
    char map[NAME_MAX_BYTES];
    if (!map_name(name, map))
        return ERROR_TOO_BIG;
    auto_close int fd =
        openat(store->partials, map, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_from_errno(errno);
    int r = promise(fd, size);
    if (r) {
        (void)unlinkat(store->partials, map, 0);
        return r;
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* O_RDWR: the download that resumes it goes on writing. */
int store_reopen(struct store *store, const char *name, int *ret_fd, int *ret_map_fd)
{
    char map[NAME_MAX_BYTES];
    if (!map_name(name, map) || !is_resumable(store, name))
        return STORE_MISSING;
    auto_close int fd = openat(store->partials, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    auto_close int map_fd = openat(store->partials, map, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || map_fd < 0 || fstat(map_fd, &st) < 0)
        return error_from_errno(errno);
    if (st.st_size < 1 || st.st_size > STORE_MAP_MAX)
        return ERROR_CORRUPT;
    int r = promise(map_fd, (int64_t)st.st_size);
    if (r == 0)
        r = read_through(map_fd, (int64_t)st.st_size);
    if (r)
        return r;
    *ret_fd = fd;
    *ret_map_fd = map_fd;
    fd = map_fd = -1;
    return 0;
}

int store_each_partial(struct store *store, int (*visit)(void *context, const char *name),
                       void *context)
{
    auto_dir DIR *stream = store_list(store->partials, ".");
    const char *name;
    int r = 0;
    while (r == 0 && stream && (name = store_next_name(stream)))
        if (is_resumable(store, name) && strtoull(name, NULL, 10) < store->first)
            r = visit(context, name);
    return r;
}

int store_sync_names(struct store *store)
{
    return fsync(store->partials) < 0 ? error_from_errno(errno) : 0;
}

/* The descriptors that readers hold keep the bytes until they close. */
void store_discard(struct store *store, const char *name)
{
    char map[NAME_MAX_BYTES];
    if (map_name(name, map)) /* first, because a map without its partial is useless */
        (void)unlinkat(store->partials, map, 0);
    (void)unlinkat(store->partials, name, 0);
}

/* ------------------------------------------------------------------ commit */

static int sync_directory_at(int parent, const char *name)
{
    auto_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? error_from_errno(errno) : 0;
}

/* Creates blobs/ab for its first digest, and syncs its name. */
static int make_fan_out(struct store *store, const char *directory)
{
    if (mkdirat(store->blobs, directory, 0755) == 0)
        return sync_directory_at(store->blobs, ".");
    return errno == EEXIST ? 0 : error_from_errno(errno);
}

/* Synced before it gets its final name, so that a sidecar is never half written. */
static int write_sidecar(struct store *store, const char *name, const char *text, size_t len)
{
    auto_close int fd =
        openat(store->partials, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_from_errno(errno);
    int r = file_write_at(fd, text, len, 0);
    if (r)
        return r;
    return fdatasync(fd) < 0 ? error_from_errno(errno) : 0;
}

/* By size only: the name is the digest, and scrubbing checks the bytes. */
static bool blob_is_whole(struct store *store, const struct blob_names *names, int64_t size)
{
    struct stat st;
    return fstatat(store->blobs, names->blob, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && (int64_t)st.st_size == size;
}

/* The sidecar moves first. Alone it is junk that a scan removes; a blob alone would be bytes that
 * nobody can name. `ret_kept`: the blob existed before. */
static int publish(struct store *store, const char *name, const char *sidecar,
                   const struct blob_names *names, int64_t size, bool *ret_kept)
{
    int r = 0;
    pthread_mutex_lock(&store->names);
    *ret_kept = blob_is_whole(store, names, size);
    if (renameat(store->partials, sidecar, store->blobs, names->sidecar) < 0) {
        r = error_from_errno(errno);
    } else if (*ret_kept) {
        store_discard(store, name);
    } else if (renameat(store->partials, name, store->blobs, names->blob) < 0) {
        r = error_from_errno(errno);
        (void)unlinkat(store->blobs, names->sidecar, 0);
    }
    pthread_mutex_unlock(&store->names);
    return r;
}

static int commit(struct store *store, const char *name, const char *sidecar, int fd,
                  const char *sha256)
{
    struct blob_names names;
    struct stat st;
    bool kept;
    store_names_of(sha256, &names);
    if (fdatasync(fd) < 0 || fstat(fd, &st) < 0)
        return error_from_errno(errno);
    int r = make_fan_out(store, names.directory);
    if (r == 0)
        r = publish(store, name, sidecar, &names, (int64_t)st.st_size, &kept);
    if (r)
        return r;
    r = sync_directory_at(store->blobs, names.directory);
    if (r && !kept)
        (void)store_remove(store, sha256); /* a blob whose name is not on the disk is not kept */
    return r;
}

int store_commit(struct store *store, const char *name, int fd, const char *sha256,
                 const char *sidecar, size_t sidecar_len)
{
    auto_free char *beside = str_printf("%s.json", name);
    int r = 0;
    if (!beside)
        r = ERROR_NO_MEMORY;
    else if (!str_is_sha256(sha256))
        r = ERROR_CORRUPT;
    else if (sidecar_len > STORE_SIDECAR_MAX)
        r = ERROR_TOO_BIG;
    if (r == 0)
        r = write_sidecar(store, beside, sidecar, sidecar_len);
    if (r == 0)
        r = commit(store, name, beside, fd, sha256);
    if (r && beside)
        store_discard(store, beside);
    store_discard(store, name); /* after a success only its map is left */
    return r;
}

int store_put_sidecar(struct store *store, const char *sha256, const char *sidecar,
                      size_t sidecar_len)
{
    struct blob_names names;
    if (!str_is_sha256(sha256))
        return STORE_MISSING;
    if (sidecar_len > STORE_SIDECAR_MAX)
        return ERROR_TOO_BIG;
    store_names_of(sha256, &names);
    const char *beside = names.sidecar + 3; /* its own name in partials/, until it is whole */
    int r = write_sidecar(store, beside, sidecar, sidecar_len);
    if (r == 0) {
        pthread_mutex_lock(&store->names);
        if (!is_file(store->blobs, names.blob))
            r = STORE_MISSING;
        else if (renameat(store->partials, beside, store->blobs, names.sidecar) < 0)
            r = error_from_errno(errno);
        pthread_mutex_unlock(&store->names);
    }
    if (r)
        (void)unlinkat(store->partials, beside, 0);
    return r ? r : sync_directory_at(store->blobs, names.directory);
}

/* ------------------------------------------------------------------ blobs */

/* O_NOFOLLOW and O_NONBLOCK: a link or a pipe in its place is an error, not a trap. */
int store_open_blob(struct store *store, const char *sha256, int *ret_fd, int64_t *ret_size)
{
    struct blob_names names;
    struct stat st;
    if (!str_is_sha256(sha256))
        return STORE_MISSING;
    store_names_of(sha256, &names);
    int fd = openat(store->blobs, names.blob, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? STORE_MISSING : error_from_errno(errno);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return ERROR_CORRUPT;
    }
    *ret_fd = fd;
    *ret_size = (int64_t)st.st_size;
    return 0;
}

/* The blob first: a sidecar that stays alone is removed by the next scan. */
int store_remove(struct store *store, const char *sha256)
{
    struct blob_names names;
    if (!str_is_sha256(sha256))
        return 0;
    store_names_of(sha256, &names);
    pthread_mutex_lock(&store->names);
    int r = unlink_at(store->blobs, names.blob);
    if (r == 0)
        r = unlink_at(store->blobs, names.sidecar);
    pthread_mutex_unlock(&store->names);
    return r;
}
