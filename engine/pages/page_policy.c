// SPDX-License-Identifier: Apache-2.0
/*
 * A build judges its files between merging and writing. A hidden file keeps its place in the merge,
 * so what is learned of it (claims, when it was seen first) is still written down; only the page
 * leaves it out. Reasons do not change with the time, so neither does the ETag.
 */
#include "engine/pages/page_policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/mirrors/generations.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"
#include "index/date.h"
#include "index/digests.h"

void page_policy_begin(struct build *b)
{
    const struct origins *origins = mirrors_origins(b->pages->s->mirrors);
    b->notes_facts = policy_views_any(origins);
    if (b->notes_facts)
        policy_view_of_index(origins, b->index, &b->policies);
}

static int64_t uploaded_s(const struct merge_file *f)
{
    const char *text = f->upload_time ? f->upload_time : f->made_time;
    bool is_utc;
    int64_t s = date_find(text, strlen(text), &is_utc);
    return s == DATE_UNKNOWN ? POLICY_UNKNOWN : s;
}

static void note_until(struct build *b, int64_t until_s)
{
    if (until_s && (!b->hidden_until_s || until_s < b->hidden_until_s))
        b->hidden_until_s = until_s;
}

int page_policy_hide(struct build *b)
{
    int64_t now_s = clock_real_s();
    for (size_t i = 0; b->policies.count && i < b->merge.count; i++) {
        struct merge_file *f = &b->merge.files[i];
        char sha256[SHA256_HEX];
        bool has_digest = f->digests && digests_sha256(f->digests, sha256);
        struct policy_file file = {.name = f->listed->name,
                                   .project = b->project,
                                   .sha256 = has_digest ? sha256 : NULL,
                                   .uploaded_s = uploaded_s(f),
                                   .now_s = now_s};
        struct policy_verdict verdict;
        if (policies_admit(b->pages->s->policies, &b->policies, &file, &verdict))
            continue;
        f->hidden = strdup(verdict.reason);
        if (!f->hidden)
            return ERROR_NO_MEMORY;
        note_until(b, verdict.until_s);
    }
    return 0;
}

void page_policy_join(struct build *b, const struct build *part)
{
    note_until(b, part->hidden_until_s);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct page_fact *)a)->path, ((const struct page_fact *)b)->path);
}

int page_policy_note(struct build *b, struct page *page)
{
    size_t bytes = sizeof(struct page_facts);
    if (!b->notes_facts)
        return 0;
    for (size_t i = 0; i < b->merge.count; i++)
        bytes += sizeof(struct page_fact) + strlen(b->merge.files[i].path) + 1;
    struct page_facts *facts = calloc(1, bytes);
    if (!facts)
        return ERROR_NO_MEMORY;
    facts->bytes = bytes;
    facts->count = b->merge.count;
    facts->until_s = b->hidden_until_s;
    char *to = (char *)&facts->list[facts->count];
    for (size_t i = 0; i < b->merge.count; i++) {
        const struct merge_file *f = &b->merge.files[i];
        facts->list[i].path = to;
        facts->list[i].uploaded_s = uploaded_s(f);
        if (!f->digests || !digests_sha256(f->digests, facts->list[i].sha256))
            facts->list[i].sha256[0] = '\0';
        to = stpcpy(to, f->path) + 1;
    }
    qsort(facts->list, facts->count, sizeof(facts->list[0]), by_path);
    page->facts = facts;
    return 0;
}

bool page_policy_is_over(const struct page *page)
{
    return page->facts && page->facts->until_s && clock_real_s() >= page->facts->until_s;
}

int64_t page_policy_over_ms(const struct page *page)
{
    if (!page->facts || !page->facts->until_s)
        return INT64_MAX;
    return clock_monotonic_ms() + (page->facts->until_s - clock_real_s()) * 1000;
}

bool page_policy_is_same(const struct page_facts *a, const struct page_facts *b)
{
    if (!a || !b)
        return a == b;
    bool is_same = a->count == b->count && a->until_s == b->until_s;
    for (size_t i = 0; is_same && i < a->count; i++)
        is_same = a->list[i].uploaded_s == b->list[i].uploaded_s &&
                  strcmp(a->list[i].path, b->list[i].path) == 0 &&
                  strcmp(a->list[i].sha256, b->list[i].sha256) == 0;
    return is_same;
}

/* --------------------------------------------------------------- one file */

static void find_fact(const struct page *page, const char *path, struct page_fact_answer *ret)
{
    const struct page_fact key = {.path = path};
    const struct page_fact *fact =
        page->facts && page->facts->count
            ? bsearch(&key, page->facts->list, page->facts->count, sizeof(key), by_path)
            : NULL;
    if (!fact)
        return;
    ret->uploaded_s = fact->uploaded_s;
    memcpy(ret->sha256, fact->sha256, sizeof(ret->sha256));
}

/* Whether the page is one that can tell of the file, also by not having it. */
static bool tells(const struct page *page)
{
    return page->outcome == OUTCOME_OK || page->outcome == OUTCOME_NO_PROJECT;
}

int pages_fact(struct pages *pages, const struct origin *origin, const char *path, const char *via,
               struct waiter *waiter, bool waited, struct page_fact_answer *ret)
{
    const struct page_query query = {.via = via, .until_ms = waiter->until_ms};
    struct page_fact_answer answer = {.uploaded_s = POLICY_UNKNOWN};
    struct page_entry *s = pages_entry_of(pages, origin, path);
    struct page *page = NULL;
    enum page_state state;
    int r = s ? page_entry_answer(pages, s, &query, waiter, waited, &page, &state) : 0;
    if (s)
        page_entry_unref(s);
    if (r)
        return r;
    waiter->until_ms = query.until_ms;
    if (page && !tells(page)) {
        answer.refusal = page;
    } else if (page) {
        find_fact(page, path, &answer);
        page_unref(page);
    }
    *ret = answer;
    return 0;
}
