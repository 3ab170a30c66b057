// SPDX-License-Identifier: Apache-2.0
#include "cli/lock_with.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "index/choice.h"

enum { REASON_MAX_BYTES = 64 << 10 };

DEFINE_CLEANUP(struct choice, choice_free)

/* Both lists keep their order. */
static void drop_sdists(struct query *page)
{
    size_t kept = 0;
    for (size_t i = 0; i < page->file_count; i++) {
        if (!str_ends(page->files[i].name, ".whl"))
            continue;
        page->files[kept] = page->files[i];
        page->entries[kept++] = page->entries[i];
    }
    page->file_count = kept;
}

static int skip(struct lock_set *set, const char *requirement, const char *reason)
{
    return wanted_add_skip(&set->wanted, "--with", 0, requirement, reason, true);
}

static int add(struct lock_set *set, const struct query *page, size_t i)
{
    const struct json *hashes = json_member(page->entries[i], "hashes");
    const char *sha256 = json_string(json_member(hashes, "sha256"));
    struct wanted_file file = {.size = -1, .is_added = true};
    file.digests = sha256 ? str_printf("sha256=%s", sha256) : strdup("");
    (void)lock_set_place(page, i, &file);
    return wanted_add(&set->wanted, &file);
}

static int choose(struct lock_set *set, const char *requirement, const struct query *page,
                  const struct target *target)
{
    AUTO(choice_free) struct choice *choice = NULL;
    auto_buf struct buf why;
    buf_init(&why, REASON_MAX_BYTES);
    int r =
        choice_make(target_tags(target), page->specifiers, page->files, page->file_count, &choice);
    if (r)
        return r;
    size_t best = choice_best(choice);
    if (best != CHOICE_NONE)
        return add(set, page, best);
    choice_write_reasons(choice, false, &why);
    for (char *c = why.data; c && *c; c++)
        if (*c == '\n')
            *c = c[1] ? ';' : '\0';
    return skip(set, requirement, why.len ? why.data : "no file fits the target");
}

/* SET_GO, or the exit code after a message. */
static int add_requirement(struct lock_set *set, const char *requirement)
{
    const struct query_place place = {set->index, set->url, set->config_file};
    struct query page;
    int r = 0, code = query_page(&set->command, requirement, &place, &page);
    if (code == QUERY_GO && set->wish.no_sdist)
        drop_sdists(&page);
    if (code == QUERY_GO && page.refusal)
        r = skip(set, requirement, page.refusal);
    for (size_t i = 0; code == QUERY_GO && !page.refusal && r == 0 && i < set->targets.count; i++)
        r = choose(set, requirement, &page, set->targets.list[i]);
    query_release(&page);
    if (r)
        (void)fprintf(stderr, "wheelyard %s: %s: %s\n", set->command.name, requirement,
                      error_text(r));
    return code != QUERY_GO ? code : r ? EXIT_NO : SET_GO;
}

int lock_with_add(struct lock_set *set, const char *list)
{
    auto_free char *copy = strdup(list);
    char *rest = copy;
    int code = copy ? SET_GO : EXIT_NO;
    for (char *word = strsep(&rest, ","); word && code == SET_GO; word = strsep(&rest, ","))
        if (*word)
            code = add_requirement(set, word);
    return code;
}
