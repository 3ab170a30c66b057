// SPDX-License-Identifier: Apache-2.0
/* Which rosters a slot hangs on until it is known which origin answers. */
#include "engine/mirrors/origins.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/project_list.h"

/* Whether the index's i-th origin has to list its names before the slot's page can be made: those
 * that own what they list and, for a list, all behind the first, which is asked anyway. */
static bool needs_project_list(const struct page_entry *s, const struct index_view *view, size_t i)
{
    const struct origin *origin = view->origins[i];
    return origin->owns_listed || (!s->project && i > 0 && !origin_owns_rest(origin));
}

/* Whether the origin is sure to own the slot's project, so that those behind it do not matter. */
static bool is_owner(struct engine *e, const struct page_entry *s, const struct origin *origin,
                     const char *channel)
{
    const struct index_view one = {.origins = {origin}, .count = 1, .channel = channel};
    const struct origin *owner;
    return s->project && !origin_owns_rest(origin) &&
           project_list_owner(e, &one, s->project, &owner) == 0 && owner == origin;
}

bool slot_awaits_project_lists(struct engine *e, const struct page_entry *s,
                               const struct index_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        if (needs_project_list(s, view, i) &&
            project_list_is_pending(e, view->origins[i], view->channel))
            return true;
        if (is_owner(e, s, view->origins[i], view->channel))
            return false;
    }
    return false;
}

void slot_want_project_lists(struct engine *e, struct page_entry *s, const struct index_view *view,
                             bool force, const struct asker *by)
{
    for (size_t i = 0; i < view->count; i++) {
        if (needs_project_list(s, view, i))
            (void)project_list_want(e, view->origins[i], view->channel, force, by);
        if (is_owner(e, s, view->origins[i], view->channel))
            return;
    }
}
