// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The only way in which this program replaces a file of a user. The folder may belong to a stranger
 * (a cloned project) and contain links, pipes and devices under any predictable name.
 *
 *     r = place_open("pyproject.toml", &place);         also when no such file exists yet
 *     r = place_read(&place, &old);                     FILE_MISSING (> 0): nothing to read
 *     r = place_copy(&place, ".bak", old.data, old.len, &copy);
 *     r = place_replace(&place, new.data, new.len);
 *     place_close(&place);
 *
 * New bytes go into a new file with a random name in the same folder. It gets the mode and owner of
 * the old file, reaches the disk, and is renamed; then the folder reaches the disk. A link at
 * `path` stays a link: it is followed when it leads to a regular file of the link's owner.
 * place.path is then the file that changes. All functions block; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct place {
    char *path; /* as given, or the target of the link */
    char *name; /* in its folder */
    int folder;
    bool exists, was_link;
    /* of the existing file */
    mode_t mode;
    uid_t owner;
    gid_t group;
    dev_t device;
    ino_t inode;
};

/* ERROR_NOT_FILE: the path is not a regular file. ERROR_DENIED: a link that is not followed, or no
 * right to the folder. ERROR_IO: the folder does not exist. */
int place_open(const char *path, struct place *ret);
void place_close(struct place *place);

/* Reads the whole file. ERROR_TOO_BIG when it exceeds the buffer's maximum. FILE_MISSING
 * (base/file.h). ERROR_IO when another file has taken its name. */
int place_read(const struct place *place, struct buf *to);

/* Writes the data next to the file, with its mode and owner, under the first free name of NAME.bak,
 * NAME.bak2 ... *ret_path (free() it) is that name. ERROR_TOO_BIG: PLACE_COPIES_MAX exist. */
enum { PLACE_COPIES_MAX = 100 };
int place_copy(const struct place *place, const char *suffix, const void *data, size_t len,
               char **ret_path);

/* Reads the copy with this number, from 1; follows no link. FILE_MISSING: it does not exist. */
int place_read_copy(const struct place *place, const char *suffix, int number, struct buf *to,
                    char **ret_path);
void place_remove_copy(const struct place *place, const char *suffix, int number);

/* ERROR_IO when another file has taken the name since place_open. A new file is readable for all,
 * less the umask. ERROR_DENIED: the owner cannot be kept. */
int place_replace(struct place *place, const void *data, size_t len);

/* Removes the file, if it is still the one that was opened. */
int place_remove(struct place *place);
