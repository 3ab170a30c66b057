// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of files, for the engine's other rooms. Clients use engine/files/file.h. */
#include "engine/files/file.h"
#include "engine/loop/core.h"
#include "engine/mirrors/origins.h"

int files_new(struct engine *engine, struct files **ret);
void files_free(struct files *files);
/* engine_file for a file of a mirror. Any thread. */
int files_open(struct engine *engine, const struct file_query *query, struct waiter *waiter,
               struct file **ret);
/* The SHA-256 of a file that is held. False: none is. Any thread. */
bool files_held_digest(struct engine *engine, const char *origin, const char *path,
                       char ret[SHA256_HEX]);
/* Makes a handle whose facts say only why there is no file. detail is copied. Any thread. */
int files_refuse(struct engine *engine, enum outcome outcome, const char *detail,
                 const struct file_query *query, struct file **ret);
int files_load(struct engine *engine); /* at start, before the threads: from catalogue and store */
void files_tick(struct engine *engine, int64_t now_ms);
void files_stop(struct engine *engine); /* ends every download */
/* The believed digest of a file has changed: downloads learn it, and what is kept is compared with
 * it. `agreed`: the form of index/digests.h. NULL: mirrors contradict each other, or no page names
 * a digest. Flight thread. */
void files_learn_claims(struct engine *engine, const struct origin *origin, const char *path,
                        const char *agreed);
void files_write_status(struct engine *engine, struct buf *to);
