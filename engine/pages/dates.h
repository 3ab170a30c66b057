// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * When files were uploaded and how large they are, where no index says so. In this order:
 *
 *     1. the date in the row of a listing
 *     2. what a mirror said when it was asked about the file (engine/listings/heads.h)
 *     3. when the file was listed first
 *
 * A date that is made up here is never older than the evidence allows. Of a moment that is not
 * certain the latest counts. A date in the future, or from before there were files to upload, is no
 * date. A file that is listed for the first time counts as uploaded now.
 */
#include "engine/loop/services.h"
#include "engine/pages/built.h"

struct dates;
struct pages;

/* Completes the files of a merge. Pure; compute lane. */
void dates_fill(const struct merge_input *input, struct merge *merge);
/* What a page says of a date: "listing", "last-modified", "first-seen"; NULL for an index's own
 * date. */
const char *dates_source(enum date_source source);
/* Chooses the files that mirrors may be asked about, newest version first, at most `most`.
 * *ret_worth: with the answers more files will have dates, or all will have sizes. Pure; compute
 * lane. */
size_t dates_choose(const struct merge *merge, size_t most, const struct merge_file **ret_files,
                    bool *ret_worth);

/* ---- for builds: the rows of a project's files. dates_recall and dates_store run on the
 * catalogue lane. */
void dates_recall(struct build *build);
/* Whether the moment when a file was listed first is to be stored: it counts where no index
 * knows the date. */
bool dates_is_new(const struct merge_file *file);
void dates_store(struct build *build, const struct merge_file *file);
void dates_release(struct build *build);

/* ---- for /-/status: the pages with dates of ours that were built last. Flight thread. */
int dates_new(struct dates **ret);
void dates_free(struct dates *dates);
void dates_note(struct pages *pages, const char *origin, const char *index, const char *project,
                const unsigned counts[DATE_SOURCES]);
void dates_write_status(const struct pages *pages, struct buf *to);
