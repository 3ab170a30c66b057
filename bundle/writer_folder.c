// SPDX-License-Identifier: Apache-2.0
/*
 * The folder that a bundle is written to. It is marked by a file from the first byte to the last:
 *
 *     empty or no bundle of ours -> marked, locked -> parts (.tmp, then named) -> manifest -> not
 * marked
 *
 * The mark holds the name of the bundle. A folder that is marked and not locked was left by a run
 * that did not end; what has that name in it is taken away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "bundle/writer_private.h"

static const char marker_name[] = ".wheelyard-unfinished";
static const char temporary[] = ".tmp";

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* Whether a file of the folder is one that a run for this bundle writes, whole or not. */
static bool is_part_of(const char *file, const char *name)
{
    size_t len = strlen(name), digits;
    if (strncmp(file, name, len) != 0 || !str_starts(file + len, ".part"))
        return false;
    file += len + strlen(".part");
    digits = strspn(file, "0123456789");
    return digits >= 3 && str_starts(file + digits, ".tar") &&
           (!file[digits + 4] || strcmp(file + digits + 4, temporary) == 0);
}

static bool is_manifest(const char *file)
{
    size_t len = strlen(layout_manifest_name), signature = strlen(layout_signature_name);
    if (strncmp(file, layout_signature_name, signature) == 0)
        file += signature;
    else if (strncmp(file, layout_manifest_name, len) == 0)
        file += len;
    else
        return false;
    return !*file || strcmp(file, temporary) == 0;
}

/* Calls for each file of the bundle; stops when it says true, and gives that. */
static bool look_for(struct writer *w, const char *name,
                     bool (*found)(struct writer *, const char *))
{
    int fd = openat(w->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    __attribute__((cleanup(close_dir))) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        (void)close(fd);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if ((is_part_of(entry->d_name, name) || is_manifest(entry->d_name)) &&
            found(w, entry->d_name))
            return true;
    return false;
}

static bool remove_one(struct writer *w, const char *file)
{
    (void)unlinkat(w->folder, file, 0);
    return false;
}

static bool is_there(struct writer *w, const char *file)
{
    (void)w;
    (void)file;
    return true;
}

void writer_folder_clear(struct writer *w, const char *name)
{
    (void)look_for(w, name, remove_one);
}

/* ------------------------------------------------------------------ the mark */

int writer_folder_sync(struct writer *w)
{
    return fsync(w->folder) < 0 ? error_from_errno(errno) : 0;
}

/* What an earlier run has left. */
static int clear_leftovers(struct writer *w)
{
    char name[MANIFEST_NAME_MAX + 1] = "";
    ssize_t n = pread(w->marker, name, sizeof(name) - 1, 0);
    if (n < 0)
        return error_from_errno(errno);
    name[n] = '\0';
    if (manifest_name_is_valid(name))
        writer_folder_clear(w, name);
    return 0;
}

static int lock_marker(struct writer *w)
{
    if (flock(w->marker, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return writer_fail(w, ERROR_IN_USE, "another run is writing to %s", w->options->folder);
}

static int open_marker(struct writer *w)
{
    static const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;
    const char *name = w->options->name, *folder = w->options->folder;
    w->marker = openat(w->folder, marker_name, flags);
    bool is_left = w->marker >= 0;
    if (!is_left && look_for(w, name, is_there))
        return writer_fail(w, ERROR_IN_USE, "%s has a bundle already: name another folder", folder);
    if (!is_left)
        w->marker = openat(w->folder, marker_name, flags | O_CREAT | O_EXCL, 0644);
    if (w->marker < 0)
        return writer_fail(w, error_from_errno(errno), "%s: %s", folder, strerror(errno));
    int r = lock_marker(w);
    if (r == 0 && is_left)
        r = clear_leftovers(w);
    if (r == 0 && ftruncate(w->marker, 0) < 0)
        r = error_from_errno(errno);
    if (r == 0)
        r = file_write_at(w->marker, name, strlen(name), 0);
    if (r == 0 && fdatasync(w->marker) < 0)
        r = error_from_errno(errno);
    return r ? r : writer_folder_sync(w);
}

int writer_folder_open(struct writer *w)
{
    const char *folder = w->options->folder;
    int r = file_make_directory(folder, 0755);
    w->folder = r ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->folder < 0)
        return writer_fail(w, r ? r : error_from_errno(errno),
                           "%s: no folder, and none can be made", folder);
    return open_marker(w);
}

int writer_folder_finish(struct writer *w)
{
    int r = writer_folder_sync(w);
    if (r == 0 && unlinkat(w->folder, marker_name, 0) < 0)
        r = error_from_errno(errno);
    return r;
}

/* --------------------------------------------------------------------- files */

int writer_folder_create(struct writer *w, const char *name, int *ret_fd)
{
    auto_free char *path = str_printf("%s%s", name, temporary);
    if (!path)
        return ERROR_NO_MEMORY;
    (void)unlinkat(w->folder, path, 0);
    int fd = openat(w->folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return writer_fail(w, error_from_errno(errno), "%s: %s", path, strerror(errno));
    *ret_fd = fd;
    return 0;
}

int writer_folder_keep(struct writer *w, const char *name, int fd)
{
    auto_free char *path = str_printf("%s%s", name, temporary);
    int r = path ? 0 : ERROR_NO_MEMORY;
    if (fdatasync(fd) < 0)
        r = error_from_errno(errno);
    if (close(fd) < 0 && r == 0)
        r = error_from_errno(errno);
    if (r == 0 && renameat(w->folder, path, w->folder, name) < 0)
        r = error_from_errno(errno);
    return r ? writer_fail(w, r, "%s: %s", name, error_text(r)) : 0;
}
