// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which mirrors honour ranges: only then metadata is promised that is to be made of a wheel's end.
 * A mirror is asked for one byte of one wheel, once; the answer is remembered in the catalogue.
 * Flight thread.
 */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

struct ranges;

int ranges_new(struct engine *engine, struct ranges **ret); /* at start, before threads */
void ranges_free(struct ranges *ranges);

/* Whether some mirror of the origin is known to honour them. */
bool ranges_are_honoured(const struct engine *engine, const struct origin *origin);
/* Whether nothing is known of this mirror, nor is being asked: ranges_ask is due. */
bool ranges_are_unknown(const struct engine *engine, const struct origin *origin, unsigned mirror);
/* Whether the answer is on its way, and may be waited for. */
bool ranges_are_asked(const struct engine *engine, const struct origin *origin, unsigned mirror);
/* Asks by a file that the mirror lists; pages_source_settled follows. */
void ranges_ask(struct engine *engine, const struct origin *origin, unsigned mirror,
                const char *path);
