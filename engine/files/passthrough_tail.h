// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The last 2 MiB of a file that is passed through. They usually hold the list of a wheel's members
 * and the METADATA before it, which tell whether it is a wheel (engine/files/soundness.h). One
 * thread at a time.
 */
#include "engine/files/soundness.h"

struct tail;

/* Of bytes from that offset on. NULL when out of memory. */
struct tail *tail_new(int64_t from);
void tail_free(struct tail *tail);
/* Takes the next bytes; tail NULL is legal. */
void tail_add(struct tail *tail, const void *data, size_t len, int64_t offset);
/* The file ends here. A judgement that would need earlier bytes finds the file sound. */
void tail_judge(struct tail *tail, const char *path, struct soundness *ret);
