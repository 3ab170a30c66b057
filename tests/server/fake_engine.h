// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An engine that plays from a script, for tests of the HTTP face: engine/engine.h's functions over
 * pages and files that are made up here, and over engine/loop/wait.c. Nothing happens by itself:
 * what is waited for comes when the test says so.
 *
 * Pages, in every index:               Files of origin `pytorch`, FAKE_SIZE bytes each:
 *   NULL, torch  hit, with gzip          cu126/whole.whl    complete and mapped, immutable
 *   small        hit, without gzip       cu126/cold.whl     complete, not mapped
 *   stale        stale                   cu126/growing.whl  as far as fake_grow says
 *   slow         after fake_release      cu126/unknown.whl  the same, of unknown size
 *   down         OUTCOME_UNAVAILABLE     cu126/broken.whl   fails at FAKE_BROKEN_AT
 *   anything else: no project            cu126/late.whl     facts after fake_release
 *                                        cu126/empty.whl    0 bytes, and cu126/void.whl unmapped
 * and cu126/whole.whl.metadata; cu126/silent.whl and cu126/bad.whl are refusals.
 */
#include <stdint.h>

#include "engine/engine.h"

enum { FAKE_SIZE = 1 << 20, FAKE_BROKEN_AT = 200000 };

extern const char fake_html[];
extern const char fake_json[];
extern const char fake_gzip[]; /* stands for the gzip form of either */

/* What engine_open gives, without options; engine_free asserts that nothing is open any more. */
struct engine *fake_engine_new(void);

uint8_t fake_byte(int64_t offset);
void fake_grow(struct engine *engine, int64_t to);
void fake_release(struct engine *engine);
/* Blocks until `count` waits have begun since the start. */
void fake_await_suspended(struct engine *engine, unsigned count);
/* From now on no mirror answers for any page. */
void fake_silence(struct engine *engine);
unsigned fake_sweep(struct engine *engine);
/* Requests of the pages and files so far; the last query's flags. */
unsigned fake_page_count(struct engine *engine);
bool fake_last_refresh(struct engine *engine);
enum file_use fake_last_use(struct engine *engine);
