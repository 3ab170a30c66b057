// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the readers of lock files share: the lock that they build, memory for its texts, what is
 * wrong. A reader returns 0 or an error; ERROR_CONFIG comes from lock_complain alone.
 */
#include <stdarg.h>

#include "base/cleanup.h"
#include "lock/lock.h"

struct toml_node;

struct reader {
    const struct lock_input *input;
    struct lock *lock;
    struct lock_wrong *wrong;
    size_t text_bytes;
    size_t caps[6]; /* of the lists, by enum reader_list */
    const char *file; /* that is being read; "" is the first */
};

/* Copies into the lock's memory; NULL when out of memory. */
const char *reader_copy(struct reader *r, const char *text, size_t len);
/* The same; *ret is NULL for NULL. 0, ERROR_NO_MEMORY or ERROR_TOO_BIG. */
int reader_keep(struct reader *r, const char *text, const char **ret);
int reader_keep_len(struct reader *r, const char *text, size_t len, const char **ret);
int reader_keep_buf(struct reader *r, const struct buf *text, const char **ret);
/* The normalised name, or the name itself where it is no project's. */
int reader_keep_project(struct reader *r, const char *name, const char **ret);

/* Says what is wrong; always ERROR_CONFIG. */
int reader_complain(struct reader *r, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Append a zeroed item, which lives until the next one of its kind. NULL: *ret_error says why. */
struct lock_package *reader_add_package(struct reader *r, const char *name, unsigned line,
                                        int *ret_error);
struct lock_file *reader_add_file(struct reader *r, unsigned line, int *ret_error);
struct lock_dependency *reader_add_dependency(struct reader *r, int *ret_error);
struct lock_use *reader_add_use(struct reader *r, int *ret_error);
int reader_skip(struct reader *r, unsigned line, const char *what, const char *place,
                const char *reason);
int reader_add_address(struct reader *r, const struct lock_address *address);

/* Sets name and kind of a file by its address or path, decoded; `name` may be NULL. */
int reader_name_file(struct reader *r, struct lock_file *file, const char *name);

/* "scheme://" of the web in front? */
bool is_web_address(const char *text);

int read_uv(struct reader *r, const struct toml_node *root);
int read_pylock(struct reader *r, const struct toml_node *root);
int read_poetry(struct reader *r, const struct toml_node *root);
int read_pdm(struct reader *r, const struct toml_node *root);
int read_pixi(struct reader *r);
int read_requirements(struct reader *r);
/* Parses, tells which format it is, and reads it. */
int read_toml(struct reader *r, bool has_kind);
