// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The promises of index/listing.h and index/page.h for one page: what was read is well-formed, and
 * both pages written from it read back as the same. */
#include <stddef.h>
#include <stdint.h>

void page_check(const uint8_t *page, size_t size);
