// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of engine/folders/directory.h, for its four files. */
#include <uthash.h>

#include "base/digest.h"
#include "base/folder.h"
#include "engine/files/document.h"
#include "engine/files/entry.h"
#include "engine/folders/directory.h"
#include "index/name.h"

enum record_task {
    TASK_NONE,
    TASK_SETTLE, /* it was written a moment ago */
    TASK_CHECK,  /* its end and METADATA have to be read */
    TASK_HASH,
};

/* What is opened of a file for requests: its bytes, or its METADATA. */
enum part { PART_BYTES, PART_METADATA };
enum { PARTS = 2 };

/*
 * A file of the folder. The thread alone adds, changes and drops records, under the lock, so it
 * reads them without the lock. Members that others write stand at the end.
 */
struct record {
    char *path;       /* the key; */
    const char *name; /* its last segment */
    struct file_name parsed;
    int64_t id; /* never given twice; the `want` of its waiters */
    struct folder_file file;
    enum record_task task;
    bool is_listed;
    bool is_kept; /* the catalogue has a row of it */
    unsigned round;
    int64_t seen_ms, checked_ms;
    char sha256[SHA256_HEX];          /* "": unknown */
    char metadata_sha256[SHA256_HEX]; /* "": it has none */
    char *requires_python;
    char *problem; /* why it is not listed, or what is wrong although it is listed; or NULL */
    struct record *prev, *next; /* among those with the same task */
    UT_hash_handle hh;
    /* also written by others: */
    char etag[SHA256_HEX + 16]; /* "" until the first answer */
    bool opening[PARTS];
    _Atomic int failed; /* the error of the last opening; until the next walk */
    struct blob *blob;
    struct document *text;
    int64_t used_ms;
};

/* What the catalogue remembers of a file; until the first walk that finds the folder. */
struct known_file {
    char *path;
    struct folder_file file; /* size, time and inode */
    char sha256[SHA256_HEX], metadata_sha256[SHA256_HEX];
    char etag[SHA256_HEX + 16];
    char *requires_python, *problem;
    UT_hash_handle hh;
};

struct hashing {
    struct sha256 *state; /* NULL: nothing is being hashed */
    int64_t id;           /* of the record */
    int fd;
    int64_t offset;
    struct folder_file file;
};

struct directory {
    struct folders *folders;
    struct directory *next; /* in the list of folders, which only grows */
    char *origin, *root;
    _Atomic bool in_force;
    _Atomic bool asked;    /* to be walked at once */
    struct waitlist files; /* its lock guards the table and the members after it */
    struct record *table;
    bool is_read;      /* every file that was there at the start was read once */
    char failure[512]; /* why the folder cannot be read; or "" */
    int64_t waited_ms; /* since when a request waits for the first reading; 0: none does */
    unsigned open_count;
    size_t text_bytes;
    struct job recall;      /* runs once, on the catalogue lane */
    _Atomic bool has_known; /* the catalogue has answered */
    struct known_file *known;
    /* the thread's own: */
    struct record *settling, *checking, *unhashed; /* by task */
    int64_t last_id;
    unsigned round;
    int64_t scan_ms;  /* when the next walk is due */
    int64_t now_ms;   /* when this walk began */
    bool found_any;   /* the walk has found a file */
    bool is_dirty;    /* pages may say something else */
    int64_t dirty_ms; /* since when */
    struct hashing hashing;
    char **gone; /* paths whose rows are to be dropped */
    size_t gone_count;
    /* the flight thread's own: */
    bool is_settled; /* there was a first listing or failure */
    struct listing_ref *listing;
    uint64_t version;
    char shown_failure[512];
};

struct folders {
    struct services *s;
    struct files *files;
    _Atomic(struct directory *) list;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* only for the thread's sleep */
    pthread_cond_t work;
    bool kicked, stopping;
};

/* ---- directory.c */
/* under the lock, or on the thread */
struct record *directory_find(struct directory *d, const char *path);
/* Closes what is open of the record. Under the lock. */
void record_close(struct directory *d, struct record *r);
/* Closes what nobody has used for a while, of all records. Under the lock, on the thread. */
void directory_close_idle(struct directory *d, int64_t now_ms);
/* Has the thread attend to the folders without waiting. Any thread. */
void folders_kick(struct folders *folders);
/* Resumes waiters for the first reading. */
void directory_wake_first(struct directory *d);
/* Tells the flight thread what the folder lists now (takes over the reference), or why it lists
 * nothing. */
void directory_tell(struct directory *d, struct listing_ref *listing, const char *failure);

/* ---- directory_watch.c */
int folders_start_thread(struct folders *folders);

/* ---- directory_record.c; the thread */
struct record *record_add(struct directory *d, const char *path, const struct folder_file *file);
void record_drop(struct directory *d, struct record *r);
/* A walk has seen a file. */
void record_seen(struct directory *d, const char *path, const struct folder_file *file);
/* A walk has seen a file that it cannot read. */
void record_trouble(struct directory *d, const char *path, const char *what);
void record_set_task(struct directory *d, struct record *r, enum record_task task);
/* Reads the end of a file and its METADATA; lists or refuses the file. */
void record_check(struct directory *d, struct record *r);
/* Hashes a few megabytes of the file whose turn it is. */
void record_hash_step(struct directory *d);
void hashing_end(struct hashing *h);
/* The METADATA of an open wheel. WHEEL_BARE: the archive is complete, but has none that can be
 * read. ERROR_CORRUPT: the archive is not complete. In both cases *ret_why tells people. Other
 * errors. Any thread. */
enum { WHEEL_BARE = 1 };
int record_read_metadata(int fd, int64_t size, const char *name, struct document **ret,
                         const char **ret_why);
/* All listed files, in the order of their paths. NULL when out of memory. */
struct listing_ref *directory_listing(struct directory *d);

/* ---- directory_keep.c */
/* Asks the catalogue for its rows; then sets has_known and kicks the thread. */
void directory_recall(struct directory *d);
void directory_free_known(struct directory *d);
struct known_file *directory_known(struct directory *d, const char *path);
/* Stores what was found out since the last call. */
void directory_keep(struct directory *d);
