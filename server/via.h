// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Via (RFC 9110 7.6.3) as we use it: to find out that a request has come from ourselves, over other
 * wheelyards. A client may write anything there, and what we ask mirrors repeats it; so nothing is
 * passed on but the names of wheelyards, written anew. Pure; any thread.
 */

enum { VIA_NAMES_MAX = 16 }; /* hops; more are a ring that does not know us */

/*
 * The received-by names of wheelyards in a Via, as a Via of their own: free() it. NULL when there
 * is none, also out of memory. Of an entry that is not of the form [protocol/]version received-by
 * [comment] nothing is taken, nor of what follows the first one.
 */
char *via_clean(const char *via);

/* How many names a clean Via has, and whether one of them is `instance`. */
enum via_verdict { VIA_GOES_ON, VIA_LOOPS, VIA_TOO_LONG };
enum via_verdict via_judge(const char *clean, const char *instance);
