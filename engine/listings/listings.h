// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The room of listings: mirrors' pages as sources, and what else a mirror is asked. Its modules
 * (sources.h, heads.h, ranges.h, channels.h, link_places.h) take this handle.
 */
#include "engine/loop/services.h"

struct listings;

/* At start, before threads: reads the rows of channels and of ranges. */
int listings_new(struct services *services, struct listings **ret);
void listings_free(struct listings *listings); /* NULL is legal */
