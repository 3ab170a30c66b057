// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The one way in which this program replaces a file of the user's. The folder may be a stranger's
 * (a project that was cloned), with links, pipes and devices under any name that can be foreseen.
 *
 *     r = place_open("pyproject.toml", &place);         also when there is no such file yet
 *     r = place_read(&place, &old);                     FILE_MISSING (> 0): nothing to read
 *     r = place_copy(&place, ".bak", old.data, old.len, &copy);
 *     r = place_replace(&place, new.data, new.len);
 *     place_close(&place);
 *
 * New bytes go into a new file of an unforeseeable name in the same folder, get mode and owner of
 * the old file, reach the disk, and take its name; then the folder reaches the disk. A link at
 * `path` stays one: it is followed when it leads to a regular file of the owner of the link, and
 * place.path is what is changed then. All of these block; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct place {
    char *path; /* as given, or what the link leads to */
    char *name; /* in its folder */
    int folder;
    bool exists, was_link;
    /* of the file that is there */
    mode_t mode;
    uid_t owner;
    gid_t group;
    dev_t device;
    ino_t inode;
};

/* ERROR_NOT_FILE: something else than a regular file is there. ERROR_DENIED: a link that is not
 * followed, or no right to the folder. A folder that is not there: ERROR_IO. */
int place_open(const char *path, struct place *ret);
void place_close(struct place *place);

/* All of it; ERROR_TOO_BIG when it does not fit the buffer's maximum. FILE_MISSING (base/file.h).
 * ERROR_IO when it is not the same file any more. */
int place_read(const struct place *place, struct buf *to);

/* Writes the data beside the file, with its mode and owner, as the first of NAME.bak, NAME.bak2 ...
 * that nothing has. *ret_path (free() it) says which. ERROR_TOO_BIG: PLACE_COPIES_MAX are there. */
enum { PLACE_COPIES_MAX = 100 };
int place_copy(const struct place *place, const char *suffix, const void *data, size_t len,
               char **ret_path);

/* The copy of that number, from 1; no link is followed. FILE_MISSING: there is none. */
int place_read_copy(const struct place *place, const char *suffix, int number, struct buf *to,
                    char **ret_path);
void place_remove_copy(const struct place *place, const char *suffix, int number);

/* ERROR_IO when the file is not the one that was opened any more. A file that is new is readable
 * for all, less the umask. ERROR_DENIED: its owner cannot be kept. */
int place_replace(struct place *place, const void *data, size_t len);

/* Takes the file away, if it is the one that was opened. */
int place_remove(struct place *place);
