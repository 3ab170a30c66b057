// SPDX-License-Identifier: Apache-2.0
/*
 * One look at one request. Nothing is remembered between requests: a reload, another file of
 * advisories and the passing of time count at once, for what is in the cache also.
 */
#include "engine/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/engine_state.h"
#include "engine/files/files.h"
#include "engine/mirrors/generations.h"
#include "engine/pages/page_policy.h"
#include "engine/policy/policies.h"

/* A `.metadata` belongs to its wheel. */
static char *file_of(const char *path)
{
    size_t len = strlen(path);
    return strndup(path, str_ends(path, ".metadata") ? len - strlen(".metadata") : len);
}

static int refuse(struct engine *e, const struct file_query *query, const char *name,
                  const struct policy_verdict *verdict, struct file **ret)
{
    char detail[FILE_DETAIL];
    (void)snprintf(detail, sizeof(detail), "policy: %.90s: %.399s", name, verdict->reason);
    return files_refuse(e->files, OUTCOME_FORBIDDEN, detail, query, ret);
}

/* Takes over the reference to the page. */
static int refuse_as_page(struct engine *e, const struct file_query *query, struct page *page,
                          struct file **ret)
{
    int r = files_refuse(e->files, page->outcome, page->detail, query, ret);
    page_unref(page);
    return r;
}

/* The digest of the bytes that would go out counts more than the claimed one; the second only where
 * the first is not known yet. Those that were refused at their end count as the bytes. */
static bool find_digest(struct engine *e, const struct file_query *query, const char *path,
                        char ret[SHA256_HEX])
{
    return files_held_digest(e->files, query->origin, path, ret) ||
           policies_refused_digest(e->services.policies, query->origin, path, ret);
}

int gate_look(struct engine *e, const struct file_query *query, struct waiter *waiter,
              struct file **ret)
{
    const struct origin *origin = origins_find(mirrors_origins(e->services.mirrors), query->origin);
    if (query->is_inner || !origin || !policy_views_any(mirrors_origins(e->services.mirrors)))
        return 0;
    auto_free char *path = file_of(query->path);
    if (!path)
        return ERROR_NO_MEMORY;
    struct policy_file file = {
        .name = str_last_segment(path), .uploaded_s = POLICY_UNKNOWN, .now_s = clock_real_s()};
    struct page_fact_answer fact = {.uploaded_s = POLICY_UNKNOWN};
    struct policy_verdict verdict;
    char held[SHA256_HEX];
    if (policies_need(e->services.policies, origin, path, &file)) {
        int r = pages_fact(e->pages, origin, path, query->via, waiter, query->waited, &fact);
        if (r)
            return r;
        if (fact.refusal)
            return refuse_as_page(e, query, fact.refusal, ret);
    }
    file.uploaded_s = fact.uploaded_s;
    file.sha256 = find_digest(e, query, path, held) ? held : fact.sha256[0] ? fact.sha256 : NULL;
    return policies_admit_file(e->services.policies, origin, path, &file, &verdict)
               ? 0
               : refuse(e, query, file.name, &verdict, ret);
}
