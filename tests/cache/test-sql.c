// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cache/sql.h"
#include "tests/cache/scratch.h"

/* Three versions of one program, as releases would bring them, and two that must not be let in. */
static const char *const migrations[] = {
    "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT",
    "ALTER TABLE t ADD COLUMN w INTEGER NOT NULL DEFAULT 7",
    "CREATE TABLE u (k INTEGER PRIMARY KEY) STRICT; UPDATE t SET w = w + 1",
};
static const char *const broken_migrations[] = {
    "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT",
    "ALTER TABLE t ADD COLUMN w INTEGER NOT NULL DEFAULT 7; INSERT INTO nowhere VALUES (1)",
};

enum { PUT, GET, ALL };
static const char *const old_statements[] = {
    "INSERT INTO t (k, v) VALUES (?1, ?2)",
    "SELECT k, v FROM t WHERE k = ?1",
    "SELECT k, v FROM t ORDER BY k",
};
static const char *const new_statements[] = {
    "INSERT INTO t (k, v) VALUES (?1, ?2)",
    "SELECT w, v FROM t WHERE k = ?1",
    "SELECT k, v FROM t ORDER BY k",
};

enum { OURS = 0x1234 };
#define PROGRAM(steps, count, texts)                                                               \
    {                                                                                              \
        OURS, (steps), (count), (texts), 3                                                         \
    }
static const struct sql_program old_program = PROGRAM(migrations, 1, old_statements);
static const struct sql_program new_program = PROGRAM(migrations, 3, new_statements);
static const struct sql_program broken_program = PROGRAM(broken_migrations, 2, old_statements);
static const struct sql_program foreign_program = {OURS + 1, migrations, 1, old_statements, 3};

#define VALUES(...) ((const struct sql_value[]){__VA_ARGS__})

static struct sql *open_as(const char *path, const struct sql_program *program, int expected)
{
    struct sql *sql = NULL;
    assert_int_equal(sql_open(path, program, &sql), expected);
    return sql;
}

static int put(struct sql *sql, int64_t k, const char *v)
{
    return sql_change(sql, PUT, VALUES(sql_integer(k), sql_text(v)));
}

static int add_up(void *context, const struct sql_row *row)
{
    *(int64_t *)context += sql_row_integer(row, 0);
    return 0;
}

static int64_t sum(struct sql *sql)
{
    int64_t total = 0;
    int r = sql_query(sql, ALL, NULL, add_up, &total);
    assert_true(r == 0 || r == SQL_NO_ROW);
    return total;
}

static void migrates_from_an_older_version(void **state)
{
    (void)state;
    struct sql *sql = open_as("migrate", &old_program, 0);
    assert_int_equal(put(sql, 1, "old"), 0);
    sql_close(sql);

    sql = open_as("migrate", &new_program, 0);
    int64_t w = 0;
    assert_int_equal(sql_query(sql, GET, VALUES(sql_integer(1)), add_up, &w), 0);
    assert_int_equal(w, 8);
    sql_close(sql);
    sql = open_as("migrate", &new_program, 0); /* not twice */
    w = 0;
    assert_int_equal(sql_query(sql, GET, VALUES(sql_integer(1)), add_up, &w), 0);
    assert_int_equal(w, 8);
    sql_close(sql);
}

static void a_newer_version_is_refused(void **state)
{
    (void)state;
    struct sql *sql = open_as("newer", &new_program, 0);
    assert_int_equal(put(sql, 5, "new"), 0);
    sql_close(sql);
    assert_null(open_as("newer", &old_program, ERROR_CONFIG));
    sql = open_as("newer", &new_program, 0); /* and left as it was */
    assert_int_equal(sum(sql), 5);
    sql_close(sql);
}

static void another_programs_database_is_refused(void **state)
{
    (void)state;
    struct sql *sql = open_as("foreign", &foreign_program, 0);
    assert_int_equal(put(sql, 5, "theirs"), 0);
    sql_close(sql);
    assert_null(open_as("foreign", &old_program, ERROR_CONFIG));
    sql = open_as("foreign", &foreign_program, 0);
    assert_int_equal(sum(sql), 5);
    sql_close(sql);
}

/* A migration that fails half-way must leave the older version whole: here it is moved aside, and
 * the fresh one fails the same way, so that what was kept can be looked at. */
static void a_failing_migration_is_whole_or_nothing(void **state)
{
    (void)state;
    char aside[256], path[300];
    struct sql *sql = open_as("broken", &old_program, 0);
    assert_int_equal(put(sql, 9, "kept"), 0);
    sql_close(sql);
    assert_null(open_as("broken", &broken_program, ERROR_CORRUPT));
    assert_true(scratch_find(".", "broken.corrupt-", aside));
    (void)snprintf(path, sizeof(path), "./%s", aside);
    sql = open_as(path, &old_program, 0);
    assert_int_equal(sum(sql), 9);
    sql_close(sql);
    sql = open_as(path, &new_program, 0); /* a column that the failed step had added is not there */
    sql_close(sql);
}

static void a_second_connection_is_refused(void **state)
{
    (void)state;
    int status = 0;
    struct sql *sql = open_as("busy", &old_program, 0);
    assert_int_equal(put(sql, 1, "mine"), 0);
    /* From another process: record locks do not keep a process from itself. */
    pid_t child = fork();
    if (child == 0) {
        struct sql *other = NULL;
        _exit(sql_open("busy", &old_program, &other) == ERROR_IN_USE ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(put(sql, 2, "mine"), 0);
    sql_close(sql);
}

static void transactions_are_whole_or_nothing(void **state)
{
    (void)state;
    struct sql *sql = open_as("transactions", &old_program, 0);
    assert_int_equal(sql_begin(sql), 0);
    assert_true(sql_is_begun(sql));
    assert_int_equal(put(sql, 1, "a"), 0);
    assert_int_equal(sum(sql), 1);
    sql_rollback(sql);
    assert_int_equal(sum(sql), 0);

    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(put(sql, 1, "a"), 0);
    assert_int_equal(put(sql, 1, "the same key"), ERROR_CORRUPT);
    assert_int_equal(put(sql, 2, "b"), ERROR_CORRUPT); /* good, but after a failure */
    assert_int_equal(sql_commit(sql), ERROR_CORRUPT);
    assert_false(sql_is_begun(sql));
    assert_int_equal(sum(sql), 0);

    assert_int_equal(put(sql, 3, NULL), ERROR_CORRUPT); /* outside, a failure is its own */
    assert_int_equal(put(sql, 4, "d"), 0);
    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(put(sql, 5, "e"), 0);
    assert_int_equal(sql_commit(sql), 0);
    assert_int_equal(sum(sql), 9);
    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(put(sql, 6, "never committed"), 0);
    sql_close(sql);
    sql = open_as("transactions", &old_program, 0);
    assert_int_equal(sum(sql), 9);
    sql_close(sql);
    sql_close(NULL);
}

static int stop_at_first(void *context, const struct sql_row *row)
{
    (void)row;
    return ++*(int *)context == 2 ? ERROR_STOPPING : 0;
}

static void a_query_stops_where_it_is_told(void **state)
{
    (void)state;
    struct sql *sql = open_as("stop", &old_program, 0);
    int rows = 0;
    for (int k = 1; k <= 5; k++)
        assert_int_equal(put(sql, k, "v"), 0);
    assert_int_equal(sql_query(sql, ALL, NULL, stop_at_first, &rows), ERROR_STOPPING);
    assert_int_equal(rows, 2);
    assert_int_equal(sum(sql), 15); /* from the start again */
    assert_int_equal(sql_query(sql, GET, VALUES(sql_integer(99)), add_up, &rows), SQL_NO_ROW);
    sql_close(sql);
}

/* ------------------------------------------------------------------ broken files */

static void no_database(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "xy", "this is a text file that somebody put here by mistake, long enough for a header, "
              "which is a hundred bytes long, so here are some more of them\n"};
    for (size_t i = 0; i < 2; i++) {
        char path[32], aside[64], found[256];
        (void)snprintf(path, sizeof(path), "text-%zu", i);
        (void)snprintf(aside, sizeof(aside), "text-%zu.corrupt-", i);
        scratch_write(path, texts[i]);
        struct sql *sql = open_as(path, &old_program, SQL_RESET);
        assert_int_equal(put(sql, 1, "fresh"), 0);
        sql_close(sql);
        assert_true(scratch_find(".", aside, found));
        auto_buf struct buf kept;
        buf_init(&kept, 1000);
        assert_int_equal(file_read_all(found, &kept), 0);
        assert_string_equal(kept.data, texts[i]);
        sql = open_as(path, &old_program, 0);
        assert_int_equal(sum(sql), 1);
        sql_close(sql);
    }
    scratch_write("nothing", ""); /* an empty file is an empty database */
    sql_close(open_as("nothing", &old_program, 0));
}

static void scribble(const char *path, int64_t offset, size_t len)
{
    char junk[4096];
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && len <= sizeof(junk));
    memset(junk, 0x5a, sizeof(junk));
    assert_int_equal(file_write_at(fd, junk, len, offset), 0);
}

static void fill(const char *path)
{
    static char text[500];
    memset(text, 'v', sizeof(text) - 1);
    struct sql *sql = open_as(path, &old_program, 0);
    assert_int_equal(sql_begin(sql), 0);
    for (int k = 1; k <= 500; k++)
        assert_int_equal(put(sql, k, text), 0);
    assert_int_equal(sql_commit(sql), 0);
    sql_close(sql);
}

/* A broken page amid the file, a cut file, a broken schema: found at the start, in each case. */
static void corruption_is_moved_aside(void **state)
{
    (void)state;
    char found[256];
    fill("page");
    scribble("page", 4096 * 10, 4096);
    fill("cut");
    assert_int_equal(truncate("cut", 4096 * 20 + 100), 0);
    fill("schema");
    scribble("schema", 100, 1000);
    static const char *const paths[] = {"page", "cut", "schema"};
    for (size_t i = 0; i < 3; i++) {
        char prefix[32];
        struct sql *sql = open_as(paths[i], &old_program, SQL_RESET);
        assert_int_equal(sum(sql), 0);
        assert_int_equal(put(sql, 1, "fresh"), 0);
        sql_close(sql);
        (void)snprintf(prefix, sizeof(prefix), "%s.corrupt-", paths[i]);
        assert_true(scratch_find(".", prefix, found));
    }
}

/* A killed daemon leaves a WAL; what was committed is there again, what was not is gone. */
static void a_kill_loses_nothing_committed(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct sql *sql = NULL;
        int r = sql_open("killed", &old_program, &sql);
        r = r ? r : put(sql, 1, "committed");
        r = r ? r : sql_begin(sql);
        r = r ? r : put(sql, 2, "not");
        _exit(r ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(scratch_exists("killed-wal"));
    assert_false(scratch_exists("killed-shm")); /* its index never was a mapped file */
    struct sql *sql = open_as("killed", &old_program, 0);
    assert_int_equal(sum(sql), 1);
    sql_close(sql);
    assert_false(scratch_exists("killed-wal")); /* checkpointed */
}

/* ------------------------------------------------------------------ disks */

static void fill_up(const char *path)
{
    static const char block[4096];
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        continue;
}

static void a_full_disk_changes_nothing(void **state)
{
    (void)state;
    if (!scratch_mount("full", 2 << 20))
        skip();
    static char large[200000];
    memset(large, 'x', sizeof(large) - 1);
    struct sql *sql = open_as("full/db", &old_program, 0);
    assert_int_equal(put(sql, 1, "before"), 0);
    fill_up("full/ballast");
    assert_int_equal(put(sql, 2, large), ERROR_NO_SPACE);
    assert_int_equal(sum(sql), 1);

    assert_int_equal(sql_begin(sql), 0);
    assert_int_equal(put(sql, 4, "in memory so far"), 0);
    (void)put(sql, 8, large); /* fails here or at the commit, as SQLite's page cache will have it */
    assert_int_equal(sql_commit(sql), ERROR_NO_SPACE);
    assert_int_equal(sum(sql), 1);

    assert_int_equal(unlink("full/ballast"), 0);
    assert_int_equal(put(sql, 16, large), 0);
    assert_int_equal(sum(sql), 17);
    sql_close(sql);
    sql = open_as("full/db", &old_program, 0);
    assert_int_equal(sum(sql), 17);
    sql_close(sql);

    /* No room for a new one: that is no corruption, so nothing is moved. */
    fill_up("full/ballast");
    assert_null(open_as("full/other", &old_program, ERROR_NO_SPACE));
    assert_int_equal(unlink("full/ballast"), 0);
    sql_close(open_as("full/other", &old_program, 0));
    scratch_unmount("full");
}

static void a_read_only_disk(void **state)
{
    (void)state;
    if (!scratch_mount("ro", 2 << 20))
        skip();
    sql_close(open_as("ro/db", &old_program, 0));
    assert_true(scratch_make_read_only("ro"));
    assert_null(open_as("ro/db", &old_program, ERROR_READ_ONLY));
    assert_null(open_as("ro/other", &old_program, ERROR_READ_ONLY));
    scratch_unmount("ro");
    assert_null(open_as("no/such/directory", &old_program, ERROR_IO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrates_from_an_older_version),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(another_programs_database_is_refused),
        cmocka_unit_test(a_failing_migration_is_whole_or_nothing),
        cmocka_unit_test(a_second_connection_is_refused),
        cmocka_unit_test(transactions_are_whole_or_nothing),
        cmocka_unit_test(a_query_stops_where_it_is_told),
        cmocka_unit_test(no_database),
        cmocka_unit_test(corruption_is_moved_aside),
        cmocka_unit_test(a_kill_loses_nothing_committed),
        cmocka_unit_test(a_full_disk_changes_nothing),
        cmocka_unit_test(a_read_only_disk),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
