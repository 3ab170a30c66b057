// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a database:
 *
 *     open        the directory is writable, the file opens, its pragmas are set
 *     checked     owner, version and pages are as expected; else ERROR_CONFIG or ERROR_CORRUPT
 *     migrated    all missing steps in one transaction; then every statement is compiled
 *     corrupt     the file is moved aside once, and the opening starts again with an empty one
 *     closed      statements are finalized, and the last connection checkpoints the WAL
 *
 * All of it happens on the catalogue thread. A transaction is begun, collects its first failure in
 * `failed`, and ends in a commit or a rollback.
 */
#include "cache/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

enum {
    BUSY_MS = 2000,              /* for a reader that has the file open when we start */
    CHECK_MAX_BYTES = 256 << 20, /* quick_check costs about 1 ms per MB in memory */
    ASIDE_TRIES = 100,
};

/* One open database with its compiled statements. */
struct sql {
    sqlite3 *db;
    const struct sql_program *program;
    bool begun;
    int failed; /* the first error in the current transaction */
    sqlite3_stmt *statements[];
};

/* A row is SQLite's statement under our own name. */
static sqlite3_stmt *statement_of(const struct sql_row *row)
{
    return (sqlite3_stmt *)(uintptr_t)row;
}

/* ------------------------------------------------------------------ errors */

/* SQLite reports a full disk as an I/O error in the WAL's index and at a truncate. */
static int error_of_io(sqlite3 *db, int code)
{
    if (code == SQLITE_IOERR_NOMEM)
        return ERROR_NO_MEMORY;
    int errnum = sqlite3_system_errno(db);
    return errnum == ENOSPC || errnum == EDQUOT ? ERROR_NO_SPACE : ERROR_IO;
}

/* Only outcomes that some caller handles differ; the rest counts as a corrupt database, which is
 * moved aside. */
static int error_of(sqlite3 *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return ERROR_NO_MEMORY;
    case SQLITE_FULL:
        return ERROR_NO_SPACE;
    case SQLITE_READONLY:
        return ERROR_READ_ONLY;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERROR_DENIED;
    case SQLITE_CANTOPEN: {
        int errnum = sqlite3_system_errno(db);
        return errnum ? error_from_errno(errnum) : ERROR_IO;
    }
    case SQLITE_IOERR:
        return error_of_io(db, code);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERROR_IN_USE;
    case SQLITE_TOOBIG:
        return ERROR_TOO_BIG;
    default: /* CORRUPT, NOTADB, and tables that do not fit our statements */
        return ERROR_CORRUPT;
    }
}

/* The log gets SQLite's own words; the caller gets one of our errors. */
static int failure(struct sql *sql, const char *what)
{
    int code = sqlite3_extended_errcode(sql->db);
    int r = error_of(sql->db, code);
    log_debug("catalogue: %s: %s (%d)", what, sqlite3_errmsg(sql->db), code);
    return r ? r : ERROR_IO;
}

/* ------------------------------------------------------------------ plain statements */

static int run(struct sql *sql, const char *text)
{
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : failure(sql, text);
}

static int take_integer(void *ret, int columns, char **values, char **names)
{
    (void)columns, (void)names;
    *(int64_t *)ret = values[0] ? strtoll(values[0], NULL, 10) : 0;
    return 0;
}

/* For pragmas, whose result is one integer. */
static int ask(struct sql *sql, const char *text, int64_t *ret)
{
    return sqlite3_exec(sql->db, text, take_integer, ret, NULL) == SQLITE_OK ? 0
                                                                             : failure(sql, text);
}

static int set(struct sql *sql, const char *pragma, int64_t value)
{
    auto_free char *text = str_printf("PRAGMA %s = %lld", pragma, (long long)value);
    return text ? run(sql, text) : ERROR_NO_MEMORY;
}

/* ------------------------------------------------------------------ opening */

/* Exclusive locking makes SQLite enforce that there is one connection (two that checkpoint can
 * corrupt a file, see the catalogue's header). It also keeps the WAL's index in our memory; a
 * mapped file would raise SIGBUS on a full disk. Secure delete would write every freed page, and
 * nothing here is secret. */
static int configure(struct sql *sql)
{
    (void)sqlite3_busy_timeout(sql->db, BUSY_MS);
    (void)sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return run(sql, "PRAGMA locking_mode = EXCLUSIVE;"
                    "PRAGMA mmap_size = 0;"
                    "PRAGMA secure_delete = OFF;"
                    "PRAGMA trusted_schema = OFF;"
                    "PRAGMA cell_size_check = ON;"
                    "PRAGMA temp_store = MEMORY");
}

/* NORMAL loses the last transactions in a power cut, but never the database; sidecars repair the
 * rest. */
static int start_wal(struct sql *sql)
{
    return run(sql, "PRAGMA journal_mode = WAL;"
                    "PRAGMA synchronous = NORMAL;"
                    "PRAGMA wal_autocheckpoint = 1000;"      /* pages: 4 MB */
                    "PRAGMA journal_size_limit = 16777216"); /* the rest of one large commit */
}

/* Opening another program's database would destroy it. */
static int check_owner(struct sql *sql, int64_t *ret_version)
{
    int64_t id = 0, version = 0;
    if (sqlite3_db_readonly(sql->db, "main")) /* SQLite falls back to this silently */
        return ERROR_READ_ONLY;
    int r = ask(sql, "PRAGMA application_id", &id);
    if (r == 0)
        r = ask(sql, "PRAGMA user_version", &version);
    if (r)
        return r;
    if ((id && id != sql->program->application_id) || version < 0 ||
        version > sql->program->migration_count)
        return ERROR_CONFIG;
    *ret_version = version;
    return 0;
}

static int take_verdict(void *ret_sound, int columns, char **values, char **names)
{
    (void)columns, (void)names;
    *(bool *)ret_sound = values[0] && strcmp(values[0], "ok") == 0;
    return 0;
}

/* Bounded, because a start must not read gigabytes. A broken page beyond the bound shows as
 * ERROR_CORRUPT when it is read. */
static int quick_check(struct sql *sql)
{
    int64_t pages = 0, page_bytes = 0;
    bool sound = false;
    int r = ask(sql, "PRAGMA page_count", &pages);
    if (r == 0)
        r = ask(sql, "PRAGMA page_size", &page_bytes);
    if (r || pages * page_bytes > CHECK_MAX_BYTES)
        return r;
    if (sqlite3_exec(sql->db, "PRAGMA quick_check(1)", take_verdict, &sound, NULL) != SQLITE_OK)
        return failure(sql, "quick_check");
    return sound ? 0 : ERROR_CORRUPT;
}

/* One transaction for all steps: a kill in the middle leaves the old schema. */
static int migrate(struct sql *sql, int64_t version)
{
    const struct sql_program *program = sql->program;
    if (version == program->migration_count)
        return 0;
    int r = run(sql, "BEGIN IMMEDIATE");
    for (; r == 0 && version < program->migration_count; version++)
        r = run(sql, program->migrations[version]);
    if (r == 0)
        r = set(sql, "application_id", program->application_id);
    if (r == 0)
        r = set(sql, "user_version", version);
    if (r == 0)
        r = run(sql, "COMMIT");
    if (r && !sqlite3_get_autocommit(sql->db))
        (void)run(sql, "ROLLBACK");
    return r;
}

/* All at the start, so that an unexpected table shows now and not in the middle of work. */
static int compile(struct sql *sql)
{
    for (unsigned i = 0; i < sql->program->statement_count; i++)
        if (sqlite3_prepare_v3(sql->db, sql->program->statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sql->statements[i], NULL) != SQLITE_OK)
            return failure(sql, sql->program->statements[i]);
    return 0;
}

/* The order matters: nothing is written before the owner is known. */
static int prepare(struct sql *sql)
{
    int64_t version = 0;
    int r = configure(sql);
    if (r == 0)
        r = check_owner(sql, &version);
    if (r == 0)
        r = quick_check(sql);
    if (r == 0)
        r = start_wal(sql);
    if (r == 0)
        r = migrate(sql, version);
    return r ? r : compile(sql);
}

/* No mutex in SQLite: one thread uses this connection. */
static int open_once(const char *path, const struct sql_program *program, struct sql **ret)
{
    struct sql *sql =
        calloc(1, sizeof(*sql) + program->statement_count * sizeof(sql->statements[0]));
    if (!sql)
        return ERROR_NO_MEMORY;
    sql->program = program;
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int r = sqlite3_open_v2(path, &sql->db, flags, NULL) == SQLITE_OK ? prepare(sql)
            : sql->db                                                 ? failure(sql, path)
                                                                      : ERROR_NO_MEMORY;
    if (r) {
        sql_close(sql);
        return r;
    }
    *ret = sql;
    return 0;
}

static int rename_if_there(const char *from, const char *to)
{
    return rename(from, to) < 0 && errno != ENOENT ? error_from_errno(errno) : 0;
}

/* The WAL moves with its file, because it may hold rows that a person wants to save. A new database
 * would also take an old WAL for its own. */
static int move_aside(const char *path)
{
    struct stat st;
    auto_free char *aside = NULL;
    for (int i = 0; i < ASIDE_TRIES; i++) {
        free(aside);
        aside = str_printf("%s.corrupt-%lld", path, (long long)clock_real_s() + i);
        if (!aside)
            return ERROR_NO_MEMORY;
        if (lstat(aside, &st) < 0 && errno == ENOENT)
            break;
    }
    auto_free char *wal = str_printf("%s-wal", path);
    auto_free char *aside_wal = str_printf("%s-wal", aside);
    auto_free char *shm = str_printf("%s-shm", path);
    auto_free char *journal = str_printf("%s-journal", path);
    if (!wal || !aside_wal || !shm || !journal)
        return ERROR_NO_MEMORY;
    int r = rename_if_there(wal, aside_wal);
    if (r == 0)
        r = rename_if_there(path, aside);
    (void)unlink(shm);
    (void)unlink(journal);
    return r;
}

/* Checked first: for a read-only directory SQLite only says that it could not open a file. */
static int check_directory(const char *path)
{
    auto_free char *directory = strdup(path);
    if (!directory)
        return ERROR_NO_MEMORY;
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    return faccessat(AT_FDCWD, slash ? directory : ".", W_OK | X_OK, AT_EACCESS) < 0
               ? error_from_errno(errno)
               : 0;
}

/* Only once: a disk that corrupts the new file as well needs a person. */
int sql_open(const char *path, const struct sql_program *program, struct sql **ret)
{
    int r = check_directory(path);
    if (r == 0)
        r = open_once(path, program, ret);
    if (r != ERROR_CORRUPT)
        return r;
    r = move_aside(path);
    if (r == 0)
        r = open_once(path, program, ret);
    return r ? r : SQL_RESET;
}

void sql_close(struct sql *sql)
{
    if (!sql)
        return;
    for (unsigned i = 0; i < sql->program->statement_count; i++)
        (void)sqlite3_finalize(sql->statements[i]);
    (void)sqlite3_close(sql->db); /* the last connection checkpoints and removes the WAL */
    free(sql);
}

/* ------------------------------------------------------------------ transactions */

int sql_begin(struct sql *sql)
{
    int r = run(sql, "BEGIN IMMEDIATE");
    sql->begun = sql->begun || r == 0;
    return r;
}

/* Also called after a failure that made SQLite roll back by itself. */
void sql_rollback(struct sql *sql)
{
    sql->begun = false;
    sql->failed = 0;
    if (!sqlite3_get_autocommit(sql->db)) /* SQLite may have rolled back already on a full disk */
        (void)run(sql, "ROLLBACK");
}

bool sql_is_begun(const struct sql *sql)
{
    return sql->begun;
}

/* A transaction with a failed change never commits, whatever the caller does. */
int sql_commit(struct sql *sql)
{
    int r = sql->failed;
    if (r == 0)
        r = run(sql, "COMMIT");
    if (r)
        sql_rollback(sql);
    sql->begun = false;
    return r;
}

/* ------------------------------------------------------------------ statements */

struct sql_value sql_integer(int64_t integer)
{
    return (struct sql_value){.type = SQL_INTEGER, .integer = integer};
}

struct sql_value sql_text(const char *text)
{
    if (!text)
        return (struct sql_value){.type = SQL_NULL};
    return (struct sql_value){.type = SQL_TEXT, .bytes = text, .len = strlen(text)};
}

struct sql_value sql_blob(const void *bytes, size_t len)
{
    return (struct sql_value){.type = SQL_BLOB, .bytes = len ? bytes : "", .len = len};
}

/* SQLITE_STATIC: the values live longer than the statement's run, which resets it at its end. */
static int bind(sqlite3_stmt *statement, int at, const struct sql_value *value)
{
    switch (value->type) {
    case SQL_NULL:
        return sqlite3_bind_null(statement, at);
    case SQL_INTEGER:
        return sqlite3_bind_int64(statement, at, value->integer);
    case SQL_TEXT:
        return sqlite3_bind_text64(statement, at, value->bytes, value->len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SQL_BLOB:
        return sqlite3_bind_blob64(statement, at, value->bytes, value->len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

/* The statement itself knows how many values it needs. */
static int bind_all(struct sql *sql, sqlite3_stmt *statement, const struct sql_value *values)
{
    for (int i = 0; i < sqlite3_bind_parameter_count(statement); i++)
        if (bind(statement, i + 1, &values[i]) != SQLITE_OK)
            return failure(sql, "bind");
    return 0;
}

/* A statement that is not reset holds its read lock and keeps the WAL from shrinking. */
static void settle(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

/* Inside a transaction the first failure is kept and returned by every later call. */
int sql_change(struct sql *sql, unsigned statement, const struct sql_value *values)
{
    sqlite3_stmt *s = sql->statements[statement];
    if (sql->failed)
        return sql->failed;
    int r = bind_all(sql, s, values);
    if (r == 0 && sqlite3_step(s) != SQLITE_DONE)
        r = failure(sql, sql->program->statements[statement]);
    settle(s);
    if (sql->begun)
        sql->failed = r;
    return r;
}

int sql_query(struct sql *sql, unsigned statement, const struct sql_value *values,
              int (*on_row)(void *context, const struct sql_row *row), void *context)
{
    sqlite3_stmt *s = sql->statements[statement];
    bool seen = false;
    int code, r = bind_all(sql, s, values);
    while (r == 0 && (code = sqlite3_step(s)) != SQLITE_DONE) {
        seen = true;
        r = code == SQLITE_ROW ? on_row(context, (const struct sql_row *)s)
                               : failure(sql, sql->program->statements[statement]);
    }
    settle(s);
    return r == 0 && !seen ? SQL_NO_ROW : r;
}

int64_t sql_row_integer(const struct sql_row *row, int column)
{
    return sqlite3_column_int64(statement_of(row), column);
}

const char *sql_row_text(const struct sql_row *row, int column)
{
    return (const char *)sqlite3_column_text(statement_of(row), column);
}

const void *sql_row_blob(const struct sql_row *row, int column, size_t *ret_len)
{
    const void *bytes = sqlite3_column_blob(statement_of(row), column);
    *ret_len = (size_t)sqlite3_column_bytes(statement_of(row), column);
    return bytes;
}
