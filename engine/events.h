// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the engine does about each event of engine/loop/events.h. */
#include "engine/loop/events.h"

struct engine;

extern const struct events engine_events;
/* Runs the work of one tick. */
void engine_tick(struct engine *engine, int64_t now_ms);
