// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Members of tables of a lock file, by name. A member that is absent gives NULL, -1 or an empty
 * list; one of another type is ERROR_CONFIG with its line (lock/lock_private.h). Private to lock/.
 */
#include "base/toml.h"
#include "lock/lock_private.h"

/* A string, which lives as long as the document. */
int field_string(struct lock_reader *r, const struct toml_node *table, const char *name,
                 const char **ret);
/* The same; without it the lock cannot be read. */
int field_needed(struct lock_reader *r, const struct toml_node *table, const char *name,
                 const char **ret);
/* The same, copied into the lock. */
int field_keep(struct lock_reader *r, const struct toml_node *table, const char *name,
               const char **ret);
int field_integer(struct lock_reader *r, const struct toml_node *table, const char *name,
                  int64_t *ret);
/* Several as field_keep; an error ends it. */
struct field_text {
    const char *name;
    const char **to;
};
int field_keep_each(struct lock_reader *r, const struct toml_node *table,
                    const struct field_text *texts, size_t count);
/* An array, or a table; NULL without it. */
int field_array(struct lock_reader *r, const struct toml_node *table, const char *name,
                const struct toml_node **ret);
int field_table(struct lock_reader *r, const struct toml_node *table, const char *name,
                const struct toml_node **ret);
/* The strings of an array, copied, with `separator` between them; "" without it. */
int field_list(struct lock_reader *r, const struct toml_node *table, const char *name,
               char separator, const char **ret);
unsigned field_line(const struct toml_node *node);

/* A package, which has to be a table with a `name`; a file, which has to be a table. */
int field_package(struct lock_reader *r, const struct toml_node *node, struct lock_package **ret);
int field_file(struct lock_reader *r, const struct toml_node *node, enum lock_file_kind kind,
               struct lock_file **ret);

/* Notes every address below `node` (lock_address). */
int note_addresses(struct lock_reader *r, const struct toml_node *node);
