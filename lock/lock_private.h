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

struct lock_reader {
    const struct lock_input *input;
    struct lock *lock;
    struct lock_wrong *wrong;
    size_t text_bytes;
    size_t caps[6];   /* of the lists, by enum reader_list */
    const char *file; /* that is being read; "" is the first */
};

/* Copies into the lock's memory; NULL when out of memory. */
const char *lock_reader_copy(struct lock_reader *r, const char *text, size_t len);
/* The same; *ret is NULL for NULL. 0, ERROR_NO_MEMORY or ERROR_TOO_BIG. */
int lock_reader_keep(struct lock_reader *r, const char *text, const char **ret);
int lock_reader_keep_len(struct lock_reader *r, const char *text, size_t len, const char **ret);
int lock_reader_keep_buf(struct lock_reader *r, const struct buf *text, const char **ret);
/* The normalised name, or the name itself where it is no project's. */
int lock_reader_keep_project(struct lock_reader *r, const char *name, const char **ret);

/* Says what is wrong; always ERROR_CONFIG. */
int lock_reader_complain(struct lock_reader *r, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Append a zeroed item, which lives until the next one of its kind. NULL: *ret_error says why. */
struct lock_package *lock_reader_add_package(struct lock_reader *r, const char *name, unsigned line,
                                             int *ret_error);
struct lock_file *lock_reader_add_file(struct lock_reader *r, unsigned line, int *ret_error);
struct lock_dependency *lock_reader_add_dependency(struct lock_reader *r, int *ret_error);
struct lock_use *lock_reader_add_use(struct lock_reader *r, int *ret_error);
int lock_reader_skip(struct lock_reader *r, unsigned line, const char *what, const char *place,
                     const char *reason);
int lock_reader_add_address(struct lock_reader *r, const struct lock_address *address);

/* Sets name and kind of a file by its address or path, decoded; `name` may be NULL. */
int lock_reader_name_file(struct lock_reader *r, struct lock_file *file, const char *name);

/* "scheme://" of the web in front? */
bool is_web_address(const char *text);

int read_uv(struct lock_reader *r, const struct toml_node *root);
int read_pylock(struct lock_reader *r, const struct toml_node *root);
int read_poetry(struct lock_reader *r, const struct toml_node *root);
int read_pdm(struct lock_reader *r, const struct toml_node *root);
int read_pixi(struct lock_reader *r);
int read_requirements(struct lock_reader *r);
/* Parses, tells which format it is, and reads it. */
int read_toml(struct lock_reader *r, bool has_kind);
