// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A folder of other people's files: walking it, and opening files in it. Links are followed when
 * they lead to something inside the folder. The file that is opened is the file that was checked,
 * even when someone renames files meanwhile. Reads /proc/self/fd, which tells where a descriptor
 * leads.
 *
 * All functions block; any thread. Names are bytes of unknown coding.
 */
#include <stdbool.h>
#include <stdint.h>

/* A regular file as it was at one moment. Times in nanoseconds since 1970. */
struct folder_file {
    int64_t size, modified_ns, changed_ns;
    uint64_t inode, device;
    bool is_unlinked; /* its last name was removed */
};

/* The facts of an open descriptor. ERROR_IO when it is not a regular file. */
int folder_stat(int fd, struct folder_file *ret);

/* Whether both have the same bytes, as far as the file system tells: inode, size and time of the
 * last write. */
bool folder_is_same(const struct folder_file *a, const struct folder_file *b);

/* Whether an open file may have been written since `then`. Also true when its mode or name changed;
 * false when it was only removed or replaced under its name. */
bool folder_was_touched(int fd, const struct folder_file *then);

struct folder_visitor {
    /* Whether files of this name are wanted; others are skipped. */
    bool (*wants)(void *context, const char *name);
    /* A regular file; `path` is relative to the folder and lives until this returns. */
    void (*visit)(void *context, const char *path, const struct folder_file *file);
    /* A wanted file or a folder that cannot be read; `what` is for people. */
    void (*trouble)(void *context, const char *path, const char *what);
};

/* Visits all files below `root`, in no particular order. Names that begin with a dot are skipped. A
 * folder that contains itself through a link is not entered again. FOLDER_MISSING (> 0): the folder
 * does not exist or cannot be entered; ret_why says why, for people. ERROR_TOO_BIG: more than
 * FOLDER_FILES_MOST wanted files or FOLDER_FOLDERS_MOST folders. */
enum { FOLDER_MISSING = 1 };
enum { FOLDER_FILES_MOST = 200000, FOLDER_FOLDERS_MOST = 50000, FOLDER_DEPTH_MOST = 24 };
int folder_walk(const char *root, const struct folder_visitor *visitor, void *context,
                const char **ret_why);

/* Why this user cannot walk the folder, for people; NULL: nothing prevents it. */
const char *folder_refuses(const char *root);

/* Opens a file below `root` for reading. FOLDER_MISSING: it does not exist or lies outside.
 * ERROR_DENIED: no right to read it. ERROR_IO: not a regular file. */
int folder_open(const char *root, const char *path, int *ret_fd, struct folder_file *ret);
