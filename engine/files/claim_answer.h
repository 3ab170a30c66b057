// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The claims for one file, for people: the mirror, the algorithm, the date, and which of them is
 * believed (engine/claims/claims.h).
 *
 *     claim_answer_new(files, "pytorch", "cu126/x.whl", &answer);
 *     if (claim_answer_wait(answer, waiter) == ENGINE_WAIT) ... suspended; call again when resumed
 *     claim_answer_write(answer, &json);
 *     claim_answer_free(answer);
 *
 * The catalogue lane reads them. Their dates are those of the catalogue, up to six hours older than
 * the last reading of the page (merge_claims.h). Any thread.
 */
#include "base/buf.h"
#include "engine/loop/wait.h"

struct claim_answer;
struct claim_set;
struct files;

/* ENGINE_ABSENT (engine/files/inventory.h): there is no such origin. ERROR_NO_MEMORY. */
int claim_answer_new(struct files *files, const char *origin, const char *path,
                     struct claim_answer **ret);
/* ENGINE_WAIT: the waiter was suspended. 0: the answer is there. */
int claim_answer_wait(struct claim_answer *answer, struct waiter *waiter);
/* Blocks until the answer is there: for threads that may block. */
void claim_answer_block(struct claim_answer *answer);
void claim_answer_write(const struct claim_answer *answer, struct buf *to);
/* NULL is legal; also before the answer is there */
void claim_answer_free(struct claim_answer *answer);

/* Writes the members "believed", "rank", "disputed" and "claims" of a JSON object; set NULL is
 * legal. */
void claim_set_write(const struct claim_set *set, struct buf *to);
