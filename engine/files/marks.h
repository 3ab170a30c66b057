// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What people and checks say of a blob, beside what the table of files says: pinned, and when its
 * bytes were last compared with its digest. In memory with the flight thread, written through to
 * the catalogue, a pin to the blob's sidecar as well, from which a lost catalogue learns it again.
 * A pin is of bytes, whatever paths name them, and outlives the blob.
 */
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct marks;

int marks_new(struct marks **ret);
void marks_free(struct marks *marks);
/* At start, before threads: from the catalogue. */
int marks_load(struct engine *engine);

/* Flight thread, all of them. */
bool marks_is_pinned(const struct engine *engine, const char *sha256);
/* Real time in seconds; 0 when it was never compared since it was kept. */
int64_t marks_verified_s(const struct engine *engine, const char *sha256);
int marks_pin(struct engine *engine, const char *sha256, bool pinned);
int marks_verified(struct engine *engine, const char *sha256, int64_t now_s);
/* The blob is gone: forgets when it was compared; a pin stays. */
void marks_forget(struct engine *engine, const char *sha256);
