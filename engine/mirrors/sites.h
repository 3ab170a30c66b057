// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which origin an address of the configured sites belongs to: the official site, its aliases, and
 * every mirror. The longest prefix wins. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "engine/mirrors/origins.h"

enum site_kind {
    SITE_FILES, /* files, by their path in the origin */
    SITE_PAGES, /* pages of projects, of an origin without channels */
};

struct site {
    const struct origin *origin;
    enum site_kind kind;
    const char *prefix; /* as configured, up to a place in braces; ends in '/' */
    size_t len;         /* of it, without its scheme */
    bool has_channels;  /* SITE_FILES: below it there is also a folder of pages for each channel */
};

/* `place` is host and path, as a URL has them behind "://". False: no site has it. */
bool sites_find(const struct origins *origins, const char *place, struct site *ret);

/* The site is the one whose addresses the origin is known by: its `canonical` or `pages`. */
bool site_is_canonical(const struct site *site);
