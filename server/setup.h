// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The lines that point pip, uv and pixi at an index, as text for people. Pure; any thread. */
#include "base/buf.h"
#include "engine/origins.h"

/* An index worth showing first: a CUDA channel where the origins have some, else any channel that
 * is named without a pattern, else "" (/simple/). */
const char *setup_example_index(const struct origins *origins);

/* `base` is scheme and authority, without a closing slash. */
void setup_write(struct buf *to, const char *base, const char *index);
