// SPDX-License-Identifier: Apache-2.0
#include "cli/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/terminal.h"
#include "base/vec.h"
#include "cli/file_address.h"
#include "engine/mirrors/sites.h"
#include "index/digests.h"

/* ------------------------------------------------------------------- lists */

int wanted_add_skip(struct wanted *w, const char *lock, unsigned line, const char *what,
                    const char *reason, bool is_needed)
{
    struct wanted_skip *skips = vec_grow(w->skips, w->skip_count, sizeof(*skips));
    if (!skips)
        return ERROR_NO_MEMORY;
    w->skips = skips;
    struct wanted_skip *s = &w->skips[w->skip_count];
    *s = (struct wanted_skip){.lock = strdup(lock),
                              .line = line,
                              .what = strdup(what ? what : ""),
                              .reason = strdup(reason),
                              .is_needed = is_needed};
    w->skip_count++;
    return s->lock && s->what && s->reason ? 0 : ERROR_NO_MEMORY;
}

static void file_release(struct wanted_file *f)
{
    free(f->origin);
    free(f->path);
    free(f->digests);
}

int wanted_add(struct wanted *w, struct wanted_file *file)
{
    bool is_whole = file->origin && file->path && file->digests;
    struct wanted_file *files = is_whole ? vec_grow(w->files, w->count, sizeof(*files)) : NULL;
    if (!files) {
        file_release(file);
        return ERROR_NO_MEMORY;
    }
    w->files = files;
    w->files[w->count++] = *file;
    return 0;
}

void wanted_release(struct wanted *w)
{
    for (size_t i = 0; i < w->count; i++)
        file_release(&w->files[i]);
    for (size_t i = 0; i < w->skip_count; i++) {
        free(w->skips[i].lock);
        free(w->skips[i].what);
        free(w->skips[i].reason);
    }
    free(w->files);
    free(w->skips);
}

static int by_path(const void *a, const void *b)
{
    const struct wanted_file *x = a, *y = b;
    int order = strcmp(x->origin, y->origin);
    return order ? order : strcmp(x->path, y->path);
}

/* The lock with a size, or with digests, tells more. */
static void fill_in(struct wanted_file *to, struct wanted_file *from)
{
    to->is_added &= from->is_added;
    if (to->size < 0)
        to->size = from->size;
    if (!*to->digests) {
        char *digests = to->digests;
        to->digests = from->digests;
        from->digests = digests;
    }
    file_release(from);
}

void wanted_settle(struct wanted *w)
{
    size_t kept = 0;
    if (w->count)
        qsort(w->files, w->count, sizeof(*w->files), by_path);
    for (size_t i = 0; i < w->count; i++) {
        if (kept && by_path(&w->files[kept - 1], &w->files[i]) == 0)
            fill_in(&w->files[kept - 1], &w->files[i]);
        else
            w->files[kept++] = w->files[i];
    }
    w->count = kept;
}

struct wanted_file *wanted_find(const struct wanted *w, const char *origin, const char *path)
{
    const struct wanted_file sought = {.origin = (char *)(uintptr_t)origin,
                                       .path = (char *)(uintptr_t)path};
    return w->count ? bsearch(&sought, w->files, w->count, sizeof(*w->files), by_path) : NULL;
}

bool wanted_is(const struct wanted_file *file, const char *sha256)
{
    char wanted[SHA256_HEX];
    return sha256 && (!digests_sha256(file->digests, wanted) || strcmp(wanted, sha256) == 0);
}

const char *wanted_name(const struct wanted_file *file)
{
    return str_last_segment(file->path);
}

/* Locks and pages are written by others, and a terminal obeys control characters. */
void wanted_say_skips(const struct wanted *w, size_t most)
{
    for (size_t i = 0; i < w->skip_count && i < most; i++) {
        const struct wanted_skip *s = &w->skips[i];
        auto_free char *line =
            s->line ? str_printf("%s:%u: %s: %s", s->lock, s->line, s->what, s->reason)
                    : str_printf("%s: %s: %s", s->lock, s->what, s->reason);
        if (line)
            terminal_clean(line, strlen(line));
        (void)fprintf(stderr, "%s\n", line ? line : s->what);
    }
}

/* ------------------------------------------------------------------ places */

/* "sha256:<hex> sha512:<hex>" of a lock, as index/digests.h writes it. */
static char *digests_of(const char *hashes)
{
    struct digests digests = {0};
    char text[DIGESTS_TEXT];
    auto_free char *copy = strdup(hashes ? hashes : "");
    if (!copy)
        return NULL;
    for (char *c = copy; *c; c++)
        if (*c == ':')
            *c = '=';
    digests_add_text(&digests, copy, ' ');
    digests_write(&digests, text);
    return strdup(text);
}

/* An address of a wheelyard that has an origin of this configuration. */
static bool is_ours(const struct origins *origins, const char *address, struct wanted_file *ret)
{
    auto_free char *origin = NULL, *path = NULL;
    if (file_address_split(address, &origin, &path) || !origins_find(origins, origin))
        return false;
    ret->origin = origin;
    ret->path = path;
    origin = path = NULL;
    return true;
}

/* An address of a configured site, or of a wheelyard. */
static bool find_place(const struct origins *origins, const char *address, struct wanted_file *ret)
{
    struct site site;
    const char *place = strstr(address, "://");
    if (!place)
        return false;
    place += strlen("://");
    if (!sites_find(origins, place, &site) || site.kind != SITE_FILES)
        return is_ours(origins, place, ret);
    ret->origin = strdup(site.origin->name);
    return ret->origin && file_address_path(place + site.len, &ret->path) == 0;
}

/* -------------------------------------------------------------------- locks */

static const char *name_in(const struct lock *lock, const struct lock_file *f)
{
    return f->name ? f->name : f->address ? f->address : lock->packages[f->package].name;
}

static int add_lock_file(struct wanted *w, const char *path, const struct lock *lock,
                         const struct lock_file *f)
{
    struct wanted_file file = {.size = f->size, .digests = digests_of(f->hashes)};
    const char *why = NULL;
    enum wanted_found found = WANTED_FOUND;
    if (!file.digests)
        return ERROR_NO_MEMORY;
    if (!f->path && !f->address)
        found =
            w->look(w->context, lock->packages[f->package].project, f->name, file.digests, &file);
    if (found == WANTED_UNFIT) {
        file_release(&file);
        return 0;
    }
    if (f->path)
        why = "a file of the project's own";
    else if (f->address && !find_place(w->origins, f->address, &file))
        why = "its address belongs to no site or mirror of the configuration";
    else if (found == WANTED_MISSING)
        why = "no page of the index has a file with this name and digest";
    if (!why)
        return wanted_add(w, &file);
    file_release(&file);
    return wanted_add_skip(w, path, f->line, name_in(lock, f), why, !f->path);
}

int wanted_add_lock(struct wanted *w, const char *path, const struct lock *lock,
                    const struct lock_choice *choice)
{
    int r = 0;
    size_t count = choice ? choice->file_count : lock->file_count;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_lock_file(w, path, lock, &lock->files[choice ? choice->files[i] : i]);
    for (size_t i = 0; r == 0 && i < lock->skip_count; i++) {
        const struct lock_skip *s = &lock->skipped[i];
        r = wanted_add_skip(w, path, s->line, s->what, s->reason, false);
    }
    for (size_t i = 0; r == 0 && choice && i < choice->miss_count; i++) {
        const struct lock_package *p = &lock->packages[choice->misses[i].package];
        r = wanted_add_skip(w, path, p->line, p->name, choice->misses[i].reason,
                            p->source == LOCK_FROM_INDEX);
    }
    return r;
}
