// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which policies hold for an index, and through which indexes a file can be reached.
 *
 * For an index hold the policy at the top, that of its own table, and those of every [channel]
 * table that matches, if it is a channel. A file must pass all of them.
 *
 * The address of a file names no index. So a file is refused there when the top refuses it, or when
 * every index through which it can be reached does: what some page lists can be had, and what no
 * page may list cannot. A pattern of channels counts as one index. Pure; any thread.
 */
#include "engine/mirrors/origins.h"
#include "index/policy.h"

struct policy_view {
    const struct policy *list[POLICIES_MOST];
    size_t count;
};

/* Whether the configuration has any policy. */
static inline bool policy_views_any(const struct origins *origins)
{
    return origins->policy_count > 0;
}

/* `index` as origins_index takes it; "" is /simple/. */
void policy_view_of_index(const struct origins *origins, const char *index,
                          struct policy_view *ret);
bool policy_view_is_same(const struct policy_view *a, const struct policy_view *b);

/* Calls `visit` for each index through which a file can be reached, until it returns false. Returns
 * how many were visited. 0: no index has the origin. */
size_t policy_views_of_file(const struct origins *origins, const struct origin *origin,
                            const char *path,
                            bool (*visit)(void *context, const struct policy_view *view),
                            void *context);
