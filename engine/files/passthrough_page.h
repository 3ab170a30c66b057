// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether an answer to a passthrough is a web page in the place of the file, and perhaps a captive
 * portal's (engine/mirrors/portal.h). The label raises the question, and the first bytes decide it.
 *
 *     passed_page_begin(page, mirrors, head)     transfer thread, in on_head
 *     passed_page_see(page, data, len)           the same, with the first bytes of the body
 *     passed_page_tell(page, services, ...)      flight thread, when it is one
 *
 * The owner holds its verdict on the answer back while `awaits_bytes`.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "upstream/fetcher.h"

struct mirrors;
struct origin;
struct services;

struct passed_page {
    bool is_labelled;  /* as a web page */
    bool awaits_bytes; /* ... and the body begins at byte 0 */
    bool is_page;
    int64_t size; /* as the answer tells, or -1 */
    char sha256[SHA256_HEX];
    char *stranger; /* see engine/mirrors/portal.h */
};

void passed_page_release(struct passed_page *page);
/* Forgets the answer before. */
void passed_page_begin(struct passed_page *page, const struct mirrors *mirrors,
                       const struct fetch_head *head);
/* Decides. */
void passed_page_see(struct passed_page *page, const void *data, size_t len);
/* Notes the problem, and writes what came instead of the file: the same text as a download's. */
void passed_page_tell(const struct passed_page *page, struct services *services,
                      const struct origin *origin, unsigned mirror, const char *path, char *why,
                      size_t size);
