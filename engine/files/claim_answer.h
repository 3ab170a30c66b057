// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is claimed of one file, for people: by which mirror, by which algorithm, since when, and
 * what of it is believed (engine/claims/claims.h).
 *
 *     claim_answer_new(engine, "pytorch", "cu126/x.whl", &answer);
 *     if (claim_answer_wait(answer, waiter) == ENGINE_WAIT) ... suspended; ask again when resumed
 *     claim_answer_write(answer, &json);
 *     claim_answer_free(answer);
 *
 * It is looked up on the catalogue lane. Dates are those that are written down: up to six hours
 * older than the page was last read (merge_claims.h). Any thread.
 */
#include "base/buf.h"
#include "engine/loop/wait.h"

struct claim_answer;
struct claim_set;
struct engine;

/* ENGINE_ABSENT (engine/files/inventory.h): no such origin is configured. ERROR_NO_MEMORY. */
int claim_answer_new(struct engine *engine, const char *origin, const char *path,
                     struct claim_answer **ret);
/* ENGINE_WAIT: the waiter was suspended. 0: it is there. */
int claim_answer_wait(struct claim_answer *answer, struct waiter *waiter);
/* Blocks until it is there: for threads that may. */
void claim_answer_block(struct claim_answer *answer);
void claim_answer_write(const struct claim_answer *answer, struct buf *to);
void claim_answer_free(struct claim_answer *answer); /* NULL is legal; also before it is there */

/* The members "believed", "rank", "disputed" and "claims" of a JSON object, of a set (or NULL). */
void claim_set_write(const struct claim_set *set, struct buf *to);
