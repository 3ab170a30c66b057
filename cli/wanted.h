// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What lock files want of the cache: files by origin and path, each once, and what cannot be had
 * with its reason. Built by `wheelyard prefetch`; main thread of a command.
 *
 *     wanted_add_lock(&wanted, path, lock, choice);    choice NULL: every file of the lock
 *     ... wanted.files[i], wanted.skips[i] ...
 *     wanted_release(&wanted);
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/mirrors/origins.h"
#include "lock/choose.h"

struct wanted_file {
    char *origin, *path;
    char *digests; /* as index/digests.h has them; "" where the lock has none */
    int64_t size;  /* bytes; -1 unknown */
    bool held;
    bool is_added; /* by --with, and no lock wants it */
};

struct wanted_skip {
    char *lock;
    unsigned line; /* 0: it is in no lock */
    char *what, *reason;
    bool is_needed; /* the lock wants it of an index, so something is missing without it */
};

/* Finds a file that a lock names without an address, on the page of its project. `name` may be
 * NULL: any file with one of these digests is meant. */
enum wanted_found {
    WANTED_MISSING,
    WANTED_FOUND, /* *ret has origin, path and size */
    WANTED_UNFIT, /* it is there, and for another target */
};
typedef enum wanted_found wanted_look(void *context, const char *project, const char *name,
                                      const char *digests, struct wanted_file *ret);

struct wanted {
    const struct origins *origins;
    wanted_look *look;
    void *context;
    struct wanted_file *files;
    size_t count;
    struct wanted_skip *skips;
    size_t skip_count;
};

/* ERROR_NO_MEMORY. */
int wanted_add_lock(struct wanted *wanted, const char *path, const struct lock *lock,
                    const struct lock_choice *choice);
/* Takes the texts of *file over, also on failure. ERROR_NO_MEMORY, also where one of them is NULL. */
int wanted_add(struct wanted *wanted, struct wanted_file *file);
/* `what` cannot be had, for this reason. ERROR_NO_MEMORY. */
int wanted_add_skip(struct wanted *wanted, const char *lock, unsigned line, const char *what,
                    const char *reason, bool is_needed);
/* Sorts the files, and leaves each once. */
void wanted_settle(struct wanted *wanted);
void wanted_release(struct wanted *wanted);
/* After wanted_settle. NULL: nobody wants it. */
struct wanted_file *wanted_find(const struct wanted *wanted, const char *origin, const char *path);
/* Whether a file with this SHA-256 (or NULL: none) is the one, by the lock's own digest where it has
 * one. */
bool wanted_is(const struct wanted_file *file, const char *sha256);

/* Says on the standard error what cannot be had, at most so many lines. */
void wanted_say_skips(const struct wanted *wanted, size_t most);

/* "torch-2.9.0+cu126-...whl" */
const char *wanted_name(const struct wanted_file *file);
