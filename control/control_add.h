// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A file that a command hands to the daemon (engine/files/adopt.h). Its descriptor comes with the
 * request (SCM_RIGHTS), because the daemon's user may be unable to open it. Blocks: on a lane.
 *
 *     ["add",ORIGIN,PATH,OFFSET,SIZE,SHA256,SOURCE,ROW]
 *
 * OFFSET and SIZE in bytes: of the file within what the descriptor reads. SHA256 is the digest that
 * is expected, or "". SOURCE names whose word that is. ROW is a JSON object of what a listing says:
 * "channels" (array of names), "requires-python", "upload-time", "yanked" (true or a reason); each
 * may be missing.
 *
 * The reply's "state" is "kept", "held" (another copy is there already; code 0 too), or missing
 * where "message" says why the file was refused; "sha256" is the digest of what was read.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

struct control_request;
struct engine;

/* fd: of the caller, who closes it; -1: none came. */
void control_add(struct engine *engine, const struct control_request *request, int fd,
                 const _Atomic bool *stop, struct buf *reply);
