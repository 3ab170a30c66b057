// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Lock files as arguments: which parts of them are wanted, for which targets, and the files that
 * follow, by origin and path. For `wheelyard prefetch` and `wheelyard export --lock`.
 *
 *     struct lock_set set = {.command = {.name = "prefetch", .usage = usage}};
 *     if (lock_set_take(&set, argc, argv, &i)) ... it was one of its flags
 *     code = lock_set_check(&set);                   SET_GO, or the exit code: all is said
 *     code = lock_set_load(&set);                    the configuration, whose sites count
 *     code = lock_set_read(&set, "uv.lock") ...      then set.wanted
 *     wanted_settle(&set.wanted);
 *     lock_set_release(&set);
 *
 * Main thread of a command.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "cli/query.h"
#include "cli/target_argument.h"
#include "cli/wanted.h"
#include "config/config.h"

enum { LOCK_SET_WORDS_MOST = 64, LOCK_SET_LOCKS_MOST = 64, SET_GO = -1 };

/* What one lock wants, for the manifest of a bundle. */
struct lock_set_lock {
    const char *name; /* of the file, without folders */
    char sha256[SHA256_HEX];
    char **files; /* origin/path */
    size_t file_count;
};

struct lock_set {
    struct query_command command;          /* whose words messages begin with */
    const char *index, *url, *config_file; /* --index, --url, --config; or NULL */
    const char *with;                      /* --with: cli/lock_with.h; or NULL */
    struct target_arguments arguments;
    struct targets targets;
    struct lock_wish wish;
    const char *extras[LOCK_SET_WORDS_MOST], *groups[LOCK_SET_WORDS_MOST];
    struct config config;
    bool has_config;
    struct wanted wanted;
    struct lock_set_lock locks[LOCK_SET_LOCKS_MOST];
    size_t lock_count;
    bool is_too_many;  /* more words of one flag than there is room for */
    struct query page; /* the last project's */
    bool has_page;
    char page_project[NAME_MAX_BYTES + 1];
};

/* The flags of lock_set_usage. False: argv[*i] is another argument. */
bool lock_set_take(struct lock_set *set, int argc, char **argv, int *i);
int lock_set_check(struct lock_set *set);
int lock_set_load(struct lock_set *set);
int lock_set_read(struct lock_set *set, const char *path);
/* Origin and path of a file on a page, and its size unless *ret has one. False: not ours. */
bool lock_set_place(const struct query *page, size_t file, struct wanted_file *ret);
void lock_set_release(struct lock_set *set);
