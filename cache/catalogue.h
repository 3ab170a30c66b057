// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The catalogue: the SQLite database of everything that is known and kept. It has one connection,
 * which also makes every checkpoint (two connections would meet SQLite's WAL-reset bug). All calls
 * block and belong to one thread, the catalogue thread. Keys are opaque: origin and path, scope and
 * name.
 *
 * SQLite >= 3.40, WAL, synchronous=NORMAL, STRICT tables, migrations by user_version in one
 * transaction. A newer user_version and a database of another program are refused (ERROR_CONFIG).
 * The file is locked while it is open (ERROR_IN_USE), so sqlite3 can only look inside when the
 * daemon is stopped. A corrupt file is moved aside (`.corrupt-<time>`) and a new one is begun;
 * CATALOGUE_RESET says so. The caller then refills blobs from the sidecars. A full disk gives
 * ERROR_NO_SPACE and changes nothing; reads still work.
 *
 * Strings that a visitor gets live until it returns. A visitor stops the visit with a value other
 * than 0, which the call then returns. It may change rows, but not start another visit of the same
 * kind.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalogue;

enum { CATALOGUE_RESET = 1, CATALOGUE_MISSING = 2 };

int catalogue_open(const char *path, struct catalogue **ret); /* 0 or CATALOGUE_RESET; both open */
void catalogue_close(struct catalogue *catalogue);            /* checkpoints; NULL is legal */

/* Makes several changes one: begin, changes, commit. Otherwise each change is a transaction of its
 * own. After a failed change the later ones and the commit fail as well, and nothing is kept. A
 * failed commit has rolled back. */
int catalogue_begin(struct catalogue *catalogue);
int catalogue_commit(struct catalogue *catalogue);
void catalogue_rollback(struct catalogue *catalogue);

/* ---- files: one row for each origin + path that was ever answered for ---- */
struct catalogue_file {
    const char *origin, *path;
    int64_t size;          /* -1 unknown */
    const char *etag;      /* ours, chosen at the first answer, with quotes; NULL before it */
    const char *blob;      /* SHA-256 of the complete blob we hold, or NULL */
    bool authoritative;    /* an authority names that digest */
    const char *mirrors;   /* names, comma-separated, of the mirrors that sent the bytes; or NULL */
    const char *validator; /* the first mirror's ETag or Last-Modified; or NULL */
    int64_t last_used_s;
};
/* The whole row is replaced. */
int catalogue_put_file(struct catalogue *catalogue, const struct catalogue_file *file);
/* Visits the files that have a blob (complete = true), or all files. */
int catalogue_each_file(struct catalogue *catalogue, bool complete,
                        int (*visit)(void *context, const struct catalogue_file *file),
                        void *context);
/* CATALOGUE_MISSING when there is none. */
int catalogue_get_file(struct catalogue *catalogue, const char *origin, const char *path,
                       int (*visit)(void *context, const struct catalogue_file *file),
                       void *context);
/* Notes a use; the caller combines several into one call. Rows that do not exist are ignored, and
 * the time never goes back. */
int catalogue_touch(struct catalogue *catalogue, const char *origin, const char *path,
                    int64_t now_s);

/* ---- blobs: complete files on our disk ---- */
int catalogue_put_blob(struct catalogue *catalogue, const char *sha256, int64_t size,
                       int64_t allocated_bytes);
/* Removes the row and the blob's name from every file. It also removes the ETag of files without a
 * digest from an authority, because the next fetch may bring other bytes. A mark goes unless it is
 * a pin; evidence goes unless it was put to stay. */
int catalogue_drop_blob(struct catalogue *catalogue, const char *sha256);
int catalogue_each_blob(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, int64_t size,
                                     int64_t allocated_bytes),
                        void *context);

/* ---- claims: the digests of a file that a mirror's pages claim; one row per file and mirror, the
 * last claim ---- */
struct catalogue_claim {
    const char *origin, *path;
    const char *mirror;   /* name */
    const char *project;  /* normalised */
    const char *channel;  /* the channel of that page; "" for none */
    const char *digests;  /* of the file; NULL: no claim */
    const char *metadata; /* of its metadata; or NULL */
    int64_t said_s;       /* when that page was last read, to a resolution worth a write */
    bool is_withdrawn;    /* a later page of that mirror no longer claims it */
};
/* The whole row is replaced. */
int catalogue_put_claim(struct catalogue *catalogue, const struct catalogue_claim *claim);
/* Visits a project's claims, ordered by path and mirror as strcmp orders. */
int catalogue_each_claim(struct catalogue *catalogue, const char *origin, const char *project,
                         int (*visit)(void *context, const struct catalogue_claim *claim),
                         void *context);
/* Visits the claims of one file. */
int catalogue_each_claim_of(struct catalogue *catalogue, const char *origin, const char *path,
                            int (*visit)(void *context, const struct catalogue_claim *claim),
                            void *context);

/* ---- listings: the last good page of a mirror, as received ---- */
struct catalogue_listing {
    const char *origin, *mirror;
    const char *page;                 /* the page's URL at the mirror before redirects: the key */
    const char *url;                  /* the URL after redirects: the base of its links */
    const char *etag, *last_modified; /* or NULL */
    int status;                       /* 200; 404: the mirror says there is no such page */
    int64_t fetched_s;                /* last time the mirror confirmed it */
    const void *body;                 /* gzip */
    size_t body_len;
};
int catalogue_put_listing(struct catalogue *catalogue, const struct catalogue_listing *listing);
/* Updates only the time; ignored without such a row. */
int catalogue_confirm_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                              const char *page, int64_t fetched_s);
/* When a mirror last confirmed any of them; 0: there is none. */
int catalogue_newest_listing(struct catalogue *catalogue, int64_t *ret_fetched_s);
/* CATALOGUE_MISSING when there is none. */
int catalogue_get_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page,
                          int (*visit)(void *context, const struct catalogue_listing *listing),
                          void *context);

/* ---- blame: a mirror sent wrong bytes; kept across restarts, one row (the last) per file and
 * mirror; `validator` may be NULL ---- */
int catalogue_put_blame(struct catalogue *catalogue, const char *origin, const char *path,
                        const char *mirror, const char *validator, int64_t when_s);
/* Forgets all blame for one file, after its bytes agreed with another claim. */
int catalogue_drop_blame(struct catalogue *catalogue, const char *origin, const char *path);
int catalogue_each_blame(struct catalogue *catalogue,
                         int (*visit)(void *context, const char *origin, const char *path,
                                      const char *mirror, const char *validator, int64_t when_s),
                         void *context);

/* ---- marks: pins and checks of a blob; a pin outlives the blob, so that a new copy is pinned
 * again ---- */
int catalogue_put_mark(struct catalogue *catalogue, const char *sha256, bool pinned,
                       int64_t verified_s);
int catalogue_each_mark(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, bool pinned,
                                     int64_t verified_s),
                        void *context);

/* ---- sets: named lists of files that are kept from eviction, whether they are held now or come
 * later; a file may be in several ---- */
struct catalogue_member {
    const char *set, *origin, *path;
    int64_t size; /* as its list said; -1 unknown */
};
int catalogue_put_member(struct catalogue *catalogue, const struct catalogue_member *member);
/* Ends a set. */
int catalogue_drop_set(struct catalogue *catalogue, const char *set);
/* Visits the files of one set, ordered by origin and path as strcmp orders; set NULL: of all. */
int catalogue_each_member(struct catalogue *catalogue, const char *set,
                          int (*visit)(void *context, const struct catalogue_member *member),
                          void *context);
struct catalogue_set {
    const char *name;
    int64_t files, bytes;     /* bytes: of those whose size is known */
    int64_t held, held_bytes; /* of them: what is held whole */
};
/* By name. */
int catalogue_each_set(struct catalogue *catalogue,
                       int (*visit)(void *context, const struct catalogue_set *set), void *context);
/* Visits the SHA-256 of each blob that has a file in a set. */
int catalogue_each_set_blob(struct catalogue *catalogue,
                            int (*visit)(void *context, const char *sha256), void *context);

/* ---- evidence: what the bytes of a blob prove, as a level of the caller's; `stays`: it outlives
 * the blob, so that the same bytes are recognised later ---- */
int catalogue_put_evidence(struct catalogue *catalogue, const char *sha256, int level, bool stays,
                           const char *why); /* why: or NULL */
int catalogue_each_evidence(struct catalogue *catalogue,
                            int (*visit)(void *context, const char *sha256, int level,
                                         const char *why),
                            void *context);

/* ---- metadata: METADATA documents that we made from files ---- */
struct catalogue_metadata {
    const char *origin, *path;   /* of the file it was made from */
    const char *project;         /* normalised */
    const char *sha256;          /* of the body; NULL: it cannot be made, and `problem` says why */
    const char *requires_python; /* or NULL */
    const char *problem;         /* what is wrong with it, for people; or NULL */
    const char *mirrors;         /* names of the mirrors that sent its source; or NULL */
    const char *etag; /* ours, of the file; the row is valid only while the file has this ETag */
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

/* ---- places: where a mirror has a file that does not lie where its path says; from a stored page
 * ---- */
struct catalogue_place {
    const char *origin, *path, *mirror;
    const char *page; /* the page that says so */
    const char *url;
};
int catalogue_put_place(struct catalogue *catalogue, const struct catalogue_place *place);
int catalogue_drop_places(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page);
/* Visits the places of one file at all mirrors. */
int catalogue_each_place(struct catalogue *catalogue, const char *origin, const char *path,
                         int (*visit)(void *context, const struct catalogue_place *place),
                         void *context);

/* ---- ranges: whether the server of these files (a URL prefix) honours Range ---- */
int catalogue_put_ranges(struct catalogue *catalogue, const char *files, bool honoured,
                         int64_t when_s);
int catalogue_each_ranges(struct catalogue *catalogue,
                          int (*visit)(void *context, const char *files, bool honoured,
                                       int64_t when_s),
                          void *context);

/* ---- channels: names below which a mirror has listed something ---- */
int catalogue_put_channel(struct catalogue *catalogue, const char *origin, const char *name,
                          int64_t listed_s);
int catalogue_each_channel(struct catalogue *catalogue,
                           int (*visit)(void *context, const char *origin, const char *name,
                                        int64_t listed_s),
                           void *context);

/* ---- counters: sums that live longer than a process ---- */
int catalogue_put_counter(struct catalogue *catalogue, const char *name, int64_t value);
int catalogue_each_counter(struct catalogue *catalogue,
                         int (*visit)(void *context, const char *name, int64_t value),
                         void *context);

/* ---- listed rows: what listings last said about files that we hold; one row per file and channel
 * ("" for none) ---- */
struct catalogue_listed {
    const char *origin, *project, *path, *channel;
    const char *requires_python;    /* or NULL, as are the next two */
    const char *upload_time;        /* RFC 3339 */
    const char *upload_time_source; /* how we derived it; NULL: a list said it */
    bool yanked;
    const char *yanked_reason; /* or NULL */
    int64_t first_s;           /* when it was first listed; this stays */
    int64_t delisted_s;        /* since when no list has it; 0: a list has it */
};
int catalogue_put_listed(struct catalogue *catalogue, const struct catalogue_listed *listed_row);
/* Visits the rows of a project; origin NULL: all rows. */
int catalogue_each_listed(struct catalogue *catalogue, const char *origin, const char *project,
                          int (*visit)(void *context, const struct catalogue_listed *listed_row),
                          void *context);

/* ---- local: files in folders of other people, and what was read from them; valid while size, time
 * and inode stay the same ---- */
struct catalogue_local {
    const char *origin, *path;
    int64_t size, modified_ns, inode;
    const char *sha256;
    const char *metadata_sha256; /* NULL: it has none */
    const char *requires_python; /* or NULL */
    const char *problem;         /* what is wrong with it, for people; or NULL */
    const char *etag;            /* ours, when it was chosen before the digest was known; or NULL */
};
int catalogue_put_local(struct catalogue *catalogue, const struct catalogue_local *local);
int catalogue_drop_local(struct catalogue *catalogue, const char *origin, const char *path);
int catalogue_each_local(struct catalogue *catalogue, const char *origin,
                         int (*visit)(void *context, const struct catalogue_local *local),
                         void *context);

/* ---- first seen: facts about a listed file that its listing does not give ---- */
struct catalogue_first_seen {
    const char *origin, *path;
    const char *project; /* normalised */
    int64_t first_s;     /* when it was first listed; the earliest time stays */
    int64_t asked_s;     /* when a mirror was last asked about it; 0: never */
    int64_t modified_s;  /* the date that it gave; -1: none */
    int64_t size;        /* likewise; the size in the file's row outranks it */
};
int catalogue_put_first_seen(struct catalogue *catalogue,
                             const struct catalogue_first_seen *first_seen);
/* Visits in the order of paths, as strcmp orders. */
int catalogue_each_first_seen(struct catalogue *catalogue, const char *origin, const char *project,
                              int (*visit)(void *context,
                                           const struct catalogue_first_seen *first_seen),
                              void *context);
