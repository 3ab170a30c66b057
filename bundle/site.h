// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The pages of a bundle: what makes the unpacked tree an index that pip and uv install from without
 * wheelyard. README.txt says how; `simple/` is a simple index (PEP 503, PEP 691), whose links are
 * relative: ../../files/ORIGIN/PATH. Pages also list the files of earlier bundles, whose tree this
 * one is unpacked over.
 *
 *     site_new(manifest, &site);
 *     for (i < site_count(site)) ... site_path(site, i), site_write(site, i, &buf) ...
 *     site_free(site);
 *
 * A page is made when it is asked for, and again the same. A file name stands once on a page: of
 * two files of that name, which are other bytes, the first in the manifest's order is shown.
 *
 * The manifest outlives the pages and keeps its files. What pages say depends on its rows alone,
 * not on parts and offsets, which depend on the pages' sizes. Pure; one thread.
 */
#include <stddef.h>

#include "base/buf.h"
#include "bundle/manifest.h"

enum { SITE_PAGE_MAX = 64 << 20 };

struct static_site;

int site_new(const struct manifest *manifest, struct static_site **ret);
void site_free(struct static_site *site); /* NULL is legal */

size_t site_count(const struct static_site *site);
/* "README.txt", "simple/torch/index.html"; ascending. Lives as long as `site`. */
const char *site_path(const struct static_site *site, size_t i);
/* Errors are the buffer's. */
void site_write(const struct static_site *site, size_t i, struct buf *to);
