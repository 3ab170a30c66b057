// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A folder of other people's files: walking it, and opening a file in it. Links are followed as
 * long as they lead to something inside; what is opened is what was looked at, whoever moves names
 * about meanwhile. Reads /proc/self/fd, which tells where a descriptor has led.
 *
 * All of these block; any thread. Names are bytes: nothing is said of their coding.
 */
#include <stdbool.h>
#include <stdint.h>

/* A regular file as it was at one moment. Times in nanoseconds since 1970. */
struct folder_file {
    int64_t size, modified_ns, changed_ns;
    uint64_t inode, device;
    bool is_unlinked; /* it has no name any more */
};

/* Of a descriptor. ERROR_IO when it is no regular file. */
int folder_stat(int fd, struct folder_file *ret);

/* The same bytes, as far as the file system tells: inode, size and time of the last write. */
bool folder_is_same(const struct folder_file *a, const struct folder_file *b);

/* Whether an open file may have been written since it was `then`. Also true when its rights or its
 * name have changed; not when it was only removed or replaced by another under its name. */
bool folder_was_touched(int fd, const struct folder_file *then);

struct folder_visitor {
    /* Whether a file of this name is of interest; of others nothing more is asked. */
    bool (*wants)(void *context, const char *name);
    /* A regular file; `path` is relative to the folder and lives until this returns. */
    void (*visit)(void *context, const char *path, const struct folder_file *file);
    /* Something that is of interest, or a folder, and cannot be had; `what` for people. */
    void (*trouble)(void *context, const char *path, const char *what);
};

/*
 * Visits all files below `root`, in no order. Names that begin with a dot are left alone. A folder
 * that is met again on the way down is not entered. FOLDER_MISSING (> 0): there is none, or it
 * cannot be entered; ret_why says for people. ERROR_TOO_BIG: more than FOLDER_FILES_MOST files of
 * interest, FOLDER_FOLDERS_MOST folders.
 */
enum { FOLDER_MISSING = 1 };
enum { FOLDER_FILES_MOST = 200000, FOLDER_FOLDERS_MOST = 50000, FOLDER_DEPTH_MOST = 24 };
int folder_walk(const char *root, const struct folder_visitor *visitor, void *context,
                const char **ret_why);

/* Why this user cannot walk the folder, for people; NULL when he can. */
const char *folder_refuses(const char *root);

/* Opens a file below `root` for reading. FOLDER_MISSING: it is not there, or lies outside.
 * ERROR_DENIED: no right to read it. ERROR_IO: no regular file. */
int folder_open(const char *root, const char *path, int *ret_fd, struct folder_file *ret);
