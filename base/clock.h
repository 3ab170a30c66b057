// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Time. Durations and deadlines use the monotonic clock in milliseconds. Times that are stored or
 * shown use the real clock in seconds since 1970 (UTC). Pure except for the two clocks; any thread.
 */
#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_real_s(void);

enum { CLOCK_TEXT = 40 }; /* room for either text form */

void clock_rfc3339(int64_t real_s, char ret[CLOCK_TEXT]);   /* 2026-11-23T06:30:21Z */
void clock_http_date(int64_t real_s, char ret[CLOCK_TEXT]); /* Mon, 23 Nov 2026 06:30:21 GMT */

/* An HTTP-date in RFC 9110's preferred form, or -1. */
int64_t clock_parse_http_date(const char *text);
