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
 * The first date with a time in [text, text + len): "2026-11-23 01:16[:57]", "2026-11-23T01:16",
 * "23-Nov-2026 01:16[:57]", "2026-Nov-23 01:16[:57]", "Mon, 23 Nov 2026 01:16:57 GMT"; behind it
 * perhaps a fraction of the second and a zone ("Z", "UTC", "+08:00", "+0800"). In UTC where there
 * is a zone, which *ret_utc tells; else as if it were UTC. At the end of the minute where it names
 * no second. DATE_UNKNOWN: none, or a day that does not exist.
 */
int64_t date_find(const char *text, size_t len, bool *ret_utc);

/*
 * An upload time of RFC 3339 in the one spelling of PEP 700, yyyy-mm-ddThh:mm:ss[.ffffff]Z: an
 * offset is taken off, digits beyond six are cut. False: it names no moment.
 */
enum { DATE_TEXT = 48 };
bool date_upload_time(const char *text, char ret[DATE_TEXT]);
