// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the engine does about a captive portal (engine/mirrors/portal.h). Flight thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct services;

/* A web page that came in the place of something else. stranger, sha256: see
 * engine/mirrors/portal.h. */
struct web_page {
    const char *mirror; /* the mirror's name */
    const char *place;  /* "file" or "listing" */
    uint64_t asked;     /* `file` for portal_note */
    int64_t size;       /* -1: not known */
    const char *sha256, *stranger;
};
/* Whether it is a captive portal's page: then it is noted as a problem, and `why` says so. */
bool portal_report(struct services *services, const struct web_page *page, char *why, size_t size);
/* Something else than a web page came: if there was a portal, it is gone. */
void portal_report_gone(struct services *services);
