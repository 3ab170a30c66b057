// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of pages, for the engine's other rooms. Callers of the engine use
 * engine/pages/page.h. Flight thread, unless a comment says otherwise. */
#include "engine/loop/core.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"

int pages_new(struct engine *engine, struct pages **ret);
void pages_free(struct pages *pages);
/* No page has named a digest of this file: has its project's page loaded. */
void pages_want_digest(struct engine *engine, const struct origin *origin, const char *path);
/* Bytes of a file contradict what its page says of them: has the page loaded again, once in a
 * while. True: `done` follows on the flight thread when the load has ended. False: it was loaded
 * a moment ago, or there is no such page; `done` never comes. */
bool pages_recheck(struct engine *engine, const struct origin *origin, const char *path,
                   void (*done)(void *context), void *context);
/* Drops the pages of a project, and those that join it with others. They are built anew when a
 * client asks for them. */
void pages_forget(struct engine *engine, const char *origin, const char *project);
/* Lets those pages expire, but they stay until they are built again: held files may add to them. */
void pages_outdate(struct engine *engine, const char *origin, const char *project);
/* The channels ("": none) whose pages may list a path. That is the channel whose folder it is
 * in, else those where the project was asked for. free() each. */
size_t pages_channels(struct engine *engine, const struct origin *origin, const char *path,
                      const char *project, char *ret[PAGE_CHANNELS]);
/* Other origins are in force: drops all pages, and begins loads that run anew. */
void pages_reload(struct engine *engine);
/* An origin lists other names than before: drops pages whose project has another owner now. */
void pages_reowned(struct engine *engine, const struct origin *origin);
/* A folder has changed: drops pages of its origin. */
void pages_directory_changed(struct engine *engine, const struct origin *origin);
void pages_tick(struct engine *engine, int64_t now_ms);
void pages_stop(struct engine *engine);
/* A source of pages went idle: loads that wait for it go on. */
void pages_source_settled(struct engine *engine);
