// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The requests of `wheelyard cache`. They block, so they run on a lane. Each appends its reply as
 * one JSON object without a line end.
 *
 *     ["cache","ls"]                   all files
 *     ["cache","find",BLOB]            the rows that BLOB names; code 1 for none or several
 *     ["cache","rm"|"pin"|"unpin",BLOB]
 *     ["cache","gc"]
 *     ["cache","verify",BLOB,BYTES_S]  code 0 when the blob is good or was repaired, else 1
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

struct control_request;
struct engine;

void control_cache(struct engine *engine, const struct control_request *request,
                   const _Atomic bool *stop, struct buf *reply);
/* Appends a reply that has only a code and a message. */
void control_refuse(struct buf *reply, int code, const char *message);
