// SPDX-License-Identifier: Apache-2.0
#include "cache/catalogue_program.h"

/* ------------------------------------------------------------------ tables */

/* Never edit a step that was released; append a new one. Keys are the arguments of the header's
 * functions. Tables are clustered on their key (WITHOUT ROWID), except listings, whose bodies are
 * megabytes. The tables "showing" and "sighting" hold listed rows and first-seen rows; databases
 * keep their old names. */
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
    "CREATE TABLE showing ("
    "  origin TEXT NOT NULL, project TEXT NOT NULL, path TEXT NOT NULL, channel TEXT NOT NULL,"
    "  requires_python TEXT, upload_time TEXT, upload_time_source TEXT, yanked INTEGER NOT NULL,"
    "  yanked_reason TEXT, first_s INTEGER NOT NULL, delisted_s INTEGER NOT NULL,"
    "  PRIMARY KEY (origin, project, path, channel)) STRICT, WITHOUT ROWID",
    "CREATE TABLE local ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,"
    "  modified_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT NOT NULL,"
    "  metadata_sha256 TEXT, requires_python TEXT, problem TEXT, etag TEXT,"
    "  PRIMARY KEY (origin, path)) STRICT, WITHOUT ROWID",
    "CREATE TABLE sighting ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, project TEXT NOT NULL, first_s INTEGER NOT NULL,"
    "  asked_s INTEGER NOT NULL, modified_s INTEGER NOT NULL, size INTEGER NOT NULL,"
    "  PRIMARY KEY (origin, path)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX sighting_by_project ON sighting (origin, project)",
    /* Digests of an older schema become claims that count until a page says otherwise. Of two
     * contradicting digests only the first was stored, so neither is kept. */
    "CREATE TABLE claim ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, mirror TEXT NOT NULL, project TEXT NOT NULL,"
    "  channel TEXT NOT NULL, digests TEXT, metadata TEXT, said_s INTEGER NOT NULL,"
    "  is_withdrawn INTEGER NOT NULL, PRIMARY KEY (origin, path, mirror)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX claim_by_project ON claim (origin, project);"
    "INSERT INTO claim"
    " SELECT origin, path, authority, project, '', iif(disputed, NULL, 'sha256=' || sha256),"
    "  iif(metadata_sha256 <> '', 'sha256=' || metadata_sha256, NULL), 0, 1 FROM digest"
    " WHERE path NOT LIKE '%.metadata'"
    "  AND ((sha256 IS NOT NULL AND NOT disputed) OR ifnull(metadata_sha256, '') <> '');"
    "DROP TABLE digest",
    "CREATE TABLE evidence ("
    "  sha256 TEXT NOT NULL PRIMARY KEY, level INTEGER NOT NULL, stays INTEGER NOT NULL,"
    "  why TEXT) STRICT, WITHOUT ROWID",
    "CREATE TABLE channel ("
    "  origin TEXT NOT NULL, name TEXT NOT NULL, listed_s INTEGER NOT NULL,"
    "  PRIMARY KEY (origin, name)) STRICT, WITHOUT ROWID",
    "CREATE TABLE place ("
    "  origin TEXT NOT NULL, path TEXT NOT NULL, mirror TEXT NOT NULL, page TEXT NOT NULL,"
    "  url TEXT NOT NULL, PRIMARY KEY (origin, path, mirror)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX place_by_page ON place (origin, mirror, page)",
    "CREATE TABLE member ("
    "  name TEXT NOT NULL, origin TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,"
    "  PRIMARY KEY (name, origin, path)) STRICT, WITHOUT ROWID",
    "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
};

#define FILE_COLUMNS                                                                               \
    "origin, path, size, etag, blob, authoritative, mirrors, validator, last_used_s"
#define METADATA_COLUMNS                                                                           \
    "origin, path, project, sha256, requires_python, problem, mirrors, etag, made_s"
/* Excludes rows of a file that has another ETag now. */
#define OF_TODAY                                                                                   \
    " AND NOT EXISTS (SELECT 1 FROM file AS f"                                                     \
    "  WHERE f.origin = m.origin AND f.path = m.path AND f.etag <> m.etag)"
#define LOCAL_COLUMNS                                                                              \
    "origin, path, size, modified_ns, inode, sha256, metadata_sha256, requires_python, problem,"   \
    " etag"
#define CLAIM_COLUMNS                                                                              \
    "origin, path, mirror, project, channel, digests, metadata, said_s, is_withdrawn"

#define LISTED_COLUMNS                                                                             \
    "origin, project, path, channel, requires_python, upload_time, upload_time_source, yanked,"    \
    " yanked_reason, first_s, delisted_s"

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
    [FORGET_BLOB] = "UPDATE file SET blob = NULL, etag = CASE WHEN authoritative THEN etag END "
                    "WHERE blob = ?1",
    [EACH_BLOB] = "SELECT sha256, size, allocated_bytes FROM blob",

    [PUT_CLAIM] = "INSERT OR REPLACE INTO claim (" CLAIM_COLUMNS ")"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    /* INDEXED BY, because SQLite without statistics takes an origin's rows for few and reads all of
     * them. */
    [EACH_CLAIM] = "SELECT " CLAIM_COLUMNS " FROM claim INDEXED BY claim_by_project"
                   " WHERE origin = ?1 AND project = ?2 ORDER BY path, mirror",
    [EACH_CLAIM_OF] = "SELECT " CLAIM_COLUMNS " FROM claim WHERE origin = ?1 AND path = ?2",

    [PUT_LISTING] = "INSERT OR REPLACE INTO listing"
                    " (origin, mirror, page, url, etag, last_modified, status, fetched_s, body)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [CONFIRM_LISTING] = "UPDATE listing SET fetched_s = ?4"
                        " WHERE origin = ?1 AND mirror = ?2 AND page = ?3",
    [GET_LISTING] = "SELECT origin, mirror, page, url, etag, last_modified, status, fetched_s, body"
                    " FROM listing WHERE origin = ?1 AND mirror = ?2 AND page = ?3",
    [NEWEST_LISTING] = "SELECT MAX(fetched_s) FROM listing",

    [PUT_BLAME] = "INSERT OR REPLACE INTO blame (origin, path, mirror, validator, when_s)"
                  " VALUES (?1, ?2, ?3, ?4, ?5)",
    [DROP_BLAME] = "DELETE FROM blame WHERE origin = ?1 AND path = ?2",
    [EACH_BLAME] = "SELECT origin, path, mirror, validator, when_s FROM blame",

    [PUT_MARK] = "INSERT OR REPLACE INTO mark (sha256, pinned, verified_s) VALUES (?1, ?2, ?3)",
    [DROP_MARK] = "DELETE FROM mark WHERE sha256 = ?1 AND NOT pinned",
    [EACH_MARK] = "SELECT sha256, pinned, verified_s FROM mark",

    /* A size that a later list lacks is kept. */
    [PUT_MEMBER] = "INSERT INTO member (name, origin, path, size) VALUES (?1, ?2, ?3, ?4)"
                   " ON CONFLICT (name, origin, path) DO UPDATE SET"
                   "  size = iif(excluded.size < 0, size, excluded.size)",
    [DROP_SET] = "DELETE FROM member WHERE name = ?1",
    [EACH_MEMBER] = "SELECT name, origin, path, size FROM member ORDER BY name, origin, path",
    [EACH_MEMBER_OF] = "SELECT name, origin, path, size FROM member WHERE name = ?1"
                       " ORDER BY origin, path",
    /* The size of a held file outranks that of its list. */
    [EACH_SET] = "SELECT m.name, count(*), sum(max(iif(f.blob IS NULL, m.size, f.size), 0)),"
                 "  count(f.blob), sum(iif(f.blob IS NULL, 0, max(f.size, 0)))"
                 " FROM member AS m LEFT JOIN file AS f ON f.origin = m.origin AND f.path = m.path"
                 " GROUP BY m.name ORDER BY m.name",
    [EACH_SET_BLOB] = "SELECT DISTINCT f.blob FROM member AS m"
                      " JOIN file AS f ON f.origin = m.origin AND f.path = m.path"
                      " WHERE f.blob IS NOT NULL",

    [PUT_EVIDENCE] =
        "INSERT OR REPLACE INTO evidence (sha256, level, stays, why) VALUES (?1, ?2, ?3, ?4)",
    [DROP_EVIDENCE] = "DELETE FROM evidence WHERE sha256 = ?1 AND NOT stays",
    [EACH_EVIDENCE] = "SELECT sha256, level, why FROM evidence",

    [PUT_METADATA] = "INSERT OR REPLACE INTO metadata (" METADATA_COLUMNS ", body)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [GET_METADATA] = "SELECT " METADATA_COLUMNS ", body FROM metadata AS m"
                     " WHERE origin = ?1 AND path = ?2" OF_TODAY,
    [EACH_METADATA] = "SELECT " METADATA_COLUMNS ", x'' FROM metadata AS m"
                      " WHERE origin = ?1 AND project = ?2" OF_TODAY,
    [DROP_METADATA] = "DELETE FROM metadata WHERE origin = ?1 AND path = ?2",

    [PUT_PLACE] = "INSERT OR REPLACE INTO place (origin, path, mirror, page, url)"
                  " VALUES (?1, ?2, ?3, ?4, ?5)",
    [DROP_PLACES] = "DELETE FROM place WHERE origin = ?1 AND mirror = ?2 AND page = ?3",
    [EACH_PLACE] = "SELECT origin, path, mirror, page, url FROM place"
                   " WHERE origin = ?1 AND path = ?2",

    [PUT_RANGES] = "INSERT OR REPLACE INTO ranges (files, honoured, when_s) VALUES (?1, ?2, ?3)",
    [EACH_RANGES] = "SELECT files, honoured, when_s FROM ranges",

    [PUT_CHANNEL] = "INSERT OR REPLACE INTO channel (origin, name, listed_s) VALUES (?1, ?2, ?3)",
    [EACH_CHANNEL] = "SELECT origin, name, listed_s FROM channel",

    [PUT_LISTED] = "INSERT INTO showing (" LISTED_COLUMNS ")"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                   " ON CONFLICT (origin, project, path, channel) DO UPDATE SET"
                   "  requires_python = excluded.requires_python,"
                   "  upload_time = excluded.upload_time,"
                   "  upload_time_source = excluded.upload_time_source,"
                   "  yanked = excluded.yanked, yanked_reason = excluded.yanked_reason,"
                   "  delisted_s = excluded.delisted_s",
    [EACH_LISTED] = "SELECT " LISTED_COLUMNS " FROM showing",
    [EACH_LISTED_OF] = "SELECT " LISTED_COLUMNS " FROM showing WHERE origin = ?1 AND project = ?2",

    [PUT_LOCAL] = "INSERT OR REPLACE INTO local (" LOCAL_COLUMNS ")"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [DROP_LOCAL] = "DELETE FROM local WHERE origin = ?1 AND path = ?2",
    [EACH_LOCAL] = "SELECT " LOCAL_COLUMNS " FROM local WHERE origin = ?1",

    /* A value that a later answer lacks is kept. */
    [PUT_FIRST_SEEN] =
        "INSERT INTO sighting (origin, path, project, first_s, asked_s, modified_s, size)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (origin, path) DO UPDATE SET"
        "  project = excluded.project, first_s = min(first_s, excluded.first_s),"
        "  asked_s = max(asked_s, excluded.asked_s),"
        "  modified_s = iif(excluded.modified_s < 0, modified_s, excluded.modified_s),"
        "  size = iif(excluded.size < 0, size, excluded.size)",
    /* The size of a fetched file outranks the size that HEAD gave. */
    [EACH_FIRST_SEEN] =
        "SELECT s.origin, s.path, s.project, s.first_s, s.asked_s, s.modified_s,"
        " iif(s.size < 0 OR ifnull(f.size, -1) < 0, s.size, f.size) FROM sighting AS "
        "s INDEXED BY sighting_by_project"
        " LEFT JOIN file AS f ON f.origin = s.origin AND f.path = s.path"
        " WHERE s.origin = ?1 AND s.project = ?2 ORDER BY s.path",

    [PUT_COUNTER] = "INSERT OR REPLACE INTO counter (name, value) VALUES (?1, ?2)",
    [EACH_COUNTER] = "SELECT name, value FROM counter",
};

const struct sql_program catalogue_program = {
    .application_id = 0x77686c79, /* "whly" */
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .statements = statements,
    .statement_count = STATEMENTS,
};
