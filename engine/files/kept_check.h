// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Compares a blob with the claims of today, when no claim has agreed with it yet. It is done when
 * the blob is opened, before any client reads it. Flight thread.
 */
#include "engine/claims/claim_set.h"
#include "engine/files/entry.h"
#include "engine/mirrors/origins.h"

/* `done` is called once, never from within; `set` lives until it returns. False: out of memory, and
 * `done` is never called. */
bool kept_check_start(struct files *files, const struct origin *origin, const struct entry *entry,
                      struct blob *blob,
                      void (*done)(void *context, int error, enum claims_verdict verdict,
                                   const struct claim_set *set),
                      void *context);
