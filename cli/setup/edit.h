// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Changes to configuration files of other programs, INI and TOML: a section gets keys, and every
 * other byte stays as it is. Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { EDIT_KEYS_MAX = 4 };

struct edit_key {
    const char *name;
    const char *value; /* as written: quoted if the format requires it */
    bool is_list;      /* words separated by white space (INI): other words stay */
};

enum edit_format {
    EDIT_TOML,
    EDIT_INI, /* as Python's configparser reads it: a line with deeper indentation continues a value
               */
};

struct edit {
    enum edit_format format;
    const char *heading; /* "[global]"; "[[index]]" may occur several times and is recognised by its
                            first key */
    struct edit_key keys[EDIT_KEYS_MAX];
    size_t key_count;
};

/* Writes `old` with the change. An existing key gets the value, a missing key is added after the
 * heading, and a missing section is added at the end. Errors are in the buffer. */
void edit_apply(const struct edit *edit, const char *old, struct buf *to);

/* The value of the edit's n-th key in the section that edit_apply would change, as written, without
 * a comment (free() it). NULL: it is absent. */
char *edit_value(const struct edit *edit, const char *text, size_t key);

/* Removes what edit_apply has put into `text`. `before` is the file at that time, or NULL. When
 * nothing else has changed since, the result is `before` itself. Otherwise each of our lines
 * becomes the line before the change, or is removed, and the heading goes with the last one.
 * EDIT_MIXED (> 0): the section has other keys now and is meaningless without ours. Errors are in
 * the buffer. */
enum { EDIT_MIXED = 1 };
int edit_undo(const struct edit *edit, const char *text, const char *before, struct buf *to);

/* Writes the section alone, for users who copy it. */
void edit_write(const struct edit *edit, struct buf *to);

/* The change as a unified diff with one hunk; nothing when nothing changed. */
void edit_diff(const char *path, const char *old, const char *new, struct buf *to);
