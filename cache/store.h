// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blobs on disk. One directory tree, owned by one process:
 *
 *     <dir>/lock                      flock: a second daemon is refused
 *     <dir>/catalogue.sqlite          see cache/catalogue.h
 *     <dir>/blobs/ab/abcd...          a complete blob, named by its SHA-256; only ever unlinked
 *     <dir>/blobs/ab/abcd....json     its sidecar: what the catalogue must know to be rebuilt
 *     <dir>/partials/<name>           a blob being fetched: a sparse file
 *     <dir>/partials/<name>.map       its saved map (cache/map.h): what it can be resumed by
 *     <dir>/quarantine/abcd...        bytes that are not what their name says, for who wants to
 * look
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

enum { STORE_MISSING = 1 };

/* Takes the lock and makes the directories. ERROR_IN_USE when another process or another store of
 * this one has it, ERROR_READ_ONLY or ERROR_DENIED when it cannot be written. Partials of an
 * earlier run that have no map beside them are removed; names of new ones are above those that
 * stay. */
int store_open(const char *dir, struct store **ret);
void store_close(struct store *store); /* fds that were handed out stay good; NULL is legal */

/* A fresh partial, open for reading and writing; the caller closes ret_fd. `ret_name` (free() it)
 * names it for the calls below. */
int store_begin(struct store *store, char **ret_name, int *ret_fd);
/* Reserves disk for bytes [0, size), so that a full disk is known early: ERROR_NO_SPACE, and
 * ERROR_MIN_FREE when less than `keep_free` bytes would stay free. The file's size stays what it
 * is, and writes go on beside it. Where the file system cannot reserve, what is free now is all
 * that is asked. */
int store_reserve(struct store *store, int fd, int64_t size, int64_t keep_free);
/* The commit above. `name` is spent whatever comes of it: after a failure neither partial nor
 * sidecar is left, while `fd` goes on reading. A blob of that digest and size that exists already
 * is kept and the partial removed (its bytes are the same); its sidecar is replaced, so the caller
 * says all it knows of the blob, not only the newest path. `sidecar` is JSON text. ERROR_TOO_BIG.
 */
enum { STORE_SIDECAR_MAX = 1 << 20 };
int store_commit(struct store *store, const char *name, int fd, const char *sha256,
                 const char *sidecar, size_t sidecar_len);
/* Replaces the sidecar of a blob that is there, whole or not at all. STORE_MISSING, ERROR_TOO_BIG.
 * Not beside a store_commit of the same digest. */
int store_put_sidecar(struct store *store, const char *sha256, const char *sidecar,
                      size_t sidecar_len);
/* Gives back what store_reserve took and nobody wrote: the blocks in those spans of a file that is
 * to have `size` bytes. Spans whose bytes are all missing, and no write into them may be under way:
 * its bytes could be lost. Writes elsewhere may go on. The file's size becomes `size`. Does nothing
 * where the file system cannot. */
struct store_span {
    int64_t from, to;
};
int store_unreserve(int fd, int64_t size, const struct store_span *missing, size_t count);

/* The map of a partial: `size` bytes of zeros that the disk has promised (so that a full disk is no
 * SIGBUS for who maps it), open for reading and writing. ERROR_NO_SPACE. */
enum { STORE_MAP_MAX = 64 << 20 };
int store_begin_map(struct store *store, const char *name, int64_t size, int *ret_fd);
/* Brings the names of partials and maps to the disk; once for each, after store_begin_map and
 * before its first seal is relied on. */
int store_sync_names(struct store *store);
/* A partial of an earlier run, and its map: all of it was read once and is on the disk's account.
 * STORE_MISSING (> 0) when either is not there, ERROR_CORRUPT when it can be no map. */
int store_reopen(struct store *store, const char *name, int *ret_fd, int *ret_map_fd);
/* Names of the partials of earlier runs (never of this one) that have a map; for the start. The
 * visitor may call store_reopen, store_unreserve and store_discard. */
int store_each_partial(struct store *store, int (*visit)(void *context, const char *name),
                       void *context);
/* Forgets a partial that is not to be committed, and its map; readers that hold an fd go on. */
void store_discard(struct store *store, const char *name);

/* Opens a complete blob read-only. STORE_MISSING (> 0) when it is not there, ERROR_CORRUPT when
 * something else stands in its place. */
int store_open_blob(struct store *store, const char *sha256, int *ret_fd, int64_t *ret_size);
/* Unlinks blob and sidecar; missing ones are fine, and whoever has it open reads on. */
int store_remove(struct store *store, const char *sha256);

/* The same, but the bytes are kept aside: in quarantine/, which holds at most STORE_QUARANTINE_MOST
 * files, the oldest go first. STORE_MISSING when they were not there, or could not be moved: then
 * they are removed. */
enum { STORE_QUARANTINE_MOST = 8 };
int store_quarantine(struct store *store, const char *sha256);
/* Removes all but the newest `most` in quarantine. */
void store_trim_quarantine(struct store *store, unsigned most);

/* Every complete blob with its size and sidecar text (NULL when unreadable; lives until the visitor
 * returns), for putting the catalogue right. Files that are no blob by name, and sidecars without
 * blob, are removed; directories that are not ours are left alone. Stops at the visitor's first
 * value that is not 0 and returns it. The visitor may call store_remove. */
int store_scan(struct store *store,
               int (*visit)(void *context, const char *sha256, int64_t size,
                            int64_t allocated_bytes, const char *sidecar),
               void *context);

/* Bytes free for us on the file system; does not block for long. -1 when unknown. */
int64_t store_free_bytes(struct store *store);
const char *store_catalogue_path(struct store *store);
