// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What to tell somebody who asked for a wheel that is not there, from the project's page as we
 * wrote it (index/page.h): "there is no cp315 wheel of 2.9.0+cu126 for win_amd64; there are cp313,
 * cp314". Looks at text alone and parses only names of the same release, so that it is cheap enough
 * for a reply. Pure; any thread.
 */
#include <stdbool.h>

#include "base/buf.h"

enum { HINT_MAX_PAGE = 1 << 20 };

/* Appends one line without its end; nothing when there is nothing to say, the page lists that very
 * file, or it is longer than HINT_MAX_PAGE. */
void hint_of_file(const char *file, const char *html_page, const char *json_page, struct buf *to);

/* Whether `name` is `wanted` but for a letter or two: missing, wrong, one too many, or exchanged.
 */
bool hint_is_near(const char *name, const char *wanted);
