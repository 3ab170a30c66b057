// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a blob that no claim has agreed with so far is what is claimed of its file now: asked
 * when it is opened, before anybody gets any of it. Flight thread.
 */
#include "engine/claims/claim_set.h"
#include "engine/files/entry.h"
#include "engine/mirrors/origins.h"

/* `done` follows, never from within; `set` lives until it returns. False: out of memory, and it
 * never comes. */
bool kept_check_start(struct engine *engine, const struct origin *origin, const struct entry *entry,
                      struct blob *blob,
                      void (*done)(void *context, int error, enum claims_verdict verdict,
                                   const struct claim_set *set),
                      void *context);
