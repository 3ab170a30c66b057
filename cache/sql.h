// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * SQLite for the catalogue: one connection, a schema that migrates, and a fixed set of statements
 * that are compiled once. Private to cache/; it knows none of our tables.
 *
 *     static const char *const statements[] = {[PUT] = "INSERT ...", [GET] = "SELECT ..."};
 *     sql_open(path, &program, &sql);
 *     sql_change(sql, PUT, (struct sql_value[]){sql_text("a"), sql_integer(1)});
 *     sql_query(sql, GET, (struct sql_value[]){sql_text("a")}, on_row, context);
 *
 * One thread at a time. After the first failed change in a transaction all further ones fail the
 * same way, and the commit rolls back: a transaction is whole or nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql;
struct sql_row;

struct sql_program {
    int application_id;
    const char *const *migrations; /* [i] leads from user_version i to i + 1 */
    unsigned migration_count;
    const char *const *statements;
    unsigned statement_count;
};

/* The value of ?1, ?2, ... in order; as many as the statement has. */
struct sql_value {
    enum { SQL_NULL, SQL_INTEGER, SQL_TEXT, SQL_BLOB } type;
    int64_t integer;
    const void *bytes;
    size_t len;
};
struct sql_value sql_integer(int64_t integer);
struct sql_value sql_text(const char *text); /* NULL is SQL's NULL */
struct sql_value sql_blob(const void *bytes, size_t len);

/* 0; SQL_RESET when a corrupt file was moved aside first. ERROR_CONFIG: a newer user_version, or
 * another program's application_id. ERROR_IN_USE, ERROR_READ_ONLY. */
enum { SQL_RESET = 1, SQL_NO_ROW = 2 };
int sql_open(const char *path, const struct sql_program *program, struct sql **ret);
void sql_close(struct sql *sql); /* rolls back an open transaction and checkpoints; NULL is legal */

int sql_begin(struct sql *sql);
int sql_commit(struct sql *sql);
void sql_rollback(struct sql *sql);
bool sql_is_begun(const struct sql *sql);

int sql_change(struct sql *sql, unsigned statement, const struct sql_value *values);

/* Calls on_row for each row until it returns a value other than 0, which is then returned.
 * SQL_NO_ROW when there was no row. on_row must not run the same statement again. */
int sql_query(struct sql *sql, unsigned statement, const struct sql_value *values,
              int (*on_row)(void *context, const struct sql_row *row), void *context);

/* Columns count from 0; pointers are valid until on_row returns. */
int64_t sql_row_integer(const struct sql_row *row, int column);
const char *sql_row_text(const struct sql_row *row, int column); /* NULL for SQL's NULL */
const void *sql_row_blob(const struct sql_row *row, int column, size_t *ret_len);
