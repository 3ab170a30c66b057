// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Via (RFC 9110 7.6.3): finds out whether a request came from ourselves through other wheelyards. A
 * client may write anything there, and our requests to mirrors carry it. So only the names of
 * wheelyards are passed on, in a new header. Pure; any thread. */

enum { VIA_NAMES_MAX = 16 }; /* hops; more than this is a loop that does not pass through us */

/* The received-by names of wheelyards in a Via, as a new Via; free() it. NULL when there is none,
 * or out of memory. Reading stops at the first entry that is not of the form [protocol/]version
 * received-by [comment]. */
char *via_clean(const char *via);

/* How many names a clean Via has, and whether one of them is `instance`. */
enum via_verdict { VIA_GOES_ON, VIA_LOOPS, VIA_TOO_LONG };
enum via_verdict via_judge(const char *clean, const char *instance);
