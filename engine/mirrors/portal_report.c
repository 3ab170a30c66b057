// SPDX-License-Identifier: Apache-2.0
/*
 * Captive portals as an administrator sees them: a problem while one is open, and a log line when
 * it is gone. The recognition is in portal.c. Flight thread; no state of its own.
 */
#include "engine/mirrors/portal_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/loop/problems.h"
#include "engine/loop/services.h"
#include "engine/mirrors/portal.h"

/* The text also becomes the failure of the mirror that was asked. */
bool portal_report(struct services *s, const struct web_page *page, char *why, size_t size)
{
    char bytes[48] = "";
    if (page->size > PORTAL_PAGE_BYTES ||
        !portal_note(s->portal, page->asked, page->sha256, page->stranger, clock_monotonic_ms()))
        return false;
    if (page->size >= 0)
        (void)snprintf(bytes, sizeof(bytes), " of %" PRId64 " bytes", page->size);
    (void)snprintf(why, size, "captive portal: a web page%s came in the place of %s's %s%s%s",
                   bytes, page->mirror, page->place, page->stranger ? ", from " : "",
                   page->stranger ? page->stranger : "");
    problems_note(s, "captive-portal", "", "", "%s", why);
    return true;
}

/* Called with each answer that is no web page, so the usual case must be cheap. */
void portal_report_gone(struct services *s)
{
    if (!portal_over(s->portal))
        return;
    log_info("the captive portal is gone");
    problems_over(s, "captive-portal", "", "");
    s->events->portal_gone(s);
}
