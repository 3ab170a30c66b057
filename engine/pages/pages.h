// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of pages, for the engine's other rooms. Callers of the engine use
 * engine/pages/page.h. Flight thread, unless a comment says otherwise. */
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"

struct files;
struct listings;
struct metadata;
struct pages;

int pages_new(struct services *services, struct listings *listings, struct files *files,
              struct metadata *metadata, struct pages **ret);
void pages_free(struct pages *pages);
/* Reads what the catalogue knows of files that mirrors list no more. At start, after files_load. */
int pages_load(struct pages *pages);
/* Sets what is called with an attachment when its page goes. Before the first pages_open. */
void pages_on_free(struct pages *pages, void (*free_attachment)(void *attachment));
/* No page has named a digest of this file: has its project's page loaded. */
void pages_want_digest(struct pages *pages, const struct origin *origin, const char *path);
/* Bytes of a file contradict what its page says of them: has the page loaded again, once in a
 * while. True: `done` follows on the flight thread when the load has ended. False: it was loaded
 * a moment ago, or there is no such page; `done` never comes. */
bool pages_recheck(struct pages *pages, const struct origin *origin, const char *path,
                   void (*done)(void *context), void *context);
/* Drops the pages of a project, and those that join it with others. They are built anew when a
 * client asks for them. */
void pages_forget(struct pages *pages, const char *origin, const char *project);
/* Lets those pages expire, but they stay until they are built again: held files may add to them. */
void pages_outdate(struct pages *pages, const char *origin, const char *project);
/* The channels ("": none) whose pages may list a path. That is the channel whose folder it is
 * in, else those where the project was asked for. free() each. */
size_t pages_channels(struct pages *pages, const struct origin *origin, const char *path,
                      const char *project, char *ret[PAGE_CHANNELS]);
/* Other origins are in force: drops all pages, and begins loads that run anew. */
void pages_reload(struct pages *pages);
/* An origin lists other names than before: drops pages whose project has another owner now. */
void pages_reowned(struct pages *pages, const struct origin *origin);
/* A folder has changed: drops pages of its origin. */
void pages_directory_changed(struct pages *pages, const struct origin *origin);
void pages_tick(struct pages *pages, int64_t now_ms);
void pages_stop(struct pages *pages);
/* A source of pages went idle: loads that wait for it go on. */
void pages_source_settled(struct pages *pages);
