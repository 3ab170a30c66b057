// SPDX-License-Identifier: Apache-2.0
/*
 * choose-lock FILE PYTHON PLATFORM [--extra X] [--group G] [--all-extras] [--all-groups]
 *     [--no-default-groups] [--no-sdist] [--environment E]
 *
 * Prints a line for each package that lock/choose.h chooses, its words parted by tabs: project,
 * version (or "-"), then its files, or "!" and why there is none. Exit 1 when it cannot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "lock/choose.h"

enum { NAMES_MAX = 64 };

static const char *extras[NAMES_MAX], *groups[NAMES_MAX];

static bool take(struct lock_wish *wish, const char *flag, const char *value)
{
    if (!strcmp(flag, "--all-extras"))
        wish->all_extras = true;
    else if (!strcmp(flag, "--all-groups"))
        wish->all_groups = true;
    else if (!strcmp(flag, "--no-default-groups"))
        wish->no_default_groups = true;
    else if (!strcmp(flag, "--no-sdist"))
        wish->no_sdist = true;
    else if (!strcmp(flag, "--extra") && wish->extra_count < NAMES_MAX)
        extras[wish->extra_count++] = value;
    else if (!strcmp(flag, "--group") && wish->group_count < NAMES_MAX)
        groups[wish->group_count++] = value;
    else if (!strcmp(flag, "--environment"))
        wish->environment = value;
    return !strcmp(flag, "--extra") || !strcmp(flag, "--group") || !strcmp(flag, "--environment");
}

static void print(const struct lock *lock, const struct lock_choice *choice)
{
    for (size_t i = 0; i < choice->package_count; i++) {
        size_t place = choice->packages[i];
        const struct lock_package *package = &lock->packages[place];

        (void)printf("%s\t%s", package->project, package->version ? package->version : "-");
        for (size_t k = 0; k < choice->file_count; k++) {
            const struct lock_file *file = &lock->files[choice->files[k]];

            if (file->package == place)
                (void)printf("\t%s", file->name ? file->name : file->hashes);
        }
        for (size_t k = 0; k < choice->miss_count; k++)
            if (choice->misses[k].package == place)
                (void)printf("\t!\t%s", choice->misses[k].reason);
        (void)puts("");
    }
}

static int choose(const struct lock *lock, const struct lock_wish *wish)
{
    struct lock_choice choice;
    int e = lock_choose(lock, wish, &choice);

    if (e) {
        (void)fprintf(stderr, "%s\n", error_text(e));
        return EXIT_FAILURE;
    }
    print(lock, &choice);
    lock_choice_release(&choice);
    return EXIT_SUCCESS;
}

static int read_and_choose(const char *path, const struct lock_wish *wish)
{
    auto_buf struct buf text;
    struct lock_wrong wrong;
    struct lock *lock = NULL;

    buf_init(&text, LOCK_MAX_BYTES);
    int e = file_read_all(path, &text);
    const struct lock_input input = {.name = path, .text = text.data, .len = text.len};
    if (!e)
        e = lock_read(&input, &lock, &wrong);
    if (e) {
        (void)fprintf(stderr, "%s: %s\n", path, e == ERROR_CONFIG ? wrong.text : error_text(e));
        return EXIT_FAILURE;
    }
    int code = choose(lock, wish);
    lock_free(lock);
    return code;
}

int main(int argc, char **argv)
{
    struct target *target = NULL;
    struct lock_wish wish = {.extras = extras, .groups = groups};

    if (argc < 4)
        return EXIT_FAILURE;
    const struct target_request request = {.python = argv[2], .platform = argv[3]};
    if (target_new(&request, &target)) {
        (void)fprintf(stderr, "%s %s: no target\n", argv[2], argv[3]);
        return EXIT_FAILURE;
    }
    wish.target = target;
    for (int i = 4; i < argc; i++)
        i += take(&wish, argv[i], i + 1 < argc ? argv[i + 1] : "");
    int code = read_and_choose(argv[1], &wish);
    target_free(target);
    return code;
}
