// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The table of files, for the engine's other rooms. Clients use engine/files/file.h. */
#include "engine/files/file.h"
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

struct listings;

int files_new(struct services *services, struct listings *listings, struct files **ret);
void files_free(struct files *files);
/* engine_file for a file of a mirror. Any thread. */
int files_open(struct files *files, const struct file_query *query, struct waiter *waiter,
               struct file **ret);
/* The SHA-256 of a file that is held. False: none is. Any thread. */
bool files_held_digest(struct files *files, const char *origin, const char *path,
                       char ret[SHA256_HEX]);
/* Makes a handle whose facts say only why there is no file. detail is copied. Any thread. */
int files_refuse(struct files *files, enum outcome outcome, const char *detail,
                 const struct file_query *query, struct file **ret);
int files_load(struct files *files); /* at start, before the threads: from catalogue and store */
/* The first entry of the table; hh.next leads to the others. At start, before the threads. */
const struct entry *files_first(const struct files *files);
void files_tick(struct files *files, int64_t now_ms);
void files_stop(struct files *files); /* ends every download */
/* Ends scrub and evidence, which are clients of the engine. After files_stop; NULL is legal. */
void files_end(struct files *files);
/* The believed digest of a file has changed: downloads learn it, and what is kept is compared with
 * it. `agreed`: the form of index/digests.h. NULL: mirrors contradict each other, or no page names
 * a digest. Flight thread. */
void files_learn_claims(struct files *files, const struct origin *origin, const char *path,
                        const char *agreed);
void files_write_status(struct files *files, struct buf *to);
