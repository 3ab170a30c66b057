// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a folder is fit to hold the cache: it can be written, there is room, and its file system
 * can do what we ask of one (sparse files, reservations, shared mappings). Tried with a file of a
 * megabyte that has no name. Blocks; any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "control/findings.h"

/* Sizes are the configuration's, in bytes. has_room: below min_free, old wheels can make room. */
void doctor_disk(const char *cache_dir, int64_t max_size, int64_t min_free, bool has_room,
                 struct findings *to);
