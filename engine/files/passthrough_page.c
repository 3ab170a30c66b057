// SPDX-License-Identifier: Apache-2.0
#include "engine/files/passthrough_page.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/files/blame.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal.h"
#include "engine/mirrors/portal_report.h"

void passed_page_release(struct passed_page *page)
{
    free(page->stranger);
    *page = (struct passed_page){.size = -1};
}

void passed_page_begin(struct passed_page *page, const struct mirrors *mirrors,
                       const struct fetch_head *head)
{
    passed_page_release(page);
    page->size = head->total;
    bool sends = head->status == 200 || head->status == 206;
    page->is_labelled = portal_is_web_page(head->content_type);
    page->awaits_bytes = page->is_labelled && sends && head->from == 0;
    if (page->awaits_bytes)
        page->stranger = portal_stranger(mirrors_origins(mirrors), head->final_url);
}

void passed_page_see(struct passed_page *page, const void *data, size_t len)
{
    page->awaits_bytes = false;
    page->is_page = portal_begins_page(data, len, page->sha256);
}

void passed_page_tell(const struct passed_page *page, struct services *s,
                      const struct origin *origin, unsigned mirror, const char *path, char *why,
                      size_t size)
{
    const struct web_page seen = {
        .size = page->size, .sha256 = page->sha256, .stranger = page->stranger};
    if (blame_portal(s, origin, path, mirror, seen, why, size))
        return;
    (void)snprintf(why, size, "a web page came instead of the file");
    problems_note(s, "unsound", origin->name, path, "%s: %s", origin->mirrors[mirror].name, why);
}
