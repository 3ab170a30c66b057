// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Sizes in the forms of directory listings. Pure; any thread. */
#include <stddef.h>
#include <stdint.h>

/* The first size in [text, text + len): "812.3 MB", "5K", "1.2 GiB" (units are powers of 1024), or
 * a bare number of five to fifteen digits between white space. The result is in bytes. Except for
 * the last form it is rounded as the listing rounds: good for display only. -1: none. */
int64_t amount_find(const char *text, size_t len);
