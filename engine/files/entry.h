// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The table of files. files.c reads it from any thread; downloads.c fills it on the flight thread.
 * An entry says where a file's bytes are: in a blob, in a download with its progress, or nowhere
 * yet.
 *
 * Locks: files->lock guards the table, and the pointers `blob` and `progress` of an entry. The
 * flight thread changes them under the write lock; a worker also adds a fresh entry under it.
 * Readers take the read lock, take references, and unlock. Lock order: files->lock, then the lock
 * of one waitlist.
 */
#include <uthash.h>

#include "base/folder.h"
#include "engine/files/eviction.h"
#include "engine/files/file.h"
#include "engine/files/progress.h"
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

/* The bytes of a complete blob, open. Shared by reference; the cleaner lane closes it. */
struct blob {
    _Atomic int refs;
    int fd;
    int64_t size;
    void *map;                   /* the whole file, read-only; NULL when it cannot be mapped */
    _Atomic int64_t resident_ms; /* when it was last seen to be in memory; 0 never */
    struct lane *cleaner;
    struct job close;
    /* a file of somebody's folder, which may change: never mapped, and checked after each read */
    bool is_foreign;
    struct folder_file opened; /* the state of that file when it was opened */
};

struct entry {
    char *key; /* origin NUL path NUL */
    size_t key_len;
    const struct origin *origin;
    const char *path;          /* into key */
    struct blob *blob;         /* open, or NULL */
    struct progress *progress; /* being fetched, or failed a moment ago; or NULL */
    struct download *download; /* flight thread; as are is_failed and next_failed */
    bool is_failed;            /* on the list of failures */
    struct entry *next_failed;
    /* of a complete file: */
    char sha256[SHA256_HEX]; /* "" when no blob is held */
    int64_t size;
    _Atomic bool authoritative;
    char *etag;
    char *mirrors;
    char *validator; /* ETag or date under which the first of the mirrors sent it; or NULL */
    _Atomic int64_t look_again_s; /* before that, it is not compared with the mirror: renew.h */
    _Atomic int64_t forced_s;     /* when a client last asked for such a comparison; 0 never */
    /* the wait before the next comparison, after a fetch in vain; 0: the usual one */
    int64_t look_wait_s;
    /* no client finds it: renew.c fetches a new version of the file into it */
    bool is_renewal;
    _Atomic int64_t used_s;      /* last use, real time */
    _Atomic uint64_t used_after; /* the number of the last use, for the order within a second */
    int64_t written_s;           /* the last use that the catalogue knows; flight thread */
    /* of a file that is not held, but whose partial can be resumed; flight thread: */
    char *leftover;                     /* the partial's name, or NULL */
    struct lane *leftover_writer;       /* a lane that may still have writes for it; or NULL */
    int64_t leftover_bytes, leftover_s; /* its bytes on the disk; its last use, real time */
    /* the size of the whole file, and how much of it is present */
    int64_t leftover_size, leftover_present;
    /* flight thread; of the blob that it has (engine/files/kept.h): */
    struct kept *kept;       /* NULL: none */
    struct entry *next_path; /* the next path with the same bytes */
    UT_hash_handle hh;
};

struct files;

/* Whether all of [from, to) is in memory, or was a moment ago. */
bool blob_is_resident(struct blob *blob, int64_t from, int64_t to);
/* Whether somebody has cut the file, so that it ends before `size`. */
bool blob_is_short(const struct blob *blob, int64_t size);
/* Closes the blobs with the oldest use when too many are open: each takes a descriptor and a
 * mapping. A client that reads such a blob reads on. Flight thread. */
void blobs_close_idle(struct files *files);
/* Opens and maps a blob's file; on a disk lane. STORE_MISSING: the file is gone. */
int blob_open(struct files *files, const char *sha256, struct blob **ret);
/* Opens a file in somebody's folder. Takes over the descriptor, also on failure. */
int blob_of_foreign(struct files *files, int fd, const struct folder_file *file, struct blob **ret);
/* Whether a read of it may have returned newer bytes than before. It blocks no longer than the file
 * system takes to tell the time of the last write. */
bool blob_has_changed(const struct blob *blob);
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob);

/* ---- downloads.c, on the flight thread */
/* Opens the entry's blob when it has one. Otherwise it reads what the catalogue knows and begins a
 * flight. */
void downloads_open(struct files *files, struct entry *entry, enum file_use use, const char *via,
                    bool refresh);
void downloads_interest(struct progress *progress, enum file_use use);
void downloads_reader(struct progress *progress, uint64_t reader, enum file_use use, int64_t from,
                      int64_t to);
void downloads_reader_left(struct progress *progress, uint64_t reader);
void downloads_tick(struct files *files, int64_t now_ms);
void downloads_stop(struct files *files);
void downloads_learn_claims(struct entry *entry, const char *agreed);
/* Failures of the last second are tried again when a client asks, from the next tick on. */
void downloads_forget_failures(struct files *files);
/* Mirrors contradict the size that was promised for a file without room, and no mirror delivered
 * it. The next client has the mirrors asked again. A file that is kept or being fetched stays as it
 * is. */
void downloads_forget_size(struct files *files, const char *origin, const char *path, int64_t size);
unsigned downloads_count(const struct files *files);
void downloads_write_status(struct files *files, struct buf *to);

/* The disk failed: for a while files are passed through, and nothing new is kept. */
void files_note_disk_error(struct files *files, int error);
bool files_disk_fails(const struct files *files);
/* Whether a download is about to keep these bytes for one more path. Taking the blob away now would
 * also take it from that path. Flight thread. */
bool commit_is_under_way(const struct files *files, const char *sha256);
/* Writes the sidecar of a blob: what is known of it, for the day when the catalogue is lost. Flight
 * thread. */
void commit_sidecar(struct files *files, const char *sha256);
/* Forgets the size and ETag that were promised for a file that is not held. Flight thread. */
void commit_forget_promise(struct files *files, const char *origin, const char *path);
/* Writes the row of an entry as it is now. Flight thread. */
void commit_authority(struct files *files, const struct entry *entry);
/* files_add: under the write lock; NULL when out of memory. files_find: under either lock; NULL
 * when there is no such entry. */
struct entry *files_add(struct files *files, const struct origin *origin, const char *path);
struct entry *files_find(struct files *files, const char *origin, const char *path);
/* The entry of a file, or NULL. Takes the lock itself. Flight thread: no other thread takes
 * entries out, so it stays until the caller is done. */
struct entry *files_look_up(struct files *files, const char *origin, const char *path);
/* Whether clients that come now get this progress. After a cut the download goes on under another.
 * Any thread. */
bool files_has_progress(struct files *files, const char *path, const struct progress *progress);
/* Takes the entry out of the table and frees it. Its progress and blob live on while they are
 * referenced. */
void files_drop(struct files *files, struct entry *entry);
/* Like files_drop, unless a client is about to open the entry: then it returns false and does
 * nothing. */
bool files_drop_idle(struct files *files, struct entry *entry);
/* The entry holds what `file` says: its blob, size, authority, ETag, mirrors and validator. Copies.
 * Under the write lock, unless the entry has no blob yet. */
void files_describe(struct entry *entry, const struct catalogue_file *file);
/* Clients that come from now on get this progress. Takes over the caller's reference. NULL: none.
 */
void files_set_progress(struct files *files, struct entry *entry, struct progress *progress);
/* Takes over the reference; the entry has no progress from now on. */
void files_set_blob(struct files *files, struct entry *entry, struct blob *blob);
/* Forgets the partial that is left of a file. The entry also goes, unless a client is about to open
 * it. */
void files_drop_leftover(struct files *files, struct entry *entry);
/* The entry holds no blob any more: the next client has the file fetched. The caller removes the
 * blob. */
void files_forget_blob(struct files *files, struct entry *entry);
/* The held bytes are not the claimed ones: no client gets them any more, and they go to quarantine.
 * `expected`: a SHA-256, or the form of index/digests.h. */
void files_refute(struct files *files, struct entry *entry, const char *expected);
/* Whether mirrors agree on the digest of what is held. Writes the row. */
void files_set_authority(struct files *files, struct entry *entry, bool authoritative);
/* The entry's progress has failed. It answers clients for a second; then it is retired. */
void files_note_failure(struct files *files, struct entry *entry);
