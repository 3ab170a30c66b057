// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blobs on disk. One directory tree, owned by one process:
 *
 *     <dir>/lock                      flock: a second daemon is refused
 *     <dir>/catalogue.sqlite          see cache/catalogue.h
 *     <dir>/blobs/ab/abcd...          a complete blob, named by its SHA-256; never modified, only
 * unlinked <dir>/blobs/ab/abcd....json     its sidecar: what the catalogue must know to be rebuilt
 *     <dir>/partials/<name>           a blob being fetched: a sparse file
 *
 * Every function blocks (disk lanes only) except where said. Handles may be shared by threads.
 *
 * Order of a commit: data written, sidecar written and synced, fdatasync of the data, rename to the
 * digest's name, fsync of the directory; the caller's catalogue transaction comes after.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct store;

/* Takes the lock and makes the directories. ERROR_IN_USE when another process has it,
 * ERROR_READ_ONLY when it cannot be written. Partials of an earlier run are removed. */
int store_open(const char *dir, struct store **ret);
void store_close(struct store *store);

/* A fresh partial, open for reading and writing; the caller closes ret_fd. `ret_name` (free() it)
 * names it for the calls below. */
int store_begin(struct store *store, char **ret_name, int *ret_fd);
/* Reserves disk for bytes [0, size) so that a full disk is known before the first byte (fallocate,
 * file size kept at 0 ... size). */
int store_reserve(struct store *store, int fd, int64_t size);
/* The commit above. A blob of that digest that exists already is kept and the partial removed (its
 * bytes are the same). `sidecar` is JSON text. */
int store_commit(struct store *store, const char *name, int fd, const char *sha256,
                 const char *sidecar, size_t sidecar_len);
void store_discard(struct store *store, const char *name);

/* Opens a complete blob read-only. STORE_MISSING (> 0) when it is not there. */
enum { STORE_MISSING = 1 };
int store_open_blob(struct store *store, const char *sha256, int *ret_fd, int64_t *ret_size);
/* Unlinks blob and sidecar; missing ones are fine. */
int store_remove(struct store *store, const char *sha256);

/* Every complete blob with its size and sidecar text (NULL when unreadable), for putting the
 * catalogue right. Files that are no blob by name, and sidecars without blob, are removed. Stops at
 * the visitor's first error. */
int store_scan(struct store *store,
               int (*visit)(void *context, const char *sha256, int64_t size,
                            int64_t allocated_bytes, const char *sidecar),
               void *context);

/* Bytes free for us on the file system; does not block for long. -1 when unknown. */
int64_t store_free_bytes(struct store *store);
const char *store_catalogue_path(struct store *store);
