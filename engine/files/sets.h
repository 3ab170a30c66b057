// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sets: named lists of files that are kept from eviction and removal (`prefetch --pin NAME`). A set
 * holds files by origin and path, whether they are held now or come later. A file may be in several
 * sets, and stays until the last of them ends. A pin of the blob itself (kept.h) is another thing,
 * and neither ends the other.
 *
 *     r = sets_add(engine, "lab", files, count);    adds to it, or begins it
 *     r = sets_drop(engine, "lab");                  ends it; ENGINE_ABSENT: there is none
 *     r = sets_each(engine, visit, context);             all, with what is held of each
 *     r = sets_each_file(engine, "lab", visit, context);
 *
 * These four block until the catalogue has done it: threads that may block, never HTTP workers. The
 * visitors run on the catalogue lane, while the caller waits. What they return ends the visit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct catalogue;
struct files;
struct sets;

struct set_file {
    const char *origin, *path;
    int64_t size; /* as the list of the set says; -1 unknown */
};
struct set_summary {
    const char *name;
    int64_t files, bytes;     /* bytes: of those whose size is known */
    int64_t held, held_bytes; /* of them: what is held whole */
};

enum { SET_NAME_BYTES = 64, SETS_MOST = 256 };

/* Whether it is a name of 1 to SET_NAME_BYTES letters, digits and `._-`, and no flag. Pure. */
bool set_name_is_valid(const char *name);

/* All or none. ERROR_BAD_REQUEST: the name. ERROR_TOO_BIG: SETS_MOST are there. */
int sets_add(struct files *files, const char *name, const struct set_file *list, size_t count);
int sets_drop(struct files *files, const char *name);
int sets_each(struct files *files, int (*visit)(void *context, const struct set_summary *set),
              void *context);
int sets_each_file(struct files *files, const char *name,
                   int (*visit)(void *context, const struct set_file *file), void *context);

/* The table that kept.h asks. Flight thread; also at start, before there is one. */
int sets_new(struct sets **ret);
void sets_free(struct sets *sets); /* NULL is legal */
int sets_load(struct sets *sets, struct catalogue *catalogue);
/* key: origin NUL path NUL, as an entry has it. */
bool sets_has(const struct sets *sets, const char *key, size_t key_len);
/* Appends the names of the sets that hold the file: "lab, office". */
void sets_write_names(const struct sets *sets, const char *key, size_t key_len, struct buf *to);
