// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Dates as directory listings write them, in seconds since 1970. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATE_UNKNOWN = -1 };

/*
 * The first date with a time in [text, text + len): "2026-11-23 01:16[:57]", "23-Nov-2026
 * 01:16[:57]", "2026-Nov-23 01:16[:57]", "Mon, 23 Nov 2026 01:16:57 GMT". What it names as if it
 * were UTC, at the end of the minute where it names no second; *ret_utc: it says that it is.
 * DATE_UNKNOWN: none, or a day that does not exist.
 */
int64_t date_find(const char *text, size_t len, bool *ret_utc);
