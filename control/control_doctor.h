// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The request of `wheelyard doctor`: only the daemon has the daemon's proxy, CA and disk. It blocks
 * for CONTROL_DOCTOR_MS at most, so it runs on a lane. It appends the reply as one JSON object
 * without a line end; "checks" is what findings_write_json writes.
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
