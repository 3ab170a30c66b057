// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What holds of every text that is read as a lock file of some name: what was read lies within the
 * text, a choice can be made of it, and other addresses in it lead back to the same bytes. */
#include <stddef.h>
#include <stdint.h>

void lock_check(const char *name, const uint8_t *data, size_t size);
