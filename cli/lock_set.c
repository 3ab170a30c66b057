// SPDX-License-Identifier: Apache-2.0
#include "cli/lock_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/url.h"
#include "cli/file_address.h"
#include "config/argument.h"
#include "index/tags.h"

/* ---------------------------------------------------------------- arguments */

static bool take_word(struct lock_set *set, const char *value, const char **list, size_t *count)
{
    if (value && *count < LOCK_SET_WORDS_MOST)
        list[(*count)++] = value;
    else if (value)
        set->is_too_many = true;
    return value != NULL;
}

static bool take_switch(struct lock_set *set, const char *argument)
{
    const struct {
        const char *name;
        bool *to;
    } switches[] = {{"--all-extras", &set->wish.all_extras},
                    {"--all-groups", &set->wish.all_groups},
                    {"--no-default-groups", &set->wish.no_default_groups},
                    {"--no-sdist", &set->wish.no_sdist}};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (argument_is(argument, switches[i].name)) {
            *switches[i].to = true;
            return true;
        }
    return false;
}

static bool take_value(struct lock_set *set, int argc, char **argv, int *i)
{
    const struct {
        const char *name;
        const char **to;
    } values[] = {{"--index", &set->index},
                  {"--url", &set->url},
                  {"--config", &set->config_file},
                  {"--with", &set->with},
                  {"--environment", &set->wish.environment}};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        const char *value = argument_value(argc, argv, i, values[k].name);
        if (value) {
            *values[k].to = value;
            return true;
        }
    }
    struct lock_wish *wish = &set->wish;
    return take_word(set, argument_value(argc, argv, i, "--extra"), set->extras,
                     &wish->extra_count) ||
           take_word(set, argument_value(argc, argv, i, "--group"), set->groups,
                     &wish->group_count);
}

bool lock_set_take(struct lock_set *set, int argc, char **argv, int *i)
{
    return target_arguments_take(&set->arguments, argc, argv, i) || take_switch(set, argv[*i]) ||
           take_value(set, argc, argv, i);
}

int lock_set_check(struct lock_set *set)
{
    const struct target_arguments *a = &set->arguments;
    const char *why = NULL;
    set->wish.extras = set->extras;
    set->wish.groups = set->groups;
    if (set->is_too_many) {
        (void)fprintf(stderr, "wheelyard %s: at most %d times --extra, and as often --group\n",
                      set->command.name, LOCK_SET_WORDS_MOST);
        return EXIT_USAGE;
    }
    bool has_target = a->python_count || a->platform_count || a->is_here || a->unknown;
    if (set->with && !has_target) {
        (void)fprintf(stderr,
                      "wheelyard %s: --with: for which target? --python 3.12 --target here\n",
                      set->command.name);
        return EXIT_USAGE;
    }
    int r = has_target ? target_arguments_make(a, &set->targets, &why) : 0;
    if (r == ERROR_CONFIG)
        (void)fprintf(stderr, "wheelyard %s: the target: %s\n", set->command.name, why);
    return r == ERROR_CONFIG ? EXIT_USAGE : r ? EXIT_NO : SET_GO;
}

static wanted_look look_up;

int lock_set_load(struct lock_set *set)
{
    const struct config_request request = {.file = set->config_file};
    int r = config_load(&request, &set->config);
    set->has_config = r == 0;
    set->wanted = (struct wanted){.origins = &set->config.origins, .look = look_up, .context = set};
    return r == 0 ? SET_GO : r == ERROR_CONFIG ? EXIT_USAGE : EXIT_NO;
}

void lock_set_release(struct lock_set *set)
{
    for (size_t i = 0; i < set->lock_count; i++) {
        for (size_t k = 0; k < set->locks[i].file_count; k++)
            free(set->locks[i].files[k]);
        free(set->locks[i].files);
    }
    wanted_release(&set->wanted);
    if (set->has_page)
        query_release(&set->page);
    if (set->has_config)
        config_release(&set->config);
    targets_release(&set->targets);
}

/* -------------------------------------------------------------------- pages */

/* The page of a project, asked of the daemon once. False: there is none. */
static bool has_page(struct lock_set *set, const char *project)
{
    if (set->has_page && strcmp(set->page_project, project) == 0)
        return set->page.file_count > 0;
    if (set->has_page)
        query_release(&set->page);
    set->has_page = true;
    str_copy(set->page_project, sizeof set->page_project, project);
    const struct query_place place = {set->index, set->url, set->config_file};
    int code = query_page(&set->command, project, &place, &set->page);
    return code == QUERY_GO && set->page.file_count > 0;
}

/* Whether a file of the page is the one: by its name, where there is one, and by a digest. */
static bool is_meant(const struct query *page, size_t i, const char *name, const char *digests)
{
    const struct json *hashes = json_member(page->entries[i], "hashes");
    const char *sha256 = json_string(json_member(hashes, "sha256"));
    auto_free char *mine = str_printf("sha256=%s", sha256 ? sha256 : "");
    if (name && strcmp(page->files[i].name, name) != 0)
        return false;
    bool agrees = sha256 && mine && strstr(digests, mine);
    return agrees || (name && (!sha256 || !strstr(digests, "sha256=")));
}

bool lock_set_place(const struct query *page, size_t i, struct wanted_file *ret)
{
    const char *href = json_string(json_member(page->entries[i], "url"));
    auto_free char *url = NULL;
    if (!href || url_resolve(page->page_url, href, &url))
        return false;
    if (file_address_split(url, &ret->origin, &ret->path))
        return false;
    if (ret->size < 0)
        ret->size = json_integer(json_member(page->entries[i], "size"));
    return true;
}

/* Whether a target takes a file of that name; without targets, or a source archive: yes. */
static bool is_fit(const struct lock_set *set, const char *name)
{
    struct wheel_tags wheel;
    if (!set->targets.count || !wheel_tags_parse(name, &wheel))
        return !str_ends(name, ".whl") || !set->targets.count;
    for (size_t i = 0; i < set->targets.count; i++)
        if (tags_rank(target_tags(set->targets.list[i]), &wheel) >= 0)
            return true;
    return false;
}

/* A lock that names files has chosen among them; of hashes alone, wheels for others are left out. */
static enum wanted_found look_up(void *context, const char *project, const char *name,
                                 const char *digests, struct wanted_file *ret)
{
    struct lock_set *set = context;
    if (!has_page(set, project))
        return WANTED_MISSING;
    for (size_t i = 0; i < set->page.file_count; i++) {
        if (!is_meant(&set->page, i, name, digests))
            continue;
        if (!name && !is_fit(set, set->page.files[i].name))
            return WANTED_UNFIT;
        return lock_set_place(&set->page, i, ret) ? WANTED_FOUND : WANTED_MISSING;
    }
    return WANTED_MISSING;
}

/* -------------------------------------------------------------------- locks */

/* What -r and -c name, relative to the file that names it. */
static int open_beside(void *context, const char *from, const char *path, struct buf *to)
{
    const char *first = context;
    const char *base = *from ? from : first;
    const char *slash = strrchr(base, '/');
    auto_free char *whole = *path == '/' || !slash
                                ? strdup(path)
                                : str_printf("%.*s%s", (int)(slash - base + 1), base, path);
    if (!whole)
        return ERROR_NO_MEMORY;
    int r = file_read_all(whole, to);
    return r == FILE_MISSING ? ERROR_GONE : r;
}

static int add_choices(struct lock_set *set, const char *path, const struct lock *lock)
{
    if (!set->targets.count)
        return wanted_add_lock(&set->wanted, path, lock, NULL);
    int r = 0;
    for (size_t i = 0; r == 0 && i < set->targets.count; i++) {
        struct lock_choice choice = {0};
        set->wish.target = set->targets.list[i];
        r = lock_choose(lock, &set->wish, &choice);
        if (r == 0)
            r = wanted_add_lock(&set->wanted, path, lock, &choice);
        if (r == 0 && choice.is_outside)
            (void)fprintf(stderr, "wheelyard %s: %s: its requires-python excludes %s\n",
                          set->command.name, path, target_python(set->targets.list[i]));
        lock_choice_release(&choice);
    }
    return r;
}

/* What this lock wants, for manifests. */
static int remember(struct lock_set *set, const char *path, const struct buf *text, size_t first)
{
    struct lock_set_lock *l = &set->locks[set->lock_count];
    size_t count = set->wanted.count - first;
    if (set->lock_count == LOCK_SET_LOCKS_MOST)
        return ERROR_TOO_BIG;
    l->name = str_last_segment(path);
    l->files = calloc(count + 1, sizeof(*l->files));
    if (!l->files)
        return ERROR_NO_MEMORY;
    set->lock_count++;
    for (size_t i = 0; i < count; i++) {
        const struct wanted_file *f = &set->wanted.files[first + i];
        l->files[i] = str_printf("%s/%s", f->origin, f->path);
        if (!l->files[i])
            return ERROR_NO_MEMORY;
        l->file_count++;
    }
    return sha256_of(text->data, text->len, l->sha256);
}

int lock_set_read(struct lock_set *set, const char *path)
{
    auto_buf struct buf text;
    struct lock *lock = NULL;
    struct lock_wrong told = {0};
    buf_init(&text, LOCK_MAX_BYTES);
    int r = file_read_all(path, &text);
    if (r == FILE_MISSING) {
        (void)fprintf(stderr, "wheelyard %s: %s: there is no such file\n", set->command.name, path);
        return EXIT_NO;
    }
    const struct lock_input input = {.name = path,
                                     .text = text.data,
                                     .len = text.len,
                                     .open = open_beside,
                                     .context = (void *)(uintptr_t)path};
    if (r == 0)
        r = lock_read(&input, &lock, &told);
    if (r == ERROR_CONFIG) {
        (void)fprintf(stderr, "wheelyard %s: %s%s%s:%u: %s\n", set->command.name, path,
                      *told.file ? " -> " : "", told.file, told.line, told.text);
        return EXIT_NO;
    }
    size_t first = set->wanted.count;
    if (r == 0)
        r = add_choices(set, path, lock);
    if (r == 0)
        r = remember(set, path, &text, first);
    lock_free(lock);
    if (r)
        (void)fprintf(stderr, "wheelyard %s: %s: %s\n", set->command.name, path,
                      r == ERROR_BAD_REQUEST ? "a marker in it is malformed" : error_text(r));
    return r ? EXIT_NO : SET_GO;
}
