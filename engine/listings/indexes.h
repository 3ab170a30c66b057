// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Which indexes and channels exist, for the callers of the engine: part of engine/engine.h. */
#include "base/buf.h"
#include "engine/loop/options.h"
#include "engine/loop/wait.h"

struct engine;

/* Appends which indexes and channels exist, and which of them `typed` may have meant: "; did you
 * mean cu126? there are simple, cpu, cu126". Shows channels that a mirror has listed; before
 * there are any, the patterns of the configuration. Any thread. */
void engine_say_indexes(struct engine *engine, const char *typed, struct buf *to);
/* Has the root pages of mirrors read; they are stored like any page. ENGINE_WAIT: for a second
 * at most; do not ask twice. 0: they were read a moment ago, or cannot be. Any thread. */
int engine_ask_roots(struct engine *engine, struct waiter *waiter);
/* Appends the channels that mirrors have listed or name on their root pages, as JSON objects
 * between commas. Any thread. */
void engine_write_channels(struct engine *engine, struct buf *to);
