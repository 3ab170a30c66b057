// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * When files were uploaded, and how large they are, where no index says so: by the date in the row
 * of a listing, else by what a mirror said when it was asked about the file
 * (engine/listings/heads.h), else by when we saw it first. A date that we make up is never older
 * than the evidence allows: of a moment that is not certain the latest counts, a date in the future
 * or from before there were files to upload is none, and who has never seen the file before says
 * now.
 */
#include "engine/loop/loop.h"
#include "engine/pages/built.h"

/* Completes the files of a merge. Pure; compute lane. */
void dates_fill(const struct merge_input *input, struct merge *merge);
/* What a page says of it: "listing", "last-modified", "first-seen"; NULL of an index's own. */
const char *dates_source(enum date_source source);
/*
 * Which of the files mirrors may be asked about, newest version first, `most` at most. *ret_worth:
 * with the answers there will be dates for more files, or sizes for all. Pure; compute lane.
 */
size_t dates_choose(const struct merge *merge, size_t most, const struct merge_file **ret_files,
                    bool *ret_worth);

/* ---- for building: what is remembered of a project's files. dates_recall and dates_store on the
 * catalogue lane */
void dates_recall(struct build *build);
/* Whether a file's first sight is to be stored: it counts where no index knows the date. */
bool dates_is_new(const struct merge_file *file);
void dates_store(struct build *build, const struct merge_file *file);
void dates_release(struct build *build);

/* ---- what /-/status says: the pages with dates of ours that were built last. Flight thread. */
int dates_new(struct dates **ret);
void dates_free(struct dates *dates);
void dates_note(struct engine *engine, const char *origin, const char *index, const char *project,
                const unsigned counts[DATE_SOURCES]);
void dates_write_status(const struct engine *engine, struct buf *to);
