// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Bytes that are not what their name says, kept aside for whoever wants to look:
 * <cache>/quarantine/ holds at most QUARANTINE_MOST files, by digest; the oldest go first, and all
 * at `cache gc`.
 */
struct engine;

enum { QUARANTINE_MOST = 8 };

/* Moves a blob that no entry names any more out of the tree, and drops its row. Any thread; a job
 * does it. */
void quarantine_put(struct engine *engine, const char *sha256);
/* Removes all but the newest `most`. Blocks. */
void quarantine_trim(struct engine *engine, unsigned most);
