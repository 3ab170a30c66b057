// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sets of files that are kept from eviction (engine/files/sets.h). Blocks: on a lane. The reply is
 * appended as one JSON object without its line end.
 *
 *     ["sets","ls"]               {"code":0,"message":"","sets":[{"name","files","bytes","held",
 *                                  "held_bytes"},...]}; bytes: of the files whose size is known
 *     ["sets","files",NAME]       {"code":0,"message":"","files":[{"origin","path","size"},...]};
 *                                  size is missing where it is not known
 *     ["sets","add",NAME,FILES]   FILES is one line for each: SIZE ORIGIN/PATH; SIZE is -1 where it
 *                                  is not known. All are added, or none
 *     ["sets","drop",NAME]
 *
 * A name that no set has: code 1, and "absent":true.
 */
#include "base/buf.h"

struct control_request;
struct engine;

void control_sets(struct engine *engine, const struct control_request *request, struct buf *reply);
