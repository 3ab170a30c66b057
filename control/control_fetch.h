// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A file that a command wants in the cache: the daemon fetches it as for a client, and nobody reads
 * its bytes. Blocks until it is there: on a lane.
 *
 *     ["fetch",ORIGIN,PATH,DIGESTS]
 *
 * DIGESTS is what a lock says of the file ("sha256=... sha512=...", as index/digests.h has it), or
 * "". It becomes a remembered claim of "lock", so the bytes are compared with it.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

struct control_request;
struct engine;

void control_fetch(struct engine *engine, const struct control_request *request,
                   const _Atomic bool *stop, struct buf *reply);
