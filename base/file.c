// SPDX-License-Identifier: Apache-2.0
/*
 * System calls with the loops that they need: read and write may be interrupted or return fewer
 * bytes than asked for. The functions for people (file_refusal, file_may_make) find out why a start
 * would fail before it fails, because errno alone names neither the directory nor the user.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/place.h"
#include "base/str.h"

enum { NAME_BYTES = 256 };

/* Creates each missing parent in turn; another process may create the same one meanwhile. */
int file_make_directory(const char *path, mode_t mode)
{
    if (!*path)
        return ERROR_IO;
    auto_free char *copy = strdup(path);
    if (!copy)
        return ERROR_NO_MEMORY;
    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return error_from_errno(errno);
        if (!slash)
            break;
        *slash = '/';
    }
    /* mkdir also says EEXIST when a file has that name. */
    struct stat st;
    if (stat(path, &st) < 0)
        return error_from_errno(errno);
    return S_ISDIR(st.st_mode) ? 0 : ERROR_IO;
}

/* Walks up to the nearest existing directory: only that one decides whether the rest can be
 * created. */
int file_may_make(const char *directory, char **ret_at)
{
    char *at = str_dup(directory);
    struct stat st;
    char *slash;

    *ret_at = at;
    while (at && stat(at, &st) < 0) {
        slash = strrchr(at, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || !slash || !strcmp(at, "/"))
            return errno;
        slash[slash == at] = '\0';
    }
    if (!at)
        return ENOMEM;
    return !S_ISDIR(st.st_mode) ? ENOTDIR : access(at, W_OK | X_OK) < 0 ? errno : 0;
}

/* A user without an entry in the database is shown by number. */
static void name_user(uid_t uid, char *ret, size_t size)
{
    char room[4096];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(uid, &entry, room, sizeof room, &found) == 0 && found)
        (void)snprintf(ret, size, "%s", found->pw_name);
    else
        (void)snprintf(ret, size, "%ju", (uintmax_t)uid);
}

/* The sentence names the directory that decides and the two users, which errno does not. */
char *file_refusal(const char *directory)
{
    char owner[NAME_BYTES] = "?", user[NAME_BYTES];
    auto_free char *at = NULL;
    struct stat st;
    int error = file_may_make(directory, &at);

    if (!error || !at)
        return NULL;
    bool is_there = strcmp(at, directory) == 0;
    auto_free char *where =
        is_there ? str_dup(at) : str_printf("%s cannot be made in %s", directory, at);
    if (!where || (error != EACCES && error != EPERM))
        return where ? str_printf("%s: %s", where, strerrordesc_np(error)) : NULL;
    if (stat(at, &st) == 0)
        name_user(st.st_uid, owner, sizeof owner);
    name_user(geteuid(), user, sizeof user);
    return str_printf("%s%s belongs to %s: user %s may not write there", where,
                      is_there ? "" : ", which", owner, user);
}

/* A write of 0 bytes without an error would loop for ever, so it is an error. */
int file_write_at(int fd, const void *data, size_t len, int64_t offset)
{
    const char *from = data;
    while (len) {
        ssize_t n = pwrite(fd, from, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? error_from_errno(errno) : ERROR_IO;
        from += n;
        offset += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A file that ends early is an error: callers ask only for bytes that must exist. */
int file_read_at(int fd, void *data, size_t len, int64_t offset)
{
    char *to = data;
    while (len) {
        ssize_t n = pread(fd, to, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERROR_IO;
        to += n;
        offset += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Grows by 64 KiB: a file in /proc has no size to ask for. */
int file_read_to_end(int fd, struct buf *b)
{
    for (;;) {
        size_t room = b->max - b->len;
        /* Reading one byte more than fits tells "too big" from "exactly full". */
        char *to = buf_reserve(b, room < 65536 ? room : 65536);
        char spare;
        if (!to)
            return b->error;
        ssize_t n = read(fd, room ? to : &spare, room ? (room < 65536 ? room : 65536) : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_from_errno(errno);
        if (n == 0)
            return 0;
        if (!room)
            return ERROR_TOO_BIG;
        b->len += (size_t)n;
        b->data[b->len] = '\0';
    }
}

/* /dev/null as a configuration file is a common way to say "none". */
static bool is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* O_NONBLOCK: opening a pipe without a writer would otherwise block for ever. */
int file_read_all(const char *path, struct buf *b)
{
    struct stat st;
    auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT  ? FILE_MISSING
               : errno == ENXIO ? ERROR_NOT_FILE
                                : error_from_errno(errno);
    if (fstat(fd, &st) < 0)
        return error_from_errno(errno);
    if (!S_ISREG(st.st_mode) && !is_null_device(&st))
        return ERROR_NOT_FILE;
    return file_read_to_end(fd, b);
}

int file_replace(const char *path, const void *data, size_t len)
{
    struct place place;
    int r = place_open(path, &place);
    if (r)
        return r;
    r = place_replace(&place, data, len);
    place_close(&place);
    return r;
}
