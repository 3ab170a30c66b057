// SPDX-License-Identifier: Apache-2.0
/*
 * Hints are added at the moment of a refusal. A wait here would delay an error that clients often
 * expect, such as a probe for a file that does not exist.
 */
#include "server/hint.h"

#include <string.h>

#include "base/str.h"
#include "index/hint.h"

enum { HINT_MAX_BYTES = 2048 };

/* Looks only at names that the configuration spells out; a pattern with `*` is not a name. */
static const char *near_name(const struct index_view *view, const char *project)
{
    for (size_t i = 0; i < view->count; i++)
        for (char **name = view->origins[i]->owns; *name; name++)
            if (!strchr(*name, '*') && strcmp(*name, project) != 0 && hint_is_near(*name, project))
                return *name;
    return NULL;
}

void hint_project(const struct origins *origins, const char *index, const char *project,
                  struct buf *to)
{
    struct index_view view;

    if (origins_index(origins, index, &view))
        return;
    const char *near = near_name(&view, project);
    if (near)
        buf_printf(to, "; did you mean %s?", near);
    else if (view.channel && origin_owns(view.origins[0], view.channel, project))
        buf_printf(to, "; is there a channel %s, and is this project built for it?", index);
}

/* Only for a page that is in memory; nothing is loaded for a hint. */
void hint_file(struct engine *engine, const char *origin, const char *path, struct buf *to)
{
    struct page *page = engine_peek(engine, origin, path);

    if (page && page->outcome == OUTCOME_OK) {
        auto_buf struct buf hint;

        buf_init(&hint, HINT_MAX_BYTES);
        hint_of_file(str_last_segment(path), page->body[PAGE_HTML][PAGE_IDENTITY].data,
                     page->body[PAGE_JSON][PAGE_IDENTITY].data, &hint);
        if (hint.len && !hint.error)
            buf_printf(to, "; %s", hint.data);
    }
    page_unref(page);
}
