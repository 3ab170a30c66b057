// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One client's handle on a file: struct file of engine/files/file.h, made by files.c. */
#include "engine/files/document.h"
#include "engine/files/entry.h"
#include "engine/files/file.h"
#include "engine/loop/options.h"

/* Takes over the reference to `blob`, takes one of its own on `board`; either may be NULL. Strings
 * are copied. */
int reading_new(struct engine *engine, const struct file_facts *facts, struct blob *blob,
                struct progress *progress, const char *mirrors, const struct file_query *query,
                struct file **ret);
/* A file that is in memory: takes over the reference to `text`, also on failure. */
int reading_new_text(struct engine *engine, const struct file_facts *facts, struct document *text,
                     const char *mirrors, const struct file_query *query, struct file **ret);

/* Somebody's time is over, and this is the answer: which mirrors are silent, and how others failed.
 * OUTCOME_UNAVAILABLE: nobody could be asked yet. */
enum outcome reading_say_late(struct progress *progress, char *ret_detail, size_t size);
