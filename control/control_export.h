// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `wheelyard export` asks of the daemon: the wheels and sdists that it holds whole, each with
 * what its index said of it. Blocks: on a lane. The reply is appended as one JSON object without
 * its line end.
 *
 *     ["export","ls"]  ->  {"code":0,"message":"","cache_dir":"/var/cache/wheelyard","files":[
 *         {"origin","path","project","kind","size","sha256",
 *          "requires-python","upload-time","yanked"},...]}
 *
 * The last three only when known; `yanked` is true or the reason. The bytes are
 * CACHE_DIR/blobs/ab/abcd..., which the daemon's user and root may read (cache/store.h).
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

struct engine;

void control_export(struct engine *engine, const _Atomic bool *stop, struct buf *reply);
