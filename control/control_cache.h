// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `wheelyard cache` asks of the daemon. Blocks: on a lane. The reply is appended as one JSON
 * object without its line end.
 *
 *     ["cache","ls"]                   all files
 *     ["cache","find",BLOB]            the rows that BLOB means: 1 when there are none or several
 *     ["cache","rm"|"pin"|"unpin",BLOB]
 *     ["cache","gc"]
 *     ["cache","verify",BLOB,BYTES_S]  0 when good, or put right; 1 otherwise
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

struct control_request;
struct engine;

void control_cache(struct engine *engine, const struct control_request *request,
                   const _Atomic bool *stop, struct buf *reply);
/* The reply to a request that failed as such. */
void control_refuse(struct buf *reply, int code, const char *message);
