// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Changes of configuration files that other programs own, INI and TOML: a section gets keys, and
 * everything else stays as it is, to the byte. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { EDIT_KEYS_MAX = 4 };

struct edit_key {
    const char *name;
    const char *value; /* as it is written: quoted where the format wants it */
    bool is_list;      /* words parted by white space (INI): others stay beside this one */
};

enum edit_format {
    EDIT_TOML,
    EDIT_INI, /* as Python's configparser reads it: what is indented deeper than an option is more
                 of its value */
};

struct edit {
    enum edit_format format;
    const char *heading; /* "[global]"; "[[index]]" is one of several, known by its first key */
    struct edit_key keys[EDIT_KEYS_MAX];
    size_t key_count;
};

/* Writes `old` with the change: a key that is there gets the value, one that is not comes behind
 * the heading, and a section that is not there behind everything. Errors are the buffer's. */
void edit_apply(const struct edit *edit, const char *old, struct buf *to);

/* The value of the edit's key of that number in the section that edit_apply would change, as it is
 * written in its line, without a comment behind it (free() it). NULL: there is none. */
char *edit_value(const struct edit *edit, const char *text, size_t key);

/*
 * Takes out what edit_apply has put into `text`. `before` is what the file was then, or NULL: the
 * result is `before` itself where nothing else has changed since; else each line of ours becomes
 * what stood there before, or goes, and with the last one the heading. EDIT_MIXED (> 0): the
 * section has other keys in it now, and makes no sense without ours. Errors are the buffer's.
 */
enum { EDIT_MIXED = 1 };
int edit_undo(const struct edit *edit, const char *text, const char *before, struct buf *to);

/* The section alone, for who copies it. */
void edit_write(const struct edit *edit, struct buf *to);

/* What changed, as a unified diff with one hunk; nothing when nothing did. */
void edit_diff(const char *path, const char *old, const char *new, struct buf *to);
