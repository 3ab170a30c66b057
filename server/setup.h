// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The lines that point pip, uv and pixi at an index, as text for people. Pure; any thread. */
#include "base/buf.h"
#include "engine/origins.h"

/* An index worth showing first: a CUDA channel where the origins have some, else any channel that
 * is named without a pattern, else "" (/simple/). */
const char *setup_example_index(const struct origins *origins);

/* The URL by which clients on this machine reach what listens on `address` ("0.0.0.0:8503"): by
 * name where that is loopback's or any. */
void setup_base(struct buf *to, const char *address);

/* `base` is scheme and authority, without a closing slash. */
void setup_write(struct buf *to, const char *base, const char *index);
