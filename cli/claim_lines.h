// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the daemon says of a file's claims (engine/files/claim_answer.h), as lines for people:
 *
 *     site: sha256=1111... said 2026-01-02T03:04:05Z (current, believed)
 *     old: sha256=2222... said 2025-11-02T03:04:05Z (remembered, in conflict)
 *
 * Pure. Control bytes of a mirror stay in: the printer cleans them.
 */
#include "base/buf.h"
#include "base/json.h"

/* Of a JSON object that has "claims"; nothing where there are none. */
void claim_lines_write(const struct json *object, struct buf *to);
/* The same as a JSON member "claims" of an open object. */
void claim_lines_copy(const struct json *object, struct buf *to);
