// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What policies make of a page: which of its files it hides, and what a page remembers of its files
 * so that they can be judged at their own addresses (engine/gate.h). Nothing here costs anything
 * without a policy.
 */
#include "engine/pages/built.h"
#include "engine/policy/policies.h"

/* What is known of a file when somebody asks for it at its own address. */
struct page_fact {
    const char *path;
    int64_t uploaded_s;
    char sha256[SHA256_HEX]; /* that is believed; "" none */
};

/* Ascending by path. One allocation, with the paths behind the rows. */
struct page_facts {
    size_t count, bytes;
    int64_t until_s; /* when a file that is hidden for its age will not be; 0: none is */
    struct page_fact list[];
};

/* On the flight thread: takes over the policies of the build's index. */
void page_policy_begin(struct build *build);
/* Marks the files of a merge that the page must not list (merge_file.hidden). On the compute lane.
 * ERROR_NO_MEMORY: then the page must not be shown. */
int page_policy_hide(struct build *build);
/* A flat page is over when the first of its parts is. */
void page_policy_join(struct build *build, const struct build *part);
/* Gives a page the facts of a merge. The same lane and error. */
int page_policy_note(struct build *build, struct page *page);

/* Whether a page hides a file for its age that is old enough by now. */
bool page_policy_is_over(const struct page *page);
/* When that will be, by the monotonic clock; INT64_MAX: never. */
int64_t page_policy_over_ms(const struct page *page);
/* Whether two pages know the same of their files; either may be NULL. */
bool page_policy_is_same(const struct page_facts *a, const struct page_facts *b);

/*
 * What the page that would list a path says of the file. Any thread.
 *
 * 0: the facts, each as far as it is known; or `refusal`, a reference to a page that says why nobody
 * can tell. ENGINE_WAIT: the page is being loaded; until waiter->until_ms at most. ERROR_NO_MEMORY.
 */
struct page_fact_answer {
    int64_t uploaded_s;
    char sha256[SHA256_HEX];
    struct page *refusal; /* or NULL */
};
int pages_fact(struct pages *pages, const struct origin *origin, const char *path, const char *via,
               struct waiter *waiter, bool waited, struct page_fact_answer *ret);
