// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Files: whole reads and writes, and the order of operations that survives a crash. All functions
 * block; never call them on an HTTP worker, the flight thread or the transfer thread. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* mkdir -p; existing directories are fine. */
int file_make_directory(const char *path, mode_t mode);

/* Whether this user can create files in a directory (an absolute path), which may not exist yet. 0,
 * or the errno that says why not. *ret_at (free() it) is the directory that decides: this one, or
 * its nearest existing parent; NULL when out of memory. */
int file_may_make(const char *directory, char **ret_at);

/* The same as half a sentence for people (free() it): "/run/wheelyard cannot be made in /run, which
 * belongs to root: user joe may not write there". NULL when it is possible, or out of memory. */
char *file_refusal(const char *directory);

/* Transfers all `len` bytes or returns an error; handles EINTR and short counts. */
int file_write_at(int fd, const void *data, size_t len, int64_t offset);
int file_read_at(int fd, void *data, size_t len, int64_t offset); /* ERROR_IO when the file ends */

/* Reads the file to its end. ERROR_TOO_BIG when it exceeds the buffer's maximum. FILE_MISSING (> 0)
 * when it does not exist. ERROR_NOT_FILE for a directory, a pipe or a device, without blocking on
 * it; only /dev/null counts as an empty file. */
enum { FILE_MISSING = 1 };
int file_read_all(const char *path, struct buf *b);
/* The same for a descriptor, from its current position. */
int file_read_to_end(int fd, struct buf *b);

/* Replaces the file `path` by `data`, as base/place.h does. */
int file_replace(const char *path, const void *data, size_t len);
