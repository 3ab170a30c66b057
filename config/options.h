// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of options: one row for each key outside [origin] and [index]. The readers of files,
 * flags and environment, `--help`, `config show`, a reload and the manual pages all walk it. A
 * setter checks type, form and range, and keeps the old value when it refuses. Not thread-safe. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/toml.h"
#include "config/config.h"

enum option_type {
    OPTION_TEXT,     /* const char *; NULL while not set */
    OPTION_PATH,     /* the same, absolute */
    OPTION_LIST,     /* char **; NULL-terminated */
    OPTION_SIZE,     /* int64_t, bytes: "200GB", "5GiB", 4096 */
    OPTION_DURATION, /* int, milliseconds: "250ms", "5s", "10min", "2h", "30d" */
    OPTION_COUNT,    /* int */
    OPTION_BOOL,     /* bool: true, false; its flag needs no value */
    OPTION_LEVEL     /* enum log_level */
};

struct option_row {
    const char *key;
    enum option_type type;
    size_t offset; /* in struct config */
    int64_t least, most;
    const char *(*check)(
        const char *text); /* of a text or an element; returns what is wrong, or NULL */
    const char *argument;  /* for --help */
    const char *help;
    const char *more; /* more text for the manual; or NULL */
    bool at_start;    /* a reload cannot change it */
};

extern const struct option_row option_table[];
extern const size_t option_count;

/* NULL when no option has this name. */
const struct option_row *option_find(const char *key);

/* 0; OPTION_WRONG (> 0): *ret_why is what is wrong (static text). ERROR_NO_MEMORY. */
enum { OPTION_WRONG = 1 };
int option_set_text(const struct option_row *option, const char *text, struct config *config,
                    const char **ret_why);
int option_set_node(const struct option_row *option, const struct toml_node *node,
                    struct config *config, const char **ret_why);
/* Adds to a list the values that option_set_text would have set. */
int option_append_text(const struct option_row *option, const char *text, struct config *config,
                       const char **ret_why);

/* Bytes of a size such as "100MB"; -1 when it is not a size. */
int64_t option_parse_size(const char *text);

/* Milliseconds of a duration such as "3d"; -1 when it is not a duration. */
int64_t option_parse_duration(const char *text);

/* Appends the value as TOML; nothing when a text is unset. */
void option_write(const struct option_row *option, const struct config *config, struct buf *to);
/* Whether both configurations have the same value. */
bool option_is_same(const struct option_row *option, const struct config *a,
                    const struct config *b);
void option_write_string(struct buf *to, const char *s); /* quoted and escaped */
void option_write_list(struct buf *to, char *const *list);

void option_release(const struct option_row *option, struct config *config);
