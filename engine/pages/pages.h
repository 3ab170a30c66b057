// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of pages, for the engine's other rooms; engine/pages/page.h is for whoever asks. */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"

int pages_new(struct engine *engine, struct pages **ret);
void pages_free(struct pages *pages);
/* Nobody has said what the digest of this file is: its project's page is asked for. */
void pages_want_digest(struct engine *engine, const struct origin *origin, const char *path);
/* Bytes of a file contradict what its page says of them: it is asked for again, once in a while.
 * True: `done` follows, on the flight thread, when that has ended; false: it was asked a moment
 * ago, or there is no such page, and `done` never comes. */
bool pages_recheck(struct engine *engine, const struct origin *origin, const char *path,
                   void (*done)(void *context), void *context);
/* Pages of that project, and those that join it with others, are made anew when they are asked for.
 */
void pages_forget(struct engine *engine, const char *origin, const char *project);
/* The same, but they stay until then: what is held may add to them. */
void pages_outdate(struct engine *engine, const char *origin, const char *project);
/* Channels ("": none) whose pages may list a path: the one whose folder it is in, else those where
 * the project has been asked for. free() each. */
size_t pages_channels(struct engine *engine, const struct origin *origin, const char *path,
                      const char *project, char *ret[PAGE_CHANNELS]);
/* The origins are others: no page stands, and those being loaded are begun anew. */
void pages_reload(struct engine *engine);
/* An origin lists other names than it did: pages whose project has another owner now go. */
void pages_reowned(struct engine *engine, const struct origin *origin);
/* A folder is another one: pages of this origin are built anew when they are asked for. */
void pages_directory_changed(struct engine *engine, const struct origin *origin);
void pages_tick(struct engine *engine, int64_t now_ms);
void pages_stop(struct engine *engine);
/* pages.c: a source went idle. */
void pages_source_settled(struct engine *engine);
