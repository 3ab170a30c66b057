// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the daemon holds, asked once and looked up by name.
 *
 *     r = held_ask(&client, &held);                   ERROR_UNREACHABLE, ERROR_NO_MEMORY
 *     row = held_find(&held, "pytorch/cu126/torch-2.9.0+cu126-...whl");
 *     held_release(&held);                            also after a failure
 *
 * A row is one of `cache ls` (control/control_cache.h), and lives until held_release. Main thread of
 * a command.
 */
#include "control/control_client.h"

struct held {
    struct json *reply;
    const struct json **rows; /* by name */
    size_t count;
};

int held_ask(struct control_client *client, struct held *ret);
/* The row of a file that is there whole; NULL: it is not. name: origin/path. */
const struct json *held_find(const struct held *held, const char *name);
void held_release(struct held *held);
