// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The last 2 MiB of a file that passes by: as a rule enough for the list of a wheel's members and
 * the METADATA before it, which say whether it is one (engine/files/soundness.h). One thread at a
 * time.
 */
#include "engine/files/soundness.h"

struct tail;

/* Of bytes from that offset on; NULL when out of memory. */
struct tail *tail_new(int64_t from);
void tail_free(struct tail *tail);
/* The next bytes; NULL is legal. */
void tail_add(struct tail *tail, const void *data, size_t len, int64_t offset);
/* The file ends here. What is needed for a judgement and not at hand any more is believed. */
void tail_judge(struct tail *tail, const char *path, struct soundness *ret);
