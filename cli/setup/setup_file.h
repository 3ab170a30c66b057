// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A client's file: what `wheelyard setup` prints, writes into it, and removes again. Results go to
 * standard output, errors to standard error. Main thread of a command. */
#include "base/buf.h"
#include "cli/setup/setup_client.h"

/* All return an exit code: 0 or 1. */
int setup_print(const struct setup_client *client, const struct setup_goal *goal);
int setup_put(const struct setup_client *client, const struct setup_goal *goal);
/* `base` is the daemon's URL, which identifies what was written. */
int setup_undo(const struct setup_client *client, const struct setup_goal *goal, const char *base);
