// SPDX-License-Identifier: Apache-2.0
#include "cache/catalogue.h"

#include <stdlib.h>

#include "base/error.h"
#include "cache/sql.h"

/* ------------------------------------------------------------------ tables */

/*
 * Never edit a step that was released; append one. Keys are what the headers' functions take.
 * Tables are clustered on their key (WITHOUT ROWID) but for listings, whose bodies are megabytes.
 * metadata_sha256 = '' stands for "contradicted, do not ask again".
 */
static const char *const migrations[] = {
    "CREATE TABLE file ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT, blob TEXT,"
    "  authoritative INTEGER NOT NULL, mirrors TEXT, validator TEXT, last_used_s INTEGER NOT NULL,"
    "  PRIMARY KEY (origin, path)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX file_by_blob ON file (blob) WHERE blob IS NOT NULL;"
    "CREATE TABLE blob ("
    "  sha256 TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, allocated_bytes INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE digest ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, project TEXT NOT NULL, sha256 TEXT,"
    "  metadata_sha256 TEXT, authority TEXT NOT NULL, disputed INTEGER NOT NULL,"
    "  PRIMARY KEY (origin, path)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX digest_by_project ON digest (origin, project);"
    "CREATE TABLE listing ("
    "  origin TEXT NOT NULL, mirror TEXT NOT NULL, page TEXT NOT NULL, url TEXT NOT NULL,"
    "  etag TEXT, last_modified TEXT, status INTEGER NOT NULL, fetched_s INTEGER NOT NULL,"
    "  body BLOB NOT NULL, PRIMARY KEY (origin, mirror, page)) STRICT;"
    "CREATE TABLE blame ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, mirror TEXT NOT NULL, validator TEXT,"
    "  when_s INTEGER NOT NULL, PRIMARY KEY (origin, path, mirror)) STRICT, WITHOUT ROWID",
    "CREATE TABLE mark ("
    "  sha256 TEXT NOT NULL PRIMARY KEY, pinned INTEGER NOT NULL, verified_s INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "CREATE TABLE metadata ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, project TEXT NOT NULL, sha256 TEXT,"
    "  requires_python TEXT, problem TEXT, mirrors TEXT, etag TEXT NOT NULL,"
    "  made_s INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (origin, path)) STRICT;"
    "CREATE INDEX metadata_by_project ON metadata (origin, project);"
    "CREATE TABLE ranges ("
    "  files TEXT NOT NULL PRIMARY KEY, honoured INTEGER NOT NULL, when_s INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
};

enum statement {
    PUT_FILE,
    EACH_FILE,
    EACH_COMPLETE_FILE,
    GET_FILE,
    TOUCH_FILE,
    PUT_BLOB,
    DROP_BLOB,
    FORGET_BLOB,
    EACH_BLOB,
    PUT_DIGEST,
    EACH_DIGEST,
    GET_DIGEST,
    PUT_LISTING,
    CONFIRM_LISTING,
    GET_LISTING,
    PUT_BLAME,
    EACH_BLAME,
    PUT_MARK,
    DROP_MARK,
    EACH_MARK,
    PUT_METADATA,
    GET_METADATA,
    EACH_METADATA,
    DROP_METADATA,
    PUT_RANGES,
    EACH_RANGES,
    STATEMENTS
};

#define FILE_COLUMNS                                                                               \
    "origin, path, size, etag, blob, authoritative, mirrors, validator, last_used_s"
#define METADATA_COLUMNS                                                                           \
    "origin, path, project, sha256, requires_python, problem, mirrors, etag, made_s"
/* ... and not of a file that has been another one since. */
#define OF_TODAY                                                                                   \
    " AND NOT EXISTS (SELECT 1 FROM file AS f"                                                     \
    "  WHERE f.origin = m.origin AND f.path = m.path AND f.etag <> m.etag)"
#define DIGEST_COLUMNS "origin, path, project, sha256, metadata_sha256, authority, disputed"

static const char *const statements[STATEMENTS] = {
    [PUT_FILE] = "INSERT OR REPLACE INTO file (" FILE_COLUMNS ")"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [EACH_FILE] = "SELECT " FILE_COLUMNS " FROM file",
    [EACH_COMPLETE_FILE] = "SELECT " FILE_COLUMNS " FROM file WHERE blob IS NOT NULL",
    [GET_FILE] = "SELECT " FILE_COLUMNS " FROM file WHERE origin = ?1 AND path = ?2",
    [TOUCH_FILE] = "UPDATE file SET last_used_s = ?3"
                   " WHERE origin = ?1 AND path = ?2 AND last_used_s < ?3",

    [PUT_BLOB] = "INSERT OR REPLACE INTO blob (sha256, size, allocated_bytes) VALUES (?1, ?2, ?3)",
    [DROP_BLOB] = "DELETE FROM blob WHERE sha256 = ?1",
    [FORGET_BLOB] = "UPDATE file SET blob = NULL WHERE blob = ?1",
    [EACH_BLOB] = "SELECT sha256, size, allocated_bytes FROM blob",

    /* The WHERE at the end: a page says the same every ten minutes, which is no reason to write. */
    [PUT_DIGEST] =
        "INSERT INTO digest (" DIGEST_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (origin, path) DO UPDATE SET"
        "  project = excluded.project,"
        "  disputed = disputed OR excluded.disputed OR ifnull(sha256 <> excluded.sha256, 0),"
        "  authority = iif(sha256 IS NULL AND excluded.sha256 IS NOT NULL,"
        "                  excluded.authority, authority),"
        "  sha256 = ifnull(sha256, excluded.sha256),"
        "  metadata_sha256 = iif(metadata_sha256 <> excluded.metadata_sha256, '',"
        "                        ifnull(metadata_sha256, excluded.metadata_sha256))"
        " WHERE project <> excluded.project OR excluded.disputed > disputed"
        "  OR (excluded.sha256 IS NOT NULL AND excluded.sha256 IS NOT sha256)"
        "  OR (excluded.metadata_sha256 IS NOT NULL"
        "      AND excluded.metadata_sha256 IS NOT metadata_sha256)",
    [EACH_DIGEST] = "SELECT " DIGEST_COLUMNS " FROM digest WHERE origin = ?1 AND project = ?2",
    [GET_DIGEST] = "SELECT " DIGEST_COLUMNS " FROM digest WHERE origin = ?1 AND path = ?2",

    [PUT_LISTING] = "INSERT OR REPLACE INTO listing"
                    " (origin, mirror, page, url, etag, last_modified, status, fetched_s, body)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [CONFIRM_LISTING] = "UPDATE listing SET fetched_s = ?4"
                        " WHERE origin = ?1 AND mirror = ?2 AND page = ?3",
    [GET_LISTING] = "SELECT origin, mirror, page, url, etag, last_modified, status, fetched_s, body"
                    " FROM listing WHERE origin = ?1 AND mirror = ?2 AND page = ?3",

    [PUT_BLAME] = "INSERT OR REPLACE INTO blame (origin, path, mirror, validator, when_s)"
                  " VALUES (?1, ?2, ?3, ?4, ?5)",
    [EACH_BLAME] = "SELECT origin, path, mirror, validator, when_s FROM blame",

    [PUT_MARK] = "INSERT OR REPLACE INTO mark (sha256, pinned, verified_s) VALUES (?1, ?2, ?3)",
    [DROP_MARK] = "DELETE FROM mark WHERE sha256 = ?1 AND NOT pinned",
    [EACH_MARK] = "SELECT sha256, pinned, verified_s FROM mark",

    [PUT_METADATA] = "INSERT OR REPLACE INTO metadata (" METADATA_COLUMNS ", body)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [GET_METADATA] = "SELECT " METADATA_COLUMNS ", body FROM metadata AS m"
                     " WHERE origin = ?1 AND path = ?2" OF_TODAY,
    [EACH_METADATA] = "SELECT " METADATA_COLUMNS ", x'' FROM metadata AS m"
                      " WHERE origin = ?1 AND project = ?2" OF_TODAY,
    [DROP_METADATA] = "DELETE FROM metadata WHERE origin = ?1 AND path = ?2",

    [PUT_RANGES] = "INSERT OR REPLACE INTO ranges (files, honoured, when_s) VALUES (?1, ?2, ?3)",
    [EACH_RANGES] = "SELECT files, honoured, when_s FROM ranges",
};

static const struct sql_program program = {
    .application_id = 0x77686c79, /* "whly" */
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .statements = statements,
    .statement_count = STATEMENTS,
};

struct catalogue {
    struct sql *sql;
};

#define VALUES(...) ((const struct sql_value[]){__VA_ARGS__})

/* ------------------------------------------------------------------ open, close, transactions */

int catalogue_open(const char *path, struct catalogue **ret)
{
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
    if (!catalogue)
        return ERROR_NO_MEMORY;
    int r = sql_open(path, &program, &catalogue->sql);
    if (r < 0) {
        free(catalogue);
        return r;
    }
    *ret = catalogue;
    return r == SQL_RESET ? CATALOGUE_RESET : 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    sql_close(catalogue->sql);
    free(catalogue);
}

int catalogue_begin(struct catalogue *catalogue)
{
    return sql_begin(catalogue->sql);
}

int catalogue_commit(struct catalogue *catalogue)
{
    return sql_commit(catalogue->sql);
}

void catalogue_rollback(struct catalogue *catalogue)
{
    sql_rollback(catalogue->sql);
}

/* ------------------------------------------------------------------ visits */

/* What a row callback needs to call the caller's visitor; one member of the union per kind. */
struct visit {
    union {
        int (*file)(void *context, const struct catalogue_file *file);
        int (*blob)(void *context, const char *sha256, int64_t size, int64_t allocated_bytes);
        int (*digest)(void *context, const struct catalogue_digest *digest);
        int (*listing)(void *context, const struct catalogue_listing *listing);
        int (*blame)(void *context, const char *origin, const char *path, const char *mirror,
                     const char *validator, int64_t when_s);
        int (*mark)(void *context, const char *sha256, bool pinned, int64_t verified_s);
        int (*metadata)(void *context, const struct catalogue_metadata *metadata);
        int (*ranges)(void *context, const char *files, bool honoured, int64_t when_s);
    };
    void *context;
};

/* A column that is never NULL, unless memory or the file lets us down. */
static const char *text(const struct sql_row *row, int column)
{
    const char *s = sql_row_text(row, column);
    return s ? s : "";
}

static int visit_one(struct catalogue *catalogue, enum statement which,
                     const struct sql_value *values,
                     int (*on_row)(void *context, const struct sql_row *row), struct visit *visit)
{
    int r = sql_query(catalogue->sql, which, values, on_row, visit);
    return r == SQL_NO_ROW ? CATALOGUE_MISSING : r;
}

static int visit_each(struct catalogue *catalogue, enum statement which,
                      const struct sql_value *values,
                      int (*on_row)(void *context, const struct sql_row *row), struct visit *visit)
{
    int r = sql_query(catalogue->sql, which, values, on_row, visit);
    return r == SQL_NO_ROW ? 0 : r;
}

/* ------------------------------------------------------------------ files */

int catalogue_put_file(struct catalogue *catalogue, const struct catalogue_file *file)
{
    return sql_change(catalogue->sql, PUT_FILE,
                      VALUES(sql_text(file->origin), sql_text(file->path), sql_integer(file->size),
                             sql_text(file->etag), sql_text(file->blob),
                             sql_integer(file->authoritative), sql_text(file->mirrors),
                             sql_text(file->validator), sql_integer(file->last_used_s)));
}

static int on_file(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_file file = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .size = sql_row_integer(row, 2),
        .etag = sql_row_text(row, 3),
        .blob = sql_row_text(row, 4),
        .authoritative = sql_row_integer(row, 5) != 0,
        .mirrors = sql_row_text(row, 6),
        .validator = sql_row_text(row, 7),
        .last_used_s = sql_row_integer(row, 8),
    };
    return visit->file(visit->context, &file);
}

int catalogue_each_file(struct catalogue *catalogue, bool complete,
                        int (*visit)(void *context, const struct catalogue_file *file),
                        void *context)
{
    return visit_each(catalogue, complete ? EACH_COMPLETE_FILE : EACH_FILE, NULL, on_file,
                      &(struct visit){.file = visit, .context = context});
}

int catalogue_get_file(struct catalogue *catalogue, const char *origin, const char *path,
                       int (*visit)(void *context, const struct catalogue_file *file),
                       void *context)
{
    return visit_one(catalogue, GET_FILE, VALUES(sql_text(origin), sql_text(path)), on_file,
                     &(struct visit){.file = visit, .context = context});
}

int catalogue_touch(struct catalogue *catalogue, const char *origin, const char *path,
                    int64_t now_s)
{
    return sql_change(catalogue->sql, TOUCH_FILE,
                      VALUES(sql_text(origin), sql_text(path), sql_integer(now_s)));
}

/* ------------------------------------------------------------------ blobs */

int catalogue_put_blob(struct catalogue *catalogue, const char *sha256, int64_t size,
                       int64_t allocated_bytes)
{
    return sql_change(catalogue->sql, PUT_BLOB,
                      VALUES(sql_text(sha256), sql_integer(size), sql_integer(allocated_bytes)));
}

int catalogue_drop_blob(struct catalogue *catalogue, const char *sha256)
{
    bool own = !sql_is_begun(catalogue->sql);
    int r = own ? sql_begin(catalogue->sql) : 0;
    if (r == 0)
        r = sql_change(catalogue->sql, FORGET_BLOB, VALUES(sql_text(sha256)));
    if (r == 0)
        r = sql_change(catalogue->sql, DROP_BLOB, VALUES(sql_text(sha256)));
    if (r == 0)
        r = sql_change(catalogue->sql, DROP_MARK, VALUES(sql_text(sha256)));
    if (!own)
        return r;
    if (r) {
        sql_rollback(catalogue->sql);
        return r;
    }
    return sql_commit(catalogue->sql);
}

static int on_blob(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->blob(visit->context, text(row, 0), sql_row_integer(row, 1),
                       sql_row_integer(row, 2));
}

int catalogue_each_blob(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, int64_t size,
                                     int64_t allocated_bytes),
                        void *context)
{
    return visit_each(catalogue, EACH_BLOB, NULL, on_blob,
                      &(struct visit){.blob = visit, .context = context});
}

/* ------------------------------------------------------------------ digests */

int catalogue_put_digest(struct catalogue *catalogue, const struct catalogue_digest *digest)
{
    return sql_change(catalogue->sql, PUT_DIGEST,
                      VALUES(sql_text(digest->origin), sql_text(digest->path),
                             sql_text(digest->project), sql_text(digest->sha256),
                             sql_text(digest->metadata_sha256), sql_text(digest->authority),
                             sql_integer(digest->disputed)));
}

static int on_digest(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const char *metadata_sha256 = sql_row_text(row, 4);
    const struct catalogue_digest digest = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .project = text(row, 2),
        .sha256 = sql_row_text(row, 3),
        .metadata_sha256 = metadata_sha256 && *metadata_sha256 ? metadata_sha256 : NULL,
        .authority = text(row, 5),
        .disputed = sql_row_integer(row, 6) != 0,
    };
    return visit->digest(visit->context, &digest);
}

int catalogue_each_digest(struct catalogue *catalogue, const char *origin, const char *project,
                          int (*visit)(void *context, const struct catalogue_digest *digest),
                          void *context)
{
    return visit_each(catalogue, EACH_DIGEST, VALUES(sql_text(origin), sql_text(project)),
                      on_digest, &(struct visit){.digest = visit, .context = context});
}

int catalogue_get_digest(struct catalogue *catalogue, const char *origin, const char *path,
                         int (*visit)(void *context, const struct catalogue_digest *digest),
                         void *context)
{
    return visit_one(catalogue, GET_DIGEST, VALUES(sql_text(origin), sql_text(path)), on_digest,
                     &(struct visit){.digest = visit, .context = context});
}

/* ------------------------------------------------------------------ listings */

int catalogue_put_listing(struct catalogue *catalogue, const struct catalogue_listing *listing)
{
    return sql_change(catalogue->sql, PUT_LISTING,
                      VALUES(sql_text(listing->origin), sql_text(listing->mirror),
                             sql_text(listing->page), sql_text(listing->url),
                             sql_text(listing->etag), sql_text(listing->last_modified),
                             sql_integer(listing->status), sql_integer(listing->fetched_s),
                             sql_blob(listing->body, listing->body_len)));
}

int catalogue_confirm_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                              const char *page, int64_t fetched_s)
{
    return sql_change(
        catalogue->sql, CONFIRM_LISTING,
        VALUES(sql_text(origin), sql_text(mirror), sql_text(page), sql_integer(fetched_s)));
}

static int on_listing(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    struct catalogue_listing listing = {
        .origin = text(row, 0),
        .mirror = text(row, 1),
        .page = text(row, 2),
        .url = text(row, 3),
        .etag = sql_row_text(row, 4),
        .last_modified = sql_row_text(row, 5),
        .status = (int)sql_row_integer(row, 6),
        .fetched_s = sql_row_integer(row, 7),
    };
    listing.body = sql_row_blob(row, 8, &listing.body_len);
    return visit->listing(visit->context, &listing);
}

int catalogue_get_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page,
                          int (*visit)(void *context, const struct catalogue_listing *listing),
                          void *context)
{
    return visit_one(catalogue, GET_LISTING,
                     VALUES(sql_text(origin), sql_text(mirror), sql_text(page)), on_listing,
                     &(struct visit){.listing = visit, .context = context});
}

/* ------------------------------------------------------------------ blame */

int catalogue_put_blame(struct catalogue *catalogue, const char *origin, const char *path,
                        const char *mirror, const char *validator, int64_t when_s)
{
    return sql_change(catalogue->sql, PUT_BLAME,
                      VALUES(sql_text(origin), sql_text(path), sql_text(mirror),
                             sql_text(validator), sql_integer(when_s)));
}

static int on_blame(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->blame(visit->context, text(row, 0), text(row, 1), text(row, 2),
                        sql_row_text(row, 3), sql_row_integer(row, 4));
}

int catalogue_each_blame(struct catalogue *catalogue,
                         int (*visit)(void *context, const char *origin, const char *path,
                                      const char *mirror, const char *validator, int64_t when_s),
                         void *context)
{
    return visit_each(catalogue, EACH_BLAME, NULL, on_blame,
                      &(struct visit){.blame = visit, .context = context});
}

/* ------------------------------------------------------------------ marks */

int catalogue_put_mark(struct catalogue *catalogue, const char *sha256, bool pinned,
                       int64_t verified_s)
{
    return sql_change(catalogue->sql, PUT_MARK,
                      VALUES(sql_text(sha256), sql_integer(pinned), sql_integer(verified_s)));
}

static int on_mark(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->mark(visit->context, text(row, 0), sql_row_integer(row, 1) != 0,
                       sql_row_integer(row, 2));
}

int catalogue_each_mark(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, bool pinned,
                                     int64_t verified_s),
                        void *context)
{
    return visit_each(catalogue, EACH_MARK, NULL, on_mark,
                      &(struct visit){.mark = visit, .context = context});
}

/* ------------------------------------------------------------------ metadata */

int catalogue_put_metadata(struct catalogue *catalogue, const struct catalogue_metadata *m)
{
    return sql_change(catalogue->sql, PUT_METADATA,
                      VALUES(sql_text(m->origin), sql_text(m->path), sql_text(m->project),
                             sql_text(m->sha256), sql_text(m->requires_python),
                             sql_text(m->problem), sql_text(m->mirrors), sql_text(m->etag),
                             sql_integer(m->made_s), sql_blob(m->body, m->body_len)));
}

static int on_metadata(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    struct catalogue_metadata metadata = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .project = text(row, 2),
        .sha256 = sql_row_text(row, 3),
        .requires_python = sql_row_text(row, 4),
        .problem = sql_row_text(row, 5),
        .mirrors = sql_row_text(row, 6),
        .etag = text(row, 7),
        .made_s = sql_row_integer(row, 8),
    };
    metadata.body = sql_row_blob(row, 9, &metadata.body_len);
    return visit->metadata(visit->context, &metadata);
}

int catalogue_get_metadata(struct catalogue *catalogue, const char *origin, const char *path,
                           int (*visit)(void *context, const struct catalogue_metadata *metadata),
                           void *context)
{
    return visit_one(catalogue, GET_METADATA, VALUES(sql_text(origin), sql_text(path)), on_metadata,
                     &(struct visit){.metadata = visit, .context = context});
}

int catalogue_each_metadata(struct catalogue *catalogue, const char *origin, const char *project,
                            int (*visit)(void *context, const struct catalogue_metadata *metadata),
                            void *context)
{
    return visit_each(catalogue, EACH_METADATA, VALUES(sql_text(origin), sql_text(project)),
                      on_metadata, &(struct visit){.metadata = visit, .context = context});
}

int catalogue_drop_metadata(struct catalogue *catalogue, const char *origin, const char *path)
{
    return sql_change(catalogue->sql, DROP_METADATA, VALUES(sql_text(origin), sql_text(path)));
}

/* ------------------------------------------------------------------ ranges */

int catalogue_put_ranges(struct catalogue *catalogue, const char *files, bool honoured,
                         int64_t when_s)
{
    return sql_change(catalogue->sql, PUT_RANGES,
                      VALUES(sql_text(files), sql_integer(honoured), sql_integer(when_s)));
}

static int on_ranges(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->ranges(visit->context, text(row, 0), sql_row_integer(row, 1) != 0,
                         sql_row_integer(row, 2));
}

int catalogue_each_ranges(struct catalogue *catalogue,
                          int (*visit)(void *context, const char *files, bool honoured,
                                       int64_t when_s),
                          void *context)
{
    return visit_each(catalogue, EACH_RANGES, NULL, on_ranges,
                      &(struct visit){.ranges = visit, .context = context});
}
