// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The claims of a file (engine/files/claim_answer.h) as lines for people:
 *
 *     site: sha256=1111... said 2026-01-02T03:04:05Z (current, believed)
 *     old: sha256=2222... said 2025-11-02T03:04:05Z (remembered, in conflict)
 *
 * Pure. Control bytes of a mirror stay in the text; the printer must remove them.
 */
#include "base/buf.h"
#include "base/json.h"

/* Writes the lines of a JSON object's "claims"; nothing when it has none. */
void claim_lines_write(const struct json *object, struct buf *to);
/* Writes the same as a member "claims" of an open JSON object. */
void claim_lines_copy(const struct json *object, struct buf *to);
