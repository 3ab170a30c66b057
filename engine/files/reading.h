// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One client's handle on a file: struct file of engine/files/file.h. files.c makes it. */
#include "engine/files/document.h"
#include "engine/files/entry.h"
#include "engine/files/file.h"
#include "engine/loop/options.h"

/* Takes over the reference to `blob`, and takes its own reference to `progress`; either may be
 * NULL. Strings are copied. ERROR_NO_MEMORY. */
int reading_new(struct files *files, const struct file_facts *facts, struct blob *blob,
                struct progress *progress, const char *mirrors, const struct file_query *query,
                struct file **ret);
/* A file that is in memory. Takes over the reference to `text`, also on failure. */
int reading_new_text(struct files *files, const struct file_facts *facts, struct document *text,
                     const char *mirrors, const struct file_query *query, struct file **ret);

/* The answer to a client whose time is over: which mirrors are silent, and how others failed.
 * OUTCOME_UNAVAILABLE: no mirror could be asked yet. */
enum outcome reading_say_late(struct progress *progress, char *ret_detail, size_t size);
