// SPDX-License-Identifier: Apache-2.0
#include "cli/target_argument.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "config/argument.h"

enum { TAG_BYTES = 96 };

static const char no_python[] = "for which Python? --python 3.12";
static const char no_platform[] = "for which platform? --platform linux_x86_64, or --target here";
static const char too_many[] = "too many targets";

static void add(const char **list, size_t *count, const char *value, bool *is_too_many)
{
    if (*count < TARGET_ARGUMENTS_MAX)
        list[(*count)++] = value;
    else
        *is_too_many = true;
}

bool target_arguments_take(struct target_arguments *a, int argc, char **argv, int *i)
{
    const char *value;

    if ((value = argument_value(argc, argv, i, "--python")))
        add(a->pythons, &a->python_count, value, &a->is_too_many);
    else if ((value = argument_value(argc, argv, i, "--platform")))
        add(a->platforms, &a->platform_count, value, &a->is_too_many);
    else if ((value = argument_value(argc, argv, i, "--target"))) {
        if (!strcmp(value, "here"))
            a->is_here = true;
        else
            a->unknown = value;
    } else
        return false;
    return true;
}

static int add_target(struct targets *targets, const struct target_request *request,
                      const char *wrong, const char **ret_wrong)
{
    int r = target_new(request, &targets->list[targets->count]);

    if (r == ERROR_BAD_REQUEST) {
        *ret_wrong = wrong;
        return ERROR_CONFIG;
    }
    targets->count += r == 0;
    return r;
}

/* "2.36": the number behind the dot. */
static int own_glibc(void)
{
    const char *dot = strchr(gnu_get_libc_version(), '.');

    return dot ? (int)strtol(dot + 1, NULL, 10) : 0;
}

static int add_here(struct targets *targets, const char *python, const char **ret_wrong)
{
    struct utsname machine;
    char tag[TAG_BYTES];

    if (uname(&machine))
        return ERROR_IO;
    (void)snprintf(tag, sizeof tag, "linux_%.64s", machine.machine);
    const struct target_request request = {.python = python,
                                           .platform = tag,
                                           .glibc_minor = own_glibc(),
                                           .release = machine.release,
                                           .version = machine.version};
    return add_target(targets, &request, python, ret_wrong);
}

/* Whether it is the Python or the platform that is none. */
static const char *wrong_of(const char *python, const char *platform)
{
    const struct target_request request = {.python = python, .platform = "linux_x86_64"};
    struct target *target = NULL;

    if (target_new(&request, &target))
        return python;
    target_free(target);
    return platform;
}

static int add_all(const struct target_arguments *a, const char *python, struct targets *targets,
                   const char **ret_wrong)
{
    int r = a->is_here ? add_here(targets, python, ret_wrong) : 0;

    for (size_t k = 0; !r && k < a->platform_count; k++) {
        const struct target_request request = {.python = python, .platform = a->platforms[k]};

        r = add_target(targets, &request, wrong_of(python, a->platforms[k]), ret_wrong);
    }
    return r;
}

int target_arguments_make(const struct target_arguments *a, struct targets *ret,
                          const char **ret_wrong)
{
    struct targets targets = {.count = 0};
    const char *wrong = a->is_too_many                      ? too_many
                        : a->unknown                        ? a->unknown
                        : !a->python_count                  ? no_python
                        : !a->platform_count && !a->is_here ? no_platform
                                                            : NULL;
    int r = wrong ? ERROR_CONFIG : 0;

    for (size_t i = 0; !r && i < a->python_count; i++)
        r = add_all(a, a->pythons[i], &targets, &wrong);
    if (r) {
        targets_release(&targets);
        if (r == ERROR_CONFIG)
            *ret_wrong = wrong;
        return r;
    }
    *ret = targets;
    return 0;
}

void targets_release(struct targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        target_free(targets->list[i]);
    targets->count = 0;
}
