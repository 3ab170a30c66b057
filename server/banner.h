// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What whoever started the daemon is told on standard output: where it listens, always; and, where
 * a person is there to read it, the lines for clients and, when no mirror answers within a few
 * seconds, that this is so. The question to the mirrors runs beside the daemon.
 */
#include <stdio.h>

#include "engine/engine.h"

struct announce;

/* A line `listening on http://ADDRESS:PORT` each; `addresses` as httpd_addresses gives them. */
void banner_addresses(const char *const *addresses, FILE *to);

/* The lines for clients; `address` is one of httpd_addresses. */
void banner_clients(const char *address, const struct origins *origins, FILE *to);

/* Asks for a page of the example index and one of PyPI, on a thread of its own; says so on `to`
 * when mirrors answered neither. */
int banner_probe(struct engine *engine, const struct origins *origins, FILE *to,
                 struct announce **ret);
/* After engine_stop, which ends its waits. NULL is legal. */
void banner_free(struct announce *announce);
