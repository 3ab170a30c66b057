// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What becomes of an event of a lower room: see engine/loop/events.h. */
#include "engine/loop/events.h"

extern const struct events engine_events;
/* What is done every TICK_MS. */
void engine_tick(struct engine *engine, int64_t now_ms);
