// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which files of a lock an installer would take on a target. Of each package it is the best wheel,
 * else the sdist. Packages are chosen by the format's own rules:
 *
 *     uv            by walking dependencies from the project, its extras and groups, with markers,
 *                   conflicts and forks, as uv does
 *     pylock        by markers, with extras and groups
 *     requirements  by markers
 *     pixi          what the environment has on the platform
 *     poetry, pdm   by groups and markers
 *
 *     r = lock_choose(lock, &wish, &choice);
 *     for (size_t i = 0; i < choice.file_count; i++) ... lock->files[choice.files[i]]
 *     lock_choice_release(&choice);
 *
 * Groups without being asked for: of uv `dev`, of pylock its default-groups, of poetry `main` and
 * `dev`, of pdm `default` and `dev`. A poetry.lock does not say which optional package is for which
 * extra unless its markers do: with any extra all of these are taken.
 *
 * Pure; any thread.
 */
#include "lock/lock.h"
#include "lock/target.h"

struct lock_wish {
    const struct target *target;
    const char *const *extras;
    size_t extra_count;
    const char *const *groups;
    size_t group_count;
    bool all_extras, all_groups, no_default_groups, no_sdist;
    const char *environment; /* pixi; NULL: "default" */
};

struct lock_miss {
    size_t package;
    const char *reason; /* half a sentence, static */
};

struct lock_choice {
    size_t *packages; /* places in the lock, ascending, each once */
    size_t package_count;
    size_t *files; /* places in the lock, ascending, each once */
    size_t file_count;
    struct lock_miss *misses; /* packages that are wanted and have no file for the target */
    size_t miss_count;
    bool is_outside; /* the lock's requires-python does not admit the target's */
};

/* ERROR_BAD_REQUEST: a marker of the lock is none, or undefined. ERROR_NO_MEMORY. */
int lock_choose(const struct lock *lock, const struct lock_wish *wish, struct lock_choice *ret);
void lock_choice_release(struct lock_choice *choice);
