// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blobs on disk. One directory tree, owned by one process:
 *
 *     <dir>/lock                      flock: a second daemon is refused
 *     <dir>/catalogue.sqlite          see cache/catalogue.h
 *     <dir>/blobs/ab/abcd...          a complete blob, named by its SHA-256; only ever unlinked
 *     <dir>/blobs/ab/abcd....json     its sidecar: what the catalogue needs to be rebuilt
 *     <dir>/partials/<name>           a blob that is being fetched: a sparse file
 *     <dir>/partials/<name>.map       its saved map (cache/map.h), by which it is resumed
 *     <dir>/quarantine/abcd...        bytes that do not match their name, for a person to look at
 *
 * Every function blocks (disk lanes only) unless it says otherwise. Threads may share handles.
 *
 * The order of a commit: data written, sidecar written and synced, fdatasync of the data, rename to
 * the digest's name, fsync of the directory. The caller's catalogue transaction comes afterwards.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct store;

enum { STORE_MISSING = 1 };

/* Takes the lock and creates the directories. ERROR_IN_USE when another process, or another store
 * of this process, has the lock. ERROR_READ_ONLY or ERROR_DENIED when it cannot be written.
 * Partials of an earlier run without a map are removed; new names are higher than those that stay.
 */
int store_open(const char *dir, struct store **ret);
void store_close(
    struct store *store); /* descriptors that were handed out stay valid; NULL is legal */

/* A new partial, open for reading and writing; the caller closes ret_fd. `ret_name` (free() it)
 * names it in the calls below. */
int store_begin(struct store *store, char **ret_name, int *ret_fd);
/* Reserves disk space for bytes [0, size), so that a full disk shows early: ERROR_NO_SPACE, or
 * ERROR_MIN_FREE when less than `keep_free` bytes would stay free. The file's size stays the same,
 * and writes continue meanwhile. On a file system that cannot reserve, only the free space is
 * checked. */
int store_reserve(struct store *store, int fd, int64_t size, int64_t keep_free);
/* The commit above. `name` is used up in any case: after a failure neither partial nor sidecar is
 * left, and `fd` can still be read. An existing blob of that digest and size is kept and the
 * partial removed, because the bytes are the same. The sidecar is replaced, so the caller must
 * write all it knows about the blob, not only the newest path. `sidecar` is JSON text.
 * ERROR_TOO_BIG. */
enum { STORE_SIDECAR_MAX = 1 << 20 };
int store_commit(struct store *store, const char *name, int fd, const char *sha256,
                 const char *sidecar, size_t sidecar_len);
/* Replaces the sidecar of an existing blob, as a whole or not at all. STORE_MISSING, ERROR_TOO_BIG.
 * Not during a store_commit of the same digest. */
int store_put_sidecar(struct store *store, const char *sha256, const char *sidecar,
                      size_t sidecar_len);
/* Gives back reserved space that was not written: the blocks in these spans of a file that will
 * have `size` bytes. All bytes of the spans must be missing, and no write into them may be under
 * way, because its bytes could be lost. Writes elsewhere may continue. The file's size becomes
 * `size`. Does nothing on a file system that cannot. */
struct store_span {
    int64_t from, to;
};
int store_unreserve(int fd, int64_t size, const struct store_span *missing, size_t count);

/* Creates the map of a partial: `size` bytes of zeros with disk space behind them (so that a full
 * disk raises no SIGBUS in a mapping), open for reading and writing. ERROR_NO_SPACE. */
enum { STORE_MAP_MAX = 64 << 20 };
int store_begin_map(struct store *store, const char *name, int64_t size, int *ret_fd);
/* Syncs the names of partials and maps to the disk; once for each, after store_begin_map and before
 * its first seal counts. */
int store_sync_names(struct store *store);
/* Opens a partial of an earlier run and its map, after it has read the whole map once.
 * STORE_MISSING (> 0) when either is missing, ERROR_CORRUPT when it cannot be a map. */
int store_reopen(struct store *store, const char *name, int *ret_fd, int *ret_map_fd);
/* Visits the names of earlier runs' partials (never of this run) that have a map; for the start.
 * The visitor may call store_reopen, store_unreserve and store_discard. */
int store_each_partial(struct store *store, int (*visit)(void *context, const char *name),
                       void *context);
/* Removes a partial that will not be committed, and its map. Open descriptors stay readable. */
void store_discard(struct store *store, const char *name);

/* Opens a complete blob read-only. STORE_MISSING (> 0) when it does not exist, ERROR_CORRUPT when
 * it is not a regular file. */
int store_open_blob(struct store *store, const char *sha256, int *ret_fd, int64_t *ret_size);
/* Unlinks blob and sidecar; missing ones are no error. Open descriptors stay readable. */
int store_remove(struct store *store, const char *sha256);

/* The same, but the bytes move to quarantine/, which holds at most STORE_QUARANTINE_MOST files; the
 * oldest go first. STORE_MISSING when the blob did not exist, or could not be moved and was
 * removed. */
enum { STORE_QUARANTINE_MOST = 8 };
int store_quarantine(struct store *store, const char *sha256);
/* Removes all files in quarantine except the newest `most`. */
void store_trim_quarantine(struct store *store, unsigned most);

/* Visits every complete blob with its size and sidecar text (NULL when unreadable; valid until the
 * visitor returns), to repair the catalogue. Files whose name is not a blob's, and sidecars without
 * a blob, are removed; foreign directories stay. Stops at the visitor's first value that is not 0
 * and returns it. The visitor may call store_remove. */
int store_scan(struct store *store,
               int (*visit)(void *context, const char *sha256, int64_t size,
                            int64_t allocated_bytes, const char *sidecar),
               void *context);

/* The free bytes of the file system for this user; -1 when unknown. Does not block for long. */
int64_t store_free_bytes(struct store *store);
const char *store_catalogue_path(struct store *store);
