// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sizes as directory listings write them, for people. Pure; any thread.
 */
#include <stddef.h>
#include <stdint.h>

/*
 * The first size in [text, text + len): "812.3 MB", "5K", "1.2 GiB" (units are powers of 1024), or
 * a bare number of five to fifteen digits between white space. In bytes and, but for the last,
 * rounded as the listing rounds: good to be shown, not to be relied on. -1: none.
 */
int64_t amount_find(const char *text, size_t len);
