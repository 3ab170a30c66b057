// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Files: whole reads and writes, and the order of operations that survives a crash. All of these
 * block; never call them on an HTTP worker, the flight thread or the transfer thread.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* mkdir -p; existing directories are fine. */
int file_make_directory(const char *path, mode_t mode);

/* Whether this user can put files into the directory, an absolute path, which is made first where
 * it is not there: 0, or the errno that says why not. *ret_at (free() it) is the directory that it
 * is up to: this one, or the next one above it that is there; NULL when out of memory. */
int file_may_make(const char *directory, char **ret_at);

/* The same as half a sentence for people (free() it): "/run/wheelyard cannot be made in /run, which
 * belongs to root: user joe may not write there". NULL when nothing is against it, or no memory. */
char *file_refusal(const char *directory);

/* All `len` bytes or an error; EINTR and short counts are handled. */
int file_write_at(int fd, const void *data, size_t len, int64_t offset);
int file_read_at(int fd, void *data, size_t len, int64_t offset); /* ERROR_IO when the file ends */

/* Reads the file to its end; ERROR_TOO_BIG when it does not fit the buffer's maximum.
 * Returns FILE_MISSING (> 0) when there is no such file. ERROR_NOT_FILE for a directory, a pipe or
 * a device, without waiting for anybody there; /dev/null alone is an empty file. */
enum { FILE_MISSING = 1 };
int file_read_all(const char *path, struct buf *b);
/* The same of a descriptor, from where it stands. */
int file_read_to_end(int fd, struct buf *b);

/* Replaces `path` by `data`, as base/place.h does. */
int file_replace(const char *path, const void *data, size_t len);

int file_sync_directory(const char *path);
