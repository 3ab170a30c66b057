// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Checks whether a folder can hold the cache: it is writable, has room, and its file system can do
 * what the cache needs (sparse files, reservations, shared mappings). The trial uses an unnamed
 * file of 1 MiB. Blocks; any thread. */
#include <stdbool.h>
#include <stdint.h>

#include "control/findings.h"

/* Sizes in bytes, from the configuration. has_room: below min_free, old files can make room. */
void doctor_disk(const char *cache_dir, int64_t max_size, int64_t min_free, bool has_room,
                 struct findings *to);
