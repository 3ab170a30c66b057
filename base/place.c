// SPDX-License-Identifier: Apache-2.0
/*
 * A place lives from place_open to place_close and holds the folder open. All later calls name
 * files relative to that descriptor, so nobody can move the folder away under them. The old file is
 * remembered by device and inode. A replacement goes ahead only while the name still leads to it.
 *
 * A crash at any moment leaves the old file or the new one, never a mixture; at worst a file with a
 * random name remains.
 */
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

enum { RANDOM_BYTES = 8, TRIES = 100 };

/* ------------------------------------------------------------------ opening */

/* The target of a link, if it is a regular file of the link's owner. */
static int follow(const char *path, const struct stat *link, char **ret)
{
    struct stat st;
    auto_free char *real = realpath(path, NULL);

    if (!real)
        return errno == ENOMEM ? ERROR_NO_MEMORY : ERROR_DENIED;
    if (stat(real, &st) < 0)
        return error_from_errno(errno);
    if (!S_ISREG(st.st_mode))
        return ERROR_NOT_FILE;
    if (st.st_uid != link->st_uid)
        return ERROR_DENIED;
    *ret = real;
    real = NULL;
    return 0;
}

/* Splits the path; without a slash the folder is the working directory. */
static int open_folder(struct place *place)
{
    const char *slash = strrchr(place->path, '/');
    auto_free char *folder =
        slash ? strndup(place->path, slash == place->path ? 1 : (size_t)(slash - place->path))
              : str_dup(".");

    place->name = str_dup(slash ? slash + 1 : place->path);
    if (!folder || !place->name)
        return ERROR_NO_MEMORY;
    place->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place->folder < 0 ? error_from_errno(errno) : 0;
}

/* Notes the existing file without following links. */
static int look(struct place *place)
{
    struct stat st;

    if (fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_from_errno(errno);
    if (!S_ISREG(st.st_mode))
        return ERROR_NOT_FILE;
    place->exists = true;
    place->mode = st.st_mode & 07777;
    place->owner = st.st_uid;
    place->group = st.st_gid;
    place->device = st.st_dev;
    place->inode = st.st_ino;
    return 0;
}

/* Opens the folder before it looks at the file, so that both belong together. */
int place_open(const char *path, struct place *ret)
{
    struct place place = {.folder = -1};
    struct stat st;
    int r = 0;

    place.was_link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    if (place.was_link)
        r = follow(path, &st, &place.path);
    else
        place.path = str_dup(path);
    if (r == 0)
        r = place.path ? open_folder(&place) : ERROR_NO_MEMORY;
    if (r == 0)
        r = look(&place);
    if (r) {
        place_close(&place);
        return r;
    }
    *ret = place;
    return 0;
}

void place_close(struct place *place)
{
    cleanup_close(&place->folder);
    free(place->path);
    free(place->name);
    *place = (struct place){.folder = -1};
}

/* ------------------------------------------------------------------ reading */

/* Device and inode identify a file, whatever its name is now. */
static bool is_same(const struct place *place, const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_dev == place->device && st->st_ino == place->inode;
}

/* O_NONBLOCK and the check afterwards: the file may have become a pipe meanwhile. */
int place_read(const struct place *place, struct buf *to)
{
    struct stat st;

    if (!place->exists)
        return FILE_MISSING;
    auto_close int fd =
        openat(place->folder, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_from_errno(errno);
    if (fstat(fd, &st) < 0 || !is_same(place, &st))
        return ERROR_IO;
    return file_read_to_end(fd, to);
}

/* ------------------------------------------------------------------ writing */

/* Gives the new file the owner and mode of the old one. The owner first, because a change of owner
 * clears mode bits. */
static int dress(const struct place *place, int fd)
{
    struct stat st;

    if (!place->exists)
        return 0;
    if (fstat(fd, &st) < 0)
        return error_from_errno(errno);
    bool is_owned = st.st_uid == place->owner && st.st_gid == place->group;
    if (!is_owned && fchown(fd, place->owner, place->group) < 0)
        return error_from_errno(errno);
    return fchmod(fd, place->mode) < 0 ? error_from_errno(errno) : 0;
}

/* Creates a new file with the data and syncs it. FILE_EXISTS (> 0): the name is taken. */
enum { FILE_EXISTS = 1 };
/* Mode 0600 first: the old file may have been private. `dress` sets the real mode. */
static int write_new(const struct place *place, const char *name, const void *data, size_t len)
{
    auto_close int fd =
        openat(place->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
               place->exists ? 0600 : 0666);
    if (fd < 0)
        return errno == EEXIST ? FILE_EXISTS : error_from_errno(errno);
    int r = file_write_at(fd, data, len, 0);
    if (r == 0)
        r = dress(place, fd);
    if (r == 0 && fsync(fd) < 0)
        r = error_from_errno(errno);
    if (r)
        (void)unlinkat(place->folder, name, 0);
    return r;
}

/* "pyproject.toml.bak3"; `before` is the name or the whole path. */
static char *copy_name(const char *before, const char *suffix, int number)
{
    return number > 1 ? str_printf("%s%s%d", before, suffix, number)
                      : str_printf("%s%s", before, suffix);
}

int place_copy(const struct place *place, const char *suffix, const void *data, size_t len,
               char **ret_path)
{
    for (int i = 1; i < PLACE_COPIES_MAX; i++) {
        auto_free char *name = copy_name(place->name, suffix, i);
        auto_free char *path = copy_name(place->path, suffix, i);
        if (!name || !path)
            return ERROR_NO_MEMORY;
        int r = write_new(place, name, data, len);
        if (r == FILE_EXISTS)
            continue;
        if (r == 0) {
            *ret_path = path;
            path = NULL;
        }
        return r;
    }
    return ERROR_TOO_BIG;
}

int place_read_copy(const struct place *place, const char *suffix, int number, struct buf *to,
                    char **ret_path)
{
    struct stat st;
    auto_free char *name = copy_name(place->name, suffix, number);
    auto_free char *path = copy_name(place->path, suffix, number);

    if (!name || !path)
        return ERROR_NO_MEMORY;
    auto_close int fd = openat(place->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? FILE_MISSING : error_from_errno(errno);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return ERROR_NOT_FILE;
    int r = file_read_to_end(fd, to);
    if (r == 0) {
        *ret_path = path;
        path = NULL;
    }
    return r;
}

void place_remove_copy(const struct place *place, const char *suffix, int number)
{
    auto_free char *name = copy_name(place->name, suffix, number);

    if (name)
        (void)unlinkat(place->folder, name, 0);
}

/* Writes ".pyproject.toml.9f86d081884c7d65": nobody can prepare a link under a random name. */
static int write_beside(const struct place *place, const void *data, size_t len, char **ret_name)
{
    for (int i = 0; i < TRIES; i++) {
        unsigned char bytes[RANDOM_BYTES];
        char digits[2 * RANDOM_BYTES + 1];

        if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
            return ERROR_IO;
        str_hex(digits, bytes, sizeof bytes);
        auto_free char *name = str_printf(".%.200s.%s", place->name, digits);
        int r = name ? write_new(place, name, data, len) : ERROR_NO_MEMORY;
        if (r == FILE_EXISTS)
            continue;
        if (r == 0) {
            *ret_name = name;
            name = NULL;
        }
        return r;
    }
    return ERROR_IO;
}

/* Whether the name still leads to the file that place_open saw. */
static bool is_unchanged(const struct place *place)
{
    struct stat st;

    if (fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return !place->exists && errno == ENOENT;
    return place->exists && is_same(place, &st);
}

/* The rename is atomic: every reader sees the old file or the new one. */
int place_replace(struct place *place, const void *data, size_t len)
{
    auto_free char *beside = NULL;
    int r = write_beside(place, data, len, &beside);

    if (r)
        return r;
    if (!is_unchanged(place))
        r = ERROR_IO;
    else if (renameat(place->folder, beside, place->folder, place->name) < 0)
        r = error_from_errno(errno);
    if (r) {
        (void)unlinkat(place->folder, beside, 0);
        return r;
    }
    if (fsync(place->folder) < 0)
        return error_from_errno(errno);
    place->exists = false;
    return look(place);
}

/* Only for a file that setup itself has created. */
int place_remove(struct place *place)
{
    if (!place->exists || !is_unchanged(place))
        return ERROR_IO;
    if (unlinkat(place->folder, place->name, 0) < 0 || fsync(place->folder) < 0)
        return error_from_errno(errno);
    place->exists = false;
    return 0;
}
