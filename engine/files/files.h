// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of files, for the engine's other rooms; engine/files/file.h is for whoever asks. */
#include "engine/files/file.h"
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

int files_new(struct engine *engine, struct files **ret);
void files_free(struct files *files);
/* engine_file for a file of a mirror. Any thread. */
int files_open(struct engine *engine, const struct file_query *query, struct waiter *waiter,
               struct file **ret);
/* A file that says only how its answer ends; detail is copied. Any thread. */
int files_refuse(struct engine *engine, enum outcome outcome, const char *detail,
                 const struct file_query *query, struct file **ret);
int files_load(struct engine *engine); /* at start, before threads: from catalogue and store */
void files_tick(struct engine *engine, int64_t now_ms);
void files_stop(struct engine *engine); /* ends every flight */
/* What is believed of a file is something else than before: flights under way learn it, what is
 * kept is compared. `agreed`: as index/digests.h has it; NULL: mirrors contradict each other, or
 * nobody says anything any more. */
void files_learn_claims(struct engine *engine, const struct origin *origin, const char *path,
                        const char *agreed);
void files_write_status(struct engine *engine, struct buf *to);
