// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A hint for a client that asked for a wheel that does not exist, taken from the project's page as
 * we wrote it (index/page.h): "there is no cp315 wheel of 2.9.0+cu126 for win_amd64; there are
 * cp313, cp314". It searches text and parses only names of the same release, so that it is cheap
 * enough for a reply. Pure; any thread. */
#include <stdbool.h>

#include "base/buf.h"

enum { HINT_MAX_PAGE = 1 << 20 };

/* Appends one line without a line end. Nothing when there is no hint, when the page lists that very
 * file, or when it is longer than HINT_MAX_PAGE. */
void hint_of_file(const char *file, const char *html_page, const char *json_page, struct buf *to);

/* Whether `name` equals `wanted` except for a letter or two: missing, wrong, added, or swapped. */
bool hint_is_near(const char *name, const char *wanted);
