// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `wheelyard doctor` asks of the daemon, which alone has its proxy, its CA and its disk.
 * Blocks for CONTROL_DOCTOR_MS at most: on a lane. The reply is appended as one JSON object without
 * its line end, with "checks" as findings_write_json writes them.
 *
 *     ["doctor",INDEX,PROJECT]     either may be "": any
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

enum { CONTROL_DOCTOR_MS = 20 * 1000 };

struct control_request;
struct engine;

void control_doctor(struct engine *engine, const struct control_request *request,
                    const _Atomic bool *stop, struct buf *reply);
