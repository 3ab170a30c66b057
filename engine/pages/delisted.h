// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What mirrors stop listing, but we hold: it stays on its project's page, marked, as long as its
 * bytes are here.
 *
 * Of every file that is fetched or held it is remembered what its listing says (a *showing*, one
 * per channel, in the catalogue): which Pythons, since when, whether it is yanked. So nothing is
 * shown that no listing ever had, a channel never shows what another one lists, and a page says of
 * a file what it said before. A file is its origin and path; where a listing has the same name
 * under another path, what we hold gives way.
 *
 *     delisted_begin(build)    flight thread: which files of the project are held
 *     delisted_recall(build)   catalogue lane: what was seen of them
 *     merge_project            compute lane: who is on the page (engine/pages/merge.h)
 *     delisted_is_over(build)  flight thread: whether all of that is still here
 *     delisted_settle(build)   flight thread: what is news; delisted_store(build) writes it down
 *
 * The index of what is held, by origin and project, is kept where files come and go, so that a page
 * costs one look-up. Flight thread, but for what says otherwise; delisted_load at start.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/files/entry.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/built.h"

struct delisted;

int delisted_new(struct delisted **ret);
void delisted_free(struct delisted *delisted); /* NULL is legal */
/* At start, behind files_load, before threads. */
int delisted_load(struct engine *engine);

/* The entry holds a blob from now on, or is about to lose it: a page that showed it for that alone
 * is made anew. */
void delisted_hold(struct engine *engine, const struct entry *entry);
void delisted_drop(struct engine *engine, const struct entry *entry);

/* Has what listings say of a file written down, unless it was before. */
void delisted_look(struct engine *engine, const struct origin *origin, const char *path);

/* Grows when the page of a project (NULL: any page) may say something else because of what is held.
 */
uint64_t delisted_version(const struct engine *engine, const struct origin *origin,
                          const char *project);

/* ---- of a build */
struct delisted_file;
void delisted_begin(struct build *build);
/* Names of projects of the origin of which we hold what the channel has listed. */
void delisted_add_names(struct build *build, const struct origin *origin);
void delisted_recall(struct build *build);
/* What merge_project wants to know; free() it. NULL: out of memory. */
struct merge_held *delisted_input(const struct build *build);
/* Whether something that is on the page for its bytes alone has lost them since delisted_begin. */
bool delisted_is_over(const struct build *build);
/* True: delisted_store has something to write, on the catalogue lane, in a transaction of the
 * caller's. */
bool delisted_settle(struct build *build);
void delisted_store(struct build *build);
void delisted_release(struct build *build);

/* "delisted": those that no mirror lists, as far as pages were made. */
void delisted_write_status(struct engine *engine, struct buf *to);

/* ---- between delisted.c and listed_row.c */
void listed_row_look(struct engine *engine, const struct origin *origin, const char *channel,
                     const char *path, const char *project);
/* It was seen in that channel ("": none); if it is held, that counts. */
void delisted_note(struct engine *engine, const char *origin, const char *project, const char *path,
                   const char *channel, int64_t delisted_s);
