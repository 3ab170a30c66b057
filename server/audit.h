// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The audit log: one JSON object per line for each answer with a file, and for each 403.
 *
 *     {"time":"2026-11-30T07:00:00Z","client":"10.0.0.7","method":"GET","what":"pypi/packages/...",
 *      "status":200,"bytes":1234,"complete":true,"decision":"allowed","digest":"sha256:...",
 *      "trust":"authority"}
 *
 * decision: "allowed", "denied" (a 403; `rule` says which) or "failed" (any other refusal). digest
 * and trust (engine/files/evidence.h) are those of what the cache holds; they are missing where it
 * holds nothing. bytes: of body, as the access line counts them.
 *
 * The file is opened for appending, with mode 0640. A lane of its own writes, so no worker waits. At
 * most AUDIT_LINES_MOST lines wait; more are lost, and the next line that is written says how many
 * (`lost`). A failed write is logged, and the problem "audit-log", until one succeeds.
 */
#include "engine/engine.h"
#include "server/request.h"

struct audit;

enum { AUDIT_LINES_MOST = 10000 };

/* `path` NULL: nothing is written until audit_reopen names a file. ERROR_NO_MEMORY. A file that
 * cannot be opened is logged, and tried again at each line. */
int audit_new(struct engine *engine, const char *path, struct audit **ret);
/* Writes what waits. After the last request. NULL is legal. */
void audit_free(struct audit *audit);
/* From now on lines go to the file of that name, which is opened anew: after a reload. Main thread.
 */
void audit_reopen(struct audit *audit, const char *path);
/* Notes a request that is over. Any thread; does not block. NULL is legal. */
void audit_note(struct audit *audit, struct request *request, bool is_complete);
