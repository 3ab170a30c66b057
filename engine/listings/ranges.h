// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Which mirrors honour ranges. Only with such a mirror, metadata is promised that has to be read
 * out of the end of a wheel. A mirror is asked once for one byte of one wheel, and the catalogue
 * remembers the answer. Flight thread. */
#include "engine/listings/listings.h"
#include "engine/mirrors/origins.h"

struct ranges;

int ranges_new(struct services *services, struct ranges **ret); /* at start, before threads */
void ranges_free(struct ranges *ranges);

/* Whether some mirror of the origin is known to honour ranges. */
bool ranges_are_honoured(const struct listings *listings, const struct origin *origin);
/* Whether the mirror neither has answered nor is being asked: then ranges_ask is due. */
bool ranges_are_unknown(const struct listings *listings, const struct origin *origin,
                        unsigned mirror);
/* Whether its answer is on its way and may be waited for. */
bool ranges_are_asked(const struct listings *listings, const struct origin *origin,
                      unsigned mirror);
/* Asks for a byte of a file that the mirror lists; pages_source_settled follows. */
void ranges_ask(struct listings *listings, const struct origin *origin, unsigned mirror,
                const char *path);
