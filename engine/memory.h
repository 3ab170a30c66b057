// SPDX-License-Identifier: Apache-2.0
#pragma once
/* max_memory: what the daemon takes, and what it does about it. */
#include "engine/core.h"

/* Bytes that the process has for itself alone; 0 when the kernel does not say. */
int64_t memory_used(void);
/* Flight thread, with each tick. */
void memory_tick(struct engine *engine, int64_t now_ms);
