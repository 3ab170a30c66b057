// SPDX-License-Identifier: Apache-2.0
#include "engine/policy/policy_views.h"

#include <stdlib.h>
#include <string.h>

/* No more than POLICIES_MOST can hold; the configuration refuses more [channel] tables. */
static void add(struct policy_view *view, const struct policy *policy)
{
    if (view->count < POLICIES_MOST)
        view->list[view->count++] = policy;
}

/* `channel`: a channel or a pattern of channels; NULL: the index is none. */
static void view_of(const struct origins *origins, const char *index, const char *channel,
                    struct policy_view *ret)
{
    *ret = (struct policy_view){.count = 0};
    for (size_t i = 0; i < origins->policy_count; i++) {
        const struct policy *p = &origins->policies[i];
        bool is_top = !p->index && !p->channel;
        if (is_top || (p->index && strcmp(p->index, index) == 0) ||
            (p->channel && channel && channel_matches(p->channel, channel)))
            add(ret, p);
    }
}

void policy_view_of_index(const struct origins *origins, const char *index, struct policy_view *ret)
{
    struct index_view view = {.channel = NULL};
    (void)origins_index(origins, index, &view);
    view_of(origins, index, view.channel, ret);
}

bool policy_view_is_same(const struct policy_view *a, const struct policy_view *b)
{
    return a->count == b->count && memcmp(a->list, b->list, a->count * sizeof(a->list[0])) == 0;
}

/* ------------------------------------------------------------ files' indexes */

struct walk {
    const struct origins *origins;
    bool (*visit)(void *context, const struct policy_view *view);
    void *context;
    size_t count;
    bool is_over;
};

static void visit_index(struct walk *w, const char *index, const char *channel)
{
    struct policy_view view;
    if (w->is_over)
        return;
    view_of(w->origins, index, channel, &view);
    w->count++;
    w->is_over = !w->visit(w->context, &view);
}

/* The channel in whose folder the file lies. False: it lies in none. */
static bool visit_folder(struct walk *w, const struct origin *origin, const char *path)
{
    for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
        char *channel = strndup(path, (size_t)(end - path));
        bool is_channel = channel && origin_has_channel(origin, channel);
        if (is_channel)
            visit_index(w, channel, channel);
        free(channel);
        if (is_channel)
            return true;
    }
    return false;
}

/* A pattern stands for all indexes that it matches. */
static void visit_patterns(struct walk *w, const struct origin *origin)
{
    for (char *const *pattern = origin->channels; *pattern; pattern++)
        visit_index(w, *pattern, *pattern);
}

static void visit_named(struct walk *w, const struct origin *origin)
{
    for (size_t i = 0; i < w->origins->index_count; i++) {
        const struct named_index *index = &w->origins->indexes[i];
        struct index_view view;
        if (origins_index(w->origins, index->name, &view))
            continue;
        for (size_t n = 0; n < view.count; n++)
            if (view.origins[n] == origin)
                visit_index(w, index->name, view.channel);
    }
}

/* /simple/ and the indexes of channels have one origin that answers for the rest. */
static void visit_rest(struct walk *w, const struct origin *origin)
{
    struct index_view view;
    if (origins_index(w->origins, "", &view) || view.origins[0] != origin)
        return;
    visit_index(w, "", NULL);
    for (size_t i = 0; i < w->origins->count; i++)
        visit_patterns(w, &w->origins->list[i]);
}

size_t policy_views_of_file(const struct origins *origins, const struct origin *origin,
                            const char *path,
                            bool (*visit)(void *context, const struct policy_view *view),
                            void *context)
{
    struct walk w = {.origins = origins, .visit = visit, .context = context};
    if (origin->channels[0]) {
        if (!visit_folder(&w, origin, path))
            visit_patterns(&w, origin);
        return w.count;
    }
    visit_rest(&w, origin);
    visit_named(&w, origin);
    return w.count;
}
