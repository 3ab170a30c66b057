// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Arguments that name targets (lock/target.h): --python and --platform, each any number of times,
 * and `--target here`, this machine. Every Python is combined with every platform.
 *
 *     struct target_arguments a = {0};
 *     if (target_arguments_take(&a, argc, argv, &i)) ... it was one of them
 *     r = target_arguments_make(&a, &targets, &wrong);
 *     ... targets.list[k], targets.count ...
 *     targets_release(&targets);
 *
 * This machine's platform is its architecture and its own glibc; which Python is meant must be
 * said, for there may be several. Main thread of a command.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lock/target.h"

enum { TARGET_ARGUMENTS_MAX = 16 };

struct target_arguments {
    const char *pythons[TARGET_ARGUMENTS_MAX], *platforms[TARGET_ARGUMENTS_MAX];
    size_t python_count, platform_count;
    bool is_here, is_too_many;
    const char *unknown; /* a --target that is not `here` */
};

struct targets {
    struct target *list[TARGET_ARGUMENTS_MAX * (TARGET_ARGUMENTS_MAX + 1)];
    size_t count;
};

/* False: argv[*i] is another argument. Else *i stands at its last word. */
bool target_arguments_take(struct target_arguments *a, int argc, char **argv, int *i);

/* ERROR_CONFIG: *ret_wrong (static, or one of the arguments) says what is wrong. ERROR_NO_MEMORY.
 */
int target_arguments_make(const struct target_arguments *a, struct targets *ret,
                          const char **ret_wrong);
void targets_release(struct targets *targets);
