// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The catalogue: the SQLite database of what is known and kept. One connection, which also does
 * every checkpoint (two would meet SQLite's WAL-reset bug); all calls block and belong to one
 * thread, the catalogue thread. Keys are opaque: origin and path, scope and name.
 *
 * SQLite >= 3.40, WAL, synchronous=NORMAL, STRICT tables, migrations by user_version in one
 * transaction; a newer user_version, and another program's database, are refused (ERROR_CONFIG).
 * The file is locked as long as it is open (ERROR_IN_USE): look inside with sqlite3 when the daemon
 * is stopped. A file that is corrupt or no database is moved aside (`.corrupt-<time>`) and a fresh
 * one begun: CATALOGUE_RESET says so. The caller then refills blobs from the sidecars. Disk full
 * gives ERROR_NO_SPACE and changes nothing; reads go on working.
 *
 * Visitors get strings that live until they return, and stop the visit by returning something else
 * than 0, which the call then returns. They may change rows, but not start the same kind of visit
 * again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalogue;

enum { CATALOGUE_RESET = 1, CATALOGUE_MISSING = 2 };

int catalogue_open(const char *path, struct catalogue **ret); /* 0 or CATALOGUE_RESET; both open */
void catalogue_close(struct catalogue *catalogue);            /* checkpoints; NULL is legal */

/* Several changes as one: begin, changes, commit. Without it each change is its own transaction.
 * After a change that failed, the ones behind it and the commit fail as well, and nothing is kept.
 * A commit that fails has rolled back. */
int catalogue_begin(struct catalogue *catalogue);
int catalogue_commit(struct catalogue *catalogue);
void catalogue_rollback(struct catalogue *catalogue);

/* ---- files: one row per origin + path that was ever answered for ---- */
struct catalogue_file {
    const char *origin, *path;
    int64_t size;          /* -1 unknown */
    const char *etag;      /* ours, chosen at the first answer, with quotes; NULL before it */
    const char *blob;      /* SHA-256 of the complete blob we hold, or NULL */
    bool authoritative;    /* an authority names that digest */
    const char *mirrors;   /* names, comma-separated, of who sent the bytes; or NULL */
    const char *validator; /* the first mirror's ETag or Last-Modified; or NULL */
    int64_t last_used_s;
};
/* The whole row is replaced. */
int catalogue_put_file(struct catalogue *catalogue, const struct catalogue_file *file);
/* Visits files that have a blob (complete = true) or all. */
int catalogue_each_file(struct catalogue *catalogue, bool complete,
                        int (*visit)(void *context, const struct catalogue_file *file),
                        void *context);
/* CATALOGUE_MISSING when there is none. */
int catalogue_get_file(struct catalogue *catalogue, const char *origin, const char *path,
                       int (*visit)(void *context, const struct catalogue_file *file),
                       void *context);
/* Coalesced by the caller; rows that do not exist are ignored, and time never runs back. */
int catalogue_touch(struct catalogue *catalogue, const char *origin, const char *path,
                    int64_t now_s);

/* ---- blobs: bytes we hold ---- */
int catalogue_put_blob(struct catalogue *catalogue, const char *sha256, int64_t size,
                       int64_t allocated_bytes);
/* Removes the row and takes the blob out of every file that named it, and the ETag out of those
 * that no authority vouches for: what is fetched next may be other bytes. Its mark goes unless it
 * is a pin, and its evidence unless that is to stay. */
int catalogue_drop_blob(struct catalogue *catalogue, const char *sha256);
int catalogue_each_blob(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, int64_t size,
                                     int64_t allocated_bytes),
                        void *context);

/* ---- claims: what a mirror's pages say of the digests of a file; one row per file and mirror, the
 * last word ---- */
struct catalogue_claim {
    const char *origin, *path;
    const char *mirror;   /* name */
    const char *project;  /* normalised */
    const char *channel;  /* whose page it was (a scope of lists; "" where there is none) */
    const char *digests;  /* of the file; or NULL: not said */
    const char *metadata; /* of its metadata; or NULL */
    int64_t said_s;       /* when that page was last read, as far as it was worth writing down */
    bool is_withdrawn;    /* a later page of that mirror does not say it any more */
};
/* The whole row is replaced. */
int catalogue_put_claim(struct catalogue *catalogue, const struct catalogue_claim *claim);
/* Of a project: by path and mirror, as strcmp orders. */
int catalogue_each_claim(struct catalogue *catalogue, const char *origin, const char *project,
                         int (*visit)(void *context, const struct catalogue_claim *claim),
                         void *context);
/* Of one file. */
int catalogue_each_claim_of(struct catalogue *catalogue, const char *origin, const char *path,
                            int (*visit)(void *context, const struct catalogue_claim *claim),
                            void *context);

/* ---- listings: the last good page of a mirror, as received ---- */
struct catalogue_listing {
    const char *origin, *mirror;
    const char *page;                 /* the mirror's URL of it, before redirects: the key */
    const char *url;                  /* after redirects: what links are relative to */
    const char *etag, *last_modified; /* or NULL */
    int status;                       /* 200; 404: the mirror says there is no such page */
    int64_t fetched_s;                /* last time the mirror confirmed it */
    const void *body;                 /* gzip */
    size_t body_len;
};
int catalogue_put_listing(struct catalogue *catalogue, const struct catalogue_listing *listing);
/* Only the time; ignored when there is no such row. */
int catalogue_confirm_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                              const char *page, int64_t fetched_s);
/* CATALOGUE_MISSING when there is none. */
int catalogue_get_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page,
                          int (*visit)(void *context, const struct catalogue_listing *listing),
                          void *context);

/* ---- blame: wrong bytes; remembered across restarts, one row (the last) per file and mirror;
 * `validator` may be NULL ---- */
int catalogue_put_blame(struct catalogue *catalogue, const char *origin, const char *path,
                        const char *mirror, const char *validator, int64_t when_s);
/* Forgets all blame for one file: its bytes were compared with another claim. */
int catalogue_drop_blame(struct catalogue *catalogue, const char *origin, const char *path);
int catalogue_each_blame(struct catalogue *catalogue,
                         int (*visit)(void *context, const char *origin, const char *path,
                                      const char *mirror, const char *validator, int64_t when_s),
                         void *context);

/* ---- marks: what people and checks say of a blob; a pin outlives the blob, so that a copy that is
 * fetched again is pinned again ---- */
int catalogue_put_mark(struct catalogue *catalogue, const char *sha256, bool pinned,
                       int64_t verified_s);
int catalogue_each_mark(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, bool pinned,
                                     int64_t verified_s),
                        void *context);

/* ---- evidence: what the bytes of a blob say of themselves, as a level of the caller's; `stays`:
 * it outlives the blob, so that the same bytes are known when they come again ---- */
int catalogue_put_evidence(struct catalogue *catalogue, const char *sha256, int level, bool stays,
                           const char *why); /* why: or NULL */
int catalogue_each_evidence(struct catalogue *catalogue,
                            int (*visit)(void *context, const char *sha256, int level,
                                         const char *why),
                            void *context);

/* ---- metadata: documents made from files that we were asked about ---- */
struct catalogue_metadata {
    const char *origin, *path;   /* of the file it was made from */
    const char *project;         /* normalised */
    const char *sha256;          /* of the body; NULL: it cannot be made, and `problem` says why */
    const char *requires_python; /* or NULL */
    const char *problem;         /* what is wrong with it, for people; or NULL */
    const char *mirrors;         /* names of who sent what it was made from; or NULL */
    const char *etag; /* ours, of the file; the row counts only while that has no other */
    int64_t made_s;
    const void *body;
    size_t body_len;
};
int catalogue_put_metadata(struct catalogue *catalogue, const struct catalogue_metadata *metadata);
/* CATALOGUE_MISSING when there is none. */
int catalogue_get_metadata(struct catalogue *catalogue, const char *origin, const char *path,
                           int (*visit)(void *context, const struct catalogue_metadata *metadata),
                           void *context);
/* Without bodies. */
int catalogue_each_metadata(struct catalogue *catalogue, const char *origin, const char *project,
                            int (*visit)(void *context, const struct catalogue_metadata *metadata),
                            void *context);
int catalogue_drop_metadata(struct catalogue *catalogue, const char *origin, const char *path);

/* ---- places: where a mirror has a file that is not where its path says, by its stored page ----
 */
struct catalogue_place {
    const char *origin, *path, *mirror;
    const char *page; /* which says so */
    const char *url;
};
int catalogue_put_place(struct catalogue *catalogue, const struct catalogue_place *place);
int catalogue_drop_places(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page);
/* Of one file, at all mirrors. */
int catalogue_each_place(struct catalogue *catalogue, const char *origin, const char *path,
                         int (*visit)(void *context, const struct catalogue_place *place),
                         void *context);

/* ---- ranges: whether who serves these files (a URL prefix) honours them ---- */
int catalogue_put_ranges(struct catalogue *catalogue, const char *files, bool honoured,
                         int64_t when_s);
int catalogue_each_ranges(struct catalogue *catalogue,
                          int (*visit)(void *context, const char *files, bool honoured,
                                       int64_t when_s),
                          void *context);

/* ---- channels: names of lists below which something was listed once ---- */
int catalogue_put_channel(struct catalogue *catalogue, const char *origin, const char *name,
                          int64_t listed_s);
int catalogue_each_channel(struct catalogue *catalogue,
                           int (*visit)(void *context, const char *origin, const char *name,
                                        int64_t listed_s),
                           void *context);

/* ---- showings: what listings said of files that we hold, the last time they did; one row per
 * file and channel (a scope of lists; "" where there is none) ---- */
struct catalogue_listed {
    const char *origin, *project, *path, *channel;
    const char *requires_python;    /* or NULL, as are the next two */
    const char *upload_time;        /* RFC 3339 */
    const char *upload_time_source; /* what we made it of; NULL: a list said so */
    bool yanked;
    const char *yanked_reason; /* or NULL */
    int64_t first_s;           /* of the first showing, which stays */
    int64_t delisted_s;        /* since when no list has it; 0: one does */
};
int catalogue_put_listed(struct catalogue *catalogue, const struct catalogue_listed *listed_row);
/* Of a project; origin NULL: all of them. */
int catalogue_each_listed(struct catalogue *catalogue, const char *origin, const char *project,
                          int (*visit)(void *context, const struct catalogue_listed *listed_row),
                          void *context);

/* ---- local: files that lie in folders of other people's, and what was read out of them; good as
 * long as size, time and inode are those ---- */
struct catalogue_local {
    const char *origin, *path;
    int64_t size, modified_ns, inode;
    const char *sha256;
    const char *metadata_sha256; /* NULL: it has none */
    const char *requires_python; /* or NULL */
    const char *problem;         /* what is wrong with it, for people; or NULL */
    const char *etag; /* ours, where it was chosen before the digest was known; or NULL */
};
int catalogue_put_local(struct catalogue *catalogue, const struct catalogue_local *local);
int catalogue_drop_local(struct catalogue *catalogue, const char *origin, const char *path);
int catalogue_each_local(struct catalogue *catalogue, const char *origin,
                         int (*visit)(void *context, const struct catalogue_local *local),
                         void *context);

/* ---- sightings: of a listed file, what its listing does not say ---- */
struct catalogue_first_seen {
    const char *origin, *path;
    const char *project; /* normalised */
    int64_t first_s;     /* when it was listed first; the earliest that was put stays */
    int64_t asked_s;     /* when a mirror was asked about it last; 0: never */
    int64_t modified_s;  /* what that said; -1: nothing */
    int64_t size;        /* likewise; where the file's row has another, that one */
};
int catalogue_put_first_seen(struct catalogue *catalogue,
                             const struct catalogue_first_seen *first_seen);
/* By path, as strcmp orders. */
int catalogue_each_first_seen(struct catalogue *catalogue, const char *origin, const char *project,
                              int (*visit)(void *context,
                                           const struct catalogue_first_seen *first_seen),
                              void *context);
