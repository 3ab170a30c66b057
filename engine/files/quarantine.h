// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Bytes that are not what their name says, kept aside for whoever wants to look (store_quarantine),
 * until `cache gc`.
 */
struct engine;

/* Moves a blob that no entry names any more out of the tree, and drops its row. Any thread; a job
 * does it. */
void quarantine_put(struct engine *engine, const char *sha256);
