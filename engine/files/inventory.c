// SPDX-License-Identifier: Apache-2.0
#include "engine/files/inventory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/evidence.h"
#include "engine/files/files_state.h"
#include "engine/files/kept.h"
#include "engine/files/sets.h"

/*
 * The picture is taken in one job on the flight thread (inventory_run), which copies every row, so
 * that the caller can sort and print it at leisure. What is done to one file is also such a job.
 * Both go through loop_call, which blocks the caller until the job has run.
 */

enum { PREFIX_LEAST = 4 };

/* ------------------------------------------------------------------ names */

/* Four digits tell a digest from a short file name. */
static bool is_digest_prefix(const char *sha256, const char *name)
{
    if (str_starts(name, "sha256:"))
        name += strlen("sha256:");
    size_t len = strlen(name);
    return len >= PREFIX_LEAST && strncasecmp(sha256, name, len) == 0;
}

bool inventory_matches(const struct inventory_row *row, const char *name)
{
    return strcmp(row->name, name) == 0 || strcmp(str_last_segment(row->name), name) == 0 ||
           is_digest_prefix(row->sha256, name);
}

static bool is_same_blob(const struct inventory_row *a, const struct inventory_row *b)
{
    return a->sha256[0] && strcmp(a->sha256, b->sha256) == 0;
}

/* Two paths of one blob are no ambiguity: what is done concerns the blob. */
int inventory_find(const struct inventory *inventory, const char *name,
                   const struct inventory_row **ret)
{
    const struct inventory_row *found = NULL;
    bool several = false;
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_row *row = &inventory->rows[i];
        if (strcmp(row->name, name) == 0) {
            *ret = row;
            return 0;
        }
        if (!inventory_matches(row, name))
            continue;
        several |= found && !is_same_blob(found, row);
        if (!found)
            found = row;
    }
    if (several)
        return INVENTORY_SEVERAL;
    if (!found)
        return INVENTORY_NONE;
    *ret = found;
    return 0;
}

void inventory_free(struct inventory *inventory)
{
    if (!inventory)
        return;
    for (size_t i = 0; i < inventory->count; i++) {
        free(inventory->rows[i].name);
        free(inventory->rows[i].etag);
        free(inventory->rows[i].mirrors);
        free(inventory->rows[i].level_why);
        free(inventory->rows[i].sets);
    }
    free(inventory->rows);
    free(inventory);
}

DEFINE_CLEANUP(struct inventory, inventory_free)

/* ---------------------------------------------------------------- picture */

static int add_row(struct inventory *inventory, const struct entry *entry,
                   struct inventory_row **ret)
{
    struct inventory_row *row = &inventory->rows[inventory->count];
    *row = (struct inventory_row){.origin_len = strlen(entry->origin->name),
                                  .name = str_printf("%s/%s", entry->origin->name, entry->path),
                                  .size = entry->size,
                                  .used_s = entry->used_s};
    if (!row->name)
        return ERROR_NO_MEMORY;
    inventory->count++;
    *ret = row;
    return 0;
}

/* NULL: no set has it. */
static char *sets_of(const struct files *files, const struct entry *entry)
{
    auto_buf struct buf names;
    buf_init(&names, SETS_MOST * (SET_NAME_BYTES + 2));
    sets_write_names(files->kept->sets, entry->key, entry->key_len, &names);
    return names.len ? buf_take(&names, NULL) : NULL;
}

/* The row is a copy, because the entry may be gone when a person looks at it. */
static int add_complete(struct files *files, struct inventory *inventory, const struct entry *entry)
{
    struct inventory_row *row;
    int r = add_row(inventory, entry, &row);
    if (r)
        return r;
    memcpy(row->sha256, entry->sha256, sizeof(row->sha256));
    row->present = entry->size;
    row->pinned = kept_is_pinned(files, entry->sha256);
    row->sets = sets_of(files, entry);
    row->verified_s = kept_verified_s(files, entry->sha256);
    row->authoritative = entry->authoritative;
    const char *why;
    row->level = evidence_level(files, entry, &why);
    row->level_why = strdup(why);
    row->etag = str_dup(entry->etag);
    row->mirrors = str_dup(entry->mirrors);
    return 0;
}

/* A file that is being fetched, or whose partial is left from an earlier download. */
static int add_partial(struct inventory *inventory, const struct entry *entry)
{
    struct inventory_row *row;
    struct flight_view view = {.size = entry->leftover_size, .present = entry->leftover_present};
    int r = add_row(inventory, entry, &row);
    if (r)
        return r;
    if (entry->download)
        flight_view(entry->download->flight, &view);
    else
        row->used_s = entry->leftover_s;
    row->size = view.size;
    row->present = view.present;
    row->readers = view.readers;
    return 0;
}

/* Under the table's lock, on the flight thread: entries and downloads fit each other. */
static int fill(struct files *files, struct inventory *inventory)
{
    int r = 0;
    inventory->rows = calloc(HASH_COUNT(files->table) + 1, sizeof(*inventory->rows));
    if (!inventory->rows)
        return ERROR_NO_MEMORY;
    for (struct entry *entry = files->table; entry && r == 0; entry = entry->hh.next) {
        if (entry->is_renewal)
            continue; /* the entry that it will replace has the row */
        if (entry->sha256[0])
            r = add_complete(files, inventory, entry);
        else if (entry->download ? entry->download->flight != NULL : entry->leftover != NULL)
            r = add_partial(inventory, entry);
    }
    return r;
}

static void inventory_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    struct inventory *const *inventory = call->argument;
    pthread_rwlock_rdlock(&files->lock);
    call->result = fill(files, *inventory);
    pthread_rwlock_unlock(&files->lock);
    sem_post(&call->done);
}

static int by_name(const void *a, const void *b)
{
    const struct inventory_row *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int inventory_new(struct files *files, struct inventory **ret)
{
    AUTO(inventory_free) struct inventory *inventory = calloc(1, sizeof(*inventory));
    if (!inventory)
        return ERROR_NO_MEMORY;
    int r = loop_call(files->s, inventory_run, files, &inventory);
    if (r)
        return r;
    qsort(inventory->rows, inventory->count, sizeof(*inventory->rows), by_name);
    *ret = inventory;
    inventory = NULL;
    return 0;
}

struct standing_question {
    const char *origin, *path;
    struct file_standing *answer;
};

static void standing_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    const struct standing_question *q = call->argument;
    const struct entry *entry = files_look_up(call->room, q->origin, q->path);
    const char *why;
    if (entry && entry->sha256[0]) {
        memcpy(q->answer->sha256, entry->sha256, sizeof(q->answer->sha256));
        q->answer->level = evidence_level(call->room, entry, &why);
    }
    sem_post(&call->done);
}

void inventory_standing(struct files *files, const char *origin, const char *path,
                        struct file_standing *ret)
{
    const struct standing_question question = {origin, path, ret};
    *ret = (struct file_standing){.level = ""};
    (void)loop_call(files->s, standing_run, files, &question);
}

const char *inventory_cache_dir(const struct files *files)
{
    return files->s->options.cache_dir;
}

/* ---------------------------------------------------------------- actions */

struct pin_call {
    const char *sha256;
    bool pinned;
};

static void pin_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    const struct pin_call *pin = call->argument;
    call->result =
        kept_paths(files, pin->sha256) ? kept_pin(files, pin->sha256, pin->pinned) : ENGINE_ABSENT;
    sem_post(&call->done);
}

/* Any thread that may block. */
int inventory_pin(struct files *files, const char *sha256, bool pinned)
{
    struct pin_call pin = {sha256, pinned};
    return *sha256 ? loop_call(files->s, pin_run, files, &pin) : ENGINE_ABSENT;
}

/* A partial that a client reads stays. */
static int forget_partial(struct files *files, const struct inventory_row *row)
{
    struct flight_view view;
    const char *path = row->name + row->origin_len + 1;
    auto_free char *origin = strndup(row->name, row->origin_len);
    if (!origin)
        return ERROR_NO_MEMORY;
    struct entry *entry = files_look_up(files, origin, path);
    if (!entry || entry->sha256[0] || !(entry->download || entry->leftover))
        return ENGINE_ABSENT;
    if (entry->download && (!entry->download->flight || entry->download->committing))
        return ENGINE_BUSY;
    if (entry->download) {
        flight_view(entry->download->flight, &view);
        if (view.readers)
            return ENGINE_BUSY;
        download_forget(entry->download, false);
    } else {
        files_drop_leftover(files, entry);
    }
    return 0;
}

/* A pin protects a blob also from a person's removal: it must be taken off first. */
static void remove_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    struct files *files = call->room;
    const struct inventory_row *row = call->argument;
    if (!row->sha256[0])
        call->result = forget_partial(files, row);
    else if (kept_is_pinned(files, row->sha256))
        call->result = ENGINE_PINNED;
    else
        call->result = eviction_remove(files, row->sha256);
    sem_post(&call->done);
}

int inventory_remove(struct files *files, const struct inventory_row *row)
{
    return loop_call(files->s, remove_run, files, row);
}
