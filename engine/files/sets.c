// SPDX-License-Identifier: Apache-2.0
#include "engine/files/sets.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/error.h"
#include "base/lane.h"
#include "base/str.h"
#include "cache/catalogue.h"
#include "engine/files/files_state.h"
#include "engine/files/inventory.h"
#include "engine/files/kept.h"
#include "engine/loop/key.h"

/*
 * The catalogue has the sets; the table in memory only answers whether a file is in one, since
 * eviction asks that of every blob.
 *
 *     start     the table is read from the catalogue
 *     add       one transaction of the catalogue, then the table: on the flight thread
 *     drop      likewise
 *
 * So what a reply promises is in the catalogue. A kill between the two steps is put right by the
 * next start.
 */

struct member {
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

struct set {
    UT_hash_handle hh;
    struct member *members;
    char name[SET_NAME_BYTES + 1];
};

struct sets {
    struct set *table;
};

bool set_name_is_valid(const char *name)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len && len <= SET_NAME_BYTES && *name != '-' && strspn(name, legal) == len;
}

/* ------------------------------------------------------------------- table */

int sets_new(struct sets **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

static void end(struct sets *sets, struct set *set)
{
    struct member *m, *next;
    HASH_ITER(hh, set->members, m, next)
    {
        HASH_DEL(set->members, m);
        free(m);
    }
    HASH_DEL(sets->table, set);
    free(set);
}

void sets_free(struct sets *sets)
{
    struct set *set, *next;
    if (!sets)
        return;
    HASH_ITER(hh, sets->table, set, next)
    {
        end(sets, set);
    }
    free(sets);
}

static struct set *find(const struct sets *sets, const char *name)
{
    struct set *set;
    HASH_FIND_STR(sets->table, name, set);
    return set;
}

static struct set *find_or_begin(struct sets *sets, const char *name)
{
    struct set *set = find(sets, name);
    if (set || !(set = calloc(1, sizeof(*set))))
        return set;
    str_copy(set->name, sizeof(set->name), name);
    HASH_ADD_STR(sets->table, name, set);
    return set;
}

/* A key that is too long for the table of files is no file, so it needs no place here. */
static int add(struct sets *sets, const char *name, const char *origin, const char *path)
{
    char key[KEY_MAX_BYTES];
    struct member *m;
    size_t len = key_make(key, origin, path);
    struct set *set = find_or_begin(sets, name);
    if (!set)
        return ERROR_NO_MEMORY;
    if (!len)
        return 0;
    HASH_FIND(hh, set->members, key, len, m);
    if (m)
        return 0;
    m = calloc(1, sizeof(*m) + len);
    if (!m)
        return ERROR_NO_MEMORY;
    memcpy(m->key, key, len);
    m->key_len = len;
    HASH_ADD_KEYPTR(hh, set->members, m->key, m->key_len, m);
    return 0;
}

static int on_member(void *context, const struct catalogue_member *member)
{
    return add(context, member->set, member->origin, member->path);
}

int sets_load(struct sets *sets, struct catalogue *catalogue)
{
    return catalogue_each_member(catalogue, NULL, on_member, sets);
}

static bool has(const struct set *set, const char *key, size_t key_len)
{
    struct member *m;
    HASH_FIND(hh, set->members, key, key_len, m);
    return m;
}

bool sets_has(const struct sets *sets, const char *key, size_t key_len)
{
    for (const struct set *set = sets->table; set; set = set->hh.next)
        if (has(set, key, key_len))
            return true;
    return false;
}

void sets_write_names(const struct sets *sets, const char *key, size_t key_len, struct buf *to)
{
    for (const struct set *set = sets->table; set; set = set->hh.next)
        if (has(set, key, key_len))
            buf_printf(to, "%s%s", to->len ? ", " : "", set->name);
}

/* ------------------------------------------------------------------ changes */

/* One request: on the catalogue lane, then on the flight thread. It lives on the caller's stack. */
struct change {
    struct job job;
    struct files *files;
    const char *name;
    const struct set_file *list;
    size_t count;
    int (*on_set)(void *context, const struct set_summary *set);
    int (*on_file)(void *context, const struct set_file *file);
    void *context;
    int error;
    sem_t done;
};

static int on_lane(struct change *c, void (*run)(struct job *job))
{
    c->job.run = run;
    sem_init(&c->done, 0, 0);
    lane_post(c->files->s->catalogue_lane, &c->job);
    while (sem_wait(&c->done) < 0 && errno == EINTR)
        ;
    sem_destroy(&c->done);
    return c->error;
}

static void may_begin_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    const struct sets *sets = call->room;
    const struct change *c = call->argument;
    call->result = find(sets, c->name) || HASH_COUNT(sets->table) < SETS_MOST ? 0 : ERROR_TOO_BIG;
    sem_post(&call->done);
}

static void put_run(struct job *job)
{
    struct change *c = container_of(job, struct change, job);
    struct catalogue *catalogue = c->files->s->catalogue;
    c->error = catalogue_begin(catalogue);
    for (size_t i = 0; i < c->count && c->error == 0; i++) {
        const struct set_file *f = &c->list[i];
        c->error = catalogue_put_member(
            catalogue, &(struct catalogue_member){c->name, f->origin, f->path, f->size});
    }
    if (c->error == 0)
        c->error = catalogue_commit(catalogue);
    else
        catalogue_rollback(catalogue);
    sem_post(&c->done);
}

static void add_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    const struct change *c = call->argument;
    for (size_t i = 0; i < c->count && call->result == 0; i++)
        call->result = add(call->room, c->name, c->list[i].origin, c->list[i].path);
    sem_post(&call->done);
}

int sets_add(struct files *files, const char *name, const struct set_file *list, size_t count)
{
    struct change c = {.files = files, .name = name, .list = list, .count = count};
    if (!set_name_is_valid(name))
        return ERROR_BAD_REQUEST;
    int r = loop_call(files->s, may_begin_run, files->kept->sets, &c);
    if (r == 0)
        r = on_lane(&c, put_run);
    return r ? r : loop_call(files->s, add_run, files->kept->sets, &c);
}

static void find_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    const struct change *c = call->argument;
    call->result = find(call->room, c->name) ? 0 : ENGINE_ABSENT;
    sem_post(&call->done);
}

static void drop_run(struct job *job)
{
    struct change *c = container_of(job, struct change, job);
    c->error = catalogue_drop_set(c->files->s->catalogue, c->name);
    sem_post(&c->done);
}

static void end_run(struct job *job)
{
    struct call *call = container_of(job, struct call, job);
    const struct change *c = call->argument;
    struct sets *sets = call->room;
    struct set *set = find(sets, c->name);
    if (set)
        end(sets, set);
    sem_post(&call->done);
}

int sets_drop(struct files *files, const char *name)
{
    struct change c = {.files = files, .name = name};
    int r = loop_call(files->s, find_run, files->kept->sets, &c);
    if (r == 0)
        r = on_lane(&c, drop_run);
    return r ? r : loop_call(files->s, end_run, files->kept->sets, &c);
}

/* ----------------------------------------------------------------- pictures */

static int see_set(void *context, const struct catalogue_set *s)
{
    const struct change *c = context;
    const struct set_summary set = {s->name, s->files, s->bytes, s->held, s->held_bytes};
    return c->on_set(c->context, &set);
}

static int see_member(void *context, const struct catalogue_member *m)
{
    const struct change *c = context;
    return c->on_file(c->context, &(struct set_file){m->origin, m->path, m->size});
}

static void each_run(struct job *job)
{
    struct change *c = container_of(job, struct change, job);
    struct catalogue *catalogue = c->files->s->catalogue;
    c->error = c->on_set ? catalogue_each_set(catalogue, see_set, c)
                         : catalogue_each_member(catalogue, c->name, see_member, c);
    sem_post(&c->done);
}

int sets_each(struct files *files, int (*visit)(void *context, const struct set_summary *set),
              void *context)
{
    return on_lane(&(struct change){.files = files, .on_set = visit, .context = context}, each_run);
}

int sets_each_file(struct files *files, const char *name,
                   int (*visit)(void *context, const struct set_file *file), void *context)
{
    struct change c = {.files = files, .name = name, .on_file = visit, .context = context};
    int r = loop_call(files->s, find_run, files->kept->sets, &c);
    return r ? r : on_lane(&c, each_run);
}
