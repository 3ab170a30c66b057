// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Digests of bytes that are on the disk, by algorithms other than the one they were hashed by on
 * the way. Read in steps, on the compute lane, so that nothing waits for a big file to its end.
 */
#include "base/digest.h"
#include "index/digests.h"

struct engine;

/*
 * Hashes [0, size) of `fd`, which must stay open until `done`. On the flight thread; `done` follows
 * there, `found` lives until it returns and is NULL when `error` is below 0. ERROR_NO_MEMORY: it
 * never comes.
 */
int rehash_start(struct engine *engine, int fd, int64_t size, uint32_t algorithms,
                 void (*done)(void *context, int error, const struct digests *found),
                 void *context);
