// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Dates in the forms of directory listings, in seconds since 1970. Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATE_UNKNOWN = -1 };

/* The first date with a time in [text, text + len): "2026-11-23 01:16[:57]", "2026-11-23T01:16",
 * "23-Nov-2026 01:16[:57]", "2026-Nov-23 01:16[:57]", "Mon, 23 Nov 2026 01:16:57 GMT". A fraction
 * of the second and a zone may follow ("Z", "UTC", "+08:00", "+0800"). With a zone the result is
 * UTC, and *ret_utc is true; without one it is computed as if it were UTC. Without seconds it is
 * the end of the minute. DATE_UNKNOWN: no date, or a day that does not exist. */
int64_t date_find(const char *text, size_t len, bool *ret_utc);

/* Converts an upload time of RFC 3339 to the only form of PEP 700, yyyy-mm-ddThh:mm:ss[.ffffff]Z:
 * the offset is subtracted, and digits beyond six are cut. False: it is not a valid time. */
enum { DATE_TEXT = 48 };
bool date_upload_time(const char *text, char ret[DATE_TEXT]);
