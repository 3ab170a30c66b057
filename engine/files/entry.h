// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The table of files, shared by files.c (any thread: looking up, reading) and downloads.c (flight
 * thread: fetching). An entry says where a file's bytes are: a blob, a board, or neither yet.
 *
 * Safety: the table and the two pointers of an entry change under the write lock, by the flight
 * thread (and, for a fresh entry, by whoever asks first); readers take the read lock, take
 * references and leave. Lock order: files->lock, then a waitlist's lock.
 */
#include <uthash.h>

#include "base/folder.h"
#include "engine/files/eviction.h"
#include "engine/files/file.h"
#include "engine/files/progress.h"
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

/* Bytes of a complete blob, open. */
struct blob {
    _Atomic int refs;
    int fd;
    int64_t size;
    void *map;                   /* the whole file, read-only; NULL when it cannot be mapped */
    _Atomic int64_t resident_ms; /* when it was last seen to be in memory; 0 never */
    struct lane *cleaner;
    struct job close;
    bool is_foreign; /* other people's file, which may change: never mapped, and looked at */
    struct folder_file opened; /* as it was then */
};

struct entry {
    char *key; /* origin NUL path NUL */
    size_t key_len;
    const struct origin *origin;
    const char *path;          /* into key */
    struct blob *blob;         /* open, or NULL */
    struct progress *progress; /* being fetched, or failed a moment ago; or NULL */
    struct download *download; /* flight thread, as are these two: */
    bool is_failed;            /* on the list of failures */
    struct entry *next_failed;
    /* of a complete file: */
    char sha256[SHA256_HEX]; /* "" when we hold no blob */
    int64_t size;
    _Atomic bool authoritative;
    char *etag;
    char *mirrors;
    char *validator; /* ETag or date under which the first of these has sent it; or NULL */
    _Atomic int64_t look_again_s; /* not compared with the mirror before; see renew.h */
    _Atomic int64_t forced_s;     /* when a client had it compared last; 0 never */
    int64_t look_wait_s;          /* so much later after a fetch in vain; 0: as usual */
    bool is_renewal;        /* of no client: what will replace the entry of that path, or not */
    _Atomic int64_t used_s; /* last use, real time */
    _Atomic uint64_t used_after; /* how many uses of files came before, for the order in a second */
    int64_t written_s;           /* last use the catalogue knows; flight thread */
    /* of a file that is not there, but whose fetching can be gone on with; flight thread: */
    char *leftover;                          /* the partial's name, or NULL */
    struct lane *leftover_writer;            /* may have some of it to write yet; or NULL */
    int64_t leftover_bytes, leftover_s;      /* on the disk; since when, real time */
    int64_t leftover_size, leftover_present; /* of the whole file; of it */
    struct entry *next_path;                 /* eviction.c: of the same blob, while it looks */
    UT_hash_handle hh;
};

struct files {
    pthread_rwlock_t lock;
    struct entry *table;
    _Atomic uint64_t last_reader;
    _Atomic uint64_t uses;
    struct download *download; /* flight thread, as are these: */
    struct entry *failed;
    unsigned writer_turn;
    struct engine *engine;
    struct job retry; /* see engine/files/sharing.c */
    bool retry_posted;
    uint64_t asks;              /* so many came */
    struct passthrough *passes; /* of which a source may still bring something */
    int64_t touched_ms;
    int disk_error; /* why nothing is kept, until disk_error_ms */
    int64_t disk_error_ms;
    size_t open_most, open_count; /* blobs that may be, and are, held open by entries */
};

/* Whether all of [from, to) is in memory, or was a moment ago. */
bool blob_is_resident(struct blob *blob, int64_t from, int64_t to);
/* Whether somebody has cut the file, so that it ends before `size`. */
bool blob_is_short(const struct blob *blob, int64_t size);
/* Closes blobs that were not used for longest when too many are open: each is a descriptor and a
 * mapping. Whoever reads one reads on. Flight thread. */
void blobs_close_idle(struct engine *engine);
/* Opens and maps a blob's file; on a disk lane. STORE_MISSING when it is gone. */
int blob_open(struct engine *engine, const char *sha256, struct blob **ret);
/* The same of a file in somebody's folder; takes over the descriptor, also on failure. */
int blob_of_foreign(struct engine *engine, int fd, const struct folder_file *file,
                    struct blob **ret);
/* Whether what is read of it may be other bytes than those of before. Blocks no longer than the
 * file system takes to say when it was written. */
bool blob_has_changed(const struct blob *blob);
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob);

/* ---- downloads.c: on the flight thread */
/* Begins: opens the blob if the entry has one, else looks in the catalogue and starts a flight. */
void downloads_open(struct engine *engine, struct entry *entry, enum file_use use, const char *via,
                    bool refresh);
void downloads_interest(struct engine *engine, struct progress *progress, enum file_use use);
void downloads_reader(struct engine *engine, struct progress *progress, uint64_t reader,
                      enum file_use use, int64_t from, int64_t to);
void downloads_reader_left(struct engine *engine, struct progress *progress, uint64_t reader);
void downloads_tick(struct engine *engine, int64_t now_ms);
void downloads_stop(struct engine *engine);
void downloads_learn_claims(struct engine *engine, struct entry *entry, const char *agreed);
/* What failed a moment ago is tried again when somebody asks, at the next tick. */
void downloads_forget_failures(struct engine *engine);
/* Mirrors contradict the size that a file without room was promised with, and nobody delivered it:
 * the next who asks has them asked again. Nothing happens to a file that is kept or being fetched.
 */
void downloads_forget_size(struct engine *engine, const char *origin, const char *path,
                           int64_t size);
unsigned downloads_count(const struct engine *engine);
void downloads_write_status(struct engine *engine, struct buf *to);

/* The disk failed: for a while nothing new is kept, but passes by. */
void files_note_disk_error(struct engine *engine, int error);
bool files_disk_fails(const struct engine *engine);
/* Whether one more path is about to have these bytes: what is taken from the store now would be
 * taken from it as well. Flight thread. */
bool commit_is_under_way(const struct engine *engine, const char *sha256);
/* Unlinks a blob that no entry names any more, and its row. Any thread. */
void commit_remove_blob(struct engine *engine, const char *sha256);
/* Writes down beside a blob what is known of it, for when the catalogue is lost. Flight thread. */
void commit_sidecar(struct engine *engine, const char *sha256);
/* Forgets what was promised of a file that is not held. Flight thread. */
void commit_forget_promise(struct engine *engine, const char *origin, const char *path);
/* Writes down what an entry says now. Flight thread. */
void commit_authority(struct engine *engine, const struct entry *entry);
/* Under the write lock; NULL when out of memory. And under either: NULL when there is none. */
struct entry *files_add(struct files *files, const struct origin *origin, const char *path);
struct entry *files_find(struct files *files, const char *origin, const char *path);
/* Whether this is the board that newcomers find; one that was cut is not: its flight goes on under
 * another. Any thread. */
bool files_has_progress(struct files *files, const char *path, const struct progress *progress);
/* Takes the entry out of the table and frees it; its board and blob live on while referenced. */
void files_drop(struct engine *engine, struct entry *entry);
/* The same, unless somebody is about to open it: then false, and nothing happens. */
bool files_drop_idle(struct engine *engine, struct entry *entry);
/* The board is what newcomers find from now on; takes over the caller's reference. NULL: none. */
void files_set_progress(struct engine *engine, struct entry *entry, struct progress *progress);
/* Takes over the reference; the board goes. */
void files_set_blob(struct engine *engine, struct entry *entry, struct blob *blob);
/* Forgets what is left over of a file, and the entry unless somebody is about to open it. */
void files_drop_leftover(struct engine *engine, struct entry *entry);
/* The entry holds no blob any more: the next who asks has it fetched. Its file is the caller's to
 * remove. */
void files_forget_blob(struct engine *engine, struct entry *entry);
/* What is held is not what is claimed of it now: nobody gets it any more, and its bytes go into
 * quarantine. `expected`: a SHA-256, or what index/digests.h writes. */
void files_refute(struct engine *engine, struct entry *entry, const char *expected);
/* Whether what is held is what mirrors agree on; writes it down. */
void files_set_authority(struct engine *engine, struct entry *entry, bool authoritative);
/* The entry's board has failed: it answers newcomers for a second, then it is retired. */
void files_note_failure(struct engine *engine, struct entry *entry);
