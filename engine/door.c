// SPDX-License-Identifier: Apache-2.0
/* Calls of engine.h that one room answers. */
#include "engine/engine.h"
#include "engine/listings/channels.h"
#include "engine/loop/core.h"

void engine_say_indexes(struct engine *e, const char *typed, struct buf *to)
{
    channels_say(e->listings, typed, to);
}

int engine_ask_roots(struct engine *e, struct waiter *waiter)
{
    return channel_roots_ask(e->listings, waiter);
}

void engine_write_channels(struct engine *e, struct buf *to)
{
    channels_write(e->listings, to);
}
