// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the daemon prints on standard output when it starts. It always prints the addresses that it
 * listens on. On a terminal it also prints the lines that set up clients. It then asks the mirrors
 * on a thread of its own and says so when none of them answers. */
#include <stdio.h>

#include "engine/engine.h"

struct banner;

/* Prints one line `listening on http://ADDRESS:PORT` for each address of httpd_addresses. */
void banner_addresses(const char *const *addresses, FILE *to);

/* Prints the lines that set up clients; `address` is one of httpd_addresses. */
void banner_clients(const char *address, const struct origins *origins, FILE *to);

/* Starts a thread that asks for a page of the example index and for one of PyPI. It prints one
 * sentence to `to` when the mirrors answer neither. ERROR_NO_MEMORY, or an error of pthread_create.
 */
int banner_probe(struct engine *engine, const struct origins *origins, FILE *to,
                 struct banner **ret);
/* Joins the thread. Call it after engine_stop, which ends the thread's waits. NULL is legal. */
void banner_free(struct banner *banner);
