// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Files that mirrors no longer list while the daemon holds them. They stay on their project's page,
 * marked, as long as their bytes are here.
 *
 * The catalogue keeps a *listed row* of every file that is fetched or held: what its listing says,
 * one row per channel. It says for which Pythons the file is, since when, and whether it is yanked.
 * So nothing is shown that no listing ever had. A channel never shows what another one lists. A
 * page says of a file what it said before. A file is its origin and path: where a listing has the
 * same name under another path, the held file gives way.
 *
 *     delisted_begin(build)    flight thread: which files of the project are held
 *     delisted_recall(build)   catalogue lane: their rows
 *     merge_project            compute lane: which files are on the page (engine/pages/merge.h)
 *     delisted_is_over(build)  flight thread: whether all of them are still held
 *     delisted_settle(build)   flight thread: what is new; delisted_store(build) writes it
 *
 * The index of held files, by origin and project, follows the table of files, so a page costs one
 * look-up. Flight thread, unless a comment says otherwise; delisted_load at start.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/files/entry.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/built.h"

struct delisted;

int delisted_new(struct delisted **ret);
void delisted_free(struct delisted *delisted); /* NULL is legal */
/* At start, after files_load and before threads. */
int delisted_load(struct pages *pages);

/* The entry has a blob from now on, or is about to lose it. A page that shows the file for its
 * bytes alone is built anew. */
void delisted_hold(struct pages *pages, const struct entry *entry);
void delisted_drop(struct pages *pages, const struct entry *entry);

/* Writes down what listings say of a file, unless that was written before. */
void delisted_look(struct pages *pages, const struct origin *origin, const char *path);

/* Grows when the page of a project (NULL: any page) may say something else because of held
 * files. */
uint64_t delisted_version(const struct pages *pages, const struct origin *origin,
                          const char *project);

/* ---- for builds */
struct delisted_file;
void delisted_begin(struct build *build);
/* Adds the names of projects of the origin of which a file is held that the channel has listed. */
void delisted_add_names(struct build *build, const struct origin *origin);
void delisted_recall(struct build *build);
/* What merge_project has to know; free() it. NULL when out of memory. */
struct merge_held *delisted_input(const struct build *build);
/* Whether a file that is on the page for its bytes alone has lost them since delisted_begin. */
bool delisted_is_over(const struct build *build);
/* True: delisted_store has rows to write, on the catalogue lane, in a transaction of the caller. */
bool delisted_settle(struct build *build);
void delisted_store(struct build *build);
void delisted_release(struct build *build);

/* Appends the JSON member "delisted": files that no mirror lists, as far as pages were built. */
void delisted_write_status(struct pages *pages, struct buf *to);

/* ---- between delisted.c and listed_row.c */
void listed_row_look(struct pages *pages, const struct origin *origin, const char *channel,
                     const char *path, const char *project);
/* Fills in what a page says of the file; it borrows from the merge. */
void listed_row_fill(const struct merge *merge, const struct merge_file *file,
                     struct catalogue_listed *row);
/* A row says that the channel ("": none) lists the file. If the file is held, that counts. */
void delisted_note(struct pages *pages, const char *origin, const char *project, const char *path,
                   const char *channel, int64_t delisted_s);
