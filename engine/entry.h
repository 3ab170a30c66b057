// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The table of files, shared by files.c (any thread: looking up, reading) and flights.c (flight
 * thread: fetching). An entry says where a file's bytes are: a blob, a board, or neither yet.
 *
 * Safety: the table and the two pointers of an entry change under the write lock, by the flight
 * thread (and, for a fresh entry, by whoever asks first); readers take the read lock, take
 * references and leave. Lock order: files->lock, then a waitlist's lock.
 */
#include <uthash.h>

#include "engine/board.h"
#include "engine/core.h"

/* Bytes of a complete blob, open. */
struct blob {
    _Atomic int refs;
    int fd;
    int64_t size;
    void *map;                   /* the whole file, read-only; NULL when it cannot be mapped */
    _Atomic int64_t resident_ms; /* when it was last seen to be in memory; 0 never */
    struct lane *cleaner;
    struct job close;
};

struct entry {
    char *key; /* origin NUL path NUL */
    size_t key_len;
    const struct origin *origin;
    const char *path;      /* into key */
    struct blob *blob;     /* open, or NULL */
    struct board *board;   /* being fetched, or failed a moment ago; or NULL */
    struct flying *flying; /* flight thread, as are these two: */
    bool is_failed;        /* on the list of failures */
    struct entry *next_failed;
    /* of a complete file: */
    char sha256[SHA256_HEX]; /* "" when we hold no blob */
    int64_t size;
    _Atomic bool authoritative;
    char *etag;
    char *mirrors;
    _Atomic int64_t used_s; /* last use, real time */
    int64_t written_s;      /* last use the catalogue knows; flight thread */
    UT_hash_handle hh;
};

struct files {
    pthread_rwlock_t lock;
    struct entry *table;
    _Atomic uint64_t last_reader;
    struct flying *flying; /* flight thread, as are these: */
    struct entry *failed;
    int64_t touched_ms;
};

/* Whether all of [from, to) is in memory, or was a moment ago. */
bool blob_is_resident(struct blob *blob, int64_t from, int64_t to);
/* Opens and maps a blob's file; on a disk lane. STORE_MISSING when it is gone. */
int blob_open(struct engine *engine, const char *sha256, struct blob **ret);
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob);

/* ---- flights.c: on the flight thread */
/* Begins: opens the blob if the entry has one, else looks in the catalogue and starts a flight. */
void flights_open(struct engine *engine, struct entry *entry, enum file_use use, const char *via);
void flights_interest(struct engine *engine, struct board *board, enum file_use use);
void flights_reader(struct engine *engine, struct board *board, uint64_t reader, enum file_use use,
                    int64_t from, int64_t to);
void flights_reader_left(struct engine *engine, struct board *board, uint64_t reader);
void flights_tick(struct engine *engine, int64_t now_ms);
void flights_stop(struct engine *engine);
void flights_learn_digest(struct engine *engine, struct entry *entry, const char *sha256);
unsigned flights_count(const struct engine *engine);
void flights_write_status(struct engine *engine, struct buf *to);

/* Bytes and number of the complete files. */
int64_t files_bytes(struct engine *engine, unsigned *ret_blobs);
/* Takes the entry out of the table and frees it; its board and blob live on while referenced. */
void files_drop(struct engine *engine, struct entry *entry);
/* The board is what newcomers find from now on; takes over the caller's reference. NULL: none. */
void files_set_board(struct engine *engine, struct entry *entry, struct board *board);
/* Takes over the reference; the board goes. */
void files_set_blob(struct engine *engine, struct entry *entry, struct blob *blob);
/* The entry's board has failed: it answers newcomers for a second, then it is retired. */
void files_note_failure(struct engine *engine, struct entry *entry);
