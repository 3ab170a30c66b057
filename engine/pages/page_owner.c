// SPDX-License-Identifier: Apache-2.0
/*
 * Which project lists a page entry waits for, until it is known which origin answers.
 *
 * An index asks its origins in order. An origin with owns = "listed" owns what its project list
 * says, so that list must be known first. Later origins do not matter once an earlier one is sure
 * to own the name. Flight thread.
 */
#include "engine/mirrors/origins.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/project_list.h"

/* Whether the index's i-th origin must list its names first. A project needs the lists that
 * decide ownership. A project list needs those of all origins after the first, which is asked
 * anyway. */
static bool needs_project_list(const struct page_entry *s, const struct index_view *view, size_t i)
{
    const struct origin *origin = view->origins[i];
    return origin->owns_listed || (!s->project && i > 0 && !origin_owns_rest(origin));
}

/* Whether the origin is sure to own the project, so later origins do not matter. */
static bool is_owner(struct pages *pages, const struct page_entry *s, const struct origin *origin,
                     const char *channel)
{
    const struct index_view one = {.origins = {origin}, .count = 1, .channel = channel};
    const struct origin *owner;
    return s->project && !origin_owns_rest(origin) &&
           project_list_owner(pages, &one, s->project, &owner) == 0 && owner == origin;
}

bool page_awaits_project_lists(struct pages *pages, const struct page_entry *s,
                               const struct index_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        if (needs_project_list(s, view, i) &&
            project_list_is_pending(pages, view->origins[i], view->channel))
            return true;
        if (is_owner(pages, s, view->origins[i], view->channel))
            return false;
    }
    return false;
}

void page_want_project_lists(struct pages *pages, struct page_entry *s,
                             const struct index_view *view, bool force, const struct asker *by)
{
    for (size_t i = 0; i < view->count; i++) {
        if (needs_project_list(s, view, i))
            (void)project_list_want(pages, view->origins[i], view->channel, force, by);
        if (is_owner(pages, s, view->origins[i], view->channel))
            return;
    }
}
