// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Digests of bytes on the disk, by algorithms that they were not hashed by on the way. They are
 * read in steps on the compute lane, so that other jobs do not wait for a big file to end.
 */
#include "base/digest.h"
#include "index/digests.h"

struct files;

/*
 * Hashes [0, size) of `fd`, which must stay open until `done`. Flight thread; `done` follows there,
 * never from within this call. `found` lives until it returns, and is NULL when `error` is below 0.
 * ERROR_NO_MEMORY: `done` is never called.
 */
int rehash_start(struct files *files, int fd, int64_t size, uint32_t algorithms,
                 void (*done)(void *context, int error, const struct digests *found),
                 void *context);
/* Adds bytes [from, to) of `fd` to a digester, in blocks. It blocks, so it is for lanes. An error
 * of the read, or ERROR_NO_MEMORY. */
int rehash_range(struct digester *digester, int fd, int64_t from, int64_t to);
