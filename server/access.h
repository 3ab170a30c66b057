// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The access line, one per request, key=value: queued for the log thread, never written by a
 * worker.
 */
#include <stdbool.h>

struct request;

void access_log(struct request *request, bool is_complete);
